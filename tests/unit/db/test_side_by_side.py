"""An older program beside a newer one: what it writes and reads goes on working on the newest schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Boolean, Engine, Integer, LargeBinary, MetaData, Table, create_engine, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.types import Float

from pipesleuth.db import upgrade as schema

OLDER = sorted(path.name[:4] for path in (schema.MIGRATIONS / "versions").glob("0*.py"))[:-1]
OURS = {"alembic_version"}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes empty databases of one kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres")
    numbers = iter(range(100))
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"


def at(engine: Engine, revision: str) -> None:
    """Bring an empty database to a revision."""
    config = schema._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def known(engine: Engine) -> MetaData:
    """The tables as a program of that time knows them."""
    found = MetaData()
    found.reflect(engine, only=lambda name, _: name not in OURS and not name.startswith(("search", "sqlite")))
    return found


def row(table: Table) -> dict[str, Any]:
    """A row with every column that the program knows."""
    return {column.name: value(column.type) for column in table.columns}


def value(kind: Any) -> Any:
    for of, example in ((Boolean, True), (Float, 1.5), (Integer, 1), (LargeBinary, b"x")):
        if isinstance(kind, of):
            return example
    return "x"


@pytest.mark.parametrize("revision", OLDER)
def test_what_an_older_program_writes_fits_the_newest_schema(empty: Callable[[], str], revision: str) -> None:
    older, newest = create_engine(empty()), create_engine(empty())
    at(older, revision)
    schema.upgrade(newest.url)
    tables = known(older).sorted_tables
    assert {"tickets", "todos", "audit_trail", "marks"} <= {table.name for table in tables}
    with newest.begin() as connection:
        for table in tables:
            connection.execute(table.insert(), row(table))
            connection.execute(table.update(), row(table) if table.name != "marks" else {"value": "x"})
            there = select(func.count()).select_from(select(table).subquery())
            assert connection.execute(there).scalar_one() >= 1, table.name
    older.dispose()
    newest.dispose()


def test_a_program_older_than_the_schema_starts_and_leaves_it_alone(empty: Callable[[], str]) -> None:
    url = make_url(empty())
    schema.upgrade(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9998'"))
    assert schema.upgrade(url) is False
    assert schema.check(url) is None
    with engine.connect() as connection:
        assert schema.revision(connection) == "9998"
    engine.dispose()
