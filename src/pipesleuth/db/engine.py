"""An engine with the manners that this house wants of each database."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Generator
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from pipesleuth.db import faults
from pipesleuth.db.address import complete, without_secrets
from pipesleuth.model import StoreUnavailable, WrongSetting

BUSY_MILLISECONDS = 5000
MOMENT_MILLISECONDS = 250
NAP_SECONDS = 0.001
LOG_PAGES = 4000  # 16 MB
KEPT_STATEMENTS = 32
# The log is moved into the file by a thread of its own, so that no webhook's commit waits for it.
_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=0",
    f"busy_timeout={BUSY_MILLISECONDS}",
    "temp_store=MEMORY",
)
CONNECT_SECONDS = 5
_LOGIN_TIMEOUT = 103  # ODBC's SQL_ATTR_LOGIN_TIMEOUT
# Below the hour that a managed identity's token lives.
RECYCLE_SECONDS = 1800


def open_engine(url: URL, *, connect_seconds: int = CONNECT_SECONDS) -> Engine:
    """An engine for a database; it connects at first use, within so many seconds. Raises WrongSetting."""
    url = complete(url)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    how: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": RECYCLE_SECONDS, "pool_size": 10, "max_overflow": 5}
    if url.drivername == "postgresql+psycopg" and "connect_timeout" not in url.query:
        how["connect_args"] = {"connect_timeout": connect_seconds}
    elif url.drivername == "mssql+pyodbc":
        how |= {"connect_args": {"timeout": connect_seconds}, "fast_executemany": True}
    elif url.drivername == "mssql+mssqlpython":
        how["connect_args"] = {"attrs_before": {_LOGIN_TIMEOUT: connect_seconds}}
    try:
        engine = create_engine(url, **how)
    except (ImportError, NoSuchModuleError) as error:
        raise WrongSetting(f"DATABASE_URL: {_missing(url.drivername, error)}") from error
    event.listen(engine, "handle_error", _let_go)
    return engine


@contextlib.contextmanager
def opened(url: URL) -> Generator[Engine]:
    """An engine that is let go of at the end. Raises StoreUnavailable where the database is away, WrongSetting."""
    engine = open_engine(url)
    try:
        yield engine
    except SQLAlchemyError as error:
        gone = away(error, url)
        if gone is None:
            raise
        raise gone from error
    finally:
        engine.dispose()


def away(error: SQLAlchemyError, url: URL) -> StoreUnavailable | None:
    """What to tell whoever needs the database while it is away; None for our own mistakes."""
    if isinstance(error, PoolTimeout):
        return StoreUnavailable("No connection is free.")
    if not faults.is_unavailable(error):
        return None
    return StoreUnavailable(without_secrets(str(getattr(error, "orig", None) or error), url))


def checkpoint(engine: Engine, *, longest: int = LOG_PAGES) -> int:
    """Move SQLite's write-ahead log into its file as far as nobody is in the way; nothing elsewhere.

    A log of more than `longest` pages begins anew, for which writers wait until running reads have ended, a moment
    at most. How many pages are left in the log.
    """
    if engine.dialect.name != "sqlite":
        return 0
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        connection.rollback()
        if raw is None:
            return 0
        pages = _moved(raw, "PASSIVE")[1]
        if pages <= longest:
            return pages
        # Where somebody always reads and somebody always writes it would not begin anew by itself, and grow for ever.
        raw.execute(f"PRAGMA busy_timeout={MOMENT_MILLISECONDS}")
        try:
            busy, pages, _ = _moved(raw, "RESTART")
        finally:
            raw.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        return pages if busy else 0


def _moved(raw: sqlite3.Connection, how: str) -> tuple[int, int, int]:
    """Whether somebody was in the way, the pages in the log, and how many of them are in the file."""
    return raw.execute(f"PRAGMA wal_checkpoint({how})").fetchone()


def _missing(driver: str, error: Exception) -> str:
    repair = {
        "mssql+pyodbc": "Install unixODBC and Microsoft's ODBC Driver 18, or use mssql+mssqlpython.",
        "mssql+mssqlpython": "Install it with `pip install pipesleuth[azure-sql]`.",
    }
    reason = (str(error).splitlines() or [""])[0].rstrip(". ")
    return f"the driver of {driver} cannot be loaded ({reason}). {repair.get(driver, 'Install the driver.')}"


def _let_go(context: ExceptionContext) -> None:
    """A connection that says its server is gone, throttled or failing over is not used again."""
    error = context.sqlalchemy_exception or context.original_exception
    if faults.kind(error) is faults.Fault.LOST:
        context.is_disconnect = True


def _sqlite(url: URL) -> Engine:
    pool = {"poolclass": NullPool} if url.database in {None, "", ":memory:"} else {"pool_size": 10, "max_overflow": 5}
    # A list of another length is another statement, and some are large: the driver's 128 of each connection would
    # fill slowly and hold tens of megabytes, while preparing one anew takes microseconds.
    how = {"check_same_thread": False, "timeout": 5.0, "cached_statements": KEPT_STATEMENTS}
    engine = create_engine(url, connect_args=how, **pool)
    # Many rows as one statement: Python's driver lets go of the interpreter at every row of an executemany, and
    # gets it back from a busy event loop only after a switch interval each time.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    event.listen(engine, "connect", _sqlite_manners)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_manners(raw: Any, _record: object) -> None:
    # Python's driver would open transactions by itself, and only at the first write.
    raw.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        raw.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    # The writer takes its lock at once, so that no transaction fails half-way on a change of lock.
    writing = threading.current_thread().name == "writer" or connection.get_execution_options().get("writing")
    if writing:
        _wait_for_lock(connection)
    else:
        connection.exec_driver_sql("BEGIN")


def _wait_for_lock(connection: Connection) -> None:
    """Begin to write as soon as nobody else does; SQLite itself looks again only after ever longer naps."""
    raw: Any = connection.connection.driver_connection
    until = time.monotonic() + BUSY_MILLISECONDS / 1000
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < until:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
                time.sleep(NAP_SECONDS)
            else:
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # whose refusal is told as every other
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
