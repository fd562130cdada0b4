"""What was closed long ago is deleted, a few tickets at a time, beside servers that go on working."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, and_, delete, exists, func, insert, or_, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased

from pipesleuth.db.engine import checkpoint, opened
from pipesleuth.db.faults import is_passing
from pipesleuth.db.tables import AuditLine, Base, Inbound, Ticket, Todo
from pipesleuth.model import Status, WrongSetting, timestamp

TICKETS = 200  # in one transaction: servers wait for it
LINES = 1000
PAUSE_SECONDS = 0.01  # in which the servers' own writers get their turn
TRIES = 10
SHORTEST, LONGEST = timedelta(days=1), timedelta(days=36_500)
Progress = Callable[[str, int], None]
_UNITS = {"h": 1, "d": 24, "w": 24 * 7, "m": 24 * 30, "y": 24 * 365}


def span(text: str) -> timedelta:
    """How long `180d`, `26w`, `6m` or `1y` is; a month is 30 days. Raises WrongSetting, also under a day."""
    found = re.fullmatch(r"\s*([0-9]{1,5})\s*([hdwmy])\s*", text.lower())
    meant = timedelta(hours=int(found[1]) * _UNITS[found[2]]) if found else timedelta(0)
    if not SHORTEST <= meant <= LONGEST:
        raise WrongSetting(f"--older-than: {text[:20]!r} is no time of a day or more, such as 180d, 26w or 1y.")
    return meant


def expected(url: URL, before: datetime) -> dict[str, int]:
    """How many rows of each table `prune` would delete. Raises StoreUnavailable."""
    with opened(url) as engine, engine.connect() as connection:
        ids = _old(before, leaders_too=True).with_only_columns(Ticket.id)
        counts = {"tickets": _count(connection, ids)}
        for table in _theirs():
            rows = select(table.c.ticket_id).where(table.c.ticket_id.in_(ids))
            counts[table.name] = _count(connection, rows)
        counts["audit_trail"] += _count(connection, _orphans(before, 0))
        return counts


def prune(url: URL, before: datetime, *, begin: Callable[[int], None], progress: Progress) -> dict[str, int]:
    """Delete tickets closed before this moment with all that hangs on them; how many rows of each table are gone.

    A ticket that still owes something outside stays, and so does one under which others stand folded that stay.
    It can be cut off at any moment and begun again. Raises StoreUnavailable.
    """
    begin(expected(url, before)["tickets"])
    gone: dict[str, int] = {"tickets": 0} | {table.name: 0 for table in _theirs()}
    with opened(url) as engine:
        # Those that stand folded go first; the ones above them in the next turn.
        while _turn(engine, before, gone, progress):
            pass
        _prune_orphans(engine, before, gone)
        if any(gone.values()):
            _written(engine, lambda c: _say(c, before, gone))
        checkpoint(engine)
    return gone


def _say(connection: Connection, before: datetime, gone: Mapping[str, int]) -> None:
    """The audit trail says itself that it was shortened."""
    rows = ", ".join(f"{number} rows of {table}" for table, number in gone.items() if number)
    details = f"Closed before {timestamp(before)}: {rows}."
    now = timestamp(datetime.now(UTC))
    connection.execute(insert(AuditLine).values(timestamp=now, action="Tickets Pruned", details=details))


def _turn(engine: Engine, before: datetime, gone: dict[str, int], progress: Progress) -> int:
    """Go through all tickets once; how many went."""
    went, after = 0, ("", "")
    while True:
        found, place = _written(engine, lambda c, after=after: _some_tickets(c, before, after))
        for name, rows in found.items():
            gone[name] += rows
        went += found.get("tickets", 0)
        progress("tickets", found.get("tickets", 0))
        if place is None:
            return went
        after = place


def _some_tickets(
    connection: Connection, before: datetime, after: tuple[str, str]
) -> tuple[Mapping[str, int], tuple[str, str] | None]:
    """Delete the next few; what went, and the place to go on from."""
    behind = or_(Ticket.timestamp > after[0], and_(Ticket.timestamp == after[0], Ticket.id > after[1]))
    some = (
        _old(before)
        .where(behind)
        .order_by(Ticket.timestamp, Ticket.id)
        .limit(TICKETS)
        .with_for_update(skip_locked=True, of=Ticket)
        .with_hint(Ticket, "WITH (UPDLOCK, READPAST, ROWLOCK)", "mssql")
    )
    rows = connection.execute(some).all()
    if not rows:
        return {}, None
    ids = [row.id for row in rows]
    counts = {
        table.name: connection.execute(delete(table).where(table.c.ticket_id.in_(ids))).rowcount for table in _theirs()
    }
    counts["tickets"] = connection.execute(delete(Ticket).where(Ticket.id.in_(ids))).rowcount
    return counts, (rows[-1].timestamp, rows[-1].id)


def _old(before: datetime, *, leaders_too: bool = False) -> Select[Any, Any]:
    """Closed before this moment, and nothing is owed for it any more."""
    follower = aliased(Ticket)
    owed = exists().where(
        Todo.ticket_id == Ticket.id, Todo.wanted_version > Todo.done_version, Todo.stopped_at.is_(None)
    )
    found = select(Ticket.timestamp, Ticket.id).where(
        Ticket.status == Status.ACKNOWLEDGED,
        Ticket.timestamp < timestamp(before),
        func.coalesce(Ticket.ack_ts, Ticket.timestamp) < timestamp(before),
        ~owed,
    )
    return found if leaders_too else found.where(~exists().where(follower.caused_by == Ticket.id))


def _theirs() -> list[Table]:
    """Every table whose rows belong to a ticket; what came in of late is a ring and forgets by itself."""
    return [
        table for table in Base.metadata.sorted_tables if "ticket_id" in table.c and table.name != Inbound.__tablename__
    ]


def _prune_orphans(engine: Engine, before: datetime, gone: dict[str, int]) -> None:
    """Delete as old audit lines that belong to no ticket."""
    last = 0
    while True:
        rows, place = _written(engine, lambda c, last=last: _some_orphans(c, before, last))
        gone["audit_trail"] += rows
        if place is None:
            return
        last = place


def _some_orphans(connection: Connection, before: datetime, last: int) -> tuple[int, int | None]:
    ids = connection.execute(_orphans(before, last).order_by(AuditLine.id).limit(LINES)).scalars().all()
    if not ids:
        return 0, None
    return connection.execute(delete(AuditLine).where(AuditLine.id.in_(ids))).rowcount, ids[-1]


def _orphans(before: datetime, last: int) -> Select[int]:
    there = exists().where(Ticket.id == AuditLine.ticket_id)
    return select(AuditLine.id).where(AuditLine.id > last, AuditLine.timestamp < timestamp(before), ~there)


def _count(connection: Connection, rows: Select[Any, Any] | Select[Any]) -> int:
    return connection.execute(select(func.count()).select_from(rows.subquery())).scalar_one()


def _written(engine: Engine, work: Callable[[Connection], Any]) -> Any:
    """What a short piece of work returns, once it is committed; contention is waited out."""
    for attempt in range(1, TRIES + 1):
        time.sleep(PAUSE_SECONDS)
        try:
            with engine.execution_options(writing=True).begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if attempt == TRIES or not is_passing(error):
                raise
            time.sleep(attempt * 0.1)
    raise AssertionError  # the last try has raised
