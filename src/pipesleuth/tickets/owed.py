"""What is owed to the outside: listed, counted, tried again or given up by a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, or_, select, update

from pipesleuth.db.tables import Hold, Todo
from pipesleuth.model import moment, timestamp
from pipesleuth.outbox import todos
from pipesleuth.tickets import lifecycle, trail

RUNNING, STOPPED, IN_DOUBT, DUE, WAITING = "running", "stopped", "in doubt", "due", "waiting"
STATES = (DUE, WAITING, RUNNING, IN_DOUBT, STOPPED)
LISTED = (
    Todo.ticket_id,
    Todo.kind,
    Todo.rank,
    Todo.created_at,
    Todo.attempts,
    Todo.next_try_at,
    Todo.last_error,
    Todo.stopped_at,
)


PIECE = 500  # to-dos in one transaction: servers wait for it
Place = tuple[str, str]
"""The ticket and kind behind which the next piece begins."""
START: Place = ("", "")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which to-dos are meant; an empty word means all."""

    ticket: str = ""
    kind: str = ""
    state: str = ""


def listing(connection: Connection, which: Filter, now: datetime, most: int) -> Sequence[RowMapping]:
    """What is owed, the most urgent first, each with its `state` (one of STATES)."""
    found = select(*LISTED, _state(now).label("state")).where(*_meant(which, now))
    urgency = (Todo.rank, Todo.created_at, Todo.kind)
    return connection.execute(found.order_by(*urgency).limit(most)).mappings().all()


def retry(
    connection: Connection, which: Filter, by: str, now: datetime, after: Place = START, *, most: int = PIECE
) -> tuple[int, Place | None]:
    """Try the next few of these again at once, with a line on each ticket; how many, and the place to go on from."""

    def again(ticket: str, kind: str) -> bool:
        return todos.retry(connection, ticket, kind, now)

    return _some(connection, which, by, now, after, most=most, word="Retried", deed=again)


def drop(
    connection: Connection, which: Filter, by: str, now: datetime, after: Place = START, *, most: int = PIECE
) -> tuple[int, Place | None]:
    """Owe the next few of these no more; how many, and the place to go on from.

    A line on each ticket keeps the last reason. A later change of the ticket is told again. What was in doubt stays
    so: before a create our mark is looked for.
    """

    def given_up(ticket: str, kind: str) -> bool:
        values = {"done_version": Todo.wanted_version, "stopped_at": None, "attempts": 0, "claim": None}
        mine = (Todo.ticket_id == ticket, Todo.kind == kind, Todo.leased_until <= timestamp(now))
        return connection.execute(update(Todo).where(*mine).values(values)).rowcount == 1

    return _some(connection, which, by, now, after, most=most, word="Dropped", deed=given_up)


def figures(connection: Connection, now: datetime) -> Sequence[Mapping[str, Any]]:
    """For each kind and state: `count`, `attempts` (the most of one) and `lag` (seconds the oldest has been due)."""
    at, state = timestamp(now), _state(now)
    # What waits for its time is not late; what is late is so since its time, or since it was last held.
    since = case((Todo.next_try_at <= at, Todo.next_try_at), else_=None)
    each = select(Todo.kind, state.label("state"), Todo.attempts, since.label("since")).where(*_meant(Filter(), now))
    one = each.subquery()  # SQL Server takes an expression with parameters for another one where it is grouped by
    counted = select(
        one.c.kind,
        one.c.state,
        func.count().label("count"),
        func.max(one.c.attempts).label("attempts"),
        func.min(one.c.since).label("since"),
    ).group_by(one.c.kind, one.c.state)
    found = connection.execute(counted).mappings()
    return [
        {**row, "lag": max(0.0, (now - moment(row["since"])).total_seconds()) if row["since"] else 0.0} for row in found
    ]


def held(connection: Connection, now: datetime) -> Mapping[str, float]:
    """For each destination that is held back: for how many seconds yet."""
    found = connection.execute(select(Hold.kind, Hold.until))
    return {row.kind: max(0.0, (moment(row.until) - now).total_seconds()) for row in found}


def _some(  # whose, when, from where on and what
    connection: Connection,
    which: Filter,
    by: str,
    now: datetime,
    after: Place,
    *,
    most: int,
    word: str,
    deed: Callable[[str, str], bool],
) -> tuple[int, Place | None]:
    done = 0
    behind = or_(Todo.ticket_id > after[0], and_(Todo.ticket_id == after[0], Todo.kind > after[1]))
    meant = select(Todo.ticket_id, Todo.kind, Todo.last_error).where(*_meant(which, now), behind)
    some = connection.execute(meant.order_by(Todo.ticket_id, Todo.kind).limit(most)).all()
    for ticket_id, kind, reason in some:
        row = lifecycle.fetch(connection, ticket_id)  # before its to-do, as everybody locks them
        if deed(ticket_id, kind):
            entry = trail.Entry(action=f"{kind.title()} {word}", by=by, details=reason)
            trail.write(connection, [trail.line(row, entry, now)])
            done += 1
    return done, (some[-1].ticket_id, some[-1].kind) if len(some) == most else None


def _meant(which: Filter, now: datetime) -> Sequence[ColumnElement[bool]]:
    meant: list[ColumnElement[bool]] = [Todo.wanted_version > Todo.done_version]
    meant += [Todo.ticket_id == which.ticket] if which.ticket else []
    meant += [Todo.kind == which.kind] if which.kind else []
    return [*meant, _state(now) == which.state] if which.state else meant


def _state(now: datetime) -> ColumnElement[str]:
    at = timestamp(now)
    return case(
        (Todo.stopped_at.is_not(None), STOPPED),
        (Todo.leased_until > at, RUNNING),
        (Todo.in_doubt.is_(True), IN_DOUBT),
        (Todo.next_try_at <= at, DUE),
        else_=WAITING,
    )
