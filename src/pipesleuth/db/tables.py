"""The whole schema on one page.

Types are neutral to the dialect: `Unicode` is NVARCHAR on SQL Server, text without a length is NVARCHAR(max)
there and TEXT elsewhere. Times are UTC text of fixed width (`model.timestamp`), so that they sort the same
everywhere. Column names of `tickets`, `audit_trail` and `users` are the mission's; the rest is ours.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, Index, Integer, LargeBinary, MetaData, Unicode, UnicodeText
from sqlalchemy.dialects.mssql import NVARCHAR, VARBINARY
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

Long = UnicodeText().with_variant(NVARCHAR(None), "mssql")
Bytes = LargeBinary().with_variant(VARBINARY("max"), "mssql")
Name = Unicode(300)
Id = Unicode(64)
# Two keys from outside that differ in case only are two, also where SQL Server's own collation says otherwise.
EXACT = "Latin1_General_100_BIN2"
RunId = Unicode(300).with_variant(NVARCHAR(300, collation=EXACT), "mssql")
MarkName = Unicode(200).with_variant(NVARCHAR(200, collation=EXACT), "mssql")
Time = Unicode(32)
Word = Unicode(32)
Serial = BigInteger().with_variant(Integer, "sqlite")


def _where_set(name: str, column: MappedColumn[Any], *, unique: bool = False) -> Index:
    """An index of the rows that have a value: small where few have one."""
    there = column.is_not(None)
    return Index(name, column, unique=unique, sqlite_where=there, postgresql_where=there, mssql_where=there)


class Base(DeclarativeBase):
    """Where SQLAlchemy collects the tables; names of constraints are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
        },
    )


class Ticket(Base):
    """One failed run."""

    __tablename__ = "tickets"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    timestamp: Mapped[str] = mapped_column(Time)
    pipeline: Mapped[str] = mapped_column(Name)
    run_id: Mapped[str | None] = mapped_column(RunId)
    rca_result: Mapped[str] = mapped_column(Long)
    recommendations: Mapped[str] = mapped_column(Long)  # JSON array of strings
    confidence: Mapped[str] = mapped_column(Word)
    severity: Mapped[str] = mapped_column(Word)
    priority: Mapped[str] = mapped_column(Word)
    error_type: Mapped[str | None] = mapped_column(Name)
    affected_entity: Mapped[str | None] = mapped_column(Unicode(1000))
    status: Mapped[str] = mapped_column(Word)
    ack_user: Mapped[str | None] = mapped_column(Name)
    ack_empid: Mapped[str | None] = mapped_column(Name)
    ack_ts: Mapped[str | None] = mapped_column(Time)
    ack_seconds: Mapped[int | None] = mapped_column(Integer)
    sla_seconds: Mapped[int] = mapped_column(Integer)
    sla_status: Mapped[str] = mapped_column(Word)
    slack_ts: Mapped[str | None] = mapped_column(Id)
    slack_channel: Mapped[str | None] = mapped_column(Id)
    finops_team: Mapped[str | None] = mapped_column(Name)
    finops_owner: Mapped[str | None] = mapped_column(Name)
    finops_cost_center: Mapped[str | None] = mapped_column(Name)
    blob_log_url: Mapped[str | None] = mapped_column(Unicode(2000))
    itsm_ticket_id: Mapped[str | None] = mapped_column(Unicode(100))
    logic_app_run_id: Mapped[str | None] = mapped_column(Name)
    processing_mode: Mapped[str] = mapped_column(Word)
    source: Mapped[str] = mapped_column(Word)
    category: Mapped[str] = mapped_column(Word)
    error_message: Mapped[str] = mapped_column(Long)
    error_code: Mapped[str | None] = mapped_column(Name)
    activity: Mapped[str | None] = mapped_column(Name)
    run_url: Mapped[str | None] = mapped_column(Unicode(2000))
    rca_source: Mapped[str] = mapped_column(Name)
    auto_heal_possible: Mapped[bool] = mapped_column(Boolean)
    retryable: Mapped[bool] = mapped_column(Boolean)
    responder: Mapped[str] = mapped_column(Word)
    evidence: Mapped[str] = mapped_column(Long)  # JSON array of spans of error_message
    failure: Mapped[str] = mapped_column(Long)  # JSON: the Failure as it was read, for a later analysis
    fingerprint: Mapped[str] = mapped_column(Id)
    seen_count: Mapped[int] = mapped_column(Integer)
    caused_by: Mapped[str | None] = mapped_column(Id)
    run_group: Mapped[str | None] = mapped_column(RunId)
    parent_run_id: Mapped[str | None] = mapped_column(RunId)
    version: Mapped[int] = mapped_column(Integer)
    sla_due_at: Mapped[str] = mapped_column(Time)
    sla_warned_at: Mapped[str | None] = mapped_column(Time)
    told_at: Mapped[str | None] = mapped_column(Time)  # when the first channel was told
    jira_live: Mapped[bool] = mapped_column(Boolean)  # a Jira issue owns this ticket's status
    jira_issue_id: Mapped[str | None] = mapped_column(Id)
    jira_updated_at: Mapped[str | None] = mapped_column(Time)  # Jira's own time of the newest change we know
    status_by: Mapped[str | None] = mapped_column(Word)  # `jira` or `pipesleuth`: whose hand moved it last

    __table_args__ = (
        # SQL Server counts NULLs as equal, hence the filter everywhere.
        _where_set("ux_tickets_run_id", run_id, unique=True),
        Index("ix_tickets_timestamp", "timestamp", "id"),
        Index("ix_tickets_fingerprint", "fingerprint", "timestamp"),
        _where_set("ix_tickets_itsm", itsm_ticket_id),
        _where_set("ix_tickets_caused_by", caused_by),
        _where_set("ix_tickets_run_group", run_group),
        _where_set("ix_tickets_parent_run", parent_run_id),
        _where_set("ix_tickets_jira_issue", jira_issue_id),
        Index("ix_tickets_sla", "sla_status", "sla_due_at"),
        # Those that lists and searches go by are made by migration 0004; see `db.orders` and `db.searched`.
    )


class AuditLine(Base):
    """What happened to a ticket; append-only. Its id is the sequence of live events.

    `event` and `ticket_version` are set on the one line of a change that dashboards are told about.
    """

    __tablename__ = "audit_trail"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    timestamp: Mapped[str] = mapped_column(Time)
    ticket_id: Mapped[str | None] = mapped_column(Id)
    pipeline: Mapped[str | None] = mapped_column(Name)
    run_id: Mapped[str | None] = mapped_column(RunId)
    action: Mapped[str] = mapped_column(Unicode(100))
    user_name: Mapped[str | None] = mapped_column(Name)
    user_empid: Mapped[str | None] = mapped_column(Name)
    time_taken_seconds: Mapped[int | None] = mapped_column(Integer)
    mttr_minutes: Mapped[float | None] = mapped_column(Float)
    sla_status: Mapped[str | None] = mapped_column(Word)
    rca_summary: Mapped[str | None] = mapped_column(Unicode(200))
    finops_team: Mapped[str | None] = mapped_column(Name)
    finops_owner: Mapped[str | None] = mapped_column(Name)
    details: Mapped[str | None] = mapped_column(Long)
    itsm_ticket_id: Mapped[str | None] = mapped_column(Unicode(100))
    event: Mapped[str | None] = mapped_column(Word)
    ticket_version: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        Index("ix_audit_trail_ticket", "ticket_id", "id"),
        Index("ix_audit_trail_action", "action", "id"),
        # Numbers of lines that are gone must not come again: followers go by them.
        {"sqlite_autoincrement": True},
    )


class User(Base):
    """A person who may open the dashboard."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    email: Mapped[str] = mapped_column(Unicode(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(Unicode(100))
    full_name: Mapped[str | None] = mapped_column(Name)
    created_at: Mapped[str] = mapped_column(Time)
    last_login: Mapped[str | None] = mapped_column(Time)
    role: Mapped[str] = mapped_column(Word)
    disabled: Mapped[bool] = mapped_column(Boolean)
    token_version: Mapped[int] = mapped_column(Integer)
    sign_on_subject: Mapped[str | None] = mapped_column(Unicode(64))  # digest of issuer and subject


class ApiKey(Base):
    """A sender's key: 256 random bits, kept as SHA-256."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(Name)
    key_hash: Mapped[str] = mapped_column(Unicode(64), unique=True)
    scopes: Mapped[str] = mapped_column(Unicode(100))
    created_at: Mapped[str] = mapped_column(Time)
    last_used_at: Mapped[str | None] = mapped_column(Time)
    revoked_at: Mapped[str | None] = mapped_column(Time)
    expires_at: Mapped[str | None] = mapped_column(Time)


class Invitation(Base):
    """An administrator's word that somebody may make an account; its code is kept as SHA-256."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    email: Mapped[str] = mapped_column(Unicode(254))
    role: Mapped[str] = mapped_column(Word)
    code_hash: Mapped[str] = mapped_column(Unicode(64), unique=True)
    invited_by: Mapped[str] = mapped_column(Name)
    created_at: Mapped[str] = mapped_column(Time)
    expires_at: Mapped[str] = mapped_column(Time)
    used_at: Mapped[str | None] = mapped_column(Time)


class Verification(Base):
    """A registration that waits for the code that was mailed; it becomes an account only with its own password."""

    __tablename__ = "verifications"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    email: Mapped[str] = mapped_column(Unicode(254), index=True)
    code_hash: Mapped[str] = mapped_column(Unicode(64))
    password_hash: Mapped[str] = mapped_column(Unicode(100))
    full_name: Mapped[str | None] = mapped_column(Name)
    created_at: Mapped[str] = mapped_column(Time)
    expires_at: Mapped[str] = mapped_column(Time)


class Attempts(Base):
    """How often something was tried by an account or from an address within a window; all servers count together."""

    __tablename__ = "attempts"

    name: Mapped[str] = mapped_column(Unicode(100), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    until: Mapped[str] = mapped_column(Time, index=True)


class Todo(Base):
    """Something owed to the outside for a ticket; due while `done_version < wanted_version`."""

    __tablename__ = "todos"

    ticket_id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(Word, primary_key=True)
    rank: Mapped[int] = mapped_column(Integer)  # the ticket's priority: 1 to 4
    created_at: Mapped[str] = mapped_column(Time)
    wanted_version: Mapped[int] = mapped_column(Integer)
    done_version: Mapped[int] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer)
    next_try_at: Mapped[str] = mapped_column(Time)
    leased_until: Mapped[str] = mapped_column(Time)
    claim: Mapped[str | None] = mapped_column(Unicode(36))
    in_doubt: Mapped[bool] = mapped_column(Boolean)
    doubt_since: Mapped[str | None] = mapped_column(Time)
    receipt: Mapped[str | None] = mapped_column(Long)  # JSON of model.Receipt
    last_error: Mapped[str | None] = mapped_column(Long)
    stopped_at: Mapped[str | None] = mapped_column(Time)
    traceparent: Mapped[str | None] = mapped_column(Id)  # W3C: of the webhook that it came from

    __table_args__ = (
        Index(
            "ix_todos_due",
            "kind",
            "rank",
            "created_at",
            sqlite_where=(wanted_version > done_version) & stopped_at.is_(None),
            postgresql_where=(wanted_version > done_version) & stopped_at.is_(None),
        ),
    )


class Payload(Base):
    """A webhook's body until it is archived; large ones are compressed (zlib)."""

    __tablename__ = "payloads"

    ticket_id: Mapped[str] = mapped_column(Id, primary_key=True)
    body: Mapped[bytes] = mapped_column(Bytes)
    compressed: Mapped[bool] = mapped_column(Boolean)


class Hold(Base):
    """A whole destination waits, as all workers see."""

    __tablename__ = "holds"

    kind: Mapped[str] = mapped_column(Word, primary_key=True)
    until: Mapped[str] = mapped_column(Time)
    reason: Mapped[str] = mapped_column(Unicode(500))
    faults: Mapped[int] = mapped_column(Integer)


class Mark(Base):
    """A named value that all servers share: epoch, sweep, heartbeats, budgets, seen webhook ids."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(MarkName, primary_key=True)
    value: Mapped[str] = mapped_column(Long)
    until: Mapped[str | None] = mapped_column(Time)


REVOKED = "revoked:"  # begins the names of marks that say which sessions were ended


class Inbound(Base):
    """A webhook of late with its answer: why there is, or is no, ticket."""

    __tablename__ = "inbound"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    time: Mapped[str] = mapped_column(Time)
    door: Mapped[str] = mapped_column(Unicode(64))
    outcome: Mapped[str] = mapped_column(Word)
    reason: Mapped[str | None] = mapped_column(Unicode(500))
    size: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(Unicode(64))
    ticket_id: Mapped[str | None] = mapped_column(Id)


class Feedback(Base):
    """What a person said of a diagnosis: right, or wrong and what it really was."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    time: Mapped[str] = mapped_column(Time)
    ticket_id: Mapped[str] = mapped_column(Id, index=True)
    user_name: Mapped[str] = mapped_column(Name)
    correct: Mapped[bool] = mapped_column(Boolean)
    said_category: Mapped[str] = mapped_column(Word)
    true_category: Mapped[str | None] = mapped_column(Word)
    true_error_type: Mapped[str | None] = mapped_column(Name)
    note: Mapped[str | None] = mapped_column(Unicode(2000))
