"""What users get with the program has a licence that the policy allows."""

from __future__ import annotations

import subprocess
import sys

from equipment import HOUSE


def licences(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/licences.py", *words]
    return subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=60, check=False)


def test_every_library_that_is_shipped_is_allowed() -> None:
    ran = licences("--check")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_report_names_each_with_version_licence_and_who_wants_it() -> None:
    said = licences().stdout
    for name, licence in (
        ("fastapi", "MIT"),
        ("psycopg", "LGPL-3.0-only"),
        ("cryptography", "Apache-2.0 OR BSD-3-Clause"),
    ):
        line = next(line for line in said.splitlines() if line.startswith(f"{name} "))
        assert licence in line
    assert "not shipped" in said
    assert "unknown" not in said.partition("Only for building")[0]
