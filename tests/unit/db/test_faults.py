"""What the drivers' own errors mean: each in the class and the words that its driver uses."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors as postgres_errors
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

import equipment
from pipesleuth.db.engine import away, open_engine
from pipesleuth.db.faults import Fault, is_passing, is_unavailable, is_unique_violation, kind
from pipesleuth.db.upgrade import check
from pipesleuth.model import StoreUnavailable
from sql_server_sentences import SENTENCES

IDS = [str(number) for number, *_ in SENTENCES]


def _pyodbc() -> Any:
    try:
        return importlib.import_module("pyodbc")
    except ImportError:
        equipment.do_without("unixODBC, which pyodbc needs")


def _mssql_python() -> Any:
    try:
        return importlib.import_module("mssql_python")
    except ImportError:
        equipment.do_without("mssql-python")


def wrapped(error: Exception, module: Any, statement: str | None = "INSERT …") -> Exception:
    """The error as SQLAlchemy hands it on."""
    return DBAPIError.instance(statement, None, error, module.Error)


@pytest.mark.parametrize(("number", "state", "name", "sentence", "fault"), SENTENCES, ids=IDS)
def test_pyodbc_says_it_by_number(number: int, state: str, name: str, sentence: str, fault: Fault) -> None:
    pyodbc = _pyodbc()
    said = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{sentence} ({number}) (SQLExecDirectW)"
    said += (
        f"; [{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]The statement has been terminated. (3621)"
    )
    assert kind(wrapped(getattr(pyodbc, name)(state, said), pyodbc)) is fault


@pytest.mark.parametrize(("number", "state", "name", "sentence", "fault"), SENTENCES, ids=IDS)
def test_mssql_python_says_it_by_words(number: int, state: str, name: str, sentence: str, fault: Fault) -> None:
    mssql_python = _mssql_python()
    from mssql_python import exceptions  # noqa: PLC0415  # an extra

    with pytest.raises(mssql_python.Error) as raised:
        exceptions.raise_exception(state, f"[Microsoft][SQL Server]{sentence}")
    assert kind(wrapped(raised.value, mssql_python)) is fault


def test_a_pyodbc_that_cannot_find_its_driver_is_an_outage_not_our_mistake() -> None:
    pyodbc = _pyodbc()
    said = "[IM002] [unixODBC][Driver Manager]Data source name not found and no default driver specified (0)"
    assert kind(wrapped(pyodbc.InterfaceError("IM002", said), pyodbc, None)) is Fault.CLOSED


def test_a_server_that_nobody_answers_for_is_lost() -> None:
    _mssql_python()
    url = make_url("mssql+mssqlpython://svc:hidden@127.0.0.1:1/tickets")
    with pytest.raises(DBAPIError) as raised:
        open_engine(url).connect()
    assert is_unavailable(raised.value)
    gone = away(raised.value, url)
    assert gone is not None
    assert "hidden" not in str(gone)


POSTGRES: list[tuple[str, Fault]] = [
    ("23505", Fault.CLASH),
    ("23503", Fault.OURS),
    ("23502", Fault.OURS),
    ("22001", Fault.OURS),
    ("42P01", Fault.OURS),
    ("40001", Fault.CONTENTION),
    ("40P01", Fault.CONTENTION),
    ("55P03", Fault.CONTENTION),
    ("57014", Fault.CONTENTION),
    ("08003", Fault.LOST),
    ("08006", Fault.LOST),
    ("57P01", Fault.LOST),
    ("57P02", Fault.LOST),
    ("57P03", Fault.LOST),
    ("25006", Fault.LOST),
    ("53300", Fault.LOST),
    ("53100", Fault.CLOSED),
    ("58030", Fault.CLOSED),
    ("28P01", Fault.CLOSED),
    ("3D000", Fault.CLOSED),
    ("XX001", Fault.CLOSED),
]


@pytest.mark.parametrize(("state", "fault"), POSTGRES)
def test_psycopg_says_it_by_sqlstate(state: str, fault: Fault) -> None:
    error = postgres_errors.lookup(state)("deadlock detected, disk full, duplicate key 2627")
    assert kind(wrapped(error, psycopg)) is fault


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('connection failed: FATAL:  password authentication failed for user "u"', Fault.CLOSED),
        ('connection failed: FATAL:  no pg_hba.conf entry for host "192.0.2.1"', Fault.CLOSED),
        ('connection failed: FATAL:  database "x" does not exist', Fault.CLOSED),
        ("connection failed: server does not support SSL, but SSL was required", Fault.CLOSED),
        ("connection failed: Connection refused. Is the server running?", Fault.LOST),
        ("connection timeout expired", Fault.LOST),
        ("consuming input failed: server closed the connection unexpectedly", Fault.LOST),
        ("the connection is closed", Fault.LOST),
    ],
)
def test_psycopg_before_the_server_answers_has_only_words(said: str, fault: Fault) -> None:
    assert kind(wrapped(psycopg.OperationalError(said), psycopg)) is fault


# --- SQLite, as it really fails ---


def _clash(file: Path) -> None:
    with sqlite3.connect(file) as raw:
        raw.execute("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL, u TEXT UNIQUE)")
        raw.execute("INSERT INTO t VALUES ('a', 1, 'x')")


def _tried(file: Path, statement: str) -> Exception:
    engine = open_engine(URL.create("sqlite", database=str(file)))
    try:
        with engine.begin() as connection, pytest.raises(DBAPIError) as raised:
            connection.execute(text(statement))
    finally:
        engine.dispose()
    return raised.value


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("INSERT INTO t VALUES ('a', 1, 'y')", Fault.CLASH),
        ("INSERT INTO t VALUES ('b', 1, 'x')", Fault.CLASH),
        ("INSERT INTO t VALUES ('b', NULL, 'z')", Fault.OURS),
        ("SELECT * FROM nowhere", Fault.OURS),
    ],
)
def test_sqlite_says_it_by_code(tmp_path: Path, statement: str, fault: Fault) -> None:
    _clash(tmp_path / "a.db")
    assert kind(_tried(tmp_path / "a.db", statement)) is fault


def _full(raw: sqlite3.Connection) -> None:
    raw.execute(f"PRAGMA max_page_count={raw.execute('PRAGMA page_count').fetchone()[0]}")
    raw.execute("INSERT INTO t VALUES (hex(randomblob(99999)), 1, '')")


def _busy(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA busy_timeout=0")
    other = sqlite3.connect(raw.execute("PRAGMA database_list").fetchone()[2], isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        raw.execute("INSERT INTO t VALUES ('b', 1, '')")
    finally:
        other.close()


def _readonly(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA query_only=1")
    raw.execute("INSERT INTO t VALUES ('b', 1, '')")


@pytest.mark.parametrize(
    ("fail", "fault"), [(_full, Fault.CLOSED), (_busy, Fault.CONTENTION), (_readonly, Fault.CLOSED)]
)
def test_sqlite_that_is_full_busy_or_read_only(
    tmp_path: Path, fail: Callable[[sqlite3.Connection], None], fault: Fault
) -> None:
    _clash(tmp_path / "a.db")
    raw = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    try:
        with pytest.raises(sqlite3.Error) as raised:
            fail(raw)
    finally:
        raw.close()
    assert kind(wrapped(raised.value, sqlite3)) is fault


def test_a_file_that_is_no_database_or_damaged_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"this is no database, " * 400)
    with pytest.raises(StoreUnavailable, match="not a database"):
        check(URL.create("sqlite", database=str(tmp_path / "no.db")))


# --- together ---


def test_only_a_clash_is_a_unique_violation_and_only_what_passes_is_tried_again() -> None:
    clash, full, lost = (wrapped(postgres_errors.lookup(state)("x"), psycopg) for state in ("23505", "53100", "57P01"))
    assert [is_unique_violation(error) for error in (clash, full, lost)] == [True, False, False]
    assert [is_passing(error) for error in (clash, full, lost)] == [False, False, True]
    assert [is_unavailable(error) for error in (clash, full, lost)] == [False, True, True]
    assert not is_unavailable(ValueError("the service is currently busy"))
