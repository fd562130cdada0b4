"""What becomes of a ticket when its Jira issue moves: once for each change, in the order of Jira's own clock."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Mark, Ticket
from pipesleuth.model import Status, StatusChange, timestamp
from pipesleuth.tickets import identity, lifecycle, trail
from pipesleuth.tickets.lifecycle import JIRAS

OK, IGNORED, NOT_FOUND = "ok", "ignored", "not_found"
NOBODY = "Jira User"
LONGEST_KEY = 100
SEEN, FORGET_EVERY = "jira-webhook:", 256
REMEMBERED = timedelta(days=2)  # Jira repeats a webhook for hours at most


def apply(connection: Connection, change: StatusChange, now: datetime) -> tuple[str, str]:
    """Bring the ticket to the issue's status; `ok`, `ignored` or `not_found`, and why.

    A webhook that was seen, or that is older than what the ticket knows, changes nothing.
    """
    row = _find(connection, change)
    if row is None:
        return NOT_FOUND, f"No ticket has the issue {change.key or change.alternative_key}."
    if change.event_id and not _first_time(connection, change.event_id, now):
        return IGNORED, "This webhook was here before."
    at = min(change.at or now, now)
    if row["jira_updated_at"] and change.at is not None and timestamp(at) < row["jira_updated_at"]:
        return IGNORED, "The ticket knows a newer state of the issue."
    if row["jira_updated_at"] and not row["jira_live"]:
        return IGNORED, "The issue is gone."
    row = _noted(connection, row, change, now)
    if change.deleted:
        return _deleted(connection, row, change, now)
    return _moved(connection, row, change, at, now)


def _find(connection: Connection, change: StatusChange) -> RowMapping | None:
    """By the issue's number, which stays when it moves to another project, or else by its key."""
    ways = [Ticket.itsm_ticket_id == change.key] if change.key else []
    if change.alternative_key:
        ways.append(Ticket.jira_issue_id == change.alternative_key)
    if not ways:
        return None
    rows = connection.execute(lifecycle.locked(select(Ticket).where(or_(*ways)))).mappings().all()
    by_number = [row for row in rows if row["jira_issue_id"] and row["jira_issue_id"] == change.alternative_key]
    return next(iter([*by_number, *rows]), None) or _by_label(connection, change)


def _by_label(connection: Connection, change: StatusChange) -> RowMapping | None:
    """An issue of ours that we do not know of yet: its create has not been answered, and people are faster."""
    labels = change.details.get("labels", "").split()
    if change.deleted or not labels:
        return None
    found = select(Ticket).where(Ticket.id.in_(labels), Ticket.itsm_ticket_id.is_(None))
    for row in connection.execute(lifecycle.locked(found)).mappings().all():
        if identity.run_mark(row["source"], row["run_id"], row["id"]) in labels:
            return row
    return None


def _first_time(connection: Connection, event_id: str, now: datetime) -> bool:
    if not secrets.randbelow(FORGET_EVERY):
        connection.execute(delete(Mark).where(Mark.name.startswith(SEEN), Mark.until < timestamp(now)))
    until = timestamp(now + REMEMBERED)
    return wrote_first(connection, insert(Mark).values(name=f"{SEEN}{event_id}"[:200], value="", until=until))


def _noted(connection: Connection, row: RowMapping, change: StatusChange, now: datetime) -> RowMapping:
    """The ticket's row with Jira's time, where it said one, and with the issue's key and number as they are now."""
    values: dict[str, Any] = {}
    if change.at is not None or change.deleted:
        values["jira_updated_at"] = timestamp(min(change.at or now, now))
    if change.alternative_key and not row["jira_issue_id"]:
        values["jira_issue_id"] = change.alternative_key
    known = row["itsm_ticket_id"]
    if not known and 0 < len(change.key) <= LONGEST_KEY:
        values |= {"itsm_ticket_id": change.key, "jira_live": True}
    if values:
        connection.execute(update(Ticket).where(Ticket.id == row["id"]).values(**values))
    if known and change.key and change.key != known and len(change.key) <= LONGEST_KEY:
        details = f"{known} is {change.key} now."
        entry = trail.Entry(action="Jira Moved", by=change.by or NOBODY, details=details)
        lifecycle.change(connection, row, {"itsm_ticket_id": change.key}, entry, now, silent=("jira",))
    return lifecycle.fetch(connection, row["id"])


def _deleted(connection: Connection, row: RowMapping, change: StatusChange, now: datetime) -> tuple[str, str]:
    if not row["jira_live"]:
        return IGNORED, "The issue was gone already."
    details = f"{row['itsm_ticket_id']} was deleted in Jira; from now on the ticket is moved here."
    entry = trail.Entry(action="Jira Deleted", by=change.by or NOBODY, details=details)
    lifecycle.change(connection, row, {"jira_live": False}, entry, now, silent=("jira",))
    return OK, "The issue was deleted."


def _moved(
    connection: Connection, row: RowMapping, change: StatusChange, at: datetime, now: datetime
) -> tuple[str, str]:
    by, before, after = change.by or NOBODY, Status(row["status"]), change.status
    renamed = "status" in change.details.get("fields", "").split(", ")
    if after is None or (after is before and not renamed):
        return IGNORED, f"The status is {change.status_name} as before."
    origin = change.details.get("from")
    details = f"{origin} → {change.status_name}" if origin else change.status_name
    lifecycle.said(connection, row, f"Jira: {change.status_name}", by, now, details)
    if after is before:
        return OK, f"{change.status_name} is {after} here, as before."
    if after is Status.ACKNOWLEDGED:
        lifecycle.finish(connection, row, by, at, now, details=details, hand=JIRAS)
    elif before is Status.ACKNOWLEDGED:
        lifecycle.resume(connection, row, after, by, now, details=details, hand=JIRAS)
    elif after is Status.IN_PROGRESS:
        lifecycle.start(connection, row, by, now, details=details, hand=JIRAS)
    else:
        lifecycle.put_back(connection, row, by, now, details=details, hand=JIRAS)
    return OK, f"{before} → {after}"
