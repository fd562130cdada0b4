"""Azure Blob's own words: the connection string's parts, and making the container where it is missing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from pipesleuth.client import Client, Vendor, checked_base
from pipesleuth.model import Permanent, WrongSetting

# Published in Azurite's and Azure's documentation; it opens nothing but the emulator on one's own machine.
EMULATOR = (
    "AccountName=devstoreaccount1;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
API_VERSION = "2021-08-06"


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account as its connection string names it; with neither key nor SAS, the machine's identity is used."""

    name: str
    endpoint: str
    key: str = ""
    sas: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be repeated in an error."""
        signature = self.sas.rpartition("sig=")[2].split("&", 1)[0]
        return tuple(secret for secret in (self.key, self.sas, signature) if secret)


def account(connection: str) -> Account:
    """The account of a connection string; raises WrongSetting, without repeating a value, when parts are missing.

    Form: https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    """
    parts = _parts(connection)
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        parts = _parts(EMULATOR)
    name = parts.get("accountname", "")
    key = parts.get("accountkey", "")
    sas = parts.get("sharedaccesssignature", "").lstrip("?")
    endpoint = parts.get("blobendpoint", "")
    if not endpoint:
        if not name:
            raise WrongSetting("needs AccountName or BlobEndpoint")
        scheme = parts.get("defaultendpointsprotocol", "https")
        endpoint = f"{scheme}://{name}.blob.{parts.get('endpointsuffix', 'core.windows.net')}"
    endpoint = checked_base(endpoint)
    if not key and not sas:
        raise WrongSetting("needs AccountKey or SharedAccessSignature")
    if key and not _is_base64(key):
        raise WrongSetting("has an AccountKey that is not base64 (cut off while copying?)")
    return Account(name or (urlsplit(endpoint).hostname or "").split(".", 1)[0], endpoint, key, sas)


async def create_container(owner: Account, container: str, now: Callable[[], datetime]) -> None:
    """Make `container`; one that exists already is fine. Raises Retryable or Permanent.

    Request: https://learn.microsoft.com/rest/api/storageservices/create-container
    """
    if not owner.key and not owner.sas:
        raise Permanent(
            f"The container {container} does not exist. Create it in the storage account, then retry.", everyone=True
        )
    url = f"{owner.endpoint}/{container}?restype=container"
    headers = {"x-ms-date": format_datetime(now(), usegmt=True), "x-ms-version": API_VERSION}
    if owner.key:
        headers["authorization"] = f"SharedKey {owner.name}:{_signature(owner, url, headers)}"
    else:
        url = f"{url}&{owner.sas}"
    client = Client(Vendor(base_urls=(owner.endpoint,), secrets=owner.secrets))
    try:
        answer = await client.call("PUT", url, headers=headers, accept={403, 404, 409})
    finally:
        await client.close()
    if answer.status in {403, 404}:
        raise Permanent(
            f"The container {container} does not exist and we may not create it. Create it, then retry.", everyone=True
        )


def _signature(owner: Account, url: str, headers: dict[str, str]) -> str:
    """The shared-key signature of a PUT without a body.

    Form: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    blanks = "\n" * 11
    named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    resource = f"/{owner.name}{urlsplit(url).path}\nrestype:container"
    text = f"PUT\n{blanks}{named}{resource}"
    digest = hmac.new(base64.b64decode(owner.key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _parts(connection: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in connection.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _is_base64(key: str) -> bool:
    try:
        return bool(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        return False
