"""Noticing that this process has slept: what it held then may be somebody else's by now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOKS = 6  # within the time that matters


class Wakefulness:
    """Calls `overslept` as the first thing after a sleep of more than so many seconds (a paused machine or process).

    It is a timer of the event loop and no task: what the loop's sockets have woken goes on only after it.
    """

    def __init__(self, seconds: float, overslept: Callable[[], None]) -> None:
        self._seconds = seconds
        self._overslept = overslept
        self._timer: asyncio.TimerHandle | None = None
        self._seen = (0.0, 0.0)

    def begin(self) -> None:
        """Watch, on the running event loop."""
        self._seen = _clocks()
        self._timer = asyncio.get_running_loop().call_later(self._seconds / LOOKS, self._look)

    def end(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        before = self._seen
        self.begin()
        # A machine that is suspended may stop the one clock and not the other.
        if any(now - then > self._seconds for now, then in zip(self._seen, before, strict=True)):
            self._overslept()


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()
