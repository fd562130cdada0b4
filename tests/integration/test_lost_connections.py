"""What passes is tried again on a new connection; nobody who waits notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.dialects import mssql
from sqlalchemy.engine import URL, make_url

from pipesleuth.db.database import Database
from pipesleuth.db.engine import open_engine
from pipesleuth.db.searched import contains
from pipesleuth.db.tables import Mark, Ticket
from pipesleuth.db.upgrade import check, upgrade


@pytest.fixture
def url(postgres: Callable[[], str]) -> URL:
    return make_url(postgres())


@pytest.fixture
def database(url: URL) -> Iterator[Database]:
    upgrade(url)
    with closing(Database(url)) as opened:
        yield opened


def cut_all(url: URL) -> None:
    """End every other connection to this database, as a failover does."""
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


async def test_a_write_whose_connection_is_cut_is_made_on_another(url: URL, database: Database) -> None:
    tries = 0

    def work(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        connection.execute(insert(Mark).values(name="one", value="x"))
        if tries == 1:
            cut_all(url)
        return connection.execute(select(func.count()).select_from(Mark).where(Mark.name == "one")).scalar_one()

    assert await database.write(work) == 1
    assert tries == 2


async def test_reads_and_writes_after_a_cut_find_new_connections(url: URL, database: Database) -> None:
    await database.read(lambda c: c.execute(text("SELECT 1")).scalar_one())
    cut_all(url)
    assert await database.read(lambda c: c.execute(text("SELECT 1")).scalar_one()) == 1
    cut_all(url)
    await database.write(lambda c: c.execute(insert(Mark).values(name="two", value="x")))


def test_servers_that_start_together_on_an_empty_database_do_not_disturb_each_other(url: URL) -> None:
    with ThreadPoolExecutor(4) as servers:
        done = list(servers.map(lambda _: upgrade(url), range(4)))
    assert sorted(done) == [False, False, False, True]
    assert check(url) is None


def test_an_older_program_leaves_a_newer_schema_alone(url: URL) -> None:
    upgrade(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert not upgrade(url)
    assert check(url) is None


def test_no_sign_of_a_search_is_a_wildcard_on_sql_server(url: URL) -> None:
    said = contains(Ticket.pipeline, "50%_[a]/x").compile(dialect=mssql.dialect())
    assert "ESCAPE '/'" in str(said)
    assert "%50/%/_/[a]//x%" in said.params.values()
    engine = open_engine(url)
    with engine.connect() as connection:
        for text_, fits in (("A [b] c", True), ("A b c", False)):
            found = connection.execute(select(func.count()).where(contains(func.concat(text_, ""), "[B]"))).scalar()
            assert bool(found) is fits
    engine.dispose()
