"""Back-off of a whole destination, seen by all workers: one banner instead of a thousand errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, case, delete, insert, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Hold, Todo
from pipesleuth.model import timestamp

SHORTEST_PAUSE = 5.0
REASON = 500
LONGEST_PAUSE = 10.0  # short: once a vendor is back, everything owed is told within 25 s


@dataclass(frozen=True, slots=True)
class Pause:
    """A destination that waits until a moment, and why."""

    until: str
    reason: str
    faults: int

    def is_broken(self, now: datetime, breaker_faults: int) -> bool:
        """Whether a single try goes ahead of the others: after many faults, or where few went on for long."""
        lasting = self.faults > 1 and self.until <= timestamp(now - timedelta(seconds=LONGEST_PAUSE))
        return self.faults >= breaker_faults or lasting


def current(connection: Connection) -> Mapping[str, Pause]:
    """The holds there are, by kind; one whose time is over lets a single try through."""
    rows = connection.execute(select(Hold)).mappings().all()
    return {row["kind"]: Pause(row["until"], row["reason"], row["faults"]) for row in rows}


def fault(
    connection: Connection, kind: str, reason: str, now: datetime, *, asked: float | None, breaker_faults: int
) -> None:
    """A fault of the whole destination: hold it where the other side asked for time or faults came in a row."""
    known = connection.execute(_held(kind)).mappings().first()
    faults = (known["faults"] if known else 0) + 1
    over = faults - breaker_faults
    seconds = min(SHORTEST_PAUSE * 2 ** min(over, 10), LONGEST_PAUSE) if over >= 0 else 0.0
    until = timestamp(now + timedelta(seconds=max(seconds, asked or 0.0)))
    values = {"until": max(until, known["until"]) if known else until, "reason": reason[:REASON], "faults": faults}
    if not _written(connection, kind, values, known=known is not None):
        # Another worker was the first to meet a fault here, a moment ago: this one is counted on top.
        fault(connection, kind, reason, now, asked=asked, breaker_faults=breaker_faults)


def _held(kind: str) -> Select[Any]:
    """A hold, held until the transaction ends, so that no worker's fault is counted over another's."""
    return select(Hold).where(Hold.kind == kind).with_for_update().with_hint(Hold, "WITH (UPDLOCK, ROWLOCK)", "mssql")


def _written(connection: Connection, kind: str, values: Mapping[str, Any], *, known: bool) -> bool:
    """Write a hold; False where another worker has made it since it was looked for."""
    if known:
        connection.execute(update(Hold).where(Hold.kind == kind).values(**values))
        return True
    return wrote_first(connection, insert(Hold).values(kind=kind, **values))


def closed(connection: Connection, kind: str, reason: str, now: datetime, *, breaker_faults: int) -> None:
    """It refuses everybody until a person changes something: one try now and then, to see whether somebody has."""
    known = connection.execute(_held(kind)).first() is not None
    until = timestamp(now + timedelta(seconds=LONGEST_PAUSE))
    values = {"until": until, "reason": reason[:REASON], "faults": breaker_faults}
    if not _written(connection, kind, values, known=known):
        _written(connection, kind, values, known=True)


def probing(connection: Connection, kind: str, now: datetime, *, breaker_faults: int) -> bool:
    """Whether the one try after a pause is ours to make: no worker makes another until it has ended, or is lost."""
    taken = connection.execute(
        update(Hold)
        .where(Hold.kind == kind, Hold.until <= timestamp(now))
        .values(
            until=timestamp(now + timedelta(seconds=LONGEST_PAUSE)),
            faults=case((Hold.faults < breaker_faults, breaker_faults), else_=Hold.faults),
        )
    )
    return taken.rowcount == 1


def unprobed(connection: Connection, kind: str, now: datetime) -> None:
    """The try after a pause ended without a call and showed nothing: another one may be made at once."""
    connection.execute(update(Hold).where(Hold.kind == kind).values(until=timestamp(now)))


def well(connection: Connection, kind: str, now: datetime, *, breaker_faults: int) -> None:
    """It works: what a broken destination kept waiting is due at once, and so is what it had refused to everybody.

    Where it was not broken, single faults are forgotten and keep their own back-off; a pause that the other side
    asked for stays.
    """
    known = connection.execute(select(Hold.reason, Hold.until, Hold.faults).where(Hold.kind == kind)).first()
    if known is None:
        return
    if known.faults < breaker_faults and known.until > timestamp(now):
        connection.execute(update(Hold).where(Hold.kind == kind).values(faults=0))
        return
    connection.execute(delete(Hold).where(Hold.kind == kind))
    if known.faults < breaker_faults:
        return
    refused = (Todo.kind == kind, Todo.stopped_at.is_not(None), Todo.last_error == known.reason)
    connection.execute(update(Todo).where(*refused).values(stopped_at=None, attempts=0, next_try_at=timestamp(now)))
    connection.execute(
        update(Todo)
        .where(
            Todo.kind == kind,
            Todo.attempts > 0,
            Todo.wanted_version > Todo.done_version,
            Todo.stopped_at.is_(None),
            Todo.next_try_at > timestamp(now),
        )
        .values(next_try_at=timestamp(now))
    )
