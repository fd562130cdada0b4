"""docs/configuration.md tells the truth."""

from __future__ import annotations

import re
import subprocess
import sys

from equipment import HOUSE

# Read by other programs or by a library itself, so no settings class of ours knows them.
OTHERS = re.compile(r"^(NO_COLOR|CI|HOME|XDG_\w+|OTEL_\w+|PG\w+)$")


def test_the_page_lists_exactly_the_variables_that_the_settings_classes_know() -> None:
    run = subprocess.run(
        [sys.executable, "scripts/configuration_docs.py", "--check"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_nothing_reads_the_environment_behind_the_settings_back() -> None:
    read = re.compile(r"""(?:environ(?:\.get\(|\[)|getenv\()\s*["'](\w+)["']""")
    strangers = [
        f"{path.relative_to(HOUSE)}: {name}"
        for path in sorted((HOUSE / "src").rglob("*.py"))
        for name in read.findall(path.read_text(encoding="utf-8"))
        if not OTHERS.match(name)
    ]
    assert strangers == []
