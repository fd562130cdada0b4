"""The patterns of entries: RE2, regardless of case, a space matching any white space."""

from __future__ import annotations

import re2

_MAX_PATTERN = 1000
_MEMORY = 2 * 1024 * 1024  # a pattern and its automaton; RE2 answers without the automaton when it is spent


def options() -> re2.Options:
    """How every pattern is compiled."""
    chosen = re2.Options()
    chosen.case_sensitive = False
    chosen.dot_nl = True
    chosen.log_errors = False
    chosen.max_mem = _MEMORY
    return chosen


def loosened(pattern: str) -> str:
    r"""The pattern with each space outside brackets replaced by `\s+`, and an optional space by `\s*`."""
    if " " not in pattern:
        return pattern
    out: list[str] = []
    escaped = in_class = False
    for place, char in enumerate(pattern):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "[":
            in_class = True
        elif char == "]":
            in_class = False
        elif char == " " and not in_class:
            follows = pattern[place + 1 : place + 2]
            out.append(r"\s" if follows in {"?", "*", "+", "{"} else r"\s+")
            continue
        elif char == "?" and pattern[place - 1 : place] == " " and not in_class:
            out.append("*")
            continue
        out.append(char)
    return "".join(out)


def compiled(pattern: str) -> re2.Regexp:
    """The pattern ready for searching; raises re2.error."""
    return re2.compile(loosened(pattern), options())


def pattern_fault(pattern: str) -> str | None:
    """Why a pattern cannot be used, or None."""
    if len(pattern) > _MAX_PATTERN:
        return f"it is longer than {_MAX_PATTERN} characters"
    try:
        regexp = compiled(pattern)
    except re2.error as error:
        reason = error.args[0] if error.args else "not RE2 syntax"
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    if regexp.search("") is not None:
        return "it matches an empty text"
    return None


def pattern_groups(pattern: str) -> set[str]:
    """The names of a pattern's named groups."""
    return set(compiled(pattern).groupindex)
