"""The sentence of the platform's own words that a root cause quotes: the innermost one a person can read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipesleuth.triage.peel import Cause

_LONGEST = 280
_READ = 420
_LEAST_WORDS = 3
_LETTERS = 0.55
# What follows the sentence in a .NET frame, a SQL error list or a JSON envelope.
_TAILS = (
    "Source=", "SqlErrorNumber=", ",Class=", ",State=", ",Errors=[", ",},]", '"failureType', '"target', '"details',
    '"Details', "StorageExtendedMessage=", "RequestId:", "Activity ID:", "ActivityId:", "requestId:", "TraceId:",
    "Trace ID:", "Correlation ID:", ",''Type=", ". For more details", ". For more information",
    'Details":', 'Details" :',
)  # fmt: skip
_HEAD = re.compile(
    r"\A(?:[\s.,;:'\"{}\[\]()\-]+|(?:Error )?[Mm]essage ?\"? ?[=:]|ErrorMessage ?[=:]|Errors=\[|Class=\d+,|State=\d+,?"
    r"|Number=\d+,"
    r"|\d{1,6};|Detail(?:s|ed)?(?: message)?\"? ?[=:]|Error: |errorMessage ?[=:])+"
)
_WORD = re.compile(r"[^\W\d_]{2,}")


def quotation(causes: Sequence[Cause]) -> str | None:
    """The innermost sentence of a chain that reads as one, at most 280 characters; None where there is none."""
    for cause in reversed(causes):
        said = _sentence(cause.text)
        if said:
            return said
    return None


def _sentence(text: str) -> str | None:
    part = text[:_READ]
    head = _HEAD.match(part)
    if head:
        part = part[head.end() :]
    ends = [place for tail in _TAILS if (place := part.find(tail)) >= 0]
    if ends:
        part = part[: min(ends)].rstrip(' .,"')
    part = part.strip(" \t'\",;:{}[]")
    for quote in ("'", '"'):
        if part.count(quote) % 2:
            part = part.strip(quote)
    words = _WORD.findall(part)
    letters = sum(map(len, words))
    if len(words) < _LEAST_WORDS or letters < _LETTERS * len(part.replace(" ", "")):
        return None
    if len(part) > _LONGEST:
        part = part[:_LONGEST].rsplit(" ", 1)[0] + " …"
    return part
