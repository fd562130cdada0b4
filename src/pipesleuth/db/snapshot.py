"""The earlier system's tables, wherever they are, as a database of ours in a file that is gone afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Generator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

from pipesleuth.db import earlier
from pipesleuth.db.upgrade import upgrade

ROWS = 1000


@contextlib.contextmanager
def taken_over(source: Engine) -> Generator[URL]:
    """The address of a file with everything the earlier system had, in our tables; the source is only read."""
    with tempfile.TemporaryDirectory(prefix="pipesleuth-earlier-") as folder:
        url = URL.create("sqlite", database=str(Path(folder) / "tickets.db"))
        with source.connect() as connection, contextlib.closing(sqlite3.connect(str(url.database))) as file, file:
            there = {name.lower(): name for name in inspect(connection).get_table_names()}
            for name in earlier.TABLES:
                if name in there:
                    _take(connection, there[name], file, name)
        upgrade(url)
        yield url


def _take(connection: Connection, name: str, file: sqlite3.Connection, called: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(name)
    streaming = connection.execution_options(yield_per=ROWS)
    rows = streaming.execute(text(f"SELECT * FROM {quoted}"))  # noqa: S608  # one of three names
    columns = ", ".join('"' + column.lower().replace('"', '""') + '"' for column in rows.keys())  # noqa: SIM118  # a result's own
    file.execute(f"CREATE TABLE {called} ({columns})")
    put = f"INSERT INTO {called} VALUES ({', '.join('?' * len(rows.keys()))})"  # noqa: S608  # the same
    for some in rows.partitions():
        file.executemany(put, [_plain(row) for row in some])


def _plain(row: Sequence[Any]) -> list[Any]:
    """What SQLite takes; times as they are written."""
    return [
        cell.isoformat()
        if isinstance(cell, datetime)
        else cell
        if cell is None or isinstance(cell, int | float | str | bytes)
        else str(cell)
        for cell in row
    ]
