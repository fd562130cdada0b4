"""How a ticket that was made on a standby comes to the primary: once, with all that belongs to it, in one commit.

Each piece of work here is idempotent: a mark in the primary, written in the same transaction, says how much of a
ticket it has, whoever brings it and however often.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from pipesleuth.db.tables import AuditLine, Feedback, Inbound, Mark, Payload, Ticket, Todo
from pipesleuth.model import Status, moment
from pipesleuth.outbox import todos
from pipesleuth.outbox.todos import FREE, read_receipt, write_receipt
from pipesleuth.tickets import lifecycle, trail
from pipesleuth.tickets.lineage import ALIAS, CAUSE, runs_of_alerts
from pipesleuth.tickets.recurrence import REPAIRED, ask_again

MERGED, REGISTER = "merged:", "merged-inbound:"
MOVED, JOINED, COMPLETED, KNOWN = "moved", "joined", "completed", "known"
INBOUND_AT_ONCE = 500
_SHARED_MARKS = ("revoked:", ALIAS, CAUSE)

Row = Mapping[str, Any] | RowMapping


@dataclass(frozen=True, slots=True)
class Kept:
    """A ticket on the standby with everything that belongs to it."""

    ticket: Row
    lines: Sequence[Row]
    todos: Sequence[Row]
    payload: Row | None
    verdicts: Sequence[Row]

    @property
    def newest(self) -> int:
        """The number of its last audit line."""
        return self.lines[-1]["id"] if self.lines else 0


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of it: the id that the primary has it under, and how it got there."""

    ticket_id: str
    outcome: str


def kept(connection: Connection, ticket_id: str) -> Kept:
    """The ticket as the standby has it."""

    def rows(table: Any, order: Any) -> list[dict[str, Any]]:
        found = connection.execute(select(table).where(table.ticket_id == ticket_id).order_by(order)).mappings()
        return [dict(row) for row in found]

    ticket = dict(connection.execute(select(Ticket).where(Ticket.id == ticket_id)).mappings().one())
    payload = rows(Payload, Payload.ticket_id)
    return Kept(
        ticket,
        rows(AuditLine, AuditLine.id),
        rows(Todo, Todo.kind),
        payload[0] if payload else None,
        rows(Feedback, Feedback.id),
    )


def became(connection: Connection, ticket_id: str) -> str:
    """The id under which the primary has a ticket that a standby once made; the same id for all others."""
    known = _mark(connection, ticket_id)
    return known["ticket"] if known is not None else ticket_id


def bring(connection: Connection, brought: Kept, now: datetime) -> Brought:
    """Let the primary have this ticket as far as it has not. Part of the caller's transaction.

    A clash with what others write at the same moment is raised as the driver's error: done again, it is seen.
    """
    ticket_id = brought.ticket["id"]
    known = _mark(connection, ticket_id)
    if known is not None:
        done = Brought(known["ticket"], _catch_up(connection, brought, known))
    else:
        own = connection.execute(lifecycle.locked(select(Ticket).where(Ticket.id == ticket_id))).mappings().first()
        done = _first_time(connection, brought, own, now)
    value = json.dumps({"ticket": done.ticket_id, "line": brought.newest, "seen": brought.ticket["seen_count"]})
    if known is None:
        connection.execute(insert(Mark).values(name=MERGED + ticket_id, value=value, until=None))
    elif done.outcome != KNOWN:
        connection.execute(update(Mark).where(Mark.name == MERGED + ticket_id).values(value=value))
    return done


def _first_time(connection: Connection, brought: Kept, own: RowMapping | None, now: datetime) -> Brought:
    ticket = brought.ticket
    if own is not None and is_same(own, ticket):
        # Its commit's answer was lost: both have it.
        if _is_untouched(connection, own):
            return _completed(connection, brought)
        return _joined(connection, own, brought, now)
    rival = _of_run(connection, ticket["run_id"])
    if rival is not None:
        return _joined(connection, rival, brought, now)
    # Six hex digits a second do clash: another failure may have this id on the primary.
    return _moved(connection, brought, ticket["id"] if own is None else _other_id(connection, ticket["id"]))


def is_same(row: Row, ticket: Row) -> bool:
    """Whether two rows of one id are the same failure taken in, and not two that drew the same id."""
    return all(row[name] == ticket[name] for name in ("timestamp", "source")) and (
        row["run_id"] == ticket["run_id"] or row["run_id"] is None or ticket["run_id"] is None
    )


def _of_run(connection: Connection, run_id: str | None) -> RowMapping | None:
    if run_id is None:
        return None
    same = select(Ticket).where(Ticket.run_id.in_([run_id, *runs_of_alerts(connection, [run_id]).values()]))
    return connection.execute(lifecycle.locked(same)).mappings().first()


def _other_id(connection: Connection, ticket_id: str) -> str:
    """A free id of the same second."""
    stem, _, drawn = ticket_id.rpartition("-")
    for step in range(1, 1000):
        other = f"{stem}-{(int(drawn, 16) + step) % 16**6:06x}"
        if connection.execute(select(Ticket.id).where(Ticket.id == other)).first() is None:
            return other
    raise lifecycle.NotNow(f"No ticket id is free beside {ticket_id}.")


def _moved(connection: Connection, brought: Kept, ticket_id: str) -> Brought:
    """The primary knew nothing of it: everything is stored as it is, under numbers of its own."""
    head = brought.ticket["caused_by"]
    row = {**brought.ticket, "id": ticket_id, "caused_by": became(connection, head) if head else None}
    connection.execute(insert(Ticket).values(**row))
    _store(connection, brought, ticket_id, _append(connection, brought.lines, ticket_id))
    return Brought(ticket_id, MOVED)


def _completed(connection: Connection, brought: Kept) -> Brought:
    """The primary has it as it came in, and nobody has touched it there: it is taken as the standby has it."""
    ticket_id = brought.ticket["id"]
    head = brought.ticket["caused_by"]
    row = {**brought.ticket, "caused_by": became(connection, head) if head else None}
    connection.execute(update(Ticket).where(Ticket.id == ticket_id).values(**row))
    there = connection.execute(select(AuditLine).where(AuditLine.ticket_id == ticket_id).order_by(AuditLine.id))
    known = {_said(line): line["id"] for line in there.mappings()}
    numbers = {line["id"]: known[_said(line)] for line in brought.lines if _said(line) in known}
    numbers |= _append(connection, [line for line in brought.lines if line["id"] not in numbers], ticket_id)
    connection.execute(delete(Todo).where(Todo.ticket_id == ticket_id))
    connection.execute(delete(Payload).where(Payload.ticket_id == ticket_id))
    _store(connection, brought, ticket_id, numbers)
    return Brought(ticket_id, COMPLETED)


def _store(connection: Connection, brought: Kept, ticket_id: str, numbers: Mapping[int, int]) -> None:
    """To-dos, body and verdicts beside a ticket that is stored."""
    rows = [{**todo, "ticket_id": ticket_id, **_freed(todo, numbers)} for todo in brought.todos]
    if rows:
        connection.execute(insert(Todo), rows)
    if brought.payload is not None:
        connection.execute(insert(Payload).values(**{**brought.payload, "ticket_id": ticket_id}))
    _move_verdicts(connection, brought, ticket_id)


def _freed(todo: Row, numbers: Mapping[int, int]) -> dict[str, Any]:
    """A to-do that nobody holds any more, with what was told by the primary's numbers."""
    told = _told(todo, numbers, 0)
    return {"claim": None, "leased_until": FREE, "receipt": told}


def _told(todo: Row, numbers: Mapping[int, int], least: int) -> str | None:
    receipt = read_receipt(todo["receipt"])
    if receipt is None:
        return None
    told = max((new for old, new in numbers.items() if old <= receipt.told_audit_id), default=least)
    return write_receipt(replace(receipt, told_audit_id=max(told, least)))


def _is_untouched(connection: Connection, row: RowMapping) -> bool:
    """Whether the ticket is as it came in: no change, nothing tried."""
    tried = (Todo.attempts > 0) | Todo.claim.is_not(None) | Todo.receipt.is_not(None)
    begun = connection.execute(select(Todo.kind).where(Todo.ticket_id == row["id"], tried)).first()
    return row["version"] == 1 and row["seen_count"] == 1 and begun is None


def _append(connection: Connection, lines: Sequence[Row], ticket_id: str) -> dict[int, int]:
    """Append lines with their own times, in their own order; the primary's number of each."""
    if not lines:
        return {}
    rows = [_unnumbered(line) | {"ticket_id": ticket_id} for line in lines]
    statement = insert(AuditLine).returning(AuditLine.id, sort_by_parameter_order=True)
    numbers = connection.execute(statement, rows).scalars().all()
    return {line["id"]: number for line, number in zip(lines, numbers, strict=True)}


def _unnumbered(row: Row) -> dict[str, Any]:
    """A row without its number, which the primary gives."""
    return {name: value for name, value in row.items() if name != "id"}


def _said(line: Row) -> tuple[Any, ...]:
    return (line["timestamp"], line["action"], line["user_name"], line["details"])


# --- the same run in both ---


def _joined(connection: Connection, row: RowMapping, brought: Kept, now: datetime) -> Brought:
    """The primary's ticket stays; the standby's becomes a line on it, and what it has achieved is not lost."""
    ticket, ticket_id = brought.ticket, row["id"]
    before = connection.execute(
        select(AuditLine.id).where(AuditLine.ticket_id == ticket_id).order_by(AuditLine.id.desc()).limit(1)
    ).scalar()
    remarks = [_receipt_taken(connection, ticket_id, todo, before or 0, now) for todo in brought.todos]
    row = lifecycle.fetch(connection, ticket_id)
    details = " ".join([_story(brought), *filter(None, remarks)])
    entry = trail.Entry(action="Merged From Standby", details=details)
    values: dict[str, Any] = {"seen_count": row["seen_count"] + (0 if ticket["id"] == ticket_id else 1)}
    values["seen_count"] += ticket["seen_count"] - 1
    lifecycle.change(connection, row, values, entry, now)
    _follow_hand(connection, lifecycle.fetch(connection, ticket_id), ticket, now)
    if ticket["source"] == REPAIRED:
        ask_again(connection, (ticket_id,), now)
    _move_verdicts(connection, brought, ticket_id)
    return Brought(ticket_id, JOINED)


def _receipt_taken(connection: Connection, ticket_id: str, todo: Row, before: int, now: datetime) -> str:
    """Keep what the standby's ticket has brought about at a destination; what is worth saying of it."""
    kind, receipt = todo["kind"], read_receipt(_told(todo, {}, before))
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
    connection.execute(
        update(Todo).where(*mine).values(receipt=write_receipt(receipt), in_doubt=False, doubt_since=None)
    )
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


def _follow_hand(connection: Connection, row: RowMapping, ticket: Row, now: datetime) -> None:
    """What a person did with the ticket on the standby is done on the primary's too, where nobody did more."""
    if row["caused_by"] is not None or ticket["status_by"] is None or lifecycle.owned_by_jira(connection, row):
        return
    by, details = ticket["ack_user"] or trail.SYSTEM, f"Done on {ticket['id']}, on the standby."
    if ticket["status"] == Status.ACKNOWLEDGED and row["status"] != Status.ACKNOWLEDGED:
        lifecycle.finish(connection, row, by, moment(ticket["ack_ts"]), now, details=details)
    elif ticket["status"] == Status.IN_PROGRESS and row["status"] == Status.OPEN:
        lifecycle.start(connection, row, by, now, details=details)


def _move_verdicts(connection: Connection, brought: Kept, ticket_id: str) -> None:
    for verdict in brought.verdicts:
        connection.execute(insert(Feedback).values(_unnumbered(verdict) | {"ticket_id": ticket_id}))


def _catch_up(connection: Connection, brought: Kept, known: Row) -> str:
    """What came to a ticket after it was brought: more of the same webhook, and lines that say so."""
    more = brought.ticket["seen_count"] - known["seen"]
    lines = [line for line in brought.lines if line["id"] > known["line"]]
    if more <= 0 and not lines:
        return KNOWN
    ticket_id = known["ticket"]
    if more > 0:
        counted = update(Ticket).where(Ticket.id == ticket_id)
        connection.execute(counted.values(seen_count=Ticket.seen_count + more))
    quiet = [{**line, "event": None, "ticket_version": None} for line in lines]
    _append(connection, quiet, ticket_id)
    return COMPLETED


def _mark(connection: Connection, ticket_id: str) -> dict[str, Any] | None:
    value = connection.execute(select(Mark.value).where(Mark.name == MERGED + ticket_id)).scalar()
    return json.loads(value) if value else None


# --- what belongs to no ticket ---


@dataclass(frozen=True, slots=True)
class Rest:
    """What a standby holds besides tickets: marks that all share, and the register of webhooks."""

    epoch: str
    marks: Sequence[Row]
    inbound: Sequence[Row]


def rest(connection: Connection, epoch: str, after: int) -> Rest:
    """The next piece of it, from a row of the register on."""
    shared = [Mark.name.startswith(beginning) for beginning in _SHARED_MARKS]
    marks = connection.execute(select(Mark).where(shared[0] | shared[1] | shared[2])).mappings()
    found = select(Inbound).where(Inbound.id > after).order_by(Inbound.id).limit(INBOUND_AT_ONCE)
    return Rest(epoch, [dict(row) for row in marks], [dict(row) for row in connection.execute(found).mappings()])


def bring_rest(connection: Connection, brought: Rest) -> None:
    """Let the primary have it, as far as it has not."""
    for mark in brought.marks:
        if connection.execute(select(Mark.name).where(Mark.name == mark["name"])).first() is None:
            value = became(connection, mark["value"]) if mark["name"].startswith(CAUSE) else mark["value"]
            connection.execute(insert(Mark).values(**{**mark, "value": value}))
    done = register_done(connection, brought.epoch)
    fresh = [row for row in brought.inbound if row["id"] > done]
    if not fresh:
        return
    # Of a commit whose answer was lost the primary has the row already.
    same = select(Inbound.time, Inbound.digest).where(Inbound.time.in_([row["time"] for row in fresh]))
    there = {(row.time, row.digest) for row in connection.execute(same)}
    rows = [_unnumbered(row) for row in fresh if (row["time"], row["digest"]) not in there]
    if rows:
        connection.execute(insert(Inbound), rows)
    name, value = REGISTER + brought.epoch, str(brought.inbound[-1]["id"])
    if connection.execute(update(Mark).where(Mark.name == name).values(value=value)).rowcount == 0:
        connection.execute(insert(Mark).values(name=name, value=value, until=None))


def register_done(connection: Connection, epoch: str) -> int:
    """How far the primary has the register of a standby."""
    return int(connection.execute(select(Mark.value).where(Mark.name == REGISTER + epoch)).scalar() or 0)
