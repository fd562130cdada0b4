"""The sandbox as a running server: in the running event loop, or in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipesleuth.sandbox.app import SandboxApp, create_app
from pipesleuth.sandbox.door import DROP

if TYPE_CHECKING:
    from types import TracebackType

    from pipesleuth.sandbox.world import World


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, with a way for the door to cut a connection without an answer."""

    def on_message_begin(self) -> None:
        """Start a request's scope and hand the knife over with it."""
        super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        scope["extensions"] = {DROP: {"cut": self.transport.abort}}


class QuietServer(uvicorn.Server):
    """A server inside somebody else's process: signals stay with their owner."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the process's signal handlers as they are."""
        yield

    async def main_loop(self) -> None:
        """Do the server's housekeeping, and end at once when asked to."""
        self.ending = asyncio.Event()
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), 0.1)

    def end(self) -> None:
        """Stop listening as soon as may be."""
        self.should_exit = True
        self.ending.set()


def quiet_server(app: SandboxApp) -> QuietServer:
    """A server for the app that logs nothing but its own faults."""
    return QuietServer(
        uvicorn.Config(
            app,
            http=CuttableProtocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=30,
            backlog=2048,
        )
    )


class Sandbox:
    """All stand-ins on one port of this machine: `async with Sandbox() as s: s.url`.

    `port=0` takes a free port. Everything else goes to `create_app`. The memory (`world`) can be read and
    changed directly while it runs, from the same event loop.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1", **options: Any) -> None:
        self.host = host
        self.port = port
        self.app = create_app(**options)
        self._server: QuietServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def world(self) -> World:
        """The stand-ins' memory."""
        return self.app.world

    @property
    def url(self) -> str:
        """The address of the page for people; the vendors' addresses are below it."""
        return f"http://{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The settings with which Pipesleuth talks to these stand-ins instead of the vendors."""
        return self.world.environment(self.url)

    async def __aenter__(self) -> Self:
        """Start to listen; returns when requests are answered."""
        await self.come_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and drop what is still held."""
        await self.go_away()

    async def come_back(self) -> None:
        """Listen (again) on the port, with the memory as it was; OSError when the port is taken."""
        if self._task is not None:
            return
        listener = listen(self.host, self.port)
        self.port = int(listener.getsockname()[1])
        self.app.closing.clear()
        self._server = quiet_server(self.app)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(f"the sandbox did not start on port {self.port}")
            await asyncio.sleep(0.005)

    async def go_away(self) -> None:
        """Stop listening: from now on connections are refused, until `come_back`."""
        server, task = self._server, self._task
        if server is None or task is None:
            return
        self._server = self._task = None
        self.app.closing.set()
        server.end()
        await task


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that may take over a port just left."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, so that asyncio switches Nagle's delay off: it would cost every answer 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


class BackgroundSandbox:
    """A sandbox in a thread, for callers without an event loop; look at it over HTTP."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1", **options: Any) -> None:
        self._sandbox = Sandbox(port, host, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._sandbox.come_back(), self._loop).result(timeout=20)
        except BaseException:
            self._end()
            raise

    @property
    def url(self) -> str:
        """The address of the page for people."""
        return self._sandbox.url

    def environment(self) -> dict[str, str]:
        """The settings with which Pipesleuth talks to these stand-ins."""
        return self._sandbox.environment()

    def stop(self) -> None:
        """Stop the server and its thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._sandbox.go_away(), self._loop).result(timeout=20)
        self._end()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=20)
        self._loop.close()


@contextmanager
def run_in_background(port: int = 0, host: str = "127.0.0.1", **options: Any) -> Generator[BackgroundSandbox]:
    """A running sandbox in a thread for as long as a `with` block takes; its `url` says where."""
    sandbox = BackgroundSandbox(port, host, **options)
    try:
        yield sandbox
    finally:
        sandbox.stop()
