"""What stays the same between two occurrences of one failure."""

from __future__ import annotations

import hashlib
import re

LEVEL_LIMIT = 8 * 1024  # characters of a text that are looked at
_GUID = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z| ?[+-]\d\d:?\d\d)?)?")
_URL = re.compile(r"\b[a-z][a-z0-9+.\-]{1,11}://[^\s'\"<>,;)\]}]{1,600}", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w/<])(?:[A-Za-z]:\\|/)[\w.$@%+=~\-]{1,120}(?:[/\\][\w.$@%+=~\-]{1,120}){1,30}")
_HEX = re.compile(r"\b(?=[0-9a-fA-F]{0,63}\d)(?:0x)?[0-9a-fA-F]{12,64}\b")
_LONG_NUMBER = re.compile(r"(?<![A-Za-z_\d-])\d{7,}")
_NUMBER = re.compile(r"\d+")
_SPACE = re.compile(r"\s+")


def soften(text: str) -> str:
    """The text without what is unique to one run (GUIDs, times, long numbers), codes kept.

    Two messages with the same softened text have the same codes and the same wording.
    """
    if not any(mark in text for mark in "0123456789"):
        return text
    if "-" in text:
        text = _TIME.sub("<time>", _GUID.sub("<guid>", text))
    return _LONG_NUMBER.sub("<n>", text)


def level(text: str) -> str:
    """The text with numbers, ids, GUIDs, times, addresses and paths levelled, case and spaces too."""
    text = text[:LEVEL_LIMIT]
    for pattern, mark in (
        (_GUID, "<guid>"),
        (_TIME, "<time>"),
        (_URL, "<url>"),
        (_PATH, "<path>"),
        (_HEX, "<id>"),
        (_NUMBER, "<n>"),
        (_SPACE, " "),
    ):
        text = pattern.sub(mark, text)
    return text.strip().casefold()


def fingerprint(source: str, pipeline: str, error_type: str | None, innermost_text: str) -> str:
    """Sixteen hex digits that are equal for occurrences of one failure of one pipeline."""
    parts = (source, pipeline.strip().casefold(), (error_type or "").casefold(), level(innermost_text))
    clean = "\x1f".join(parts).encode("utf-8", "replace")
    return hashlib.sha256(clean).hexdigest()[:16]
