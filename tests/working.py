"""How tests claim and work off to-dos."""

from __future__ import annotations

from typing import Any

from pipesleuth.live import Bell
from pipesleuth.outbox import todos
from pipesleuth.outbox.kinds import Kind, Tempo
from pipesleuth.outbox.todos import Claim
from pipesleuth.outbox.worker import Worker
from places import Place

TEMPO = Tempo(lease=15, call=30, mark_visible=10, backoff_first=2, backoff_most=600, breaker_faults=5)


async def claimed(place: Place, kind: str, *, lease: float = 15, creates: bool = True) -> list[Claim]:
    return await place.parts.database.write(
        lambda c: todos.claim(c, kind, 32, place.clock(), lease_seconds=lease, creates=creates, visible_seconds=10)
    )


async def paced_off(place: Place) -> None:
    """Do everything due, letting the pace of a destination pass meanwhile."""
    for _ in range(20):
        await place.work_off()
        place.clock.turn(1.1)


def worker_of(place: Place, handler: Any, tempo: Tempo, *, clock: Any = None, calls: int = 16) -> Worker:
    kinds = [Kind("jira", handler, creates=True, calls=calls)]
    if clock is None:
        return Worker(place.parts.database, Bell(), kinds, tempo)
    return Worker(place.parts.database, Bell(), kinds, tempo, now=clock)


async def nothing_left(place: Place, ticket: str) -> bool:
    return (await place.todo(ticket, "jira"))["done_version"] >= 1
