"""docs/mission-map.md tells the truth: what it names is there, and what it calls planned is not."""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from fastapi.routing import iter_route_contexts

from configuration_variables import known_variables
from equipment import HOUSE
from pipesleuth.app import build
from pipesleuth.db.tables import Base
from pipesleuth.settings import Settings

PAGE = HOUSE / "docs" / "mission-map.md"
PROGRAM = HOUSE / "src" / "pipesleuth"
STATIC = PROGRAM / "web" / "static"
PLANNED = "planned"


@dataclass(frozen=True)
class Item:
    """One row: what the mission asks, the names that stand for it here, the tests that prove it."""

    mission: str
    ours: str
    test: str

    @property
    def names(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.ours)

    @property
    def tests(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.test)

    @property
    def planned(self) -> bool:
        return self.ours.startswith(PLANNED)


def items() -> list[Item]:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    assert [row for row, parts in zip(rows, cells, strict=True) if len(parts) != 3] == []
    return [Item(*parts) for parts in cells if parts[0] != "mission"]


def has_name(name: str) -> bool:
    """`package.module:Class.attribute`; a dataclass's field or a class's annotation counts too."""
    module, _, attribute = name.partition(":")
    try:
        owner: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not module.startswith(error.name or "?"):
            raise
        return False
    for part in attribute.split("."):
        if not hasattr(owner, part):
            return part in getattr(owner, "__annotations__", {})
        owner = getattr(owner, part)
    return True


def has_column(name: str) -> bool:
    table, _, column = name.partition(".")
    tables = Base.metadata.tables
    return table in tables and column in tables[table].columns


def has_index(name: str) -> bool:
    return any(index.name == name for table in Base.metadata.tables.values() for index in table.indexes)


def anonymous(path: str) -> str:
    """A route's path without the names of its parameters."""
    return re.sub(r"\{\w+(?::\w+)?\}", "{}", path)


@cache
def routes() -> frozenset[str]:
    """What the service answers, as `GET /path` and `WS /path`."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate({"data_dir": folder, "database_url": "sqlite://"})
        service = build(settings, told={}, work=False)
        service.state.parts.database.close()
    found: set[str] = set()
    for route in iter_route_contexts(service.routes):
        for method in route.methods or {"WS"}:
            found.add(f"{method} {anonymous(route.path or '')}")
    return frozenset(found)


@cache
def program_text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(PROGRAM.rglob("*.py")))


def says(word: str) -> bool:
    """Whether the program holds the word as a string of its own, or as the start of one."""
    return f'"{word}' in program_text()


def has_script_name(name: str) -> bool:
    file, _, word = name.partition(":")
    path = STATIC / "js" / file
    made = rf"^(?:export )?(?:async )?(?:function|class|const|let) {re.escape(word)}\b"
    return path.is_file() and re.search(made, path.read_text(encoding="utf-8"), re.MULTILINE) is not None


KINDS: dict[str, Callable[[str], bool]] = {
    "column": has_column,
    "index": has_index,
    "event": says,
    "answer": says,
    "audit": says,
    "setting": lambda name: name in known_variables(),
    "js": has_script_name,
    "page": lambda name: (STATIC / name).is_file(),
    "file": lambda name: (HOUSE / name).is_file(),
}


def exists(name: str) -> bool:
    kind, _, rest = name.partition(" ")
    if kind in KINDS:
        return KINDS[kind](rest)
    if re.match(r"(GET|POST|PUT|PATCH|DELETE|WS) /", name):
        return anonymous(name) in routes()
    return has_name(name)


def test_every_row_of_the_map_names_something_of_ours() -> None:
    assert [item.mission for item in items() if not item.names] == []
    assert len(items()) > 150


def test_what_the_map_names_exists() -> None:
    assert [
        f"{item.mission}: {name}" for item in items() if not item.planned for name in item.names if not exists(name)
    ] == []


def test_what_the_map_calls_planned_is_not_all_there_yet() -> None:
    landed = [f"{item.mission}: {item.ours}" for item in items() if item.planned and all(map(exists, item.names))]
    assert landed == [], "these have landed: take the word planned off their rows"


def test_every_proof_that_the_map_names_exists() -> None:
    missing: list[str] = []
    for item in items():
        if item.test == PLANNED:
            continue
        assert item.tests, f"{item.mission}: name a test or say planned"
        for proof in item.tests:
            file, _, name = proof.partition("::")
            path = HOUSE / file
            if not path.is_file() or (name and f"def {name}(" not in path.read_text(encoding="utf-8")):
                missing.append(f"{item.mission}: {proof}")
    assert missing == []


@pytest.mark.parametrize(
    "name", ["column tickets.no_such", "pipesleuth.model:NoSuch", "pipesleuth.nowhere:x", "js card.js:no"]
)
def test_the_map_would_notice_what_is_gone(name: str) -> None:
    assert not exists(name)
