"""Finds the few patterns of the base that can match a text, by the plain words they need; RE2 tries only those.

Compiling thousands of patterns takes longer than all else at start, and most are never needed: a pattern is compiled
when a text has its words for the first time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import re2

from pipesleuth.triage.knowledge.literals import clauses, rarity
from pipesleuth.triage.knowledge.patterns import compiled

_MEMORY = 32 * 1024 * 1024
# a pattern's number, the words it needs, and the choices of words of which it needs one each
_Waiting = tuple[int, frozenset[int], tuple[frozenset[int], ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """Where a pattern matched first, how long, and what its named groups hold."""

    place: int
    length: int
    groups: Mapping[str, str]


class Readable:
    """A text as RE2 reads it: its bytes, turned into places and words of the text again."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bytes = text.encode()
        self._plain = len(self.bytes) == len(text)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place and the length in the text of what stands between two bytes."""
        if self._plain:
            return start, end - start
        return len(self.bytes[:start].decode()), len(self.bytes[start:end].decode())


class Pattern:
    """A compiled pattern with the names of its groups."""

    __slots__ = ("_names", "_regexp")

    def __init__(self, pattern: str) -> None:
        self._regexp = compiled(pattern)
        self._names = tuple(self._regexp.groupindex.items())

    def find(self, text: Readable) -> Found | None:
        """The first match in the text."""
        match = self._regexp.search(text.bytes)
        if match is None:
            return None
        place, length = text.span(match.start(), match.end())
        groups: dict[str, str] = {}
        for name, number in self._names:
            start, end = match.span(number)
            if start >= 0:
                groups[name] = text.bytes[start:end].decode()
        return Found(place, length, groups)


class Sieve:
    """Patterns, by their numbers, and the words that must stand in a text before one is tried."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)
        self._compiled: list[Pattern | None] = [None] * len(patterns)
        self._always: list[int] = []
        options = re2.Options()
        options.literal = True
        options.max_mem = _MEMORY
        self._words = re2.Set.SearchSet(options)
        needed = [clauses(pattern) for pattern in patterns]
        shared = Counter(word for found in needed for clause in found for word in clause)
        places = {word: self._words.Add(word) for word in shared}
        self._waiting: list[list[_Waiting]] = [[] for _ in places]
        for number, found in enumerate(needed):
            if not found:
                self._always.append(number)
                continue
            # the patterns wait for the word that fewest others need, so that a usual word wakes few
            key = min(found, key=lambda clause: sum(shared[word] for word in clause) - rarity(clause))
            rest = [frozenset(places[word] for word in clause) for clause in found if clause is not key]
            plain = frozenset(place for clause in rest if len(clause) == 1 for place in clause)
            waiting = (number, plain, tuple(clause for clause in rest if len(clause) > 1))
            for word in key:
                self._waiting[places[word]].append(waiting)
        if places:
            self._words.Compile()

    def candidates(self, text: str) -> list[int]:
        """The numbers of the patterns whose words all stand in the text."""
        found: dict[int, None] = dict.fromkeys(self._always)
        seen = (self._words.Match(text.lower()) or ()) if self._waiting else ()
        present = frozenset(seen)
        for place in seen:
            for number, plain, choices in self._waiting[place]:
                if plain <= present:
                    for clause in choices:
                        if clause.isdisjoint(present):
                            break
                    else:
                        found[number] = None
        return list(found)

    def pattern(self, number: int) -> Pattern:
        """The pattern of this number, ready for searching."""
        ready = self._compiled[number]
        if ready is None:
            ready = self._compiled[number] = Pattern(self._patterns[number])
        return ready
