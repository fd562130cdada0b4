"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipment import HOUSE

LONGEST = 350
NAMES_THAT_HOLD_ANYTHING = frozenset(
    {"utils", "helpers", "common", "core", "base", "manager", "service", "misc", "types"}
)
HEAVY = [
    "slack_sdk",
    "databricks",
    "azure",
    "obstore",
    "pydantic_ai",
    "openai",
    "anthropic",
    "google.genai",
    "alembic",
    "playwright",
    "opentelemetry",
]

# Patterns are put together from halves, so that this file does not break its own rules.
LATER = r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b"
# In a comment or before a colon; as a plain word it may be a vendor's own (a Jira task's state).
UNFINISHED = re.compile(rf"""(?:\#|//|/\*|<!--)[^"']*{LATER}|{LATER}\s*[:(]""")
MACHINE_PATHS = re.compile(r"(?<![\w.~$}/-])/(?:" + "|".join(("work", "farm", "root", "home/" + r"\w+")) + r")/")
REGISTRIES = re.compile(
    "|".join(("pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.(?:org|com)", "--(?:extra-)?index" + "-url"))
)
FORBIDDEN_MEANS = re.compile("|".join(("unittest" + r"\.mock", "monkeypatch" + r"\.setattr", r"\.inner" + "HTML")))

WRITTEN_BY_PEOPLE = {".py", ".js", ".css", ".html", ".md", ".sh", ".toml", ".yaml", ".yml", ".json", ".pyi", ""}


def repository_files() -> list[Path]:
    """What is committed, or would be with the next commit of everything."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=HOUSE,
        capture_output=True,
        check=True,
    )
    paths = (HOUSE / name for name in listed.stdout.decode().split("\0") if name)
    return sorted(path for path in paths if path.is_file())


FILES = repository_files() if (HOUSE / ".git").exists() else []
TEXTS = [path for path in FILES if path.suffix in WRITTEN_BY_PEOPLE and path.name != "package-lock.json"]
CODE = [path for path in FILES if path.suffix in {".py", ".js"}]

pytestmark = pytest.mark.skipif(not FILES, reason="not a git clone: there is no list of files to check")


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                yield f"{path.relative_to(HOUSE)}:{number}: {line.strip()[:100]}"


def test_lock_files_hold_no_address() -> None:
    locks = [path for path in FILES if path.suffix == ".lock" or path.name == "package-lock.json"]
    assert len(locks) >= 3
    assert list(lines_with(re.compile(r"://|\bresolved\b|^-"), locks)) == []


def test_every_locked_package_has_its_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (HOUSE / name).read_text()
        packages = re.split(r"\n(?=[a-zA-Z0-9])", text)
        assert [package.split("\n")[0] for package in packages if "--hash=sha256:" not in package] == []


def test_tests_run_the_versions_that_users_run() -> None:
    pins = [
        set(re.findall(r"^[a-zA-Z0-9][^ ;\\]*==[^ ;\\]+", (HOUSE / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    ]
    assert pins[0] - pins[1] == set()


def test_no_file_names_a_package_registry() -> None:
    own_option = HOUSE / "scripts" / "lock.sh"  # names the option that leaves the address out
    assert list(lines_with(REGISTRIES, [path for path in TEXTS if path != own_option])) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert list(lines_with(MACHINE_PATHS, TEXTS)) == []


def test_nothing_is_left_for_later_in_the_code() -> None:
    assert list(lines_with(UNFINISHED, [path for path in TEXTS if path.suffix != ".json"])) == []


def test_no_code_replaces_parts_behind_their_back_or_writes_raw_markup() -> None:
    # Somebody has to turn escaped text into elements: the escaping template, and nobody else.
    template = HOUSE / "src" / "pipesleuth" / "web" / "static" / "js" / "template.js"
    assert list(lines_with(FORBIDDEN_MEANS, [path for path in CODE if path != template])) == []
    assert len(list(lines_with(FORBIDDEN_MEANS, [path for path in CODE if path == template]))) <= 1


def test_no_source_file_is_longer_than_a_reader_holds_in_mind() -> None:
    lengths = {str(path.relative_to(HOUSE)): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_file_or_folder_has_a_name_that_could_hold_anything() -> None:
    words = {
        str(path.relative_to(HOUSE)): {part.split(".")[0] for part in path.relative_to(HOUSE).parts} for path in CODE
    }
    assert [name for name, parts in words.items() if parts & NAMES_THAT_HOLD_ANYTHING] == []


def test_every_module_of_the_program_starts_with_a_sentence() -> None:
    silent = [
        str(path.relative_to(HOUSE))
        for path in sorted((HOUSE / "src" / "pipesleuth").rglob("*.py"))
        if not (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()
    ]
    assert silent == []


def is_empty(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether nothing but a docstring or `pass` is in it; a protocol's `...` is a promise of its own."""
    rest = function.body[1:] if ast.get_docstring(function) else function.body
    return all(isinstance(statement, ast.Pass) for statement in rest)


def test_no_function_of_the_program_is_empty() -> None:
    # Two may do nothing on purpose: a method that declines a library's hook, and a callback that names a command group.
    empty = [
        f"{path.relative_to(HOUSE)}:{node.lineno}: {node.name}"
        for path in sorted((HOUSE / "src").rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_empty(node)
        if f"callback()({node.name})" not in path.read_text(encoding="utf-8")
    ]
    assert empty == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme = (HOUSE / "README.md").read_text(encoding="utf-8")
    ci = (HOUSE / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^\s*\$?\s*make test\s*(#.*)?$", readme, re.MULTILINE) or "`make test`" in readme
    assert re.search(r"^make test\b", ci, re.MULTILINE)
    assert re.search(r"^make static\b", ci, re.MULTILINE)


def test_every_target_that_make_lists_exists() -> None:
    listed = subprocess.run(["make"], cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^  make (\S+)", listed, re.MULTILINE)
    wanted = [
        "setup",
        "demo",
        "test",
        "test-all",
        "check",
        "static",
        "lock",
        "bench",
        "soak",
        "storm",
        "screenshots",
        "clean",
    ]
    assert [name for name in wanted if name not in targets] == []


def test_the_command_line_starts_without_loading_a_vendor_library() -> None:
    program = f"import sys, pipesleuth.cli\nprint(*[name for name in {HEAVY!r} if name in sys.modules])\n"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
