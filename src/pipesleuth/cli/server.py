"""The HTTP server, with a polite end: it says so first, answers what it took in, and its exit code is 0."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType

import structlog
import uvicorn

from pipesleuth.web.deps import House

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Serves until SIGTERM or SIGINT.

    From then on `/readyz` says 503 and sockets are told to come again. Requests are still taken for
    `drain_seconds`, because load balancers look away a little later; then those that are on their way are
    answered, and `serve` returns. A second signal ends the draining.
    """

    def __init__(self, config: uvicorn.Config, house: House, *, drain_seconds: float = 0) -> None:
        super().__init__(config)
        self._house = house
        self._drain_seconds = drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end. uvicorn's own way would end the process by the very signal, as if it had failed."""
        del frame
        if self._loop is None or self._house.draining:
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True
            return
        self._house.draining = True
        self._loop.call_soon_threadsafe(self._drain, self._loop)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        log.info("server.ends", drain_seconds=self._drain_seconds, sockets=self._house.hub.listeners)
        self._house.hub.dismiss()
        loop.call_later(self._drain_seconds, self._finish)

    def _finish(self) -> None:
        self.should_exit = True
