"""What every test may ask for: a PostgreSQL, an Azurite, a Chromium, the npm tools; and what was left untested."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

import equipment
import places
from azurite_server import AzuriteServer
from pipesleuth.triage.diagnose import Triage
from postgres_server import PostgresServer, postgres_running


def pytest_configure() -> None:
    """Spare each HTTP client the machine's certificates, 30 ms for every one of them: all is loopback here.

    A single authority stands there instead, as some clients refuse to begin without any.
    """
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent / "authorities")


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    """Events as plain lines: drawing tracebacks in colours takes seconds."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest.fixture(scope="session")
def triage() -> Triage:
    """The knowledge base, read once for all tests."""
    return places.knowledge()


@pytest.fixture(scope="session")
def cheap_hash() -> str:
    """A bcrypt hash of the tests' password that takes a millisecond to compare, not a quarter of a second."""
    return places.cheap_hash()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL that the tests share: make a database of your own, and leave the server alone."""
    with postgres_running() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes an empty PostgreSQL database and gives its SQLAlchemy URL, each time another."""
    return postgres_server.new_database


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL for one test alone, which may stop, pause and start it."""
    with postgres_running(durable=True) as server:
        yield server


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
