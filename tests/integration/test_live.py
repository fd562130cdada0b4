"""What dashboards are told: every change once, after its commit, to whoever may know."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.live import QUEUE, Bell, Hub, Listener, LiveEvent
from pipesleuth.tickets import trail
from pipesleuth.tickets.feed import Feed
from pipesleuth.web import stream
from places import Place, adf

SECONDS = 5


class Socket:
    """A browser's end of `/ws`, spoken straight to the app."""

    def __init__(self, app: Any, headers: dict[str, str]) -> None:
        self._in: asyncio.Queue[Any] = asyncio.Queue()
        self._out: asyncio.Queue[Any] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": "/ws",
            "raw_path": b"/ws",
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in ({"host": "localhost:8000"} | headers).items()],
            "subprotocols": [],
            "scheme": "ws",
            "server": ("localhost", 8000),
            "client": ("127.0.0.1", 1),
        }
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self._in.get, self._out.put))

    async def message(self) -> dict[str, Any]:
        """The next raw message."""
        async with asyncio.timeout(SECONDS):
            return await self._out.get()

    async def event(self) -> dict[str, Any]:
        """The next event."""
        message = await self.message()
        assert message["type"] == "websocket.send", message
        assert len(message["text"].encode()) <= 2048
        return json.loads(message["text"])

    async def closed(self) -> int:
        """The code it was closed with."""
        while (message := await self.message())["type"] != "websocket.close":
            pass
        async with asyncio.timeout(SECONDS):
            await self.task
        return message["code"]

    def say(self, message: Any) -> None:
        """Say something as text."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._in.put_nowait({"type": "websocket.receive", "text": text})

    def say_raw(self, message: dict[str, Any]) -> None:
        """Say something as it is."""
        self._in.put_nowait({"type": "websocket.receive"} | message)

    def go(self) -> None:
        """Close the browser."""
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1001})


@contextlib.asynccontextmanager
async def connected(place: Place, headers: dict[str, str] | None = None) -> AsyncGenerator[Socket]:
    socket = Socket(place.app, headers or {})
    try:
        assert (await socket.message())["type"] == "websocket.accept"
        yield socket
    finally:
        socket.go()
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(Exception):
                await socket.task


async def token(place: Place) -> str:
    return (await place.signed_in())["authorization"].removeprefix("Bearer ")


@contextlib.asynccontextmanager
async def listening(place: Place, **first: Any) -> AsyncGenerator[tuple[Socket, dict[str, Any]]]:
    """A socket that was greeted, and its greeting."""
    async with connected(place) as socket:
        socket.say({"token": await token(place), **first})
        hello = await socket.event()
        assert hello["event"] == "hello"
        yield socket, hello


async def test_a_socket_is_greeted_and_told_of_every_change_once(place: Place) -> None:
    async with listening(place) as (socket, hello):
        assert set(hello) == {"event", "epoch", "sequence", "server_time"}
        ticket = await place.ticket()
        new = await socket.event()
        assert (new["event"], new["ticket_id"], new["version"]) == ("new_ticket", ticket, 1)
        assert new["sequence"] > hello["sequence"]
        assert new["card"]["pipeline"] == "pl_orders"
        headers = await place.signed_in()
        await place.client.post(f"/api/tickets/{ticket}/take", headers=headers)
        taken = await socket.event()
        assert (taken["event"], taken["new_status"], taken["user"], taken["version"]) == (
            "status_update",
            "in_progress",
            "Dana",
            2,
        )
        await place.work_off()
        await place.client.post(f"/api/tickets/{ticket}/close", headers=headers)
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["event"] != "status_update":
            seen.append(await socket.event())
        sequences = [event["sequence"] for event in (new, taken, *seen)]
        assert sequences == sorted(set(sequences))
        lines = [line["id"] for line in await place.lines() if line["event"]]
        assert sequences == lines


async def test_a_failed_change_is_told_to_nobody(place: Place) -> None:
    ticket = await place.ticket()
    async with listening(place) as (socket, _):
        headers = await place.signed_in()
        assert (await place.client.post(f"/api/tickets/{ticket}/reopen", headers=headers)).status_code == 409
        await place.post(b"nonsense")
        other = await place.ticket()
        assert (await socket.event())["ticket_id"] == other


async def test_what_was_missed_is_told_after_the_greeting(place: Place) -> None:
    first = await place.ticket()
    async with listening(place) as (_, hello):
        since = hello["sequence"]
    second, third = await place.ticket(), await place.ticket()
    async with listening(place, since=since) as (socket, _):
        told = [(await socket.event())["ticket_id"] for _ in range(2)]
        assert told == [second, third]
    assert first not in told
    headers = await place.signed_in()
    events = (await place.client.get("/api/events", headers=headers, params={"since": since})).json()
    assert [event["ticket_id"] for event in events["events"]] == [second, third]
    assert (events["epoch"], events["sequence"]) == (place.parts.house.epoch, events["events"][-1]["sequence"])


async def test_too_much_missed_is_one_resync(place: Place) -> None:
    ticket = await place.ticket()
    row = await place.row(ticket)
    entry = trail.Entry(action="x", event=trail.TICKET_UPDATED)
    lines = [trail.line(row, entry, place.clock(), version=1) for _ in range(1100)]
    await place.parts.database.write(lambda c: trail.write(c, lines))
    async with listening(place, since=0) as (socket, _):
        assert await socket.event() == {"event": "resync"}
        other = await place.ticket()
        assert (await socket.event())["ticket_id"] == other
    headers = await place.signed_in()
    events = (await place.client.get("/api/events", headers=headers)).json()["events"]
    assert events == [{"event": "resync"}]


@pytest.mark.parametrize(
    "first",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "{}",
        '{"token": 5}',
        '{"token": ""}',
        '{"token": "x"}',
        "[" * 4000,
        '{"token": "' + "x" * 5000 + '"}',
    ],
)
async def test_without_a_good_token_in_the_first_message_nobody_listens(place: Place, first: str) -> None:
    async with connected(place) as socket:
        socket.say(first)
        assert await socket.closed() == stream.UNAUTHORIZED
    assert place.parts.hub.listeners == 0


async def test_a_first_message_of_bytes_is_refused_and_later_ones_do_no_harm(place: Place) -> None:
    async with connected(place) as socket:
        socket.say_raw({"bytes": b"\x00\x01"})
        assert await socket.closed() == stream.UNAUTHORIZED
    async with listening(place) as (socket, _):
        socket.say_raw({"bytes": b"\x00", "text": None})
        socket.say("x" * 1000)
        ticket = await place.ticket()
        assert (await socket.event())["ticket_id"] == ticket


@pytest.mark.parametrize("since", [-1, 1.5, "1", None, True, 2**70, [1]])
async def test_an_odd_place_to_start_from_is_no_crash(place: Place, since: Any) -> None:
    async with listening(place, since=since) as (socket, _):
        ticket = await place.ticket()
        assert (await socket.event())["ticket_id"] == ticket


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://localhost:8000", True),
        ("http://LOCALHOST:8000", True),
        ("http://localhost:9", False),
        ("https://evil.example.com", False),
        ("http://localhost:8000.evil.example.com", False),
        ("null", False),
        ("", False),
        ("http://[", False),
    ],
)
async def test_only_our_own_pages_may_listen(place: Place, origin: str | None, welcome: bool) -> None:  # noqa: FBT001  # a parameter
    headers = {} if origin is None else {"origin": origin}
    async with connected(place, headers) as socket:
        socket.say({"token": await token(place)})
        if welcome:
            assert (await socket.event())["event"] == "hello"
        else:
            assert await socket.closed() == stream.FORBIDDEN_ORIGIN


async def test_a_socket_ends_with_its_session(place: Place) -> None:
    first = await token(place)
    async with connected(place) as socket:
        socket.say({"token": first})
        await socket.event()
        await place.client.post("/api/logout", headers={"authorization": f"Bearer {first}"})
        house = place.parts.house
        listener = next(iter(place.parts.hub._listeners))
        with pytest.raises(Exception, match="session has ended"):
            await house.accounts.person(first)
        assert listener is not None
        async with asyncio.timeout(stream.CHECK_SECONDS * 2 + 2):
            while True:
                message = await socket._out.get()
                if message["type"] == "websocket.close":
                    break
        assert message["code"] == stream.UNAUTHORIZED
    assert place.parts.hub.listeners == 0


async def test_when_the_house_closes_sockets_are_told_to_come_again(open_place: Any) -> None:
    async with open_place() as place:
        socket = Socket(place.app, {})
        await socket.message()
        socket.say({"token": await token(place)})
        await socket.event()
    assert await socket.closed() == stream.GOING_AWAY


async def test_a_browser_that_goes_leaves_nothing_behind(place: Place) -> None:
    async with listening(place) as (socket, _):
        assert place.parts.hub.listeners == 1
        socket.go()
        async with asyncio.timeout(SECONDS):
            await socket.task
    assert place.parts.hub.listeners == 0


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
        assert await socket.closed() == stream.GOING_AWAY
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
