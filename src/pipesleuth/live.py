"""The bell: told after a commit, heard by sockets and the worker; and the hub that hands events to sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from pipesleuth.model import StoreUnavailable

QUEUE = 256
FOLLOW_SECONDS = 0.25
BREATH_SECONDS = 0.01  # what is committed meanwhile is read together

log = structlog.get_logger(__name__)


class Bell:
    """Rings for everybody who listens; may be rung from any thread."""

    def __init__(self) -> None:
        self._ears: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def ring(self) -> None:
        """Wake everybody who listens, now or at their next wait."""
        for ear, loop in list(self._ears.items()):
            if not ear.is_set() and not loop.is_closed():
                loop.call_soon_threadsafe(ear.set)

    def listen(self) -> asyncio.Event:
        """An ear of one's own, set at every ring; whoever waits clears it."""
        ear = asyncio.Event()
        self._ears[ear] = asyncio.get_running_loop()
        return ear

    def leave(self, ear: asyncio.Event) -> None:
        """Ring no more for this ear."""
        self._ears.pop(ear, None)


async def heard(ear: asyncio.Event, seconds: float) -> bool:
    """Wait for the bell, at most so many seconds; whether it rang."""
    try:
        async with asyncio.timeout(seconds):
            await ear.wait()
    except TimeoutError:
        return False
    ear.clear()
    return True


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One change as sockets are told it; `text` is its JSON."""

    sequence: int
    text: str


@dataclass(eq=False, slots=True)
class Listener:
    """One socket's bounded queue; one that falls behind is told to load everything anew."""

    queue: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    lost: bool = False

    def end(self) -> None:
        """Let whoever waits at the queue go: None is the last thing in it."""
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)

    def drained(self) -> bool:
        """Throw away what waits: everything is loaded anew. Whether the end was among it."""
        ended = False
        while not self.queue.empty():
            ended = self.queue.get_nowait() is None or ended
        self.lost = False
        return ended


class Trail(Protocol):
    """Where the hub reads what has changed, of this server and of others."""

    async def newer(self) -> Sequence[LiveEvent]:
        """The changes that were committed since the last call."""
        ...

    async def skip(self) -> None:
        """Pass over what has changed: nobody listens."""
        ...


class Hub:
    """Follows the audit trail and hands each change to every listener once."""

    def __init__(self, bell: Bell, trail: Trail) -> None:
        self._bell = bell
        self._trail = trail
        self._listeners: set[Listener] = set()
        self.sent = 0

    @property
    def listeners(self) -> int:
        """How many sockets are connected."""
        return len(self._listeners)

    def join(self) -> Listener:
        """A queue that every change from now on goes into; None in it means: the house closes."""
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Tell this listener no more."""
        self._listeners.discard(listener)

    def dismiss(self) -> None:
        """Let every listener go: the house closes, and they are to come again."""
        for listener in self._listeners:
            listener.end()

    def announce(self, text: str) -> None:
        """Hand one text to every listener."""
        for listener in self._listeners:
            try:
                listener.queue.put_nowait(text)
            except asyncio.QueueFull:
                listener.lost = True
        self.sent += len(self._listeners)

    async def follow(self) -> None:
        """Follow the trail until cancelled."""
        ear = self._bell.listen()
        try:
            while True:
                rang = await heard(ear, FOLLOW_SECONDS)
                await self._tell(rang=rang)
        finally:
            self._bell.leave(ear)
            self.dismiss()

    async def _tell(self, *, rang: bool) -> None:
        """Hand on what is new; an empty house only keeps its place, and not at every ring."""
        try:
            if self._listeners:
                for event in await self._trail.newer():
                    self.announce(event.text)
            elif not rang:
                await self._trail.skip()
        except StoreUnavailable as error:
            log.warning("live.waits", reason=str(error))
        if rang:
            await asyncio.sleep(BREATH_SECONDS)
