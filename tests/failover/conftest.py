"""A service with a standby, on a PostgreSQL that its tests stop, pause and start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import structlog

import equipment
from outages import Serve, Served, served
from pipesleuth.assembly import load_triage
from pipesleuth.settings import Settings
from pipesleuth.triage.diagnose import Triage
from places import PASSWORD
from postgres_server import PostgresServer


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    """Events as plain lines: drawing tracebacks in colours takes seconds."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest.fixture(scope="session")
def triage() -> Triage:
    """The knowledge base, read once for all tests."""
    return load_triage(Settings(_env_file=None))  # pyright: ignore[reportCallIssue]  # pydantic-settings' own argument


@pytest.fixture(scope="session")
def cheap_hash() -> str:
    """A bcrypt hash of the tests' password that takes a millisecond to compare, not a quarter of a second."""
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode("ascii")


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that these tests stop and start."""
    one = PostgresServer(equipment.postgres_programs())
    try:
        one.initialise()
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    """A database of one's own; the server runs again afterwards, whatever was done to it."""
    yield server.new_database()
    server.resume()
    if not server.runs:
        server.start()


@pytest.fixture
def serve(tmp_path: Path, url: str, triage: Triage, cheap_hash: str) -> Serve:
    """Opens a service with a standby on this test's database."""

    def open_one(folder: str = "one", **how: object) -> contextlib.AbstractAsyncContextManager[Served]:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        return served(place, str(how.pop("url", url)), triage, cheap_hash, own_url=url, **how)

    return open_one
