"""How tests listen to live events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from places import Place

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
