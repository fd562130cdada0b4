"""The tests' own equipment: it works, and its absence is loud."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg

from child_process import answers
from equipment import HOUSE

ABSENT = """
import equipment

def test_that_needs_what_nobody_has():
    equipment.npm_package("a-package-that-does-not-exist")
"""


def run_with_nothing_at_hand(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(HOUSE / "tests" / "conftest.py", folder)
    (folder / "test_absent.py").write_text(ABSENT)
    quiet = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "test_absent.py"],
        cwd=folder,
        env={**quiet, "PYTHONPATH": str(HOUSE / "tests"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_databases_of_the_shared_server_know_nothing_of_each_other(postgres: Callable[[], str]) -> None:
    first, second = (url.replace("+psycopg", "") for url in (postgres(), postgres()))
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE mark (id integer)")
    with psycopg.connect(second) as connection:
        row = connection.execute("SELECT to_regclass('mark')").fetchone()
    assert row == (None,)


def test_azurite_listens_where_its_connection_string_says(azurite: str) -> None:
    port = azurite.partition("127.0.0.1:")[2].partition("/")[0]
    assert answers(int(port))


def test_missing_equipment_skips_a_test_and_is_named_at_the_end(tmp_path: Path) -> None:
    run = run_with_nothing_at_hand(tmp_path)
    assert run.returncode == 0
    assert "NOT TESTED HERE" in run.stdout
    assert "1 test(s) need the npm package a-package-that-does-not-exist" in run.stdout


def test_missing_equipment_fails_where_ci_is_set(tmp_path: Path) -> None:
    run = run_with_nothing_at_hand(tmp_path, CI="true")
    assert run.returncode == 1
    assert "1 failed" in run.stdout
