"""Reads a folder of knowledge and says, with file and line, what is wrong in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import yaml

from pipesleuth.model import Category, PipesleuthError, Priority, Responder, Severity
from pipesleuth.triage.knowledge.entry import Advice, Entry, Example, Weight, holes, stray_brace
from pipesleuth.triage.knowledge.patterns import pattern_fault, pattern_groups

OUR_FOLDER = Path(__file__).parent
CATEGORIES_FILE = "categories.yaml"
_MAX_FILE = 4 * 1024 * 1024
_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_PLATFORM = re.compile(r"[a-z][a-z0-9_]{1,39}")  # a source's name, whichever sources there are; or any
_ENTITY_KINDS = (
    "column", "table", "path", "host", "linked_service", "integration_runtime", "package", "principal", "parameter",
    "activity", "function", "dataset", "secret", "container", "resource", "size", "name", "cluster", "none",
)  # fmt: skip
COMMON_HOLES = frozenset({"entity", "activity", "code", "text", "pipeline", *_ENTITY_KINDS})
_FIELDS = (
    "id", "codes", "patterns", "when", "activities", "platform", "category", "cause", "steps", "severity", "priority",
    "retryable", "owner", "auto_heal", "weight", "entity", "error_type", "links", "examples",
)  # fmt: skip
_EXAMPLE_FIELDS = ("text", "code", "activity", "entity")
_Word = TypeVar("_Word", bound=StrEnum)


class KnowledgeFault(PipesleuthError):
    """The knowledge base cannot be used as it is written; the faults say where."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class _Place:
    """A node of a YAML document with the file it stands in; it collects the faults found in it."""

    node: yaml.Node
    file: str
    faults: list[str]

    def fault(self, sentence: str) -> None:
        self.faults.append(f"{self.file}:{self.line}: {sentence}")

    @property
    def line(self) -> int:
        return self.node.start_mark.line + 1

    def at(self, node: yaml.Node) -> _Place:
        return _Place(node, self.file, self.faults)

    def fields(self, allowed: tuple[str, ...] | None) -> dict[str, _Place]:
        """The fields by their names; None allows every name."""
        if not isinstance(self.node, yaml.MappingNode):
            self.fault("a mapping (name: value) is expected here")
            return {}
        found: dict[str, _Place] = {}
        for key, value in self.node.value:
            name = str(key.value)
            if allowed is not None and name not in allowed:
                self.at(key).fault(f"unknown field '{name}'; known are {', '.join(allowed)}")
            elif name in found:
                self.at(key).fault(f"the field '{name}' stands here twice")
            found[name] = self.at(value)
        return found

    def items(self) -> list[_Place]:
        if not isinstance(self.node, yaml.SequenceNode):
            self.fault("a list is expected here")
            return []
        return [self.at(item) for item in self.node.value]

    def text(self) -> str:
        if not isinstance(self.node, yaml.ScalarNode) or not str(self.node.value).strip():
            self.fault("a text is expected here")
            return ""
        return str(self.node.value).strip()

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def flag(self) -> bool:
        word = self.text().casefold()
        if word not in {"true", "false", "yes", "no"}:
            self.fault("yes or no is expected here")
        return word in {"true", "yes"}

    def word(self, words: type[_Word]) -> _Word | None:
        said = self.text()
        for one in words:
            if one.value.casefold() == said.casefold():
                return one
        self.fault(f"'{said}' is none of {', '.join(words)}")
        return None


def read_folder(folder: Path, *, ours: bool = True) -> list[Entry]:
    """All entries of a folder's YAML files, in the order of the files' names.

    Raises KnowledgeFault with every fault found, each with file and line.
    """
    entries, faults = check_folder(folder, ours=ours)
    if faults:
        raise KnowledgeFault(faults)
    return entries


def check_folder(folder: Path, *, ours: bool = False) -> tuple[list[Entry], list[str]]:
    """The entries of a folder that can be used, and one sentence with file and line for each fault."""
    if not folder.is_dir():
        return [], [f"{folder}: there is no such folder"]
    faults: list[str] = []
    entries: list[Entry] = []
    files = [path for path in sorted(folder.rglob("*.y*ml")) if path.name != CATEGORIES_FILE]
    if not files:
        faults.append(f"{folder}: there is no YAML file in this folder")
    for path in files:
        entries.extend(_entries(path, folder, faults, ours=ours))
    seen: dict[str, Entry] = {}
    for entry in entries:
        if entry.id in seen:
            first = seen[entry.id]
            faults.append(f"{entry.file}:{entry.line}: the id '{entry.id}' is taken by {first.file}:{first.line}")
        seen[entry.id] = entry
    return entries, faults


def read_advice(path: Path = OUR_FOLDER / CATEGORIES_FILE) -> dict[Category, Advice]:
    """What holds for each category; raises KnowledgeFault where a category is missing or misspelt."""
    faults: list[str] = []
    found: dict[Category, Advice] = {}
    top = _document(path, path.parent, faults)
    for name, place in (top.fields(tuple(Category)) if top else {}).items():
        fields = place.fields(("cause", "steps", "owner", "retryable", "auto_heal", "owner_on", "retryable_on"))
        owner = fields["owner"].word(Responder) if "owner" in fields else None
        if owner is None or not {"cause", "steps", "retryable", "auto_heal"} <= fields.keys():
            place.fault("cause, steps, owner, retryable and auto_heal are needed")
            continue
        found[Category(name)] = Advice(
            Category(name), fields["cause"].text(), fields["steps"].texts(), owner,
            fields["retryable"].flag(), fields["auto_heal"].flag(),
            {on: word for on, at in _by_platform(fields.get("owner_on")) if (word := at.word(Responder))},
            {on: at.flag() for on, at in _by_platform(fields.get("retryable_on"))},
        )  # fmt: skip
    missing = [category for category in Category if category not in found]
    faults.extend(f"{path.name}:1: the category '{category}' is missing" for category in missing)
    if faults:
        raise KnowledgeFault(faults)
    return found


def _by_platform(place: _Place | None) -> Iterator[tuple[str, _Place]]:
    yield from (place.fields(None) if place else {}).items()


def _platform(place: _Place) -> str:
    name = place.text()
    if not _PLATFORM.fullmatch(name):
        place.fault(f"'{name}' is no platform: a source's name in small letters, or any")
    return name


def _document(path: Path, folder: Path, faults: list[str]) -> _Place | None:
    name = path.relative_to(folder).as_posix()
    try:
        if path.stat().st_size > _MAX_FILE:
            faults.append(f"{name}:1: the file is larger than {_MAX_FILE} bytes")
            return None
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_loader())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        faults.append(f"{name}:{line}: not YAML: {error.problem}")
        return None
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError) as error:
        faults.append(f"{name}:1: cannot be read: {error}")
        return None
    if node is None:
        faults.append(f"{name}:1: the file is empty")
        return None
    return _Place(node, name, faults)


def _loader() -> type[yaml.SafeLoader]:
    """The loader written in C where the library was built with it: ten times as fast."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _entries(path: Path, folder: Path, faults: list[str], *, ours: bool) -> Iterator[Entry]:
    top = _document(path, folder, faults)
    if top is None:
        return
    fields = top.fields(("theme", "platform", "entries"))
    platform = _optional(fields, "platform", _platform) or "any"
    if "entries" not in fields:
        top.fault("the list 'entries' is missing")
        return
    for place in fields["entries"].items():
        before = len(faults)
        entry = _entry(place, platform, ours=ours)
        if entry is not None and len(faults) == before:
            yield entry


def _entry(place: _Place, platform: str, *, ours: bool) -> Entry | None:
    fields = place.fields(_FIELDS)
    missing = [name for name in ("id", "category", "cause", "steps") if name not in fields]
    if missing:
        place.fault(f"missing: {', '.join(missing)}")
        return None
    if "codes" not in fields and "patterns" not in fields:
        place.fault("an entry needs codes or patterns, or it never matches")
        return None
    category = fields["category"].word(Category)
    if category is None:
        return None
    if not ours:  # ours are checked by a test: compiling each pattern apart takes longer than all else here
        _check_texts(fields)
    return Entry(
        id=fields["id"].text(),
        category=category,
        cause=fields["cause"].text(),
        steps=fields["steps"].texts(),
        codes=_optional(fields, "codes", _Place.texts) or (),
        patterns=_optional(fields, "patterns", _Place.texts) or (),
        both=_optional(fields, "when", _Place.text) == "both",
        activities=tuple(word.casefold() for word in _optional(fields, "activities", _Place.texts) or ()),
        platform=_optional(fields, "platform", _platform) or platform,
        weight=_optional(fields, "weight", lambda at: at.word(Weight)) or Weight.NORMAL,
        severity=_optional(fields, "severity", lambda at: at.word(Severity)),
        priority=_optional(fields, "priority", lambda at: at.word(Priority)),
        retryable=_optional(fields, "retryable", _Place.flag),
        owner=_optional(fields, "owner", lambda at: at.word(Responder)),
        auto_heal=_optional(fields, "auto_heal", _Place.flag),
        entity=_optional(fields, "entity", _Place.text),
        error_type=_optional(fields, "error_type", _Place.text),
        links=_optional(fields, "links", _Place.texts) or (),
        examples=tuple(_example(item) for item in (fields["examples"].items() if "examples" in fields else [])),
        file=place.file,
        line=place.line,
        ours=ours,
    )


_Value = TypeVar("_Value")


def _optional(fields: dict[str, _Place], name: str, read: Callable[[_Place], _Value]) -> _Value | None:
    return read(fields[name]) if name in fields else None


def _example(place: _Place) -> Example:
    if isinstance(place.node, yaml.ScalarNode):
        return Example(place.text())
    fields = place.fields(_EXAMPLE_FIELDS)
    if "text" not in fields:
        place.fault("an example needs its text")
        return Example("")
    return Example(*(fields[name].text() if name in fields else None or "" for name in _EXAMPLE_FIELDS))


def _check_texts(fields: dict[str, _Place]) -> None:
    """Collect what is wrong in an entry beyond its shape: patterns, holes and words."""
    if not _ID.fullmatch(fields["id"].text()):
        fields["id"].fault("an id has small letters, digits and hyphens, and begins with a letter")
    names = COMMON_HOLES | _pattern_names(fields.get("patterns"))
    for place in [fields["cause"], *fields["steps"].items()]:
        text = place.text()
        if stray_brace(text):
            place.fault("a brace stands alone; a hole is written {name} or {name|otherwise}")
        for name in holes(text):
            if name not in names:
                place.fault(f"nothing fills the hole '{name}'")
    for field, allowed in (("when", ("any", "both")), ("entity", _ENTITY_KINDS)):
        if field in fields and fields[field].text() not in allowed:
            fields[field].fault(f"'{field}' is one of {', '.join(allowed)}")
    for place in fields["links"].items() if "links" in fields else []:
        if not place.text().startswith("https://"):
            place.fault("a link begins with https://")


def _pattern_names(patterns: _Place | None) -> set[str]:
    """The names that an entry's patterns give to what they find; a pattern that cannot be used is a fault."""
    names: set[str] = set()
    for place in patterns.items() if patterns else []:
        fault = pattern_fault(place.text())
        if fault:
            place.fault(f"the pattern cannot be used: {fault}")
        else:
            names |= pattern_groups(place.text())
    return names
