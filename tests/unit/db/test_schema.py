"""The schema on paper: what PostgreSQL and SQL Server are told, and whether SQL Server can keep it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, PrimaryKeyConstraint, Table, UniqueConstraint, text
from sqlalchemy.dialects import mssql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SAWarning
from sqlalchemy.schema import CreateIndex, CreateTable

from equipment import HOUSE
from pipesleuth.db.engine import open_engine
from pipesleuth.db.tables import EXACT, Base
from pipesleuth.db.upgrade import HEAD, MIGRATIONS, script, upgrade

TABLES: list[Table] = Base.metadata.sorted_tables
DIALECT = mssql.dialect()
SAMPLES = HOUSE / "tests" / "samples" / "ddl"
# An index that only makes claims faster: SQL Server's filters cannot compare two columns, so it has it whole there.
WHOLE_ON_SQL_SERVER = {"ix_todos_due"}


@pytest.mark.parametrize("dialect", ["postgresql", "mssql"])
def test_what_a_database_is_told_is_written_down(dialect: str) -> None:
    known = (SAMPLES / f"{dialect}.sql").read_text(encoding="utf-8")
    assert script(dialect) == known, "The schema has changed: python scripts/schema_ddl.py, and look at the difference."


def test_sql_server_gets_no_type_that_is_on_its_way_out() -> None:
    said = script("mssql")
    assert not re.search(r"\b(?:NTEXT|TEXT|IMAGE|VARCHAR\(max\)|DATETIME)\b", said)
    assert set(re.findall(r"(?<!N)VARCHAR\(\d+\)", said)) == {"VARCHAR(32)"}, "Alembic's own column, and no other"


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_every_text_is_unicode_on_sql_server(table: Table) -> None:
    said = str(CreateTable(table).compile(dialect=DIALECT))
    assert not re.search(r"(?<!N)VARCHAR|(?<!N)\bTEXT\b|IMAGE", said)


def _bytes(column: Column[Any]) -> int:
    kind = column.type.dialect_impl(DIALECT)
    length = getattr(kind, "length", None)
    if issubclass(column.type.python_type, str):
        assert length is not None, f"{column} has no length, so SQL Server cannot index it"
        return 2 * int(length)
    return 8


def _keys() -> list[tuple[str, list[Any], int]]:
    found: list[tuple[str, list[Any], int]] = []
    for table in TABLES:
        for constraint in table.constraints:
            if isinstance(constraint, PrimaryKeyConstraint):
                found.append((f"{table}'s key", list(constraint.columns), 900))
            elif isinstance(constraint, UniqueConstraint):
                found.append((str(constraint.name), list(constraint.columns), 1700))
    for name, table, columns in re.findall(r"INDEX (\w+) ON (\w+) \(([^)]*)\)", script("mssql")):
        names = [each.removesuffix(" DESC").strip() for each in columns.split(",")]
        found.append((name, [Base.metadata.tables[table].c[each] for each in names], 1700))
    return found


def test_no_key_is_longer_than_sql_server_takes() -> None:
    lengths = [(name, sum(_bytes(column) for column in columns), most) for name, columns, most in _keys()]
    assert [each for each in lengths if each[1] > each[2]] == []
    assert len(lengths) > 30


def test_an_index_of_some_rows_is_one_on_sql_server_too() -> None:
    said = script("mssql")
    for table in TABLES:
        for index in table.indexes:
            partial = index.dialect_options["sqlite"]["where"]
            if partial is not None and index.name not in WHOLE_ON_SQL_SERVER:
                line = next(line for line in said.splitlines() if f"INDEX {index.name} " in line)
                assert " WHERE " in line
                assert " WHERE " in str(CreateIndex(index).compile(dialect=DIALECT))


def test_two_runs_that_differ_in_case_are_two_on_sql_server() -> None:
    exact = {f"{table}.{column.name}" for table in TABLES for column in table.columns if _collation(column) == EXACT}
    assert {"tickets.run_id", "tickets.parent_run_id", "tickets.run_group", "audit_trail.run_id", "marks.name"} == exact
    assert script("mssql").count(f"COLLATE {EXACT}") == len(exact)


def _collation(column: Column[Any]) -> str | None:
    return getattr(column.type.dialect_impl(DIALECT), "collation", None)


def test_migrations_and_tables_say_the_same(tmp_path: Path) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "a.db"))
    upgrade(url)
    _compare(url)


def test_they_do_on_postgresql_too(postgres: Any) -> None:
    url = make_url(postgres())
    upgrade(url)
    _compare(url)


def _compare(url: URL) -> None:
    known = set(Base.metadata.tables)

    def ours(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "table" or name in known

    engine = open_engine(url)
    try:
        with engine.connect() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # of indexes of expressions, which SQLite does not tell of
            context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
            differences = compare_metadata(context, Base.metadata)
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD
    finally:
        engine.dispose()
    # Indexes that lists go by are made by migrations alone.
    assert [each for each in differences if each[0] != "remove_index"] == []


def test_head_is_the_newest_migration() -> None:
    assert max(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py")) == HEAD
