"""What every test may ask for: a PostgreSQL, an Azurite, a Chromium, the npm tools; and what was left untested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import equipment
from azurite_server import AzuriteServer
from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL that the tests share: make a database of your own, and leave the server alone."""
    server = PostgresServer(equipment.postgres_programs())
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes an empty PostgreSQL database and gives its SQLAlchemy URL, each time another."""
    return postgres_server.new_database


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL for one test alone, which may stop, pause and start it."""
    server = PostgresServer(equipment.postgres_programs(), durable=True)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a blob service that the tests share: use a container of your own."""
    server = AzuriteServer(equipment.node(), equipment.azurite_program())
    try:
        server.start()
        yield server.connection_string
    finally:
        server.remove()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium."""
    return equipment.chromium_program()


@pytest.fixture(scope="session")
def npm_package() -> Callable[[str], Path]:
    """Finds the folder of an npm package: `npm_package("axe-core")`."""
    return equipment.npm_package


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name at the end of the run what was not tested for want of equipment: a skip must not go unseen."""
    wanting: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if equipment.MISSING in reason:
            wanting[reason.partition(equipment.MISSING)[2]] += 1
    if wanting:
        terminalreporter.write_sep("!", "NOT TESTED HERE", red=True, bold=True)
        for what, tests in sorted(wanting.items()):
            terminalreporter.write_line(f"{tests} test(s) need {what}", red=True)
