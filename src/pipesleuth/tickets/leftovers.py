"""What a standby holds besides tickets, brought to the primary once: marks that all share, the register of webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import REVOKED, Inbound, Mark
from pipesleuth.tickets.lineage import ALIAS, CAUSE
from pipesleuth.tickets.merging import became

REGISTER = "merged-inbound:"
AT_ONCE = 500
_SHARED = (REVOKED, ALIAS, CAUSE)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """A piece of it; `epoch` names the standby."""

    epoch: str
    marks: Sequence[Mapping[str, Any]]
    inbound: Sequence[Mapping[str, Any]]


def next_piece(connection: Connection, epoch: str, after: int) -> Leftovers:
    """The standby's next piece, from a row of its register on."""
    marks = connection.execute(select(Mark).where(_shared())).mappings()
    found = select(Inbound).where(Inbound.id > after).order_by(Inbound.id).limit(AT_ONCE)
    return Leftovers(epoch, [dict(row) for row in marks], [dict(row) for row in connection.execute(found).mappings()])


def bring(connection: Connection, brought: Leftovers) -> None:
    """Let the primary have it, as far as it has not."""
    bring_marks(connection, brought.marks)
    done = register_done(connection, brought.epoch)
    fresh = [row for row in brought.inbound if row["id"] > done]
    if not fresh:
        return
    # Of a commit whose answer was lost the primary has the row already.
    same = select(Inbound.time, Inbound.digest).where(Inbound.time.in_([row["time"] for row in fresh]))
    there = {(row.time, row.digest) for row in connection.execute(same)}
    rows = [
        {name: value for name, value in row.items() if name != "id"}
        for row in fresh
        if (row["time"], row["digest"]) not in there
    ]
    if rows:
        connection.execute(insert(Inbound), rows)
    name, value = REGISTER + brought.epoch, str(brought.inbound[-1]["id"])
    if connection.execute(update(Mark).where(Mark.name == name).values(value=value)).rowcount == 0:
        connection.execute(insert(Mark).values(name=name, value=value, until=None))


def bring_marks(connection: Connection, marks: Sequence[Mapping[str, Any]]) -> None:
    """Let the primary have the marks that it lacks."""
    known = set(connection.execute(select(Mark.name).where(_shared())).scalars()) if marks else set[str]()
    for mark in marks:
        if mark["name"] not in known:
            value = became(connection, mark["value"]) if mark["name"].startswith(CAUSE) else mark["value"]
            wrote_first(connection, insert(Mark).values({**mark, "value": value}))


def register_done(connection: Connection, epoch: str) -> int:
    """How far the primary has the register of a standby."""
    return int(connection.execute(select(Mark.value).where(Mark.name == REGISTER + epoch)).scalar() or 0)


def _shared() -> ColumnElement[bool]:
    return or_(*(Mark.name.startswith(beginning) for beginning in _SHARED))
