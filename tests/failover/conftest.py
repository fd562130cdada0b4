"""A service with a standby, on a PostgreSQL that its tests stop, pause and start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from outages import Serve, Served, served
from pipesleuth.triage.diagnose import Triage
from postgres_server import PostgresServer, postgres_running


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that these tests stop and start."""
    with postgres_running() as one:
        yield one


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
