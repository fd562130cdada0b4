"""All entries ready for matching: one RE2 set over every pattern, one look-up over every code.

The set is RE2's filtered kind: one automaton over the literal words of all patterns finds the few that can match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import re2

from pipesleuth.triage.knowledge.entry import Entry
from pipesleuth.triage.knowledge.patterns import loosened, options
from pipesleuth.triage.knowledge.reading import KnowledgeFault

_TOKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-$]{2,120}")
_MAX_HITS = 60


@dataclass(frozen=True, slots=True)
class Hit:
    """That an entry matched: by which code, and by which of its patterns."""

    entry: Entry
    code: str | None
    patterns: tuple[re2.Regexp, ...]


class Shelf:
    """The loaded knowledge base; immutable and shared between threads."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self._by_code: dict[str, list[Entry]] = {}
        self._shouted: set[str] = set()  # codes such as DISABLED, which in small letters are plain words
        self._owners: list[Entry] = []
        self._set = re2.Filter()
        for entry in entries:
            for code in entry.codes:
                self._by_code.setdefault(code.casefold(), []).append(entry)
                if code.isalpha() and code.isupper():
                    self._shouted.add(code.casefold())
            for pattern in entry.patterns:
                _add(self._set, pattern, entry)
                self._owners.append(entry)
        if self._owners:
            self._set.Compile()

    def codes_in(self, text: str) -> list[str]:
        """The codes of the base that stand in the text as whole words; bare numbers are no codes here."""
        found: dict[str, None] = {}
        by_code = self._by_code
        for token in _TOKEN.findall(text):
            word = token.casefold().strip(".-")
            if word in by_code:
                if not word.isdigit() and (word not in self._shouted or token.strip(".-").isupper()):
                    found[word] = None
            elif "." in word:
                # a class without its package, a condition without its subclass
                for part in (word.rsplit(".", 1)[-1], word.partition(".")[0]):
                    if part in by_code and not part.isdigit():
                        found[part] = None
        return list(found)

    def knows(self, code: str) -> bool:
        """Whether an entry stands for this code or, without its subclass, for this condition."""
        word = code.casefold()
        return word in self._by_code or word.partition(".")[0] in self._by_code

    def hits(self, text: str, codes: Iterable[str], beside: str = "") -> list[Hit]:
        """Every entry that matches the text, the line `beside` it, or one of the codes, in order of first sight."""
        by_entry: dict[str, tuple[Entry, list[re2.Regexp]]] = {}
        if self._owners:
            found = self._set.Match(text) or []
            if beside:
                found = [*found, *(self._set.Match(beside) or ())]
            for index in found:
                entry = self._owners[index]
                by_entry.setdefault(entry.id, (entry, []))[1].append(self._set.re(index))
        code_of: dict[str, str] = {}
        for code in codes:
            for entry in self._by_code.get(code.casefold(), ()):
                by_entry.setdefault(entry.id, (entry, []))
                code_of.setdefault(entry.id, code)
        hits: list[Hit] = []
        for entry, patterns in by_entry.values():
            code = code_of.get(entry.id)
            if entry.both and entry.codes and not (code and patterns):
                continue
            hits.append(Hit(entry, code, tuple(patterns)))
        return hits[:_MAX_HITS]


def _add(patterns: re2.Filter, pattern: str, entry: Entry) -> None:
    try:
        patterns.Add(loosened(pattern), options())
    except re2.error as error:
        raise KnowledgeFault([f"{entry.file}:{entry.line}: the pattern cannot be used: {pattern}"]) from error


def place_of(patterns: Iterable[re2.Regexp], text: str) -> tuple[int, int, dict[str, str]]:
    """Where the last-standing of some matched patterns is, its length, and what all named groups hold.

    Of two patterns that name the same group the one that stands later in the text is taken.
    """
    found: list[tuple[int, int, dict[str, str | None]]] = []
    for pattern in patterns:
        match = pattern.search(text)
        if match is not None:
            found.append((match.start(), match.end() - match.start(), match.groupdict()))
    found.sort(key=lambda one: one[0])
    groups = {name: value for one in found for name, value in one[2].items() if value and value.strip(" .,;:'\"")}
    return (found[-1][0], found[-1][1], groups) if found else (-1, 0, {})
