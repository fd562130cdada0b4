"""What dashboards are told: every change once, after its commit, to whoever may know."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from listening import SECONDS, Socket, connected, listening, token
from pipesleuth.db.database import epoch
from pipesleuth.tickets import trail
from pipesleuth.web import stream
from places import Place


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
    assert (events["epoch"], events["sequence"]) == (await place.read(epoch), events["events"][-1]["sequence"])


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
    assert await socket.closed() == stream.SERVICE_RESTART


async def test_a_browser_that_goes_leaves_nothing_behind(place: Place) -> None:
    async with listening(place) as (socket, _):
        assert place.parts.hub.listeners == 1
        socket.go()
        async with asyncio.timeout(SECONDS):
            await socket.task
    assert place.parts.hub.listeners == 0
