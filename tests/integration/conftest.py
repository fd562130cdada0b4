"""A whole service in this process: real parts, a real SQLite file, a clock that tests turn."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

import elsewhere
from pipesleuth.db.upgrade import upgrade
from pipesleuth.triage.diagnose import Triage
from places import Clock, Place, opened, settings_in
from sql_server_rules import complaints, too_many
from told import Told


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is about a SQLite file where the tests run on another database."""
    for item in items if elsewhere.URL is not None else []:
        name = item.name.partition("[")[0]
        if name in elsewhere.ONLY_A_FILE or item.path.name in elsewhere.ONLY_THEIR_OWN:
            item.add_marker(pytest.mark.skip(reason="it is about a SQLite file"))


@pytest.fixture(scope="session")
def statements() -> Iterator[list[str]]:
    """What SQL Server would not understand of all that is executed, in any test of this process."""
    known: set[Any] = set()
    found: list[str] = []

    def look(_: Any, statement: Any, many: Any, parameters: Any, __: Any) -> None:
        given = many[0] if many else parameters
        key = getattr(statement, "_generate_cache_key", lambda: None)()
        name = (key.key if key is not None else str(statement), tuple(sorted(given)))
        if too_many(parameters):
            found.append(f"over 2,000 values at once: {statement}")
        if name not in known:
            known.add(name)
            found.extend(f"{complaint}\n{statement}" for complaint in complaints(statement, name[1]))

    event.listen(Engine, "before_execute", look)
    yield found
    event.remove(Engine, "before_execute", look)


@pytest.fixture(autouse=True)
def _sql_server_understands(statements: list[str]) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    """Every statement that a test executes would mean the same on SQL Server."""
    statements.clear()
    yield
    assert not statements, "\n\n".join(statements)


Open = Callable[..., contextlib.AbstractAsyncContextManager[Place]]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema and nothing else, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("schema")
    settings = settings_in(folder)
    upgrade(settings.database)
    return folder / "tickets.db"


@pytest.fixture
def clock() -> Clock:
    """The time of the service, which only the test turns."""
    return Clock()


@pytest.fixture
def folder(tmp_path: Path, empty_database: Path) -> Path:
    """A data folder with an empty database: its own file, or what TEST_DATABASE_URL names."""
    if elsewhere.URL is None:
        shutil.copy(empty_database, tmp_path / "tickets.db")
    else:
        elsewhere.empty()
    return tmp_path


@pytest.fixture
def open_place(folder: Path, clock: Clock, triage: Triage, cheap_hash: str) -> Open:
    """Opens a service on this test's data folder; opened twice, two servers share one database."""

    def open_one(**how: Any) -> contextlib.AbstractAsyncContextManager[Place]:
        return opened(folder, how.pop("clock", clock), triage, cheap_hash, **how)

    return open_one


@pytest.fixture
async def place(open_place: Open) -> AsyncGenerator[Place]:
    """A service with nothing configured but its own archive; to-dos are worked off when the test says so."""
    async with open_place() as opened_place:
        yield opened_place


@pytest.fixture
def slack() -> Told:
    return Told("slack")


@pytest.fixture
def jira() -> Told:
    return Told("jira")
