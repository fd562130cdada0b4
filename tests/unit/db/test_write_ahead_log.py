"""SQLite's write-ahead log: it never grows for ever, and nobody waits long for that."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from pipesleuth.db.engine import checkpoint, open_engine

PAGE = 4096


def write(engine: Engine, pages: int) -> None:
    """So many pages more in the log."""
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(text("INSERT INTO filled VALUES (zeroblob(:size))"), {"size": pages * PAGE})


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = open_engine(URL.create("sqlite", database=str(tmp_path / "tickets.db")))
    with made.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(text("CREATE TABLE filled (what BLOB)"))
    return made


def reading(engine: Engine) -> Connection:
    """A connection that has begun to read and goes on."""
    connection = engine.connect()
    connection.execute(text("SELECT count(*) FROM filled")).all()
    return connection


def test_a_long_log_begins_anew_though_somebody_writes_all_the_time(engine: Engine) -> None:
    reads = reading(engine)
    for _ in range(5):
        write(engine, 100)
        following = reading(engine)  # before the one before it has ended
        reads.close()
        reads = following
        assert checkpoint(engine, longest=1000) > 100
    assert checkpoint(engine, longest=1000) > 500
    reads.close()
    assert checkpoint(engine, longest=300) == 0
    write(engine, 10)
    assert checkpoint(engine, longest=300) < 20


def test_while_somebody_reads_the_log_is_left_as_it_is_and_writers_go_on(engine: Engine) -> None:
    write(engine, 100)
    long_read = reading(engine)
    write(engine, 100)
    assert checkpoint(engine, longest=150) > 150
    write(engine, 1)
    long_read.close()
    assert checkpoint(engine, longest=150) == 0
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == 5000


def test_a_short_log_is_only_moved(engine: Engine) -> None:
    write(engine, 100)
    assert 100 < checkpoint(engine, longest=150) < 150


def test_who_waits_to_write_gets_its_turn(engine: Engine) -> None:
    with engine.connect().execution_options(writing=True) as first, first.begin():
        first.execute(text("INSERT INTO filled VALUES (1)"))
        second = threading.Thread(target=write, args=(engine, 1))
        second.start()
    second.join()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM filled")).scalar_one() == 2
        assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == 5000


def test_a_file_that_cannot_be_written_refuses_at_once(tmp_path: Path) -> None:
    (tmp_path / "tickets.db").touch()
    held = open_engine(
        URL.create("sqlite", database=f"file:{tmp_path / 'tickets.db'}", query={"mode": "ro", "uri": "true"})
    )
    with pytest.raises(OperationalError, match="readonly"):
        write(held, 1)
