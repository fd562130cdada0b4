"""The database goes away, in every way it can, and comes back: nothing is lost and nothing is there twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import pytest

from network_line import NetworkLine
from outages import FULL, ROOM_AGAIN, SLOW_COMMIT, Serve, paused, stopped, through, until
from places import adf
from postgres_server import PostgresServer


@pytest.mark.parametrize("gone", [stopped, pytest.param(paused, marks=pytest.mark.long)])
async def test_under_load_nothing_is_lost_or_there_twice(
    serve: Serve, server: PostgresServer, gone: Callable[[PostgresServer], contextlib.AbstractAsyncContextManager[None]]
) -> None:
    async with serve() as one:
        storm = asyncio.create_task(one.storm("run", 80))
        await until(lambda: len(one.answered) >= 20)
        async with gone(server):
            await one.away()
            assert await storm == {200: 80}
            assert await one.storm("later", 30) == {200: 30}
        storm = asyncio.create_task(one.storm("last", 20))
        await one.back()
        assert await storm == {200: 20}
        assert len(one.answered) == 130
        assert one.wrongs() == []
        assert one.ask("SELECT count(*) FROM tickets") == [(130,)]


async def test_a_server_that_is_away_at_the_start_is_brought_up_to_date_when_it_comes(
    serve: Serve, server: PostgresServer
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with stopped(server):
            one = await stack.enter_async_context(serve())
            assert await one.send("first") == 200
            ready = await one.place.client.get("/readyz?for=intake")
            assert ready.status_code == 200
        await one.back()
        assert one.wrongs() == []
        assert one.ask("SELECT run_id FROM tickets") == [("first",)]


@pytest.mark.long
async def test_a_line_that_refuses_or_is_too_slow_counts_as_an_outage(
    serve: Serve, server: PostgresServer, url: str
) -> None:
    line = NetworkLine(server.port)
    async with serve(url=through(url, line.port)) as one:
        assert await one.send("before") == 200
        line.refuse()
        began = time.monotonic()
        assert await one.send("refused") == 200
        assert time.monotonic() - began < 1
        await one.away()
        line.listen()
        await one.back()
        line.delay = 1.0
        assert await one.send("slow") == 200
        await one.away()
        line.delay = 0.0
        await one.back()
        assert one.wrongs() == []
        assert len(one.ask("SELECT id FROM tickets")) == 3
    line.refuse()


async def test_a_full_disk_counts_as_an_outage_until_what_came_in_can_be_stored(serve: Serve) -> None:
    async with serve() as one:
        assert await one.send("before") == 200
        one.ask(FULL)
        assert await one.storm("full", 20) == {200: 20}
        await one.away()
        await asyncio.sleep(1)  # it is tried again, and still full
        assert one.ask("SELECT count(*) FROM tickets") == [(1,)]
        one.ask(ROOM_AGAIN)
        await one.back()
        assert one.wrongs() == []
        assert one.ask("SELECT count(*) FROM tickets") == [(21,)]


@pytest.mark.parametrize("run", [pytest.param("a-run", marks=pytest.mark.long), None])
async def test_a_commit_whose_answer_was_lost_merges_onto_itself(
    serve: Serve, server: PostgresServer, url: str, run: str | None
) -> None:
    line = NetworkLine(server.port)
    async with serve(url=through(url, line.port)) as one:
        assert await one.send("before") == 200
        one.ask(SLOW_COMMIT)
        posting = asyncio.create_task(one.place.post(adf(run)))
        await asyncio.sleep(0.25)  # the commit is on its way
        line.deaf = True
        answer = await posting
        assert answer.json()["status"] == "success"
        await one.away()
        assert one.ask("SELECT count(*) FROM tickets") == [(2,)], "the commit did go through"
        line.cut()
        line.deaf = False
        await one.back()
        assert one.wrongs() == []
        assert one.failover.brought == {"completed": 1}
        assert one.ask("SELECT id FROM tickets WHERE run_id IS DISTINCT FROM 'before'") == [
            (answer.json()["ticket_id"],)
        ]
        # The same once more is a duplicate of it, where it has a run.
        again = (await one.place.post(adf(run))).json()
        assert (again["ticket_id"] == answer.json()["ticket_id"]) is (run is not None)
    line.refuse()
