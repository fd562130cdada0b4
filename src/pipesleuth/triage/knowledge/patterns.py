"""The patterns of entries: RE2, regardless of case, a space matching any white space."""

from __future__ import annotations

import re

import re2

_MAX_PATTERN = 1000
# What is escaped or in brackets stays; then an optional space, a counted one, a plain one.
_SPACE = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]| \?| (?P<counted>(?=[*+{]))| ", re.DOTALL)
_MEMORY = 512 * 1024  # a pattern and its automaton, of which there are thousands; without room RE2 answers slower


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
    return _SPACE.sub(_any_space, pattern) if " " in pattern else pattern


def _any_space(found: re.Match[str]) -> str:
    said = found.group()
    if said[0] != " ":
        return said
    return r"\s*" if said == " ?" else r"\s" if found.group("counted") is not None else r"\s+"


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
