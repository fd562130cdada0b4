"""The programs some tests need beside Python: where they are, and what happens when they are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

HOUSE = Path(__file__).resolve().parent.parent
TOOLS = HOUSE / ".tools" / "node_modules"
MISSING = "equipment missing: "

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROME_ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
AZURITE = TOOLS / "azurite" / "dist" / "src" / "blob" / "main.js"


def do_without(what: str) -> NoReturn:
    """Skip the test with a reason that the run's end repeats; where CI is set, fail it instead."""
    if os.environ.get("CI"):
        pytest.fail(f"{MISSING}{what} (CI is set, so nothing may be missing; run make tools)", pytrace=False)
    pytest.skip(f"{MISSING}{what} (make tools says how to get it)")


def npm_package(name: str) -> Path:
    """The folder of an npm package that tests use."""
    folder = TOOLS / name
    return folder if folder.is_dir() else do_without(f"the npm package {name}")


def node() -> str:
    """The path of Node.js."""
    return shutil.which("node") or do_without("Node.js")


def azurite_program() -> Path:
    """The script that starts Azurite's blob service."""
    return AZURITE if AZURITE.is_file() else do_without("Azurite")


def chromium_program() -> str:
    """The path of a Chromium or Chrome: the one CHROMIUM names, else the system's."""
    named = os.environ.get("CHROMIUM")
    if named and Path(named).is_file():
        return named
    for name in CHROMIUM_NAMES:
        found = shutil.which(name)
        if found:
            return found
    return str(CHROME_ON_MACOS) if CHROME_ON_MACOS.is_file() else do_without("Chromium")


def postgres_programs() -> Path:
    """The folder that holds `initdb` and `postgres`: the newest of Debian's, else the one on the PATH."""
    debian = sorted(
        (path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").is_file()),
        key=lambda path: float(path.parent.name),
    )
    if debian:
        return debian[-1]
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else do_without("a PostgreSQL server")
