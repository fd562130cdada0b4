"""Whose turn it is where the other side allows a pace on each way to it.

New messages and edits of old ones have a pace each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def due(connection: Connection, lane: Lane, now: datetime, visible_seconds: float) -> dict[str, list[str]]:
    """The first tickets of each way that is free; `lane.resume` says when the next way is.

    One of each, or as many as may go until the next look where the pace is quick. It only reads: what many wait for
    is looked through without keeping anybody from writing.
    """
    kind, first = lane.kind, dict[str, list[str]]()
    found = _due(connection, lane, now, visible_seconds)
    ways = kind.ways(connection, [one for one, _ in found]) if kind.ways is not None and found else NOTHING
    together = max(1, int((kind.per_second or 0) * LOOK.total_seconds()))
    for one, told in found:
        tickets = first.setdefault(ways.get(one, "") + (EDITS if told else ""), [])
        if len(tickets) < together:
            tickets.append(one)
    frees = pace.frees(connection, kind.name, first, now) if first else {}
    waits = [free for free in frees.values() if free > now]
    lane.resume = min(*waits, now + LOOK) if waits else None
    return {way: tickets for way, tickets in first.items() if frees[way] <= now}


def take(
    connection: Connection, lane: Lane, wanted: Mapping[str, Sequence[str]], most: int, now: datetime
) -> dict[str, str]:
    """Up to `most` of what was due by `due` and whose way is still free: tickets, each with its way."""
    per_second = lane.kind.per_second
    if per_second is None:
        return {}
    taken = pace.take(connection, lane.kind.name, wanted, now, per_second=per_second, most=most)
    return {one: way.removesuffix(EDITS) for one, way in taken.items()}


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
