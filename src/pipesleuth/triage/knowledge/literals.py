"""The plain words a text must have before a pattern can match it: read off the pattern, without compiling it."""

from __future__ import annotations

import re

# A clause is a set of words of which one must stand in the text; all clauses of a pattern must hold.
Clause = frozenset[str]

_PIECE = re.compile(
    r"(?P<look>\(\?<?[=!])|(?P<open>\((?:\?(?:P?<\w+>|[a-zA-Z]*:))?)|(?P<close>\))|(?P<or>\|)"
    r"|(?P<repeat>[*+?]\??|\{(?P<least>\d+)(?:,\d*)?\}\??)|\[(?P<class>\^?\]?(?:\\.|[^\]\\])*)\]"
    r"|\\(?P<escaped>.)|(?P<plain>[^\\\[(|)*+?{.^$ ]+|.)",
    re.DOTALL,
)
_NO_WORD = frozenset(".^$ ")
_LEAST = 2
_USUAL_WORDS = (
    "error error: errors failed fail failure exception message code source type microsoft cannot is not the to in for "
    "with was are request please operation invalid connection database user name value file data table column"
)
_USUAL = frozenset(_USUAL_WORDS.split())


def clauses(pattern: str) -> tuple[Clause, ...]:
    """What must stand in a text, in small letters, for a pattern to match it; empty where nothing must.

    Every space of a pattern counts as a break, for it stands for any white space.
    """
    return tuple(clause for clause in _Reader(pattern).branches() if _useful(clause))


def rarity(clause: Clause) -> float:
    """How seldom a text holds a clause: long words, few of them, and none that every failure has."""
    return min(map(len, clause)) - 2.0 * len(clause) - 6.0 * (not _USUAL.isdisjoint(clause))


def _useful(clause: Clause) -> bool:
    return all(len(word) >= _LEAST for word in clause)


class _Reader:
    """Reads a pattern once from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pieces = list(_PIECE.finditer(pattern))
        self._at = 0

    def branches(self) -> list[Clause]:
        """The clauses of an alternation up to its closing bracket: those of its only branch, or one of them all."""
        found = [self._branch()]
        while self._at < len(self._pieces) and self._pieces[self._at].lastgroup == "or":
            self._at += 1
            found.append(self._branch())
        if len(found) == 1:
            return found[0]
        best = [max(filter(_useful, branch), key=rarity, default=None) for branch in found]
        either = frozenset[str]().union(*(clause for clause in best if clause))
        return [either] if all(best) else []

    def _branch(self) -> list[Clause]:
        found: list[Clause] = []
        word = ""
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            kind = piece.lastgroup
            if kind in {"or", "close"}:
                break
            self._at += 1
            if kind in {"open", "look"}:
                found.append(frozenset([word]))
                word = ""
                inner = self.branches()
                self._at += 1
                if kind == "open" and not self._optional():
                    found.extend(inner)
                continue
            said = _letters(piece)
            last = said[-1:]
            if last and self._optional():
                found.append(frozenset([word + said[:-1]]))
                word = ""
            elif not said or self._repeated():
                found.append(frozenset([word + said]))
                word = ""
            else:
                word += said
        found.append(frozenset([word]))
        return found

    def _next(self) -> re.Match[str] | None:
        return self._pieces[self._at] if self._at < len(self._pieces) else None

    def _optional(self) -> bool:
        """Whether what was just read may be missing."""
        piece = self._next()
        if piece is None or piece["repeat"] is None:
            return False
        return piece["repeat"][0] in "*?" or piece["least"] == "0"

    def _repeated(self) -> bool:
        piece = self._next()
        return piece is not None and piece["repeat"] is not None


def _letters(piece: re.Match[str]) -> str:
    """The letters a piece stands for, small; nothing where it may be several."""
    if piece["plain"] is not None:
        return "" if piece["plain"] in _NO_WORD else piece["plain"].lower()
    if piece["escaped"] is not None:
        return "" if piece["escaped"].isalnum() else piece["escaped"].lower()
    if piece["class"] is not None:
        either = set(piece["class"].lower())
        return either.pop() if len(either) == 1 and piece["class"] != "^" else ""
    return ""
