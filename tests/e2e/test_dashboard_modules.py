"""The dashboard's modules without a browser, in node's own test runner."""

from __future__ import annotations

import subprocess

import equipment


def test_the_modules_keep_their_promises() -> None:
    folder = equipment.HOUSE / "tests" / "js"
    files = sorted(str(path) for path in folder.glob("*.test.mjs"))
    assert files
    ran = subprocess.run([equipment.node(), "--test", *files], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
