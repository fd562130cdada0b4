"""The primary with a local file that stands in for it: the only place that knows which of the two is bound."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from pipesleuth.db import standby_file
from pipesleuth.db.database import Database, alone
from pipesleuth.db.guarded import Guarded
from pipesleuth.db.outage import Outage
from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import StoreUnavailable

A = TypeVar("A")
T = TypeVar("T")
FOLDER = "standby"

log = structlog.get_logger(__name__)


class Standby(Guarded):
    """A Database that goes on with a local file while its server is away.

    What is read, and what is written together (webhooks), goes on in the very call that finds the server gone.
    A single write that is cut off raises StoreUnavailable: it was meant for rows that are not in the file.
    """

    def __init__(
        self,
        url: URL,
        folder: Path,
        *,
        timeout: float,
        after_commit: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(url, timeout=timeout, after_commit=after_commit)
        self.folder = folder
        self.file = standby_file.claimed(folder, after_commit=after_commit)
        self._now = now
        self._outage: Outage | None = None
        self._returned: asyncio.Event | None = None
        self._shut = False
        self._inside = 0
        self.outages = 0

    @property
    def outage(self) -> Outage | None:
        """Since when the file stands in."""
        return self._outage

    @property
    def local(self) -> Database:
        """The file, whether or not it stands in."""
        return self.file.database

    @property
    def well_seconds(self) -> float:
        """How long the primary has answered without a fault."""
        return 0.0 if self._away is not None else self._pulse.well_seconds

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a writer."""
        return super().waiting + self.local.waiting

    async def begin(self) -> None:
        """Make both ready; the file stands in from the start where the primary is away."""
        await asyncio.to_thread(self.file.prepare)
        await super().begin()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, read in one transaction of whichever is bound. Raises StoreUnavailable."""
        if self._outage is None:
            try:
                return await super().read(work)
            except StoreUnavailable as error:
                if not await self._is_gone():
                    # A single connection was lost, and the server is there.
                    log.warning("database.read_again", reason=str(error))
                    return await super().read(work)
        return await self.local.read(work)

    async def write_together(self, work: Callable[[Connection, list[A]], Sequence[T]], item: A) -> T:
        """The answer to `item`, written to whichever is bound. Raises StoreUnavailable."""
        if self._outage is None:
            try:
                return await super().write_together(work, item)
            except StoreUnavailable as error:
                self._stand_in(str(error))
                if work is alone:
                    raise
        return await self._write_here(work, item)

    def pieces(self, work: Callable[[Connection], Iterator[T]]) -> Iterator[T]:
        """What `work` yields, read from whichever is bound when it begins."""
        yield from super().pieces(work) if self._outage is None else self.local.pieces(work)

    def close(self) -> None:
        """Finish what waits, then let go of both."""
        super().close()
        self.file.close()

    async def read_there(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads in the primary, whichever is bound. Raises StoreUnavailable."""
        return await super().read(work)

    @contextlib.asynccontextmanager
    async def returning(self) -> AsyncGenerator[None]:
        """While what came in is brought to the primary, and the file is read and written as before."""
        self._returned = ended = asyncio.Event()
        if self._outage is not None:
            self._outage.returning = True
        try:
            yield
        finally:
            self._shut, self._returned = False, None
            if self._outage is not None:
                self._outage.returning = False
                self._pulse.doubt()
            ended.set()

    @contextlib.asynccontextmanager
    async def shut(self) -> AsyncGenerator[None]:
        """Within `returning`, for its last moment: nothing is written to the file, everybody waits."""
        self._shut = True
        while self._inside:  # noqa: ASYNC110  # a file's commits take milliseconds, and are many
            await asyncio.sleep(0.001)
        yield

    def bind_primary(self) -> None:
        """From here on the primary is read and written again."""
        log.warning("database.standby_over", since=str(self._outage and self._outage.since))
        self._outage = None

    def _lose(self, reason: str) -> None:
        self._stand_in(reason)
        super()._lose(reason)

    def _stand_in(self, reason: str) -> None:
        if self._outage is None:
            self._pulse.doubt()
            self.outages += 1
            self._outage = Outage(self._now(), reason)
            log.error("database.standby", reason=reason)

    async def _is_gone(self) -> bool:
        """Whether the file stands in by now; looked into where only a reading has failed."""
        if self._outage is None:
            wrong = await asyncio.to_thread(self._pulse.look)
            if wrong is not None:
                self._lose(wrong)
        return self._outage is not None

    async def _write_here(self, work: Callable[[Connection, list[A]], Sequence[T]], item: A) -> T:
        if self._shut and self._returned is not None:
            await self._returned.wait()
            return await self.write_together(work, item)
        self._inside += 1
        try:
            return await self.local.write_together(work, item)
        finally:
            self._inside -= 1


async def begin(database: Database) -> None:
    """Bring the database's schema up to date, and watch over one on a server. Raises StoreUnavailable for a file."""
    if isinstance(database, Guarded):
        await database.begin()
    else:
        await asyncio.to_thread(upgrade, database.url)


def opened(
    url: URL,
    data_dir: Path,
    *,
    timeout: float,
    standby: bool,
    after_commit: Callable[[], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Database:
    """Access to the database: plain to a file, guarded to a server, with a file that stands in where one may."""
    if url.get_backend_name() == "sqlite":
        return Database(url, after_commit=after_commit)
    if standby:
        return Standby(url, data_dir / FOLDER, timeout=timeout, after_commit=after_commit, now=now)
    return Guarded(url, timeout=timeout, after_commit=after_commit)
