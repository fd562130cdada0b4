"""The way to the tables: readers in threads, one writer thread that commits for everybody who waits.

Whatever arrives while one commit is on its way goes into the next. Each piece of work has its own savepoint;
pieces of the same kind are done together, and one by one when together fails, so that a bad one never fails
its neighbours.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from pipesleuth.db.engine import LOG_PAGES, away, checkpoint, open_engine
from pipesleuth.db.faults import is_passing, is_unavailable
from pipesleuth.db.outage import Outage
from pipesleuth.model import StoreUnavailable

CHECKPOINT_SECONDS = 1.0
GROUP = 64
LINGER_SECONDS = 0.002
TRIES = 3
PATIENCE_SECONDS = 4.0  # a try that took longer has waited for its lock already; those behind it wait too
STREAMS = 4  # long readings at once: each holds a connection for as long as its reader likes

A = TypeVar("A")
T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Piece:
    """One waiting piece of work."""

    work: Callable[[Connection, list[Any]], Sequence[Any]]
    item: Any
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]


class Database:
    """Access to one database; `after_commit` is called from the writer thread after every commit."""

    def __init__(self, url: URL, *, after_commit: Callable[[], None] = lambda: None, readers: int = 8) -> None:
        self.url = url
        self._after_commit = after_commit
        self._most_readers = readers
        self._streams = threading.BoundedSemaphore(STREAMS)
        self.commits = 0
        self._closing = threading.Event()
        self._begin()
        if url.get_backend_name() == "sqlite":
            threading.Thread(target=self._move_log, name="checkpoint", daemon=True).start()

    def _begin(self) -> None:
        """Connections, readers and the writer with what waits for it."""
        self.engine = open_engine(self.url)
        self._readers = ThreadPoolExecutor(self._most_readers, thread_name_prefix="reader")
        self._waiting: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, args=(self._waiting,), name="writer", daemon=True)
        self._writer.start()

    @property
    def outage(self) -> Outage | None:
        """Since when another file stands in for this database, where one does."""
        return None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, read in one transaction. Raises StoreUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once it is committed. Raises what `work` raised, or StoreUnavailable."""
        return await self.write_together(alone, work)

    async def write_together(self, work: Callable[[Connection, list[A]], Sequence[T]], item: A) -> T:
        """The answer to `item` from `work`, which is given all items that wait for the same `work`.

        `work` returns one answer for each item, in order. If it raises it is called again for each item alone.
        """
        return await self._queued(work, item)

    def _queued(self, work: Callable[[Connection, list[A]], Sequence[T]], item: A) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.put(_Piece(work, item, loop, answer))
        return answer

    def pieces(self, work: Callable[[Connection], Iterator[T]]) -> Iterator[T]:
        """What `work` yields, read as it is asked for, in one transaction; for a thread, not for the event loop.

        Raises StoreUnavailable, also where as many are read already as may be.
        """
        if not self._streams.acquire(blocking=False):
            raise StoreUnavailable("Too many long lists are read at once.")
        try:
            with self.engine.connect() as connection:
                if connection.dialect.name == "postgresql":  # it holds no row that others want, and may take its time
                    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                yield from work(connection)
        except SQLAlchemyError as error:
            gone = away(error, self.url)
            if gone is None:
                raise
            raise gone from error
        finally:
            self._streams.release()

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for the writer."""
        return self._waiting.qsize()

    def leave_behind(self) -> None:
        """Begin anew with other threads and connections; what hangs in the old ones ends there, well or not.

        Whoever waits for them is told StoreUnavailable, as soon as they end.
        """
        waiting, writer, readers, engine = self._waiting, self._writer, self._readers, self.engine
        self._begin()
        waiting.put(None)

        def let_go() -> None:
            writer.join()
            readers.shutdown()
            engine.dispose()

        threading.Thread(target=let_go, name="left behind", daemon=True).start()

    def close(self) -> None:
        """Finish what waits, then let go of the database."""
        self._closing.set()
        self._waiting.put(None)
        self._writer.join(timeout=30)
        self._readers.shutdown()
        self.engine.dispose()

    def _move_log(self) -> None:
        """Move SQLite's write-ahead log into its file once a second, hardly ever holding anybody up."""
        moved, longest = -1, LOG_PAGES
        while not self._closing.wait(CHECKPOINT_SECONDS):
            if moved == self.commits:
                continue
            moved = self.commits
            try:
                left = checkpoint(self.engine, longest=longest)
            except (SQLAlchemyError, sqlite3.Error) as error:
                log.warning("database.not_checkpointed", reason=type(error).__name__)
                continue
            if left > longest:  # somebody reads for long (an export): writers do not wait again before there is more
                longest = left + LOG_PAGES
            elif left < LOG_PAGES:
                longest = LOG_PAGES

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            gone = away(error, self.url)
            if gone is None:
                raise
            raise gone from error

    def _write_all(self, waiting: queue.SimpleQueue[_Piece | None]) -> None:
        while (first := waiting.get()) is not None:
            group, last = _gather(first, waiting)
            self._commit(group, waiting)
            if last:
                return

    def _commit(self, group: list[_Piece], waiting: queue.SimpleQueue[_Piece | None]) -> None:
        started = time.monotonic()
        for attempt in range(1, TRIES + 1):
            if waiting is not self._waiting:
                _tell(group, [StoreUnavailable("The database did not answer in time.")] * len(group))
                return
            try:
                with self.engine.begin() as connection:
                    answers = _do(connection, group)
            except Exception as error:  # noqa: BLE001  # whatever it is: everybody who waits gets an answer
                passing = is_passing(error)
                if passing and attempt < TRIES and time.monotonic() - started < PATIENCE_SECONDS:
                    continue
                # Who came meanwhile has waited as long, and would wait once more.
                late = _rest(waiting) if passing else []
                gone = away(error, self.url) if isinstance(error, SQLAlchemyError) else None
                reason = str(gone or type(error).__name__)
                log.warning("database.not_written", waiting=len(group + late), reason=reason)
                _tell(group + late, [StoreUnavailable(reason)] * len(group + late))
                return
            self.commits += 1
            self._after_commit()
            _tell(group, answers)
            return


def _gather(first: _Piece, waiting: queue.SimpleQueue[_Piece | None]) -> tuple[list[_Piece], bool]:
    """The next group, and whether the house closes after it."""
    group = [first]
    until = time.monotonic() + LINGER_SECONDS
    while len(group) < GROUP:
        try:
            piece = waiting.get(timeout=max(0.0, until - time.monotonic())) if len(group) > 1 else waiting.get_nowait()
        except queue.Empty:
            break
        if piece is None:
            return group, True
        group.append(piece)
    return group, False


def _rest(waiting: queue.SimpleQueue[_Piece | None]) -> list[_Piece]:
    """Everything that waits at this moment, but for the sign to close."""
    rest: list[_Piece] = []
    for _ in range(waiting.qsize()):
        piece = waiting.get_nowait()
        if piece is None:
            waiting.put(None)
        else:
            rest.append(piece)
    return rest


def alone(connection: Connection, works: list[Callable[[Connection], Any]]) -> list[Any]:
    """Single pieces of work are not done together: each is called with the connection."""
    return [work(connection) for work in works]


def _do(connection: Connection, group: list[_Piece]) -> list[Any]:
    """The answers to a group, in order; an exception stands for a piece that failed."""
    answers: list[Any] = [None] * len(group)
    batches: dict[Callable[..., Any], list[int]] = {}
    for index, piece in enumerate(group):
        batches.setdefault(piece.work, []).append(index)
    for work, indexes in batches.items():
        single = work is alone
        whole = None if single and len(indexes) > 1 else _try(connection, work, [group[i].item for i in indexes])
        if isinstance(whole, Exception) and len(indexes) == 1:
            answers[indexes[0]] = whole
        elif whole is None or isinstance(whole, Exception):
            for index in indexes:
                one = _try(connection, work, [group[index].item])
                answers[index] = one if isinstance(one, Exception) else one[0]
        else:
            for index, answer in zip(indexes, whole, strict=True):
                answers[index] = answer
    return answers


def _try(connection: Connection, work: Callable[..., Sequence[Any]], items: list[Any]) -> Sequence[Any] | Exception:
    """What `work` answers inside a savepoint, or what it raised; a lost database or transaction goes up."""
    savepoint = connection.begin_nested()
    try:
        answers = work(connection, items)
    except Exception as error:  # handed to whoever asked: one bad piece must not fail its neighbours
        if is_unavailable(error):
            raise
        # Fails where the database has ended the whole transaction by itself: then nothing of the group is kept.
        savepoint.rollback()
        return error
    savepoint.commit()
    return answers


def _tell(group: list[_Piece], answers: list[Any]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for piece, answer in zip(group, answers, strict=True):
        by_loop.setdefault(piece.loop, []).append((piece.answer, answer))
    for loop, told in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(resolve, told)


def resolve(told: list[tuple[asyncio.Future[Any], Any]]) -> None:
    """Give waiting futures their answers, or the exceptions that stand for them; on their own loop."""
    for future, answer in told:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def epoch(connection: Connection) -> str:
    """The name of this database's history; another one means that sequences start anew."""
    return str(connection.execute(text("SELECT value FROM marks WHERE name = 'epoch'")).scalar_one())
