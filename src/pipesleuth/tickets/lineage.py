"""How failed runs belong together: which only repeats another's failure, which were run again, who called whom."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, or_, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Mark, Ticket, Todo
from pipesleuth.model import Failure, timestamp
from pipesleuth.tickets import lifecycle, trail

CAUSE, ALIAS = "cause:", "alias:"  # of marks
_REMEMBERED = timedelta(days=7)
SHOWN = 50
_SHORT = (Ticket.id, Ticket.pipeline, Ticket.run_id, Ticket.status, Ticket.timestamp, Ticket.source)


def join(connection: Connection, ticket_id: str, failure: Failure, causes: Sequence[str], now: datetime) -> str | None:
    """Link a ticket with the runs whose failure it repeats, and with a ticket that repeats its own.

    `causes` are run keys, the innermost last. Of tickets that tell of one failure the one that people were told
    first is the head, else the innermost; its id is returned where the ticket stands folded under it.
    """
    known = _by_run(connection, causes)
    for run in causes:
        if run not in known:
            _remember(connection, CAUSE, run, ticket_id, now)
    waiting = _recall(connection, CAUSE, failure.run_id) if failure.run_id else None
    related = [waiting, ticket_id, *(known[run] for run in causes if run in known)]
    return _gather(connection, ticket_id, list(dict.fromkeys(each for each in related if each)), now)


def _gather(connection: Connection, ticket_id: str, ids: Sequence[str], now: datetime) -> str | None:
    """Fold all of these tickets under one of them; the head's id where `ticket_id` is not it."""
    heads = list(dict.fromkeys(head_of(connection, each) for each in ids))
    if len(heads) > 1:
        # Locked in the order of their ids, whoever comes first.
        rows = {each: lifecycle.fetch(connection, each) for each in sorted(heads)}
        heads = [each for each in heads if rows[each]["caused_by"] is None]
        told = {each: at for each in heads if (at := _told_since(connection, rows[each], now))}
        head = min(told, key=lambda each: told[each]) if told else heads[-1]
        for other in heads:
            if other != head:
                fold(connection, rows[other], lifecycle.fetch(connection, head), now)
        heads = [head]
    return heads[0] if heads and heads[0] != ticket_id else None


def fold(connection: Connection, row: RowMapping, head: RowMapping, now: datetime) -> None:
    """From now on this ticket stands under another: it owes nobody anything, and follows the head's status."""
    values: dict[str, Any] = {"caused_by": head["id"]}
    if not lifecycle.owned_by_jira(connection, row):
        values |= {name: head[name] for name in lifecycle.FOLLOWED if row[name] != head[name]}
    connection.execute(update(Ticket).where(Ticket.caused_by == row["id"]).values(caused_by=head["id"]))
    details = f"This failure only repeats that of {head['id']} ({head['pipeline']}), and follows its status."
    lifecycle.change(connection, row, values, trail.Entry(action="Failure Folded", details=details), now)
    said = f"{row['id']} ({row['pipeline']}) only repeats this failure and stands under it."
    entry = trail.Entry(action="Failure Linked", details=said)
    lifecycle.change(connection, head, {}, entry, now, silent=lifecycle.CHANNELS)


def _told_since(connection: Connection, row: RowMapping, now: datetime) -> str | None:
    """When people were told of a ticket; what is on its way to them just now counts as told."""
    if row["told_at"] is not None:
        return row["told_at"]
    going = select(Todo.ticket_id).where(
        Todo.ticket_id == row["id"],
        Todo.kind.in_(lifecycle.CHANNELS),
        or_(Todo.in_doubt, Todo.leased_until > timestamp(now)),
    )
    return timestamp(now) if connection.execute(going).first() is not None else None


def head_of(connection: Connection, ticket_id: str) -> str:
    """The ticket that this one stands folded under, or itself."""
    head = connection.execute(select(Ticket.caused_by).where(Ticket.id == ticket_id)).scalar()
    return head or ticket_id


def _by_run(connection: Connection, runs: Iterable[str]) -> dict[str, str]:
    found = connection.execute(select(Ticket.run_id, Ticket.id).where(Ticket.run_id.in_(list(runs))))
    return {row.run_id: row.id for row in found}


def ticketed(connection: Connection, runs: Sequence[str]) -> dict[str, str]:
    """Which of these runs have a ticket, and which."""
    known: dict[str, str] = {}
    for start in range(0, len(runs), 500):
        known |= _by_run(connection, runs[start : start + 500])
    return known


def remember_alias(connection: Connection, alert: str, run_id: str, now: datetime) -> None:
    """An alert's ticket became this run's: the same alert, sent again, is to find it."""
    _remember(connection, ALIAS, alert, run_id, now)


def runs_of_alerts(connection: Connection, alerts: Sequence[str]) -> dict[str, str]:
    """The runs that alerts without one turned out to be about."""
    names = {_name(ALIAS, alert): alert for alert in alerts}
    found = connection.execute(select(Mark.name, Mark.value).where(Mark.name.in_(list(names))))
    return {names[row.name]: row.value for row in found}


def _name(kind: str, key: str) -> str:
    # A digest: run ids may be longer than a mark's name.
    return kind + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _remember(connection: Connection, kind: str, key: str, value: str, now: datetime) -> None:
    connection.execute(delete(Mark).where(Mark.name.startswith(kind), Mark.until <= timestamp(now)))
    name, until = _name(kind, key), timestamp(now + _REMEMBERED)
    if connection.execute(select(Mark.name).where(Mark.name == name)).first() is None:
        wrote_first(connection, insert(Mark).values(name=name, value=value, until=until))


def _recall(connection: Connection, kind: str, key: str) -> str | None:
    ticket = connection.execute(select(Mark.value).where(Mark.name == _name(kind, key))).scalar()
    there = select(Ticket.id).where(Ticket.id == ticket)
    return ticket if ticket and connection.execute(there).first() is not None else None


def folded_counts(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """How many tickets stand folded under each of these."""
    if not ids:
        return {}
    found = connection.execute(
        select(Ticket.caused_by, func.count()).where(Ticket.caused_by.in_(ids)).group_by(Ticket.caused_by)
    )
    return {str(head): count for head, count in found}


def shown(connection: Connection, row: RowMapping) -> dict[str, Any]:
    """A ticket's relatives for its page: head and folded ones, reruns and repairs, caller and called runs."""
    group = row["run_group"] or row["run_id"]
    same = or_(Ticket.run_group == group, Ticket.run_id == group)
    children = Ticket.parent_run_id == row["run_id"]
    return {
        "run_group": row["run_group"],
        "parent_run_id": row["parent_run_id"],
        "head": _first(_some(connection, Ticket.id == row["caused_by"], row) if row["caused_by"] else []),
        "folded": _some(connection, Ticket.caused_by == row["id"], row),
        "attempts": _some(connection, same, row) if group else [],
        "parent": _first(_some(connection, Ticket.run_id == row["parent_run_id"], row) if row["parent_run_id"] else []),
        "children": _some(connection, children, row) if row["run_id"] else [],
    }


def _some(connection: Connection, which: Any, row: RowMapping) -> list[dict[str, Any]]:
    statement = select(*_SHORT).where(which, Ticket.id != row["id"]).order_by(Ticket.timestamp).limit(SHOWN)
    return [dict(each) for each in connection.execute(statement).mappings()]


def _first(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return found[0] if found else None
