"""The chain of causes in a message, from the wrapper outside to the error inside."""

from __future__ import annotations

from dataclasses import dataclass

from pipesleuth.triage.excerpt import Excerpt, excerpt
from pipesleuth.triage.peel.markers import Marker, markers

_WRAPPERS = frozenset({"activity", "inner_activity", "side", "run", "stage", "cause", "stream", "target"})
_MAX_TEXT = 2000
_SAYS_SOMETHING = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """One layer of a failure.

    `kind` says how it was introduced: the kind of its marker, or text where nothing introduces it.
    `span` are the first place and the place after the last in the original message.
    """

    kind: str
    code: str | None
    text: str
    entity: str | None
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Peeled:
    """A message taken apart: its causes from outermost to innermost, never empty."""

    causes: tuple[Cause, ...]
    error_code: str | None = None

    @property
    def innermost(self) -> Cause:
        """The deepest cause that says something."""
        for cause in reversed(self.causes):
            if len(cause.text) >= _SAYS_SOMETHING:
                return cause
        return self.causes[-1]

    @property
    def thing(self) -> str | None:
        """What the message says it happened to: the innermost data flow stream, the target or the activity."""
        for kinds in (("stream",), ("target",)):
            names = [cause.entity for cause in self.causes if cause.kind in kinds and cause.entity]
            if names:
                return names[-1]
        return self.activity

    @property
    def activity(self) -> str | None:
        """The innermost activity the message names."""
        names = [cause.entity for cause in self.causes if cause.kind in {"activity", "inner_activity"} and cause.entity]
        return names[-1] if names else None


def peel(message: str, error_code: str | None = None) -> Peeled:
    """Take any text apart, in linear time and without an exception; `error_code` is what came beside it."""
    return peel_excerpt(excerpt(message), error_code)


def peel_excerpt(part: Excerpt, error_code: str | None = None) -> Peeled:
    """As `peel`, for a text that was made readable before."""
    text = part.text
    causes: list[Cause] = []
    found = markers(text)
    if not found or found[0].start > 0:
        end = found[0].start if found else len(text)
        _add(causes, part, Marker(0, 0, "text"), end)
    for number, marker in enumerate(found):
        end = found[number + 1].start if number + 1 < len(found) else len(text)
        _add(causes, part, marker, max(end, marker.end))
    if not causes:
        causes.append(Cause("text", None, "", None, (0, 0)))
    return Peeled(tuple(causes), error_code)


def _add(causes: list[Cause], part: Excerpt, marker: Marker, end: int) -> None:
    words = " ".join(part.text[marker.end : min(end, marker.end + _MAX_TEXT)].split()).strip(" :;,-{}[]")
    words = words.removeprefix(". ")  # the end of the sentence that the marker stood in
    for quote in ("'", '"'):
        if words.count(quote) % 2:
            words = words.strip(quote)
    if not words and not marker.code and not marker.entity:
        return
    same = bool(causes) and causes[-1].code == marker.code and not marker.entity
    if not words and same and marker.kind not in _WRAPPERS:
        return
    span = (part.origin(marker.start), part.origin(max(end - 1, marker.start)) + 1)
    causes.append(Cause(marker.kind, marker.code, words, marker.entity, (span[0], min(span[1], len(part.message)))))
