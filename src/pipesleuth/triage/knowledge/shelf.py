"""All entries ready for matching: one sieve over every pattern, one look-up over every code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipesleuth.model import Category
from pipesleuth.triage.knowledge.entry import Entry, Weight
from pipesleuth.triage.knowledge.sieve import Found, Pattern, Readable, Sieve

_TOKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-$]{2,120}")
_MAX_HITS = 60
# an entry with its patterns that matched, and where
_Matched = tuple[Entry, list[Pattern], list[Found]]
_TELLING = frozenset({Weight.STRONG, Weight.NORMAL})


@dataclass(frozen=True, slots=True)
class Hit:
    """That an entry matched: by which code, by which of its patterns, and where in the text these match first."""

    entry: Entry
    code: str | None
    patterns: tuple[Pattern, ...]
    found: tuple[Found, ...] = ()


class Shelf:
    """The loaded knowledge base; immutable and shared between threads."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self._by_code: dict[str, list[Entry]] = {}
        self._shouted: set[str] = set()  # codes such as DISABLED, which in small letters are plain words
        patterns: list[str] = []
        self._owners: list[Entry] = []
        for entry in entries:
            for code in entry.codes:
                self._by_code.setdefault(code.casefold(), []).append(entry)
                if code.isalpha() and code.isupper():
                    self._shouted.add(code.casefold())
            for pattern in entry.patterns:
                patterns.append(pattern)
                self._owners.append(entry)
        self._sieve = Sieve(patterns)

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

    def hits(self, text: str, codes: Iterable[str], beside: str = "", *, home: str | None = None) -> list[Hit]:
        """Every entry that matches the text, the line `beside` it, or one of the codes.

        With `home`, the platform of the failure, plain words are not looked for once that platform's strong sign of a
        cause is found: they could not win against it.
        """
        by_entry: dict[str, _Matched] = {}
        self._try(text, by_entry, home)
        if beside:  # where it stands is no place in the text
            aside: dict[str, _Matched] = {}
            self._try(beside, aside, None)
            for key, (entry, patterns, _) in aside.items():
                by_entry.setdefault(key, (entry, [], []))[1].extend(patterns)
        code_of: dict[str, str] = {}
        for code in codes:
            for entry in self._by_code.get(code.casefold(), ()):
                by_entry.setdefault(entry.id, (entry, [], []))
                code_of.setdefault(entry.id, code)
        hits: list[Hit] = []
        for entry, patterns, places in by_entry.values():
            code = code_of.get(entry.id)
            if entry.both and entry.codes and not (code and patterns):
                continue
            hits.append(Hit(entry, code, tuple(patterns), tuple(places)))
        return hits[:_MAX_HITS]

    def _try(self, text: str, by_entry: dict[str, _Matched], home: str | None) -> None:
        """Note each entry with a pattern that matches; plain words last, and only where they are needed."""
        readable = Readable(text)
        plain: list[int] = []
        sure = False
        for number in self._sieve.candidates(text):
            entry = self._owners[number]
            if entry.weight not in _TELLING:
                plain.append(number)
            elif self._note(number, readable, by_entry) and entry.weight is Weight.STRONG and not entry.both:
                sure = sure or (entry.platform in {"any", home} and entry.category is not Category.CANCELLED)
        for number in () if home and sure else plain:
            self._note(number, readable, by_entry)

    def _note(self, number: int, text: Readable, by_entry: dict[str, _Matched]) -> bool:
        pattern = self._sieve.pattern(number)
        found = pattern.find(text)
        if found is not None:
            entry = self._owners[number]
            _, patterns, places = by_entry.setdefault(entry.id, (entry, [], []))
            patterns.append(pattern)
            places.append(found)
        return found is not None


def place_of(found: Iterable[Found]) -> tuple[int, int, dict[str, str]]:
    """Where the last-standing of some matches is, its length, and what all named groups hold.

    Of two patterns that name the same group the one that stands later in the text is taken.
    """
    inward = sorted(found, key=lambda one: one.place)
    groups = {name: value for one in inward for name, value in one.groups.items() if value.strip(" .,;:'\"")}
    return (inward[-1].place, inward[-1].length, groups) if inward else (-1, 0, {})
