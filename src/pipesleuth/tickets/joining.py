"""The same run in both databases: the primary's ticket stays, the standby's becomes a line on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from pipesleuth.db.tables import AuditLine, Feedback, Todo
from pipesleuth.model import Status, moment
from pipesleuth.outbox import todos
from pipesleuth.outbox.todos import read_receipt, write_receipt
from pipesleuth.tickets import lifecycle, trail
from pipesleuth.tickets.kept import Kept, Row, renumbered, unnumbered
from pipesleuth.tickets.recurrence import REPAIRED, ask_again


def join(connection: Connection, row: RowMapping, brought: Kept, now: datetime) -> None:
    """Let the primary's ticket have what the standby's has achieved, and tell of it in one line."""
    ticket, ticket_id = brought.ticket, row["id"]
    before = last_line(connection, ticket_id)
    remarks = [take_receipt(connection, ticket_id, todo, before, now) for todo in brought.todos]
    row = lifecycle.fetch(connection, ticket_id)
    details = " ".join([_story(brought), *filter(None, remarks)])
    entry = trail.Entry(action="Merged From Standby", details=details)
    more = ticket["seen_count"] - (1 if ticket["id"] == ticket_id else 0)
    lifecycle.change(connection, row, {"seen_count": row["seen_count"] + more}, entry, now)
    follow_hand(connection, ticket_id, ticket, now)
    if ticket["source"] == REPAIRED:
        ask_again(connection, (ticket_id,), now)
    for verdict in brought.verdicts:
        connection.execute(insert(Feedback).values({**unnumbered(verdict), "ticket_id": ticket_id}))


def last_line(connection: Connection, ticket_id: str) -> int:
    """The number of a ticket's last audit line."""
    return connection.execute(select(func.max(AuditLine.id)).where(AuditLine.ticket_id == ticket_id)).scalar() or 0


def take_receipt(connection: Connection, ticket_id: str, todo: Row, before: int, now: datetime) -> str:
    """Keep what the standby's ticket has brought about at a destination; what is worth saying of it.

    What the primary's ticket says up to the line `before` counts as told there.
    """
    kind, receipt = todo["kind"], read_receipt(renumbered(todo["receipt"], {}, before))
    mine = (Todo.ticket_id == ticket_id, Todo.kind == kind)
    known = connection.execute(select(Todo).where(*mine)).mappings().first()
    if receipt is None or not receipt.key:
        if todo["in_doubt"] and todo["attempts"] > 0 and known is not None and known["receipt"] is None:
            # A try on the standby may have created something: whoever comes next looks for it.
            connection.execute(update(Todo).where(*mine).values(in_doubt=True, doubt_since=todo["doubt_since"]))
        return ""
    where = f"{receipt.key}{f' ({receipt.url})' if receipt.url else ''}"
    if kind not in lifecycle.CHANNELS:
        return f"Its {kind} is {where}."
    if known is None or known["receipt"] is not None:
        same = known is not None and (read_receipt(known["receipt"]) or receipt).key == receipt.key
        return "" if same else f"In {kind} it has {where} besides: close that one as a duplicate."
    values: dict[str, Any] = {"receipt": write_receipt(receipt), "in_doubt": False, "doubt_since": None}
    connection.execute(update(Todo).where(*mine).values(**values))
    lifecycle.record_receipt(connection, ticket_id, kind, receipt, now, f"Told on the standby as {where}.")
    todos.want(connection, ticket_id, (kind,), lifecycle.fetch(connection, ticket_id)["version"])
    return ""


def _story(brought: Kept) -> str:
    ticket = brought.ticket
    done = list(dict.fromkeys(line["action"] for line in brought.lines))
    return (
        f"{ticket['id']} was made for the same run at {ticket['timestamp']} on a standby, while this database could "
        f"not be reached; {ticket['rca_source']} said {ticket['category']}. What happened there: {', '.join(done)}."
    )


def follow_hand(connection: Connection, ticket_id: str, ticket: Row, now: datetime) -> None:
    """What a person did with the ticket on the standby is done on the primary's too, where nobody did more."""
    row = lifecycle.fetch(connection, ticket_id)
    if row["caused_by"] is not None or ticket["status_by"] is None or lifecycle.owned_by_jira(connection, row):
        return
    by, details = ticket["ack_user"] or trail.SYSTEM, f"Done on {ticket['id']}, on the standby."
    if ticket["status"] == Status.ACKNOWLEDGED and row["status"] != Status.ACKNOWLEDGED:
        lifecycle.finish(connection, row, by, moment(ticket["ack_ts"]), now, details=details)
    elif ticket["status"] == Status.IN_PROGRESS and row["status"] == Status.OPEN:
        lifecycle.start(connection, row, by, now, details=details)
