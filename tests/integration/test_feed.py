"""The feed behind the socket: order, gaps, faults and ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from listening import listening
from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.live import QUEUE, Bell, Hub, Listener, LiveEvent
from pipesleuth.tickets import trail
from pipesleuth.tickets.feed import Feed
from pipesleuth.web import stream
from places import Place, adf


class Script:
    """A trail that says what a test wants."""

    def __init__(self) -> None:
        self.next: list[LiveEvent] = []

    async def newer(self) -> list[LiveEvent]:
        told, self.next = self.next, []
        return told

    async def skip(self) -> None:
        self.next = []


async def test_whoever_falls_behind_gets_one_resync_and_then_goes_on() -> None:
    bell, script = Bell(), Script()
    hub = Hub(bell, script)
    slow, quick = hub.join(), hub.join()
    for number in range(QUEUE + 100):
        hub.announce(str(number))
        assert await quick.queue.get() == str(number)
    assert slow.lost
    assert slow.queue.full()
    assert not quick.lost
    assert slow.drained() is False
    hub.announce("next")
    assert (slow.lost, slow.queue.qsize()) == (False, 1)
    for number in range(QUEUE + 100):
        hub.announce(str(number))
    slow.end()
    assert slow.drained() is True


async def test_a_socket_that_fell_behind_is_told_to_load_everything_anew(place: Place) -> None:
    async with listening(place) as (socket, _):
        (listener,) = place.parts.hub._listeners
        for _ in range(QUEUE + 50):
            place.parts.hub.announce('{"event": "x"}')
        assert listener.lost
        assert await socket.event() == {"event": "resync"}
        ticket = await place.ticket()
        assert (await socket.event())["ticket_id"] == ticket


# The trail, with numbers that commit out of order.


async def lines_of(place: Place, ticket: str, numbers: list[int]) -> None:
    row = await place.row(ticket)
    entry = trail.Entry(action="x", event=trail.TICKET_UPDATED)
    values = [trail.line(row, entry, place.clock(), version=1) | {"id": number} for number in numbers]
    await place.parts.database.write(lambda c: c.execute(insert(AuditLine), values))


async def numbers(feed: Feed) -> list[int]:
    return [event.sequence for event in await feed.newer()]


async def test_numbers_that_commit_out_of_order_are_all_told_once(place: Place) -> None:
    ticket = await place.ticket()
    feed = Feed(place.parts.database, place.parts.house.links)
    assert await feed.newer() == []
    last = await feed.position()
    await lines_of(place, ticket, [last + 3, last + 7])
    assert await numbers(feed) == [last + 3, last + 7]
    await lines_of(place, ticket, [last + 5])
    assert await numbers(feed) == [last + 5]
    await lines_of(place, ticket, [last + 1, last + 2, last + 4, last + 9])
    assert await numbers(feed) == [last + 1, last + 2, last + 4, last + 9]
    assert await numbers(feed) == []
    await lines_of(place, ticket, [last + 6, last + 8])
    assert await numbers(feed) == [last + 6, last + 8]
    assert await numbers(feed) == []


async def test_what_is_still_on_its_way_while_nobody_listens_is_not_lost_to_who_comes(place: Place) -> None:
    ticket = await place.ticket()
    feed = Feed(place.parts.database, place.parts.house.links)
    await feed.skip()
    last = await feed.position()
    await lines_of(place, ticket, [last + 2])
    await feed.skip()
    await lines_of(place, ticket, [last + 1, last + 3])
    assert await numbers(feed) == [last + 1, last + 3]
    assert await numbers(feed) == []


async def test_a_flood_is_one_resync_and_then_goes_on(place: Place) -> None:
    ticket = await place.ticket()
    feed = Feed(place.parts.database, place.parts.house.links)
    await feed.newer()
    last = await feed.position()
    await lines_of(place, ticket, list(range(last + 1, last + 1501)))
    assert [json.loads(event.text) for event in await feed.newer()] == [{"event": "resync"}]
    assert await numbers(feed) == []
    await lines_of(place, ticket, [last + 1502])
    assert await numbers(feed) == [last + 1502]


async def test_what_is_on_its_way_when_a_server_starts_is_told_by_it(place: Place) -> None:
    ticket = await place.ticket()
    feed = Feed(place.parts.database, place.parts.house.links)
    last = await feed.position()
    await lines_of(place, ticket, [last + 3])
    assert await numbers(feed) == []
    await lines_of(place, ticket, [last + 2])
    assert await numbers(feed) == [last + 2]


async def test_what_was_on_its_way_in_a_flood_is_told_after_it(place: Place) -> None:
    ticket = await place.ticket()
    feed = Feed(place.parts.database, place.parts.house.links)
    await feed.newer()
    last = await feed.position()
    await lines_of(place, ticket, [*range(last + 1, last + 1401), *range(last + 1402, last + 1501)])
    assert [json.loads(event.text) for event in await feed.newer()] == [{"event": "resync"}]
    await lines_of(place, ticket, [last + 1401])
    assert await numbers(feed) == [last + 1401]


async def test_a_server_that_slept_for_long_looks_into_its_gaps_once_more(place: Place) -> None:
    ticket = await place.ticket()
    feed = Feed(place.parts.database, place.parts.house.links)
    await feed.newer()
    last = await feed.position()
    await lines_of(place, ticket, [last + 3])
    assert await numbers(feed) == [last + 3]
    feed._gaps = [replace(gap, until=0.0) for gap in feed._gaps]  # as after two minutes without a look
    await lines_of(place, ticket, [last + 1])
    assert await numbers(feed) == [last + 1]
    await lines_of(place, ticket, [last + 2])
    assert await numbers(feed) == []


async def test_changes_of_another_server_are_told_here(open_place: Any) -> None:
    async with open_place() as one, open_place() as other, listening(one) as (socket, _):
        ticket = await other.ticket()
        event = await socket.event()
        assert (event["event"], event["ticket_id"]) == ("new_ticket", ticket)


FILLERS: list[Callable[[int], str]] = [
    lambda size: "\U0001f525" * size,
    lambda size: "\u0001" * size,
    lambda size: '"\\' * (size // 2),
    lambda size: "日" * size,
    lambda size: "a" * size,
]


@pytest.mark.parametrize("fill", FILLERS)
async def test_an_event_stays_within_two_kilobytes_whatever_is_in_it(place: Place, fill: Callable[[int], str]) -> None:
    ticket = await place.ticket(adf(pipeline=fill(300), message=fill(3000)))
    long = {
        "pipeline": fill(300),
        "run_id": fill(300),
        "rca_result": fill(5000),
        "error_type": fill(300),
        "affected_entity": fill(1000),
        "finops_team": fill(300),
        "finops_owner": fill(300),
        "ack_user": fill(300),
        "itsm_ticket_id": fill(100),
        "processing_mode": fill(32),
        "run_url": fill(2000),
    }

    def stuff(connection: Any) -> None:
        connection.execute(update(Ticket).values(**long))
        row = connection.execute(select(Ticket)).mappings().one()
        entry = trail.Entry(action="Ticket Taken", by=fill(300), event=trail.STATUS_UPDATE)
        trail.write(connection, [trail.line(row, entry, place.clock(), version=2)])

    await place.parts.database.write(stuff)
    for event in await place.parts.house.feed.since(0):
        assert len(event.text.encode()) <= 2048
        said = json.loads(event.text)
        assert said["ticket_id"] == said["card"]["id"] == ticket
        assert said["card"]["status"] == "open"
        assert said["card"]["pipeline"]


async def test_an_ordinary_event_is_not_cut(place: Place) -> None:
    await place.ticket(adf(pipeline="p" * 100))
    (event,) = await place.parts.house.feed.since(0)
    assert json.loads(event.text)["card"]["pipeline"] == "p" * 100


async def test_a_fault_in_the_trail_does_not_end_the_telling(place: Place) -> None:
    async with listening(place) as (socket, _):
        feed = place.parts.hub._trail
        place.parts.hub._trail = _Broken()
        place.parts.bell.ring()
        await asyncio.sleep(0.1)
        place.parts.hub._trail = feed
        assert await socket.closed() == stream.SERVICE_RESTART
    await asyncio.sleep(1.1)
    async with listening(place) as (socket, _):
        ticket = await place.ticket()
        assert (await socket.event())["ticket_id"] == ticket


class _Broken:
    async def newer(self) -> list[LiveEvent]:
        raise ZeroDivisionError

    async def skip(self) -> None:
        raise ZeroDivisionError


def test_a_listener_that_ends_is_let_go_even_with_a_full_queue() -> None:
    listener = Listener()
    for number in range(QUEUE):
        listener.queue.put_nowait(str(number))
    listener.end()
    last = None
    while not listener.queue.empty():
        last = listener.queue.get_nowait()
    assert last is None
