"""The archive: every webhook's complete body as one file, written once, in Azure Blob, S3, GCS or a local folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, SecretStr, model_validator

from pipesleuth.client import CUT_AFTER, checked_base
from pipesleuth.destinations.azure_blob import Account, account, create_container
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import Notice, Permanent, Receipt, Retryable, StatusChange, WrongSetting

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, ObjectStore

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_SENTENCE = re.compile(r"<Message>([^<\r\n]{1,200})")
_OS_ERROR = re.compile(r"\(os error (\d{1,3})\)")
_NAME = re.compile(r"^\d{4}-\d{2}-\d{2}/[A-Za-z0-9-]{1,80}-payload\.json$")
_CONTAINER = re.compile(r"^[a-z0-9](?:-?[a-z0-9]){2,62}$")


class ArchiveSettings(EnvironmentSettings):
    """Where bodies are kept; with nothing set, in the folder `archive` under DATA_DIR."""

    data_dir: Path = Field(Path("data"), description="Folder of everything kept.")
    azure_storage_conn: SecretStr | None = Field(None, description="Connection string of the storage account.")
    azure_blob_container_name: str = Field("pipesleuth", description="Container that takes the bodies.")
    azure_blob_enabled: bool = Field(
        True, description="Set to false to keep bodies local in spite of AZURE_STORAGE_CONN."
    )
    azure_blob_account_url: str | None = Field(
        None, description="The account's Blob address, to use the machine's managed identity instead of a key."
    )
    archive_url: str | None = Field(
        None, description="Another store: s3://bucket/prefix, gs://bucket/prefix or file:///folder; it wins."
    )
    aws_allow_http: bool = Field(
        False,
        description="Whether that store may be spoken to by plain http, where AWS_ENDPOINT_URL names one beside us.",
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.archive_url is not None and not self.archive_url.startswith(("s3://", "gs://", "file:///")):
            raise ValueError("ARCHIVE_URL must begin with s3://, gs:// or file:///")
        if not _CONTAINER.match(self.azure_blob_container_name):
            raise ValueError("AZURE_BLOB_CONTAINER_NAME must be 3 to 63 lower-case letters, digits and single dashes")
        self.account()
        return self

    def account(self) -> Account | None:
        """The storage account to use, or None when bodies stay elsewhere."""
        if not self.azure_blob_enabled or self.archive_url is not None:
            return None
        try:
            if self.azure_storage_conn is not None:
                return account(self.azure_storage_conn.get_secret_value())
        except WrongSetting as error:
            raise ValueError(f"AZURE_STORAGE_CONN {error}") from error
        if self.azure_blob_account_url is None:
            return None
        try:
            endpoint = checked_base(self.azure_blob_account_url)
        except WrongSetting as error:
            raise ValueError(f"AZURE_BLOB_ACCOUNT_URL {error}") from error
        return Account(endpoint.partition("://")[2].split(".", 1)[0], endpoint)


class Archive:
    """Keeps each ticket's body under `YYYY-MM-DD/<ticket>-payload.json`, never overwriting one."""

    name = "archive"

    def __init__(self, settings: ArchiveSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._account = settings.account()
        self._container = settings.azure_blob_container_name
        self._own_folder = settings.data_dir / "archive"
        self._url = settings.archive_url
        self._plain = settings.aws_allow_http
        self._now = now
        self._store: ObjectStore | None = None

    @property
    def folder(self) -> Path | None:
        """Where bodies lie on this machine; None where they go to a store elsewhere."""
        if self._account is not None:
            return None
        if self._url is None:
            return self._own_folder
        return Path(self._url.removeprefix("file://")) if self._url.startswith("file://") else None

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        """Write the body once; a body never changes, so a receipt settles without a call.

        Nothing here is ever in doubt: a file that is there already is compared byte by byte.
        """
        del in_doubt
        if receipt is not None and receipt.key:
            return receipt
        name = f"{notice.created_at.astimezone(UTC):%Y-%m-%d}/{notice.ticket_id}-payload.json"
        async with _cut():
            body = notice.payload
            if body is None:
                body = await self._kept(name)
            elif not await self._written(name, body):
                await self._compare(name, body)
            await self._sync(name)
        return Receipt(key=name, url=self._address(name), told_digest=_digest(body), more={"bytes": str(len(body))})

    async def read(self, name: str) -> bytes | None:
        """The body kept under `name` (a receipt's key); None where there is none. Raises Retryable or Permanent."""
        if not _NAME.match(name):
            return None
        async with _cut():
            return await self._found(name)

    def files(self, *, after: str = "") -> Iterator[tuple[str, int]]:
        """Every file's name from `after` on, with its size in bytes; for a thread. Raises Retryable or Permanent."""
        import obstore  # noqa: PLC0415  # vendor library, imported at first use

        try:
            for page in obstore.list(self._opened(), offset=after or None, chunk_size=500):  # pyright: ignore[reportUnknownMemberType]  # arrow is not there
                for one in page:
                    yield one["path"], one["size"]
        except (_store_error(), OSError, ValueError) as error:
            raise self._meaning(error) from error

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """An archive has no news."""
        del request

    async def close(self) -> None:
        """Forget the store; its connections go with it."""
        self._store = None

    async def _written(self, name: str, body: bytes) -> bool:
        """Whether the file was written now; False where one is there already."""
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415  # vendor library, imported at first use

        try:
            await self._put(name, body)
        except AlreadyExistsError:
            return False
        except FileNotFoundError as error:
            if self._account is None or "ContainerNotFound" not in str(error):
                raise self._meaning(error) from error
            await create_container(self._account, self._container, self._now)
            return await self._second_try(name, body)
        except (_store_error(), OSError, ValueError) as error:
            raise self._meaning(error) from error
        return True

    async def _second_try(self, name: str, body: bytes) -> bool:
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415  # vendor library, imported at first use

        try:
            await self._put(name, body)
        except AlreadyExistsError:
            return False
        except FileNotFoundError as error:
            raise Retryable("The new container is not ready yet", after=5, everyone=True) from error
        except (_store_error(), OSError, ValueError) as error:
            raise self._meaning(error) from error
        return True

    async def _put(self, name: str, body: bytes) -> None:
        import obstore  # noqa: PLC0415  # vendor library, imported at first use

        await obstore.put_async(self._opened(), name, body, mode="create")

    async def _compare(self, name: str, body: bytes) -> None:
        if await self._kept(name) != body:
            raise Permanent(f"{name} is there already with another content. Move it away, then retry.")

    async def _kept(self, name: str) -> bytes:
        body = await self._found(name)
        if body is None:
            raise Permanent(f"{name} is not in the archive, and its body is not kept here any more")
        return body

    async def _found(self, name: str) -> bytes | None:
        import obstore  # noqa: PLC0415  # vendor library, imported at first use

        try:
            result = await obstore.get_async(self._opened(), name)
            return bytes(await result.bytes_async())
        except FileNotFoundError:
            return None
        except (_store_error(), OSError, ValueError) as error:
            raise self._meaning(error) from error

    async def _sync(self, name: str) -> None:
        """A local file survives a power cut before the database's copy of the body is given up."""
        folder = self.folder
        if folder is not None:
            try:
                await asyncio.to_thread(_flush, folder / name)
            except OSError as error:
                raise self._meaning(error) from error

    def _opened(self) -> ObjectStore:
        from obstore.store import AzureStore, LocalStore, from_url  # noqa: PLC0415  # vendor library, at first use

        if self._store is not None:
            return self._store
        folder = self.folder
        if self._account is not None:
            owner = self._account
            config: AzureConfig = {"account_name": owner.name, "endpoint": owner.endpoint}
            if owner.key:
                config["account_key"] = owner.key
            elif owner.sas:
                config["sas_key"] = owner.sas
            self._store = AzureStore(
                self._container,
                config=config,
                client_options={"timeout": "20s", "connect_timeout": "5s", "allow_http": True},
                # The outbox repeats, with everybody's back-off; the library need not.
                retry_config={"max_retries": 0},
            )
        elif folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._store = LocalStore(folder)
        else:
            options: ClientConfig = {"timeout": "20s", "allow_http": self._plain}
            self._store = from_url(self._url or "", client_options=options, retry_config={"max_retries": 0})
        return self._store

    def _address(self, name: str) -> str:
        if self._account is not None:
            return f"{self._account.endpoint}/{self._container}/{name}"
        folder = self.folder
        return (folder / name).absolute().as_uri() if folder is not None else f"{(self._url or '').rstrip('/')}/{name}"

    def _credentials_hint(self) -> str:
        if self._account is None:
            return "Check the credentials of ARCHIVE_URL's store"
        if self._account.secrets:
            return "Check AZURE_STORAGE_CONN"
        return "Give this machine's identity the role Storage Blob Data Contributor"

    def _meaning(self, error: Exception) -> Retryable | Permanent:
        """What a store's error means; only its status, code and sentence are repeated, never its address."""
        text = str(error)
        status = _found(_STATUS, text)
        said = " ".join(part for part in (_found(_CODE, text), _found(_SENTENCE, text)) if part)
        for secret in self._account.secrets if self._account is not None else ():
            said = said.replace(secret, "[masked]")
        refused = f"HTTP {status} {said}".strip()
        if status in {"401", "403"}:
            return Permanent(f"{refused}. {self._credentials_hint()}, then retry.", everyone=True)
        if status.startswith("4") and status not in {"408", "409", "429"}:
            return Permanent(refused, everyone=True)
        if status:
            return Retryable(refused, everyone=True)
        return _local_meaning(error, text)


def _local_meaning(error: Exception, text: str) -> Retryable | Permanent:
    """What an error without an HTTP status means: the folder, the connection, or a setting."""
    number = _found(_OS_ERROR, text)
    if number or isinstance(error, OSError):
        said = os.strerror(int(number)) if number else error.__class__.__name__
        return Retryable(f"The archive's folder cannot be written: {said}", everyone=True)
    if "HTTP error" in text:
        return Retryable("The archive's store cannot be reached", everyone=True)
    return Permanent(f"The archive's store refused ({type(error).__name__}). Check its settings.", everyone=True)


@asynccontextmanager
async def _cut() -> AsyncGenerator[None]:
    """Ends a delivery after 30 s; writing the same body again is safe."""
    try:
        async with asyncio.timeout(CUT_AFTER):
            yield
    except TimeoutError as error:
        raise Retryable("The archive's store did not answer in time", everyone=True) from error


def _store_error() -> type[Exception]:
    from obstore.exceptions import BaseError  # noqa: PLC0415  # vendor library, imported at first use

    return BaseError


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text[:20_000])
    return match.group(1).strip() if match else ""


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _flush(path: Path) -> None:
    for place in (path, path.parent, path.parent.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
