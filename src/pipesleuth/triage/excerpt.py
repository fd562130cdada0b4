"""The part of an error message that is worth reading: bounded, with plain quotes and without stack frames."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

FULL_LIMIT = 48 * 1024
QUICK_LIMIT = 6 * 1024
_TAIL_SHARE = 3

# Same length in and out, so that a place in the excerpt is a place in the message.
_PLAIN = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x00A0: " ", 0x0000: " ", 0x2028: "\n", 0x2029: "\n"}
_ESCAPED = (('\\"', ' "'), ("\\r", " \r"), ("\\n", " \n"), ("\\t", " \t"))
_ENTITIES = (("&apos;", "'     "), ("&quot;", '"     '), ("&#39;", "'    "), ("&#44;", ",    "), ("&amp;", "&    "))
_SURROGATE = re.compile("[\ud800-\udfff]")
_FRAME_START = (
    "at ",
    "File ",
    "... ",
    "-----",
    "~~~~",
    "^^^^",
    "====",
    "<command-",
    "Cell In[",
    "<ipython-input",
    "Traceback (",
)
_CODE_LINE = re.compile(r"(?:-{1,6}> ?)?\d{1,6}(?:\s|$)")
_CALL_LINE = re.compile(r"(?:/|~/|File |<)\S{1,300}(?: in |:\d{1,6}, in )\S")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A readable text and where each of its pieces stood in the message.

    `starts` are the places in `text` where a piece begins, `origins` the same places in the message.
    """

    text: str
    message: str
    starts: tuple[int, ...]
    origins: tuple[int, ...]

    def origin(self, place: int) -> int:
        """The place in the message that a place in the text came from."""
        piece = bisect_right(self.starts, place) - 1
        return min(self.origins[piece] + place - self.starts[piece], len(self.message))

    def original(self, start: int, end: int) -> str:
        """What the message itself has between two places of the text, if they lie in one piece."""
        began, ended = self.origin(start), self.origin(max(start, end - 1)) + 1
        return self.message[began:ended]


def excerpt(message: str, limit: int = FULL_LIMIT) -> Excerpt:
    """The readable part of a message of any size, in linear time.

    Of a longer message its beginning and its end are kept, and the last `Caused by:` between them.
    """
    pieces: list[tuple[int, str]] = []
    for start, end in _windows(message, limit):
        part = _plain(message[start:end])
        pieces.extend(_lines(part, start) if "\n" in part else [(start, part)])
    texts: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = 0
    for origin, part in pieces:
        starts.append(length)
        origins.append(origin)
        texts.append(part)
        length += len(part)
    if not starts:
        return Excerpt("", message, (0,), (0,))
    return Excerpt("".join(texts), message, tuple(starts), tuple(origins))


def _windows(message: str, limit: int) -> list[tuple[int, int]]:
    size = len(message)
    if size <= limit:
        return [(0, size)]
    tail = limit // _TAIL_SHARE
    head = limit - tail
    windows = [(0, head), (size - tail, size)]
    inner = message.rfind("Caused by:", head, size - tail)
    if inner > 0:
        windows.insert(1, (inner, min(inner + 1024, size - tail)))
    return windows


def _plain(text: str) -> str:
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text.translate(_PLAIN))
    elif "\0" in text:
        text = text.replace("\0", " ")
    if '\\"' in text or "\\n" in text:
        for old, new in _ESCAPED:
            text = text.replace(old, new)
    if "&" in text:
        for old, new in _ENTITIES:
            text = text.replace(old, new)
    return text


def _lines(text: str, base: int) -> list[tuple[int, str]]:
    """The lines that say something: stack frames and quoted source code of a traceback are left out."""
    python = "Traceback" in text or "---->" in text or '  File "' in text
    kept: list[tuple[int, str]] = []
    place = began = 0
    after_frame = False
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        frame = _is_frame(bare, python=python)
        # below a frame stands its line of source code
        left_out = frame or (python and after_frame and line[0] in " \t" and not bare.startswith("Caused by"))
        if left_out:
            if place > began:
                kept.append((base + began, text[began:place]))
            began = place + len(line)
        after_frame = left_out and python
        place += len(line)
    if place > began:
        kept.append((base + began, text[began:place]))
    return kept


def _is_frame(bare: str, *, python: bool) -> bool:
    if not bare:
        return False
    if bare[0] in "aF.-~^=<CT" and bare.startswith(_FRAME_START):
        return not bare.startswith(("at ", "File ")) or "(" in bare or ", line " in bare or (python and ":" in bare)
    if not python:
        return False
    return bool(_CODE_LINE.match(bare) or _CALL_LINE.match(bare[:400]))
