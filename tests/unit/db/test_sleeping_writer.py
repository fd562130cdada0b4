"""A process that sleeps in the midst of a transaction: its rows are free again for the others, and whoever waits for it comes again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from pipesleuth.db.guarded import Guarded
from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import StoreUnavailable

SLEEP, SOON = 14.0, 10.0


@pytest.fixture
async def pair(postgres: Callable[[], str]) -> AsyncGenerator[tuple[Guarded, Guarded]]:
    url = make_url(postgres())
    upgrade(url)
    both = Guarded(url, timeout=20), Guarded(url, timeout=20)
    for one in both:
        await one.begin()
    yield both
    for one in both:
        await asyncio.to_thread(one.close)


@pytest.mark.long
async def test_the_locks_of_a_sleeping_process_are_let_go_of(pair: tuple[Guarded, Guarded]) -> None:
    sleeper, other = pair
    tries: list[float] = []

    def sleep(connection: Connection) -> None:
        connection.execute(text("UPDATE marks SET value = value || 's' WHERE name = 'epoch'"))
        tries.append(time.monotonic())
        time.sleep(SLEEP)

    def write(connection: Connection) -> None:
        connection.execute(text("UPDATE marks SET value = value || 'w' WHERE name = 'epoch'"))

    sleeping = asyncio.create_task(sleeper.write(sleep))
    while not tries:  # noqa: ASYNC110  # a thread writes to it
        await asyncio.sleep(0.01)
    began = time.monotonic()
    await other.write(write)
    assert time.monotonic() - began < SOON
    with pytest.raises(StoreUnavailable):  # nothing of it was kept, and whoever asked comes again
        await sleeping
    value = await other.read(lambda c: str(c.execute(text("SELECT value FROM marks WHERE name = 'epoch'")).scalar()))
    assert value.endswith("w")
    assert "s" not in value
    await sleeper.write(write)
