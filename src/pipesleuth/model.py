"""The words of the house: what a failure, a diagnosis, a notice and a receipt are, and how things go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})


def _nothing() -> Mapping[str, str]:
    # A factory, because a mapping proxy has no hash on Python 3.11 and dataclasses take it for a mutable default.
    return NOTHING


class Severity(StrEnum):
    """How bad a failure is."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Priority(StrEnum):
    """How soon somebody must act; it sets the SLA clock."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"

    @property
    def rank(self) -> int:
        """1 for the most urgent, 4 for the least."""
        return int(self.value[1])


class Confidence(StrEnum):
    """How sure a diagnosis is of its category."""

    VERY_HIGH = "Very High"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"

    @property
    def rank(self) -> int:
        """3 for the surest, 0 for a guess."""
        return {"Very High": 3, "High": 2, "Medium": 1, "Low": 0}[self.value]


class Status(StrEnum):
    """Where a ticket stands; `acknowledged` means closed."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    ACKNOWLEDGED = "acknowledged"


class SlaStatus(StrEnum):
    """Whether a ticket was closed in time."""

    PENDING = "Pending"
    MET = "Met"
    BREACHED = "Breached"


class Responder(StrEnum):
    """Whose hands a failure needs."""

    DATA = "data"
    CODE = "code"
    PLATFORM = "platform"
    ACCESS = "access"
    NETWORK = "network"
    UPSTREAM = "upstream"


class Category(StrEnum):
    """The kinds of root cause, and `unknown` where none is established."""

    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    NETWORK_CONNECTIVITY = "network_connectivity"
    FIREWALL = "firewall"
    DNS = "dns"
    THROTTLING_CAPACITY = "throttling_capacity"
    TIMEOUT = "timeout"
    RESOURCE_NOT_FOUND = "resource_not_found"
    SCHEMA_MISMATCH = "schema_mismatch"
    DATA_TYPE_CONVERSION = "data_type_conversion"
    DATA_QUALITY = "data_quality"
    CONFIGURATION = "configuration"
    EXPRESSION_PARAMETER = "expression_parameter"
    CODE_ERROR = "code_error"
    DEPENDENCY_FAILURE = "dependency_failure"
    OUT_OF_MEMORY = "out_of_memory"
    STORAGE_DISK = "storage_disk"
    QUOTA_LIMIT = "quota_limit"
    CONCURRENCY_CONFLICT = "concurrency_conflict"
    INTEGRATION_RUNTIME = "integration_runtime"
    CLUSTER_PROVISIONING = "cluster_provisioning"
    CERTIFICATE_TLS = "certificate_tls"
    ENCRYPTION_KEY = "encryption_key"
    UNSUPPORTED_FEATURE = "unsupported_feature"
    INTERNAL_SERVICE_ERROR = "internal_service_error"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed run of a pipeline, as far as its source could read it.

    `pipeline` is never empty (a cluster's failure has the cluster's name). `run_id` is the run's
    identity on its platform, made unique among all platforms', or None. `error_message` may be empty when the
    alert carried only ids. `occurred_at` is when the platform says it failed.
    """

    source: str
    pipeline: str
    run_id: str | None = None
    error_message: str = ""
    error_code: str | None = None
    failure_type: str | None = None
    activity: str | None = None
    activity_type: str | None = None
    run_url: str | None = None
    resource_id: str | None = None
    resource_type: str | None = None
    occurred_at: datetime | None = None
    logic_app_run_id: str | None = None
    processing_mode: str | None = None
    run_group: str | None = None
    parent_run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=_nothing)
    facts: Mapping[str, str] = field(default_factory=_nothing)
    unknown_shape: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What went wrong, how bad it is, who has to act and what to do.

    `said_by` is `knowledge:<entry id>`, `general`, `unknown` or the model's id.
    `evidence` holds spans copied from the failure's message.
    """

    root_cause: str
    error_type: str | None
    category: Category
    affected_entity: str | None
    severity: Severity
    priority: Priority
    confidence: Confidence
    recommendations: Sequence[str]
    auto_heal_possible: bool
    retryable: bool
    owner: Responder
    said_by: str
    evidence: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A ticket as a destination may see it, already masked.

    `version` is the ticket's version that was read; `run_mark` is the digest of the run's key
    that a destination puts on what it creates, to find it again. `payload` is the body as it
    came in, for the archive only. `news` are the audit lines to be told step by step.
    """

    ticket_id: str
    version: int
    run_mark: str
    created_at: datetime
    status: Status
    fields: Mapping[str, str | None]
    recommendations: Sequence[str] = ()
    evidence: Sequence[str] = ()
    payload: bytes | None = None
    news: Sequence[News] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One audit line to be told in a thread or as a comment."""

    audit_id: int
    at: datetime
    action: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a destination remembers of what it created: kept as JSON on the to-do.

    `told_digest` is a digest of what was told last; `told_audit_id` the newest audit line told.
    """

    key: str
    url: str | None = None
    told_digest: str = ""
    told_audit_id: int = 0
    more: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """News from a vendor about the thing a destination created for a ticket."""

    key: str
    status: Status | None
    status_name: str
    by: str | None = None
    at: datetime | None = None
    event_id: str | None = None
    alternative_key: str | None = None
    deleted: bool = False
    details: Mapping[str, str] = field(default_factory=dict[str, str])


class PipesleuthError(Exception):
    """Something went wrong that Pipesleuth has a sentence for."""


class BadPayload(PipesleuthError):
    """The body cannot be read as a failure."""

    def __init__(self, reason: str, pointer: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer


class NotAFailure(PipesleuthError):
    """The body is well-formed but reports no failure, so it makes no ticket."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retryable(PipesleuthError):
    """It may work later; `after` is how many seconds the other side asked for.

    `in_doubt` says that the effect may have happened although no answer came.
    `everyone` says that the whole destination is affected, not this call alone.
    """

    def __init__(
        self, reason: str, *, after: float | None = None, in_doubt: bool = False, everyone: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.in_doubt = in_doubt
        self.everyone = everyone


class Permanent(PipesleuthError):
    """It will not work until a person changes something; the reason says what."""

    def __init__(self, reason: str, *, everyone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.everyone = everyone


class StoreUnavailable(PipesleuthError):
    """The database cannot be written or read at the moment."""


class WrongSetting(PipesleuthError):
    """A setting has a value the service cannot start with."""


def timestamp(moment: datetime) -> str:
    """The one text form of a moment: UTC, microseconds, fixed width, sortable."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """The moment that `timestamp` wrote."""
    return datetime.fromisoformat(text)
