"""The service's own settings, from the environment and `.env`; each plug keeps its own beside it."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from pipesleuth.environment import LOOPBACK, EnvironmentSettings, FoldedList
from pipesleuth.model import WrongSetting

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_TURN_SECONDS = 5.0

Made = TypeVar("Made")


class Settings(EnvironmentSettings):
    """What the whole service needs to know; a variable's name is the field's name in capitals."""

    data_dir: Path = Field(
        Path("data"), description="Folder of everything kept: database, archive, rejected bodies, secrets."
    )
    public_base_url: str = Field(
        "http://localhost:8000", description="Where people and vendors reach this service; links are made from it."
    )

    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the database; it wins over the DB_* and AZURE_SQL_* variables."
    )
    db_type: Literal["sqlite", "azuresql"] = Field(
        "sqlite", description="Which database, where no DATABASE_URL is set."
    )
    db_path: Path | None = Field(None, description="The SQLite file; `tickets.db` under DATA_DIR where not set.")
    azure_sql_server: str | None = Field(None, description="Host of the Azure SQL server.")
    azure_sql_database: str | None = Field(None, description="Name of the Azure SQL database.")
    azure_sql_username: str | None = Field(
        None,
        description="Login of Azure SQL. Without AZURE_SQL_PASSWORD the machine's managed identity is used, and this "
        "is the client id of a user-assigned one.",
    )
    azure_sql_password: SecretStr | None = Field(None, description="Password of Azure SQL.")
    azure_sql_driver: Literal["pyodbc", "mssqlpython"] = Field(
        "pyodbc",
        description="Driver of Azure SQL: `pyodbc` needs unixODBC and Microsoft's ODBC Driver 18 on the machine, "
        "`mssqlpython` (`pip install pipesleuth[azure-sql]`) brings its own.",
    )

    standby: Literal["on", "off"] | None = Field(
        None,
        description="Whether webhooks are taken into a file under DATA_DIR while the database cannot be reached; `on` "
        "declares that DATA_DIR is on a local disk that stays. Default: `on` outside of containers.",
    )
    primary_timeout: float = Field(
        2, ge=0.2, le=60, description="After how many seconds without an answer the database counts as away."
    )
    standby_healthy_seconds: float = Field(
        30, ge=0, description="How long the database must answer before the standby is merged into it, in seconds."
    )

    rca_api_key: SecretStr | None = Field(
        None, description="Key that webhook senders present; generated and stored under DATA_DIR where not set."
    )
    jwt_secret_key: SecretStr | None = Field(
        None, description="Key that signs sign-in tokens; generated and stored under DATA_DIR where not set."
    )
    token_hours: float = Field(12, gt=0, le=24 * 30, description="How long a sign-in lasts unused, in hours.")
    session_hours: float = Field(
        24, gt=0, le=24 * 90, description="How long a used sign-in is renewed before one comes in anew, in hours."
    )
    password_login: bool = Field(True, description="Whether people may log in with a password, or only sign on.")
    tries_per_account: int = Field(
        10, ge=3, description="How many wrong passwords or codes an account may have in 15 minutes, on all servers."
    )
    tries_per_address: int = Field(
        100, ge=3, description="How many of them one address may send in 15 minutes, on all servers."
    )
    registration: Literal["open", "verify", "invite", "closed"] | None = Field(
        None,
        description="Who may register: anybody of an allowed domain (`open`), by mailed code (`verify`), by an "
        "administrator's invitation (`invite`), nobody (`closed`). Default: `open` while PUBLIC_BASE_URL is "
        "loopback, else `verify` where SMTP_HOST is set, else `invite`.",
    )
    allowed_email_domains: FoldedList = Field(
        ("sigmoidanalytics.com",), description="Domains whose people may register; comma-separated, exact."
    )

    max_body_bytes: int = Field(1_048_576, ge=1024, description="Largest webhook body, in bytes.")
    max_json_depth: int = Field(64, ge=8, le=400, description="Deepest nesting of a webhook's JSON.")
    rejected_files: int = Field(1000, ge=0, description="How many unreadable bodies are kept under DATA_DIR/rejected.")
    rejected_bytes: int = Field(100_000_000, ge=0, description="How many bytes of unreadable bodies are kept.")
    inbound_rows: int = Field(10_000, ge=100, description="How many webhooks of late are remembered with their answer.")

    rca_deadline_seconds: float = Field(
        20, ge=0, description="How long the channels wait for enrichment and the AI, in seconds."
    )
    rca_give_up_seconds: float = Field(
        900, ge=1, description="An analysis not made within so many seconds of the failure is not made any more."
    )
    knowledge_path: Path | None = Field(
        None, description="Folder with a team's own knowledge-base entries, which win over the built-in ones."
    )
    finops_rules: Path | None = Field(
        None, description="YAML file with a team's own FinOps rules, owners and cost centres."
    )
    itsm_tool: Literal["jira", "none"] = Field("none", description="Where tickets get an issue: `jira` or `none`.")
    sla_warn_seconds: float = Field(300, ge=0, description="How long before its deadline a ticket is warned about.")
    sla_warn_share: float = Field(
        0, ge=0, le=1, description="Share of the SLA left at which a timer turns yellow, where that is over 2 minutes."
    )

    lease_seconds: float = Field(15, ge=1, description="How long a claimed to-do is held without renewal, in seconds.")
    call_seconds: float = Field(30, ge=1, description="After how many seconds a single outside call is cut.")
    mark_visible_seconds: float = Field(
        10, ge=0, description="How long a vendor's search may lag behind what was created, in seconds."
    )
    backoff_first_seconds: float = Field(2, gt=0, description="The first pause after a fault; it doubles each time.")
    backoff_most_seconds: float = Field(600, gt=0, description="The longest pause between two tries, in seconds.")
    breaker_faults: int = Field(5, ge=1, description="Faults in a row after which a whole destination is paused.")
    worker_calls: int = Field(16, ge=1, le=256, description="How many outside calls of one kind run at once.")
    drain_seconds: float = Field(
        0,
        ge=0,
        le=120,
        description="How long requests are still taken after SIGTERM, while /readyz says 503 so that load balancers "
        "look elsewhere.",
    )

    metrics_key: SecretStr | None = Field(
        None,
        description="Bearer token that /metrics wants; without one it is open only while PUBLIC_BASE_URL is loopback.",
    )
    heartbeat_url: SecretStr | None = Field(
        None, description="A dead-man switch's address, called only while intake, worker and database are all well."
    )
    heartbeat_seconds: float = Field(60, ge=1, description="How often HEARTBEAT_URL is called, in seconds.")
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        description="Base address of an OpenTelemetry collector (OTLP over HTTP); without it no traces are made.",
    )

    @field_validator("public_base_url")
    @classmethod
    def _base(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http(s) address such as https://pipesleuth.example.com")
        return value.rstrip("/")

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _collector(cls, value: str | None) -> str | None:
        return value if value is None else cls._base(value)

    @field_validator("heartbeat_url")
    @classmethod
    def _switch(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = urlsplit(value.get_secret_value())
        if not parts.hostname or parts.username or (parts.scheme != "https" and parts.hostname not in LOOPBACK):
            raise ValueError("must be an https address without a user")
        return value

    @model_validator(mode="after")
    def _azure_sql(self) -> Self:
        if self.database_url is not None:
            try:
                make_url(self.database_url)
            except ArgumentError as error:
                raise ValueError("DATABASE_URL is not a database address") from error
        elif self.db_type == "azuresql" and not (self.azure_sql_server and self.azure_sql_database):
            raise ValueError("DB_TYPE=azuresql needs AZURE_SQL_SERVER and AZURE_SQL_DATABASE")
        return self

    @property
    def database(self) -> URL:
        """The address of the database that these settings name."""
        if self.database_url is not None:
            return make_url(self.database_url)
        if self.db_type == "sqlite":
            return URL.create("sqlite", database=str(self.db_path or self.data_dir / "tickets.db"))
        password = self.azure_sql_password.get_secret_value() if self.azure_sql_password else None
        query = {"Encrypt": "yes", "TrustServerCertificate": "no"}
        if password is None:
            # Lower-case on purpose: the capitalised key makes SQLAlchemy add Trusted_Connection as well.
            query["authentication"] = "ActiveDirectoryMsi"
        return URL.create(
            f"mssql+{self.azure_sql_driver}",
            username=self.azure_sql_username,
            password=password,
            host=self.azure_sql_server,
            port=1433,
            database=self.azure_sql_database,
            query=query,
        )

    @property
    def standby_on(self) -> bool:
        """Whether DATA_DIR may hold what the database cannot take in: not where it may go with its container."""
        return not in_container() if self.standby is None else self.standby == "on"

    @property
    def on_loopback(self) -> bool:
        """Whether the service says of itself that only this machine reaches it."""
        return urlsplit(self.public_base_url).hostname in LOOPBACK


def in_container() -> bool:
    """Whether this process runs in a container, or on a platform that replaces machines as it likes."""
    signs = ("KUBERNETES_SERVICE_HOST", "CONTAINER_APP_NAME", "WEBSITE_INSTANCE_ID", "AWS_EXECUTION_ENV", "container")
    files = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(os.environ.get(name) for name in signs) or any(file.exists() for file in files)


def load() -> Settings:
    """The settings of this process; raises WrongSetting that names the variable."""
    return from_environment(Settings)


def from_environment(made: type[Made] | Callable[[], Made]) -> Made:
    """What is made of the environment and `.env`, such as a settings class; raises WrongSetting with its variable."""
    try:
        return made()
    except ValidationError as error:
        raise WrongSetting(explain(error)) from error


def explain(error: ValidationError) -> str:
    """Which variable is wrong and why, without its value."""
    problems: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in problem["loc"][:1]).upper()
        text = problem["msg"].removeprefix("Value error, ")
        problems.append(f"{name}: {text}" if name else text)
    return "; ".join(problems)


def secret(settings: Settings, name: Literal["rca_api_key", "jwt_secret_key"]) -> str:
    """A secret from the environment, or else the one kept under DATA_DIR, made at first use. Raises WrongSetting."""
    given: SecretStr | None = getattr(settings, name)
    return given.get_secret_value() if given is not None else kept_secret(settings.data_dir / "secrets", name)[0]


def kept_secret(folder: Path, name: str, *, link: Callable[[Path, Path], None] = os.link) -> tuple[str, bool]:
    """A secret stored under `folder`, made at first use with mode 0600; and whether it is new.

    Two processes that start together agree: the first to put its file in place wins. Raises WrongSetting.
    """
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ours = False
    if not path.exists():
        fresh = folder / f".{name}.{secrets.token_hex(8)}"  # containers that share the folder share process ids
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            ours = _put_in_place(fresh, path, link)
        finally:
            fresh.unlink(missing_ok=True)
    kept = path.read_text(encoding="utf-8").strip()
    if not kept:
        raise WrongSetting(f"DATA_DIR: {path} is empty, and nothing must be signed with nothing. Remove it.")
    return kept, ours


def _put_in_place(fresh: Path, path: Path, link: Callable[[Path, Path], None]) -> bool:
    """Give a whole file its name unless another has it; whether ours has it now. Raises WrongSetting."""
    try:
        link(fresh, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _put_without_link(fresh, path)
    return True


def _put_without_link(fresh: Path, path: Path) -> bool:
    """The same on a share that knows no hard links (Azure Files): whoever makes the turn's file renames its own."""
    turn = path.with_name(f".{path.name}.turn")
    try:
        os.close(os.open(turn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        until = time.monotonic() + _TURN_SECONDS
        while not path.exists():
            if time.monotonic() > until:
                raise WrongSetting(
                    f"DATA_DIR: {path} was begun and never finished. Remove {turn.name} beside it and start again."
                ) from error
            time.sleep(0.02)
        return False
    first = not path.exists()  # somebody may have had the turn and ended it just before
    if first:
        fresh.replace(path)
    turn.unlink()
    return first
