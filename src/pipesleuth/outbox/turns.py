"""Whose turn it is where the other side allows a pace on each way to it: one ticket for each way that is free.

New messages and edits of old ones have a pace each.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from pipesleuth.model import NOTHING
from pipesleuth.outbox import pace, todos
from pipesleuth.outbox.kinds import Kind
from pipesleuth.outbox.lanes import Lane
from pipesleuth.outbox.todos import Claim

LOOK = timedelta(seconds=0.2)  # how long a kind sleeps at most while one of its ways is not free
# A crowd on one way must neither hide the other ways nor be read again at every look.
SURVEY = timedelta(seconds=1)
SURVEYED_ROWS = 2000
FIRST_ROWS = 50
EDITS = " edits"


def take(
    connection: Connection, lane: Lane, per_second: float, most: int, now: datetime, visible_seconds: float
) -> dict[str, str]:
    """Up to `most` tickets whose turn it is, each with its way; `lane.resume` says when the next way is free."""
    kind = lane.kind
    due = _due(connection, lane, now, visible_seconds)
    ways = kind.ways(connection, [one for one, _ in due]) if kind.ways is not None and due else NOTHING
    wanted = [(one, ways.get(one, "") + (EDITS if told else "")) for one, told in due]
    taken, free = pace.take(connection, kind.name, wanted, now, per_second=per_second, most=most)
    lane.resume = min(free, now + LOOK) if free is not None else None
    return {one: ways.get(one, "") for one in taken}


def _due(connection: Connection, lane: Lane, now: datetime, visible_seconds: float) -> list[tuple[str, bool]]:
    """What is due, new messages first; while many wait only the most urgent, and all of them once a second."""
    name = lane.kind.name
    if lane.survey is not None and lane.survey > now:
        first = todos.due_tickets(connection, name, now, visible_seconds, most=FIRST_ROWS)
        return sorted(first, key=lambda one: one[1])
    found = [
        one
        for told in (False, True)
        for one in todos.due_tickets(connection, name, now, visible_seconds, most=SURVEYED_ROWS, told=told)
    ]
    lane.survey = now + SURVEY if len(found) > FIRST_ROWS else None
    return found


def charge_probe(connection: Connection, kind: Kind, claim: Claim, now: datetime) -> None:
    """Count a try that went ahead of its turn on the way that it goes."""
    if kind.per_second is not None:
        ways = kind.ways(connection, [claim.ticket_id]) if kind.ways is not None else NOTHING
        way = ways.get(claim.ticket_id, "") + ("" if claim.receipt is None else EDITS)
        pace.charge(connection, kind.name, way, 1, now, per_second=kind.per_second)
