"""A server that gives every request the same bytes, for answers that no well-behaved stand-in gives."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class CannedServer:
    """Answers each request with `reply` (or hangs up, where it is empty), `after` so many seconds; remembers requests."""

    def __init__(self, reply: bytes, *, after: float = 0.0, drip: float = 0.0) -> None:
        self.requests: list[bytes] = []
        self._reply = reply
        self._after = after
        self._drip = drip
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and let go of what is still held."""
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        self.requests.append(head + await reader.readexactly(length))
        await asyncio.sleep(self._after)
        step = 1 if self._drip else max(1, len(self._reply))
        for start in range(0, len(self._reply), step):
            writer.write(self._reply[start : start + step])
            await writer.drain()
            await asyncio.sleep(self._drip)


def answer(status: int, body: bytes, **headers: str) -> bytes:
    """An HTTP/1.1 answer that ends with the connection; header names take `_` for `-`."""
    lines = [f"HTTP/1.1 {status} Canned", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
