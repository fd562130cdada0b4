"""A database on a server that may be away: nobody waits for it longer than it takes to see that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from pipesleuth.db.database import Database, alone, resolve
from pipesleuth.db.pulse import Lines, Pulse
from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import StoreUnavailable

A = TypeVar("A")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Guarded(Database):
    """A database behind a breaker: while it is away every call fails at once, and it is looked for in the background.

    Until `begin` was called it is a plain Database: a command of a moment needs no guard.
    """

    def __init__(
        self, url: URL, *, timeout: float, after_commit: Callable[[], None] = lambda: None, readers: int = 8
    ) -> None:
        self._lines = Lines()
        self._pulse = Pulse(url, timeout, self._told)
        self._going: set[asyncio.Future[Any]] = set()
        self._away: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._coming: asyncio.Task[None] | None = None
        super().__init__(url, after_commit=after_commit, readers=readers)

    def _begin(self) -> None:
        super()._begin()
        self._lines.of(self.engine)

    async def begin(self) -> None:
        """Look for the database, bring its schema up to date where it is there, and watch over it from now on."""
        self._loop = asyncio.get_running_loop()
        wrong = await asyncio.to_thread(self._pulse.look)
        if wrong is None:
            try:
                await self.arrive()
            except StoreUnavailable as error:
                wrong = str(error)
        if wrong is not None:
            self._lose(wrong)
        self._pulse.start(wrong)

    async def arrive(self) -> None:
        """Bring the schema of a database that was away up to date. Raises StoreUnavailable."""
        await asyncio.to_thread(upgrade, self.url)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, read in one transaction. Raises StoreUnavailable, at once where it is away."""
        self._refuse_while_away()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._readers.submit(self._answer, work, loop, answer)
        return await self._watched(answer)

    async def write_together(self, work: Callable[[Connection, list[A]], Sequence[T]], item: A) -> T:
        """The answer to `item` from `work`, as Database promises it. Raises StoreUnavailable, at once where it is away.

        What was cut off in the midst of its commit may be there all the same.
        """
        return await self._write(work, item)

    async def _write(self, work: Callable[[Connection, list[A]], Sequence[T]], item: A) -> T:
        self._refuse_while_away()
        return await self._watched(self._queued(work, item))

    async def write_there(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, committed to the server's database and nowhere else. Raises StoreUnavailable."""
        return await self._write(alone, work)

    async def write_there_together(self, work: Callable[[Connection, list[A]], Sequence[T]], item: A) -> T:
        """The answer to `item` from `work`, committed to the server's database and nowhere else."""
        return await self._write(work, item)

    def pieces(self, work: Callable[[Connection], Iterator[T]]) -> Iterator[T]:
        """What `work` yields, as Database promises it."""
        self._refuse_while_away()
        yield from super().pieces(work)

    def close(self) -> None:
        """Finish what waits, then let go of the database."""
        super().close()
        self._pulse.stop()

    def _refuse_while_away(self) -> None:
        if self._away is not None:
            raise StoreUnavailable(self._away)

    def _answer(
        self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop, answer: asyncio.Future[T]
    ) -> None:
        try:
            found: T | Exception = self._read(work)
        except Exception as error:  # noqa: BLE001  # handed to whoever asked
            found = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(resolve, [(answer, found)])

    async def _watched(self, answer: asyncio.Future[T]) -> T:
        """The answer, or StoreUnavailable as soon as the database is known to be away."""
        self._going.add(answer)
        try:
            return await answer
        finally:
            self._going.discard(answer)

    def _told(self, wrong: str | None) -> None:
        """The pulse's thread has news."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._note, wrong)

    def _note(self, wrong: str | None) -> None:
        if wrong is None:
            self._found()
        else:
            self._lose(wrong)

    def _lose(self, reason: str) -> None:
        """It is away: whoever waits is told, threads and connections that hang are left behind."""
        if self._away is not None:
            return
        self._away = reason
        log.error("database.away", reason=reason)
        self.leave_behind()
        self._lines.cut()
        for answer in list(self._going):
            if not answer.done():
                answer.set_exception(StoreUnavailable(reason))

    def _found(self) -> None:
        """It answers again."""
        self._coming = asyncio.get_running_loop().create_task(self._come_back(), name="database.back")

    async def _come_back(self) -> None:
        try:
            await self.arrive()
        except Exception as error:  # noqa: BLE001  # it stays away until the next look that finds it
            log.warning("database.not_back", reason=str(error)[:300])
            self._pulse.tell_again()
            return
        self._away = None
        log.info("database.back")
