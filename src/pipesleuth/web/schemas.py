"""The shapes of requests and answers, as the API's own page shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipesleuth.model import Category
from pipesleuth.sources.text import clean
from pipesleuth.web.errors import ErrorBody

# A text from a person, without what a database cannot hold.
Storable = Annotated[str, AfterValidator(clean)]

_SAID = {
    400: "The request cannot be read; `field` names what is wrong.",
    401: "Credentials are missing or wrong.",
    403: "Known, but not allowed.",
    404: "There is no such thing.",
    409: "The state of things does not allow it.",
    413: "The body is too large.",
    429: "Too many requests; see Retry-After.",
    503: "The database cannot be reached; try again.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its description."""
    return {status: {"model": ErrorBody, "description": _SAID[status]} for status in statuses}


class WebhookAnswer(BaseModel):
    """What a webhook's sender is told."""

    model_config = ConfigDict(extra="allow")

    status: Literal["success", "duplicate_ignored", "duplicate_race_condition", "ignored", "dry_run"]
    ticket_id: str | None = None
    run_id: str | None = None
    pipeline: str | None = None
    severity: str | None = None
    priority: str | None = None
    message: str | None = None
    existing_status: str | None = None
    reason: str | None = None
    tickets: list[dict[str, Any]] | None = None


class JiraAnswer(BaseModel):
    """What Jira is told."""

    status: Literal["ok", "ignored", "not_found"]


class TicketExists(BaseModel):
    """Whether a run has a ticket."""

    exists: bool
    ticket_id: str | None
    status: str | None = None
    timestamp: str | None = None


class Credentials(BaseModel):
    """What somebody types to log in."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=1000)


class Registration(Credentials):
    """What somebody types to register."""

    full_name: str | None = Field(default=None, max_length=300)
    invitation: str | None = Field(default=None, max_length=200, description="The code of an invitation.")


class Code(Credentials):
    """What somebody types who got a code by mail."""

    code: str = Field(min_length=1, max_length=40)


class Sent(BaseModel):
    """What somebody is told whose code was mailed."""

    status: Literal["verification_sent"]


class Invitation(BaseModel):
    """Whom an administrator invites."""

    email: str = Field(max_length=320)
    role: Literal["viewer", "responder", "admin"] = "responder"


class InvitationList(BaseModel):
    """The invitations that wait."""

    invitations: list[dict[str, Any]]


class Token(BaseModel):
    """A sign-in."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # RFC 6750's word, no secret


class Note(BaseModel):
    """What a person says besides, where they want to."""

    note: Storable | None = Field(default=None, max_length=2000)


class Judgement(BaseModel):
    """Whether a diagnosis was right, and what it really was."""

    right: bool
    category: Category | None = None
    error_type: Storable | None = Field(default=None, max_length=300)
    note: Storable | None = Field(default=None, max_length=2000)


class PastedText(BaseModel):
    """An error text to be diagnosed."""

    text: str = Field(min_length=1, max_length=1_000_000)
    source: str = Field(default="data_factory", max_length=64)


class TicketList(BaseModel):
    """A page of a list."""

    tickets: list[dict[str, Any]]
    next_cursor: str | None
    total: int | None
    more: bool
    server_time: str


class AuditList(BaseModel):
    """A page of the audit trail."""

    audits: list[dict[str, Any]]
    count: int
    next_cursor: str | None
    actions: list[str]


class InboundList(BaseModel):
    """A page of the webhooks of late."""

    inbound: list[dict[str, Any]]
    next_cursor: str | None


class WholeTicket(BaseModel):
    """One ticket with all that belongs to it."""

    ticket: dict[str, Any]
    timeline: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    chain: list[dict[str, Any]] = []


class Coverage(BaseModel):
    """How much of what failed on a platform its webhooks told us of."""

    source: str
    failed_runs: int
    by_webhook: int
    by_reconciler: int
    lag_seconds: float | None
    since: str | None
    problem: str | None


class Summary(BaseModel):
    """The sums on top of the dashboard."""

    total_tickets: int
    open_tickets: int
    in_progress_tickets: int
    acknowledged_tickets: int
    sla_breached: int
    avg_ack_time_sec: float
    mttr_min: float
    total_audits: int
    folded_tickets: int
    facets: dict[Literal["category", "team"], list[str]]
    coverage: list[Coverage]
    timestamp: str
    as_of: str


class Me(BaseModel):
    """Who is signed in."""

    email: str
    full_name: str | None
    role: str
    last_login: str | None


class Insights(BaseModel):
    """The charts' figures."""

    series: dict[str, Any]


class Handover(BaseModel):
    """What a shift hands over."""

    model_config = ConfigDict(extra="allow")

    hours: int
    since: str
    until: str
    open: list[dict[str, Any]]
    breached: list[dict[str, Any]]
    held: list[dict[str, Any]]
    closed: list[dict[str, Any]]
    holders: list[dict[str, Any]]
    recurring: list[dict[str, Any]]
    markdown: str


class Config(BaseModel):
    """How people come in here and, with a token, what the pages need to know."""

    registration: dict[str, str]
    allowed_email_domains: list[str]
    password_login: bool
    sign_on: list[dict[str, str]]
    server_time: str
    itsm_tool: str | None = None
    jira_base_url: str | None = None
    banners: list[Any] = []
    sla_warn_share: float | None = None
    categories: list[Category] = []
    version: str | None = None


class RelatedTickets(BaseModel):
    """Tickets of the same failure, and how it ended before."""

    tickets: list[dict[str, Any]]
    seen: dict[str, Any]


class Triaged(BaseModel):
    """What the knowledge base says of a text, or why the body in it is no failure."""

    failures: list[dict[str, Any]] | None = None
    status: Literal["ignored"] | None = None
    reason: str | None = None


class Events(BaseModel):
    """What a socket would have said."""

    epoch: str
    sequence: int
    events: list[dict[str, Any]]


class Ready(BaseModel):
    """Whether the service can do its work, and what of it stands."""

    status: Literal["ready", "draining", "not_ready"]
    checks: dict[str, bool]


def a_file(media: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The answer of a route that gives a file, for its description."""
    return {200: {"description": description, "content": {media: {"schema": {"type": "string", "format": "binary"}}}}}
