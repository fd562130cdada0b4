"""The pace that the other side allows on each way to it (a Slack channel), shared by all workers through the database.

A slot is a row of `marks` that says when the next message may go this way. It is taken in the transaction that
claims, so that two workers never send at once what one of them may send a second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Mark
from pipesleuth.model import moment, timestamp

LONGEST_DEBT = timedelta(seconds=60)
LONGEST_NAME = 200


def frees(connection: Connection, kind: str, ways: Collection[str], now: datetime) -> dict[str, datetime]:
    """When each of the ways is free, now at the earliest; another worker may be quicker."""
    known = _slots(connection, select(Mark.name, Mark.value), kind, ways)
    return {way: max(moment(known[name]), now) if (name := _name(kind, way)) in known else now for way in ways}


def take(
    connection: Connection,
    kind: str,
    wanted: Mapping[str, Sequence[str]],
    now: datetime,
    *,
    per_second: float,
    most: int,
) -> dict[str, str]:
    """Of the wanted ways, each with the tickets that would go it next, those that are free: tickets, each with its way.

    All tickets of a way are taken together, up to `most` of all; it is free again when as many could have gone.
    """
    known = _slots(connection, _held(Mark.name, Mark.value), kind, wanted)
    taken: dict[str, str] = {}
    for way, tickets in wanted.items():
        name, some = _name(kind, way), tickets[: most - len(taken)]
        if not some or (name in known and moment(known[name]) > now):
            continue
        if _set(connection, name, now + timedelta(seconds=len(some) / per_second), known=name in known):
            taken |= dict.fromkeys(some, way)
    return taken


def charge(connection: Connection, kind: str, way: str, messages: int, now: datetime, *, per_second: float) -> None:
    """So many messages went this way besides: the next one waits for them, a minute at most."""
    name = _name(kind, way)
    known = connection.execute(_held(Mark.value).where(Mark.name == name)).scalar_one_or_none()
    from_then = max(moment(known), now) if known is not None else now
    _set(
        connection,
        name,
        min(from_then + timedelta(seconds=messages / per_second), now + LONGEST_DEBT),
        known=known is not None,
    )


def _slots(connection: Connection, slots: Select[*tuple[Any, ...]], kind: str, ways: Collection[str]) -> dict[str, str]:
    """What is written of these ways' slots, by the slots' names."""
    names = [_name(kind, way) for way in ways]
    return {row.name: row.value for row in connection.execute(slots.where(Mark.name.in_(names)))}


def _held(*columns: Any) -> Select[*tuple[Any, ...]]:
    """These columns of slots that are held until the transaction ends; SQL Server knows no FOR UPDATE."""
    return select(*columns).with_for_update().with_hint(Mark, "WITH (UPDLOCK, ROWLOCK)", "mssql")


def _name(kind: str, way: str) -> str:
    return f"pace:{kind}:{way}"[:LONGEST_NAME]


def _set(connection: Connection, name: str, free: datetime, *, known: bool) -> bool:
    """Write when the way is free; False where another worker was the first to go there at all."""
    values = {"value": timestamp(free), "until": timestamp(free)}
    if known:
        connection.execute(update(Mark).where(Mark.name == name).values(**values))
        return True
    return wrote_first(connection, insert(Mark).values(name=name, **values))
