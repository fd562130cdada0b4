"""The first command a newcomer runs: what it says when the machine is not ready."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from equipment import HOUSE


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a fresh clone as setup looks at."""
    (tmp_path / "clone" / "scripts").mkdir(parents=True)
    for name in ("Makefile", "scripts/setup.sh", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(HOUSE / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


def run_make(clone: Path, *words: str, user: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HOME": str(clone), **environment},
        capture_output=True,
        text=True,
        check=False,
        user=user,
    )


def test_a_python_that_is_too_old_gets_a_sentence_that_says_what_to_do(clone: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "python3.9", '[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1')
    run = run_make(clone, "demo", f"PYTHON={old}")
    assert run.returncode != 0
    assert "needs Python 3.11 or newer" in run.stderr
    assert "Python 3.9.2" in run.stderr
    assert "PYTHON=/path/to/python3.12" in run.stderr
    assert not (clone / ".venv").exists()


def test_a_python_without_venv_gets_the_name_of_the_package_that_is_missing(clone: Path, tmp_path: Path) -> None:
    bare = program(tmp_path / "python3", 'case "$*" in *ensurepip*) exit 1 ;; esac\nexit 0')
    run = run_make(clone, "setup", f"PYTHON={bare}")
    assert run.returncode != 0
    assert "sudo apt install python3-venv" in run.stderr


def test_a_full_disk_is_noticed_before_anything_is_fetched(clone: Path, tmp_path: Path) -> None:
    program(tmp_path / "df", 'printf "Filesystem 1024-blocks Used Available\\n/dev/x 9999999 9989759 10240\\n"')
    run = run_make(clone, "setup", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert run.returncode != 0
    assert "10 MB are free" in run.stderr
    assert not (clone / ".venv").exists()


def test_a_read_only_folder_gets_a_sentence_that_says_what_to_do(clone: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # not pytest's own, which only its owner may enter
        place = shutil.copytree(clone, Path(folder) / "clone")
        place.chmod(0o555)
        Path(folder).chmod(0o755)
        # Root may write anywhere, so somebody else has to try.
        run = run_make(place, "demo", user="nobody" if os.geteuid() == 0 else None)
        place.chmod(0o755)
    assert run.returncode != 0
    assert "cannot be written to" in run.stderr


def test_make_alone_lists_the_targets_and_changes_nothing(clone: Path) -> None:
    run = run_make(clone)
    assert run.returncode == 0
    assert "make demo" in run.stdout
    assert not (clone / ".venv").exists()
