"""How tickets that were made on a standby come to the primary: once, with all that belongs to them, in one commit.

Everything here is idempotent: a mark in the primary, written in the same transaction, says how much of a ticket it
has, whoever brings it and however often.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from pipesleuth.db.tables import AuditLine, Feedback, Mark, Payload, Ticket, Todo
from pipesleuth.outbox import todos
from pipesleuth.outbox.todos import FREE
from pipesleuth.tickets import joining, lifecycle
from pipesleuth.tickets.kept import Kept, Row, append, renumbered, unnumbered
from pipesleuth.tickets.lineage import runs_of_alerts

MERGED = "merged:"
MOVED, JOINED, COMPLETED, KNOWN = "moved", "joined", "completed", "known"


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a ticket: the id that the primary has it under, and how it got there."""

    ticket_id: str
    outcome: str


def became(connection: Connection, ticket_id: str) -> str:
    """The id under which the primary has a ticket that a standby once made; the same id for all others."""
    known = _marks(connection, [ticket_id]).get(ticket_id)
    return known["ticket"] if known is not None else ticket_id


def bring(connection: Connection, brought: Sequence[Kept], now: datetime) -> list[Brought]:
    """Let the primary have these tickets as far as it has not. Part of the caller's transaction.

    A clash with what others write at the same moment is raised as the driver's error: done again, one by one, it is
    seen.
    """
    ids = [each.ticket["id"] for each in brought]
    runs = [each.ticket["run_id"] for each in brought if each.ticket["run_id"]]
    known = _marks(connection, ids)
    rows = select(Ticket.id, Ticket.run_id).where(Ticket.id.in_(ids) | Ticket.run_id.in_(runs))
    there = {name for row in connection.execute(rows) for name in (row.id, row.run_id)}
    there |= set(runs_of_alerts(connection, runs)) if runs else set()
    fresh = [
        each
        for each in brought
        if each.ticket["id"] not in known and not {each.ticket["id"], each.ticket["run_id"]} & there - {None}
    ]
    _move(connection, [(each, each.ticket["id"]) for each in fresh])
    done = {each.ticket["id"]: Brought(each.ticket["id"], MOVED) for each in fresh}
    for each in brought:
        ticket_id = each.ticket["id"]
        if ticket_id in known:
            done[ticket_id] = _catch_up(connection, each, known[ticket_id], now)
        elif ticket_id not in done:
            done[ticket_id] = _first_time(connection, each, now)
    _note(connection, [(each, done[each.ticket["id"]]) for each in brought], known)
    return [done[ticket_id] for ticket_id in ids]


def _marks(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    found = select(Mark.name, Mark.value).where(Mark.name.in_([MERGED + one for one in ids]))
    return {row.name.removeprefix(MERGED): json.loads(row.value) for row in connection.execute(found)}


def _note(connection: Connection, done: Sequence[tuple[Kept, Brought]], known: Mapping[str, Any]) -> None:
    """Write how much of each the primary has now."""
    versions = select(Ticket.id, Ticket.version).where(Ticket.id.in_([brought.ticket_id for _, brought in done]))
    version = {row.id: row.version for row in connection.execute(versions)}
    fresh: list[dict[str, Any]] = []
    for each, brought in done:
        ticket_id = each.ticket["id"]
        joined = brought.outcome == JOINED or bool(known.get(ticket_id, {}).get("joined"))
        has = {"line": each.newest, "seen": each.ticket["seen_count"], "own": each.ticket["version"], "joined": joined}
        value = json.dumps({"ticket": brought.ticket_id, "version": version[brought.ticket_id], **has})
        name = MERGED + ticket_id
        if ticket_id not in known:
            fresh.append({"name": name, "value": value, "until": None})
        elif brought.outcome != KNOWN:
            connection.execute(update(Mark).where(Mark.name == name).values(value=value))
    if fresh:
        connection.execute(insert(Mark), fresh)


def _first_time(connection: Connection, brought: Kept, now: datetime) -> Brought:
    """One whose id or run the primary has already."""
    ticket = brought.ticket
    own = connection.execute(lifecycle.locked(select(Ticket).where(Ticket.id == ticket["id"]))).mappings().first()
    same = own is not None and _is_same(own, ticket)
    if own is not None and same and _is_untouched(connection, own):
        # Its commit's answer was lost: both have it.
        _complete(connection, brought)
        return Brought(ticket["id"], COMPLETED)
    stays = own if same else _of_run(connection, ticket["run_id"])
    if stays is not None:
        joining.join(connection, stays, brought, now)
        return Brought(stays["id"], JOINED)
    # Six hex digits a second do clash: another failure may have this id on the primary.
    ticket_id = ticket["id"] if own is None else _other_id(connection, ticket["id"])
    _move(connection, [(brought, ticket_id)])
    return Brought(ticket_id, MOVED)


def _is_same(row: Row, ticket: Row) -> bool:
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


def _move(connection: Connection, moved: Sequence[tuple[Kept, str]]) -> None:
    """The primary knew nothing of these: everything is stored as it is, under numbers of its own."""
    if not moved:
        return
    heads = {head: became(connection, head) for each, _ in moved if (head := each.ticket["caused_by"])}
    rows = [
        {**each.ticket, "id": one, "caused_by": heads.get(each.ticket["caused_by"], each.ticket["caused_by"])}
        for each, one in moved
    ]
    connection.execute(insert(Ticket), rows)
    numbers = append(connection, [{**line, "ticket_id": one} for each, one in moved for line in each.lines])
    _store(connection, moved, numbers)


def _store(connection: Connection, moved: Sequence[tuple[Kept, str]], numbers: Mapping[int, int]) -> None:
    """To-dos that nobody holds any more, bodies and verdicts, beside tickets that are stored."""
    owed = [
        {
            **todo,
            "ticket_id": one,
            "claim": None,
            "leased_until": FREE,
            "receipt": renumbered(todo["receipt"], {line["id"]: numbers[line["id"]] for line in each.lines}),
        }
        for each, one in moved
        for todo in each.todos
    ]
    bodies = [{**body, "ticket_id": one} for each, one in moved for body in each.payloads]
    verdicts = [{**unnumbered(said), "ticket_id": one} for each, one in moved for said in each.verdicts]
    for table, stored in ((Todo, owed), (Payload, bodies), (Feedback, verdicts)):
        if stored:
            connection.execute(insert(table), stored)


def _complete(connection: Connection, brought: Kept) -> None:
    """The primary has it as it came in, and nobody has touched it there: it is taken as the standby has it."""
    ticket_id = brought.ticket["id"]
    head = brought.ticket["caused_by"]
    row = {**brought.ticket, "caused_by": became(connection, head) if head else None}
    connection.execute(update(Ticket).where(Ticket.id == ticket_id).values(**row))
    there = connection.execute(select(AuditLine).where(AuditLine.ticket_id == ticket_id).order_by(AuditLine.id))
    known = {_said(line): line["id"] for line in there.mappings()}
    numbers = {line["id"]: known[_said(line)] for line in brought.lines if _said(line) in known}
    numbers |= append(connection, [line for line in brought.lines if line["id"] not in numbers])
    connection.execute(delete(Todo).where(Todo.ticket_id == ticket_id))
    connection.execute(delete(Payload).where(Payload.ticket_id == ticket_id))
    _store(connection, [(brought, ticket_id)], numbers)


def _is_untouched(connection: Connection, row: RowMapping) -> bool:
    """Whether the ticket is as it came in: no change, nothing tried."""
    tried = (Todo.attempts > 0) | Todo.claim.is_not(None) | Todo.receipt.is_not(None)
    begun = connection.execute(select(Todo.kind).where(Todo.ticket_id == row["id"], tried)).first()
    return row["version"] == 1 and row["seen_count"] == 1 and begun is None


def _said(line: Row) -> tuple[Any, ...]:
    return (line["timestamp"], line["action"], line["user_name"], line["details"])


def _catch_up(connection: Connection, brought: Kept, known: Row, now: datetime) -> Brought:
    """What came to a ticket on the standby after it was brought: more of its webhook, a person's hand, a late receipt.

    Where the primary's is as it was left it takes all of it over; else what was achieved is done there too.
    """
    ticket, ticket_id = brought.ticket, known["ticket"]
    more = ticket["seen_count"] - known["seen"]
    lines = [{**line, "ticket_id": ticket_id} for line in brought.lines if line["id"] > known["line"]]
    if more <= 0 and not lines:
        return Brought(ticket_id, KNOWN)
    row, before = lifecycle.fetch(connection, ticket_id), joining.last_line(connection, ticket_id)
    if row["version"] == known["version"] and ticket["version"] > known["own"] and not known["joined"]:
        values = {**ticket, "id": ticket_id, "caused_by": row["caused_by"]}
        connection.execute(update(Ticket).where(Ticket.id == ticket_id).values(**values))
        numbers = append(connection, lines)
        todos.want(connection, ticket_id, lifecycle.CHANNELS, ticket["version"])
        for todo in brought.todos:
            if (late := renumbered(todo["receipt"], numbers, before)) is not None:
                empty = (Todo.ticket_id == ticket_id, Todo.kind == todo["kind"], Todo.receipt.is_(None))
                connection.execute(update(Todo).where(*empty).values(receipt=late, in_doubt=False, doubt_since=None))
    else:
        counted = update(Ticket).where(Ticket.id == ticket_id)
        connection.execute(counted.values(seen_count=Ticket.seen_count + max(more, 0)))
        append(connection, [{**line, "event": None, "ticket_version": None} for line in lines])
        joining.follow_hand(connection, ticket_id, ticket, now)
        for todo in brought.todos:
            joining.take_receipt(connection, ticket_id, todo, before, now)
    return Brought(ticket_id, COMPLETED)
