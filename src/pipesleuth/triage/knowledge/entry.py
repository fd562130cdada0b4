"""One entry of the knowledge base, and what is advised for a whole category."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipesleuth.model import Category, Priority, Responder, Severity

_GAP = re.compile(r" +\(\)| +(?= |[.,:;](?: |$))")  # what an empty hole leaves: brackets, blanks
_HOLE = re.compile(r"\{(?P<name>[a-z_]{1,40})(?:\|(?P<otherwise>[^{}]{0,200}))?\}")


class Weight(StrEnum):
    """How much an entry's match proves: a word, a wrapper, anybody's wording, a usual sign, the cause itself."""

    GENERAL = "general"
    WEAK = "weak"
    PLAIN = "plain"
    NORMAL = "normal"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Example:
    """A message the entry must win for, with what came beside it and the entity it must find."""

    text: str
    code: str | None = None
    activity: str | None = None
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What holds for a category when an entry does not say otherwise; owner and re-run may differ by platform."""

    category: Category
    cause: str
    steps: tuple[str, ...]
    owner: Responder
    retryable: bool
    auto_heal: bool
    owners: Mapping[str, Responder] = field(default_factory=dict[str, Responder])
    retries: Mapping[str, bool] = field(default_factory=dict[str, bool])

    def owner_on(self, source: str) -> Responder:
        """Who acts where the platform is this one."""
        return self.owners.get(source, self.owner)

    def retryable_on(self, source: str) -> bool:
        """Whether a re-run may help on this platform."""
        return self.retries.get(source, self.retryable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one kind of failure looks like, why it happens and what to do.

    `patterns` are in RE2's syntax, matched anywhere in the text regardless of case; a space matches any white space.
    With `both` a code and a pattern must match, otherwise either is enough. `platform` is a source's name
    or any. Texts may have holes: `{name}` or `{name|what to say when it is not known}`.
    """

    id: str
    category: Category
    cause: str
    steps: tuple[str, ...]
    codes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    both: bool = False
    activities: tuple[str, ...] = ()
    platform: str = "any"
    weight: Weight = Weight.NORMAL
    severity: Severity | None = None
    priority: Priority | None = None
    retryable: bool | None = None
    owner: Responder | None = None
    auto_heal: bool | None = None
    entity: str | None = None
    error_type: str | None = None
    links: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    file: str = ""
    line: int = 0
    ours: bool = True


def fill(text: str, words: dict[str, str]) -> str:
    """The text with its holes filled; a hole nobody can fill says its alternative, or its name in plain words.

    What fills a hole right behind a word stands in brackets after it.
    """

    def said(match: re.Match[str]) -> str:
        name = match.group("name")
        if words.get(name):
            behind_a_word = text[match.start() - 1 : match.start()].isalnum()
            return f" ({words[name]})" if behind_a_word else words[name]
        otherwise = match.group("otherwise")
        if otherwise is not None:
            return otherwise
        if name != "entity":
            return "the " + name.replace("_", " ")
        before = text[: match.start()].rstrip()
        return "" if before and before[-1] not in ".:;" else "It"

    return _GAP.sub("", _HOLE.sub(said, text)) if "{" in text else text


def holes(text: str) -> list[str]:
    """The names of a text's holes."""
    return [match.group("name") for match in _HOLE.finditer(text)]


def stray_brace(text: str) -> bool:
    """Whether a brace stands outside a well-formed hole."""
    return any(brace in _HOLE.sub("", text) for brace in "{}")
