"""The websocket: the token in the first message, a greeting, what was missed, and every change from then on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from starlette.websockets import WebSocketState

from pipesleuth.accounts import TooMany, Unknown
from pipesleuth.live import Listener
from pipesleuth.model import StoreUnavailable, timestamp
from pipesleuth.tickets.feed import RESYNC
from pipesleuth.web.answers import json_answer
from pipesleuth.web.deps import House, SignedIn, TheHouse
from pipesleuth.web.guard import same_origin
from pipesleuth.web.schemas import Events, refusals

HELLO_SECONDS = 10.0
LONGEST_HELLO = 4096
ALIVE_SECONDS = 20.0
CHECK_SECONDS = 5.0  # how soon a session that has ended is noticed
LAST = 2**53  # no sequence is larger
# Codes of our own, as RFC 6455 leaves 4000 to 4999 to applications.
UNAUTHORIZED = 4401
FORBIDDEN_ORIGIN = 4403
TOO_MANY = 4429
GOING_AWAY = 1001
SERVICE_RESTART = 1012  # RFC 6455's registry: come again
RESTARTS = "The service restarts; please reconnect."

router = APIRouter(tags=["live"])


@router.websocket("/ws")
async def live(socket: WebSocket) -> None:
    """Every change, once, after its commit."""
    house: House = socket.app.state.house
    await socket.accept()
    if house.draining:
        await socket.close(SERVICE_RESTART, RESTARTS)
        return
    if not _is_our_page(socket, house):
        await socket.close(FORBIDDEN_ORIGIN, "This page may not listen here.")
        return
    try:
        token, since = await _hello(socket)
        who = await house.accounts.person(token)
    except (Unknown, TimeoutError, WebSocketDisconnect, StoreUnavailable) as error:
        with contextlib.suppress(RuntimeError):
            await socket.close(UNAUTHORIZED, str(error)[:100] or "No token came.")
        return
    try:
        with house.traffic.socket(who.email):
            await _listen(socket, house, token, since)
    except TooMany as much:
        await socket.close(TOO_MANY, str(much)[:100])


async def _listen(socket: WebSocket, house: House, token: str, since: int | None) -> None:
    """Tell one browser everything until it goes."""
    with contextlib.suppress(StoreUnavailable):
        if not house.hub.listeners:
            await house.feed.skip()  # what came while nobody listened is no news to the first who does
    listener = house.hub.join()
    house.gauges.sockets.inc()
    reading = asyncio.create_task(_until_gone(socket), name="socket.read")
    reading.add_done_callback(lambda _: listener.end())
    try:
        await _greet(socket, house, since)
        await _tell(socket, house, listener, token)
    except Unknown as ended:
        with contextlib.suppress(RuntimeError):
            await socket.close(UNAUTHORIZED, str(ended)[:100])
    except (WebSocketDisconnect, RuntimeError, StoreUnavailable):
        pass  # the browser is gone, or comes back by itself
    finally:
        reading.cancel()
        house.hub.leave(listener)
        house.gauges.sockets.dec()


@router.get("/api/events", response_model=Events, responses=refusals(400, 401, 503))
async def events(_who: SignedIn, house: TheHouse, since: Annotated[int, Query(ge=0, le=LAST)] = 0) -> Response:
    """What a socket would have said after this number; a single `resync` where that is too much."""
    epoch, position = await house.feed.place()
    found = await house.feed.since(since)
    told = [json.loads(event.text) for event in found]
    return json_answer({"epoch": epoch, "sequence": position, "events": told})


def _is_our_page(socket: WebSocket, house: House) -> bool:
    """Whether the page that connects is ours; programs send no Origin."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    public = urlsplit(house.settings.public_base_url).netloc.lower()
    return same_origin(origin, socket.headers.get("host", "").lower(), public)


async def _hello(socket: WebSocket) -> tuple[str, int | None]:
    """Whose token listens, and from which number. Raises Unknown, TimeoutError, WebSocketDisconnect."""
    async with asyncio.timeout(HELLO_SECONDS):
        text = await _said(socket)
    if text is None or len(text) > LONGEST_HELLO:
        raise Unknown("The first message must be a short text.")
    try:
        first: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unknown("The first message must be JSON with a token.") from error
    message: dict[str, Any] = cast("dict[str, Any]", first) if isinstance(first, dict) else {}
    token, since = message.get("token"), message.get("since")
    if not isinstance(token, str):
        raise Unknown("The first message must carry a token.")
    counts = isinstance(since, int) and not isinstance(since, bool) and 0 <= since <= LAST
    return token, since if counts else None


async def _said(socket: WebSocket) -> str | None:
    """The next message's text; None where it is bytes. Raises WebSocketDisconnect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", GOING_AWAY))
    return message.get("text")


async def _greet(socket: WebSocket, house: House, since: int | None) -> None:
    epoch, sequence = await house.feed.place()
    hello = {
        "event": "hello",
        "epoch": epoch,
        "sequence": sequence,
        "server_time": timestamp(house.now()),
    }
    await socket.send_text(json.dumps(hello))
    if since is not None and since < sequence:
        for event in await house.feed.since(since):
            await socket.send_text(event.text)


async def _tell(socket: WebSocket, house: House, listener: Listener, token: str) -> None:
    """Send what comes until the browser goes or the house closes. Raises Unknown when the session ends."""
    clock = asyncio.get_running_loop().time
    checked = told = clock()
    while True:
        if clock() - checked >= CHECK_SECONDS:
            await house.accounts.person(token)
            checked = clock()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                text = await listener.queue.get()
        except TimeoutError:
            if clock() - told < ALIVE_SECONDS:
                continue
            text = json.dumps({"event": "alive", "server_time": timestamp(house.now())})
        if text is not None and listener.lost:
            text = None if listener.drained() else RESYNC.text
        if text is None:
            if socket.client_state is WebSocketState.CONNECTED:
                await socket.close(SERVICE_RESTART, RESTARTS)
            return
        await socket.send_text(text)
        told = clock()


async def _until_gone(socket: WebSocket) -> None:
    """Read and forget whatever the browser says, until it is gone."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await _said(socket)
