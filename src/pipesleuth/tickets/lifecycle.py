"""The only hand that changes a ticket: each change is a new version, an audit line and due to-dos, in one commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Update, bindparam, select, update

from pipesleuth.db.tables import Ticket, Todo
from pipesleuth.destinations.registry import CHANNELS
from pipesleuth.model import (
    NOTHING,
    Diagnosis,
    Failure,
    PipesleuthError,
    Priority,
    Receipt,
    Severity,
    SlaStatus,
    Status,
    moment,
    timestamp,
)
from pipesleuth.outbox import todos
from pipesleuth.tickets import sla, trail
from pipesleuth.tickets.origin import stored

# What a ticket takes over from the one that it stands folded under.
FOLLOWED = ("status", "ack_user", "ack_empid", "ack_ts", "ack_seconds", "sla_status", "status_by")
OURS, JIRAS = "pipesleuth", "jira"  # whose hand moved a ticket

# What a receipt means for the mission's columns: the to-dos keep the truth, these are copies for readers.
# A destination that the mission has no columns for is not named here.
RECEIPTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "archive": ("Blob Saved", {"blob_log_url": "url"}),
    "jira": ("Jira Created", {"itsm_ticket_id": "key", "jira_issue_id": "issue_id"}),
    "slack": ("Slack Sent", {"slack_ts": "key", "slack_channel": "channel"}),
}


class NoSuchTicket(PipesleuthError):
    """There is no ticket with this id."""


class NotNow(PipesleuthError):
    """The ticket's state does not allow this action."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def locked(statement: Select[Any], *, skip: bool = False) -> Select[Any]:
    """The same select, holding its tickets until the transaction ends; `skip` leaves out those that others hold."""
    hint = "WITH (UPDLOCK, READPAST, ROWLOCK)" if skip else "WITH (UPDLOCK, ROWLOCK)"
    return statement.with_for_update(skip_locked=skip).with_hint(Ticket, hint, "mssql")


@lru_cache(maxsize=1)
def _one() -> Select[Any]:
    # Made once: putting a statement together takes longer than running it.
    return locked(select(Ticket).where(Ticket.id == bindparam("one")))


@lru_cache(maxsize=1)
def _changed() -> Update:
    return update(Ticket).where(Ticket.id == bindparam("one"))


def fetch(connection: Connection, ticket_id: str) -> RowMapping:
    """A ticket's row, locked until the transaction ends. Raises NoSuchTicket."""
    row = connection.execute(_one(), {"one": ticket_id}).mappings().first()
    if row is None:
        raise NoSuchTicket(f"There is no ticket {ticket_id[:64]}.")
    return row


def change(
    connection: Connection,
    row: trail.Row,
    values: Mapping[str, Any],
    entry: trail.Entry,
    now: datetime,
    *,
    silent: tuple[str, ...] = (),
) -> int:
    """Write new values and the line that says so, and make the channels due but those in `silent`; the new version."""
    version = int(row["version"]) + 1
    connection.execute(_changed(), {"one": row["id"], **values, "version": version})
    todos.want(connection, row["id"], tuple(kind for kind in CHANNELS if kind not in silent), version)
    said = replace(entry, event=entry.event or trail.TICKET_UPDATED)
    trail.write(connection, [trail.line({**row, **values}, said, now, version=version)])
    if "status" in values and row["caused_by"] is None and "caused_by" not in values:
        _lead(connection, row["id"], values, said, now)
    return version


def _lead(connection: Connection, ticket_id: str, values: Mapping[str, Any], entry: trail.Entry, now: datetime) -> None:
    """Whatever only repeats this ticket's failure follows its status."""
    theirs = locked(select(Ticket).where(Ticket.caused_by == ticket_id).order_by(Ticket.id))
    for follower in connection.execute(theirs).mappings().all():
        if not owned_by_jira(connection, follower):
            followed = {name: values[name] for name in FOLLOWED if name in values}
            change(connection, follower, followed, replace(entry, details=f"Follows {ticket_id}."), now)


def said(
    connection: Connection, row: RowMapping, action: str, by: str, now: datetime, details: str | None = None
) -> None:
    """Write a line that changes nothing people see on the ticket itself."""
    trail.write(connection, [trail.line(row, trail.Entry(action=action, by=by, details=details), now)])


def owned_by_jira(connection: Connection, row: RowMapping) -> bool:
    """Whether a live Jira issue has the say about this ticket's status."""
    if not (row["itsm_ticket_id"] and row["jira_live"]):
        return False
    stopped = connection.execute(
        select(Todo.stopped_at).where(Todo.ticket_id == row["id"], Todo.kind == "jira")
    ).scalar_one_or_none()
    return stopped is None


def take(connection: Connection, ticket_id: str, by: str, note: str | None, now: datetime) -> None:
    """Somebody works on it. Raises NoSuchTicket, NotNow."""
    row = _ours(connection, ticket_id)
    if row["status"] != Status.OPEN:
        raise NotNow(f"The ticket is {row['status']}; only an open one can be taken.")
    start(connection, row, by, now, details=note)


def start(
    connection: Connection, row: RowMapping, by: str, now: datetime, *, details: str | None = None, hand: str = OURS
) -> None:
    """Somebody works on it from now on."""
    values = {"status": Status.IN_PROGRESS, "ack_user": by, "status_by": hand}
    change(connection, row, values, _status_entry("Ticket Taken", by, details), now)


def put_back(
    connection: Connection, row: RowMapping, by: str, now: datetime, *, details: str | None = None, hand: str = OURS
) -> None:
    """Nobody works on it any more, and it is not done."""
    values = {"status": Status.OPEN, "ack_user": None, "status_by": hand}
    change(connection, row, values, _status_entry("Ticket Put Back", by, details), now)


def _status_entry(action: str, by: str, details: str | None, seconds: int | None = None) -> trail.Entry:
    return trail.Entry(action=action, by=by, details=details, event=trail.STATUS_UPDATE, seconds=seconds)


def close(connection: Connection, ticket_id: str, by: str, note: str | None, now: datetime) -> None:
    """It is done. Raises NoSuchTicket, NotNow."""
    row = _ours(connection, ticket_id)
    if row["status"] == Status.ACKNOWLEDGED:
        raise NotNow("The ticket is closed already.")
    finish(connection, row, by, now, now, details=note)


def reopen(connection: Connection, ticket_id: str, by: str, note: str | None, now: datetime) -> None:
    """It is not done after all. Raises NoSuchTicket, NotNow."""
    row = _ours(connection, ticket_id)
    if row["status"] != Status.ACKNOWLEDGED:
        raise NotNow("Only a closed ticket can be reopened.")
    resume(connection, row, Status.OPEN, by, now, details=note)


def _ours(connection: Connection, ticket_id: str) -> RowMapping:
    row = fetch(connection, ticket_id)
    if reason := moved_elsewhere(connection, row):
        raise NotNow(reason)
    return row


def moved_elsewhere(connection: Connection, row: RowMapping) -> str | None:
    """Why nobody here moves this ticket's status, in a sentence; None where people may."""
    if row["caused_by"] is not None:
        return f"It only repeats the failure of {row['caused_by']}, and follows that ticket's status."
    if owned_by_jira(connection, row):
        return f"{row['itsm_ticket_id']} has the say: change the status in Jira and it will follow here."
    return None


def finish(
    connection: Connection,
    row: RowMapping,
    by: str,
    at: datetime,
    now: datetime,
    *,
    details: str | None = None,
    hand: str = OURS,
) -> None:
    """Close a ticket as of `at`, bounded by its creation and now: who, how long it took, in time or not."""
    created, due_at = moment(row["timestamp"]), moment(row["sla_due_at"])
    closed_at = min(max(at, created), now)
    seconds = round((closed_at - created).total_seconds())
    outcome = sla.verdict(closed_at, due_at)
    values = {
        "status": Status.ACKNOWLEDGED,
        "ack_user": by,
        "ack_ts": timestamp(closed_at),
        "ack_seconds": seconds,
        "sla_status": outcome,
        "status_by": hand,
    }
    if row["sla_status"] == SlaStatus.BREACHED and outcome == SlaStatus.MET:
        told_late = f"Closed at {timestamp(closed_at)}, before the deadline; the news came later."
        entry = trail.Entry(action="SLA Corrected", by=by, details=told_late)
        trail.write(connection, [trail.line({**row, "sla_status": outcome}, entry, now)])
    change(connection, row, values, _status_entry("Ticket Closed", by, details, seconds), now)


def resume(
    connection: Connection,
    row: RowMapping,
    status: Status,
    by: str,
    now: datetime,
    *,
    details: str | None = None,
    hand: str = OURS,
) -> None:
    """Reopen a ticket: what closing wrote is cleared, and the clock goes on from the first deadline."""
    late = now > moment(row["sla_due_at"])
    values = {
        "status": status,
        "ack_user": by if status == Status.IN_PROGRESS else None,
        "ack_empid": None,
        "ack_ts": None,
        "ack_seconds": None,
        "sla_status": SlaStatus.BREACHED if late else SlaStatus.PENDING,
        "status_by": hand,
    }
    change(connection, row, values, _status_entry("Ticket Reopened", by, details), now)


def rediagnose(
    connection: Connection, row: RowMapping, diagnosis: Diagnosis, now: datetime, *, warn_seconds: float, details: str
) -> bool:
    """Take over a better diagnosis; whether anything changed.

    After the channels were told the priority may only rise; a closed ticket keeps severity, priority and SLA.
    """
    diagnosis = allowed(row, diagnosis)
    values = diagnosis_columns(diagnosis)
    if diagnosis.priority != row["priority"]:
        values |= _moved_deadline(row, diagnosis.priority, now, warn_seconds)
    changed = {column: value for column, value in values.items() if row[column] != value}
    if not changed:
        return False
    if "priority" in changed:
        todos.rerank(connection, row["id"], Priority(changed["priority"]).rank)
    change(connection, row, changed, trail.Entry(action="RCA Updated", by=diagnosis.said_by, details=details), now)
    return True


def allowed(row: RowMapping, diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with the ticket's own severity and priority, where it is too late to change them."""
    lowered = diagnosis.priority.rank > Priority(row["priority"]).rank
    if row["status"] == Status.ACKNOWLEDGED or (row["told_at"] and lowered):
        return replace(diagnosis, severity=Severity(row["severity"]), priority=Priority(row["priority"]))
    return diagnosis


def learn(connection: Connection, row: RowMapping, failure: Failure, fingerprint: str | None = None) -> None:
    """Store what the platform said of the failure; the diagnosis made of it is what people are told.

    `fingerprint` is that of the failure as it is known now, where it is to be changed.
    """
    values = {
        "error_message": failure.error_message,
        "error_code": failure.error_code,
        "activity": failure.activity,
        "run_url": failure.run_url,
        "run_group": failure.run_group,
        "parent_run_id": failure.parent_run_id,
        "failure": stored(failure),
    } | ({"fingerprint": fingerprint} if fingerprint is not None else {})
    connection.execute(update(Ticket).where(Ticket.id == row["id"]).values(**values))


def _moved_deadline(row: RowMapping, priority: Priority, now: datetime, warn_seconds: float) -> dict[str, Any]:
    """The clock of another priority; a breach that has happened stays."""
    created = moment(row["timestamp"])
    seconds: dict[str, Any] = {"sla_seconds": sla.SECONDS[priority]}
    if row["sla_status"] != SlaStatus.PENDING:
        return seconds
    due_at = sla.moved(created, priority, now, warn_seconds)
    return seconds | {"sla_due_at": timestamp(due_at), "sla_warned_at": None}


def diagnosis_columns(diagnosis: Diagnosis) -> dict[str, Any]:
    """A diagnosis as the columns of `tickets`."""
    return {
        "rca_result": diagnosis.root_cause,
        "recommendations": _as_json(tuple(diagnosis.recommendations)),
        "confidence": diagnosis.confidence,
        "severity": diagnosis.severity,
        "priority": diagnosis.priority,
        "error_type": diagnosis.error_type and diagnosis.error_type[:300],
        "affected_entity": diagnosis.affected_entity and diagnosis.affected_entity[:1000],
        "category": diagnosis.category,
        "rca_source": diagnosis.said_by[:300],
        "auto_heal_possible": diagnosis.auto_heal_possible,
        "retryable": diagnosis.retryable,
        "responder": diagnosis.owner,
        "evidence": _as_json(tuple(diagnosis.evidence)),
    }


@lru_cache(maxsize=4096)
def _as_json(texts: tuple[str, ...]) -> str:
    return json.dumps(texts, ensure_ascii=False)


def record_receipt(
    connection: Connection, ticket_id: str, kind: str, receipt: Receipt, now: datetime, details: str
) -> None:
    """Copy a first receipt into the mission's columns, with its line; makes the other channels due, not its own."""
    action, columns = RECEIPTS.get(kind, (f"{kind.title()} Sent", NOTHING))
    row = fetch(connection, ticket_id)
    told: dict[str, Any] = {"key": receipt.key, "url": receipt.url, **receipt.more}
    values: dict[str, Any] = {column: told.get(name) for column, name in columns.items()}
    if kind == "jira":
        values["jira_live"] = True
    if kind in CHANNELS and row["told_at"] is None:
        values["told_at"] = timestamp(now)
    change(connection, row, values, trail.Entry(action=action, details=details), now, silent=(kind,))
