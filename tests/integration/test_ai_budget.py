"""What all servers share of the AI holds under races, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import URL, make_url

from pipesleuth.db.database import Database
from pipesleuth.db.tables import Mark
from pipesleuth.db.upgrade import upgrade
from pipesleuth.tickets import ai_budget
from places import NOON


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An upgraded database."""
    if request.param == "sqlite":
        made = URL.create("sqlite", database=str(tmp_path / "tickets.db"))
    else:
        make: Callable[[], str] = request.getfixturevalue("postgres")
        made = make_url(make())
    upgrade(made)
    return made


@pytest.fixture
def servers(url: URL) -> Iterator[list[Database]]:
    """Three servers' ways to the one database."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Database(url))) for _ in range(3)]


async def test_not_one_analysis_more_than_the_budget_is_taken(servers: list[Database]) -> None:
    wanted = [server.write(lambda c: ai_budget.take(c, 10, NOON)) for server in servers for _ in range(8)]
    assert sum(await asyncio.gather(*wanted)) == 10


async def test_another_hour_has_another_budget_and_the_old_one_goes(servers: list[Database]) -> None:
    one = servers[0]
    assert await one.write(lambda c: ai_budget.take(c, 1, NOON))
    assert not await one.write(lambda c: ai_budget.take(c, 1, NOON + timedelta(minutes=59)))
    assert await one.write(lambda c: ai_budget.take(c, 1, NOON + timedelta(hours=3)))
    assert await one.read(lambda c: c.execute(select(func.count()).select_from(Mark)).scalar_one()) <= 2


async def test_what_is_given_back_can_be_taken_again_and_never_more(servers: list[Database]) -> None:
    one = servers[0]
    assert await one.write(lambda c: ai_budget.take(c, 1, NOON))
    for _ in range(3):
        await one.write(lambda c: ai_budget.give_back(c, NOON))
    assert await one.write(lambda c: ai_budget.take(c, 1, NOON))
    assert not await one.write(lambda c: ai_budget.take(c, 1, NOON))
    assert not await one.write(lambda c: ai_budget.take(c, 0, NOON + timedelta(hours=1)))


async def test_an_answer_is_remembered_by_all_for_its_time(servers: list[Database]) -> None:
    one, other, third = servers
    until = NOON + timedelta(seconds=600)
    await asyncio.gather(
        *(s.write(lambda c: ai_budget.remember(c, "key", {"said": "naïve 🔥"}, until, NOON)) for s in servers)
    )
    assert await other.read(lambda c: ai_budget.recall(c, "key", NOON)) == {"said": "naïve 🔥"}
    assert await third.read(lambda c: ai_budget.recall(c, "other", NOON)) is None
    assert await one.read(lambda c: ai_budget.recall(c, "key", until)) is None
    await one.write(lambda c: ai_budget.remember(c, "next", {}, until + timedelta(hours=1), until))
    names = await one.read(lambda c: c.execute(select(Mark.name).where(Mark.name.like("ai.answer:%"))).scalars().all())
    assert names == ["ai.answer:next"]
