"""The same tests on a real PostgreSQL: a choice of them always, all of them in the long run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from equipment import HOUSE

# Duplicates and races, claims and leases, deletions: where databases differ.
CHOICE = ("test_outbox.py", "test_intake.py", "test_retention.py")


def on_the_server(url: str, *tests: str) -> None:
    """Run these integration tests on the database, in a process of their own."""
    files = [str(HOUSE / "tests" / "integration" / name) for name in tests]
    known = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-m", "not long", *files],
        cwd=HOUSE,
        env=known | {"TEST_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]


def test_the_heart_beats_on_postgresql(postgres: Callable[[], str]) -> None:
    on_the_server(postgres(), *CHOICE)


@pytest.mark.long
def test_everything_works_on_postgresql(postgres: Callable[[], str]) -> None:
    on_the_server(postgres(), "")
