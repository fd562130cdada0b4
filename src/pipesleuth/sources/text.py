"""Bounded reading of what came from outside: names, ids, messages and moments."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from math import isfinite

NAME_LIMIT = 300
ID_LIMIT = 200
MESSAGE_LIMIT = 64 * 1024  # bytes of UTF-8

_NOTHING_WORDS = frozenset(
    {"", "n/a", "na", "n.a.", "null", "none", "nil", "undefined", "unknown", "nan", "-", "--", "?", "<null>", "(null)"}
    | {"[]", "{}", '""', "''", "<none>", "(none)", "not available", "not applicable", "#n/a"}
)
_LONGEST_NOTHING = max(map(len, _NOTHING_WORDS))
_NO_RUN = frozenset({"0", "-1", "00000000-0000-0000-0000-000000000000"})
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f\u2028\u2029]+")
# An expression nobody evaluated: Data Factory's @{…} and @f(…), Databricks' {{…}}, a shell's ${…}.
_WHOLE_TEMPLATE = re.compile(r"@\w+\s*\(|\{\{.*\}\}\Z|\$\{[^}]*\}\Z|\$\([^)]*\)\Z")
_GUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")
_ROUNDED_NUMBER = re.compile(r"-?\d+(?:\.\d+)?[eE]\+\d+|-?\d+\.\d+[eE]\d+")
_WHOLE_DECIMAL = re.compile(r"(\d+)\.0+")
_SAFE_FLOAT = 2.0**53
_FORWARDING_WORDS = (
    r"(?:\s+(?:the|system|service|backend|engine|platform|app|agent|bot|tool|api|webhook|team|for|analysis|processing"
    r"|successfully|by|via|logic|pipeline)){0,8}"
)
# The note a forwarder appends. After the end of a sentence anything up to the line's end belongs to it; in the
# middle of one only the known wording does, so that an error about "files forwarded to RCA folder" stays whole.
_NOTE_AFTER_SENTENCE = re.compile(r"(?:^|[.;,:!?'\")\]}|\n\r–—-])[\s(\[]*Forwarded to (?:the )?RCA\b[^\n]{0,200}\s*\Z")
_NOTE_IN_LINE = re.compile(
    r"[\s(\[|-]*\bforwarded to (?:the )?rca\b"
    + _FORWARDING_WORDS
    + r"(?:\s*(?:at|on|:)?\s*\d[\dT:.,+\-/ ]*(?:Z|UTC|AM|PM)?)?[\s.!)\]]*\Z",
    re.IGNORECASE,
)
_US_MOMENT = "%m/%d/%Y %I:%M:%S %p"
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def clean(text: str) -> str:
    """The text without what a database cannot hold: NUL and lone surrogates become U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def says_nothing(text: str) -> bool:
    """Whether a text is one of the words for "no value" (N/A, null, undefined, …)."""
    return len(text) <= _LONGEST_NOTHING + 8 and text.strip().lower() in _NOTHING_WORDS


def is_template(text: str) -> bool:
    """Whether a text is an expression that the sender forgot to evaluate, such as `@{pipeline().RunId}`."""
    return "@{" in text or (("(" in text or "{" in text) and _WHOLE_TEMPLATE.match(text.strip()) is not None)


def name(value: object, limit: int = NAME_LIMIT) -> str | None:
    """A name of one line and at most `limit` characters; None for anything that names nothing."""
    if isinstance(value, str):
        # Rules, pipelines and factories come again and again, so that most names are answered from memory.
        return _short_name(value) if len(value) <= limit and len(value) <= NAME_LIMIT else _name(value, limit)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        text = str(value) if value.bit_length() <= 128 else ""
    elif isinstance(value, float):
        text = repr(value) if isfinite(value) else ""
    else:
        return None
    return _name(text, limit)


@lru_cache(maxsize=4096)
def _short_name(value: str) -> str | None:
    return _name(value, NAME_LIMIT)


def _name(value: str, limit: int) -> str | None:
    text = value[: limit * 4]
    if not text.isprintable():
        text = _CONTROL.sub(" ", clean(text))
    text = text.strip()[:limit].rstrip()
    if says_nothing(text) or is_template(text):
        return None
    return text


def ident(value: object) -> str | None:
    """An id of at most 200 characters; None where there is none.

    Whole numbers become their digits. A float is only believed where every digit of it is certain.
    An id that is too long keeps its head and gets a digest of the whole, so that two never become one.
    """
    if isinstance(value, str):
        return _short_ident(value) if len(value) <= ID_LIMIT else _ident(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if value > 0 and value.bit_length() <= 128 else None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and 0 < value < _SAFE_FLOAT else None
    return None


@lru_cache(maxsize=4096)
def _short_ident(value: str) -> str | None:
    return _ident(value)


def _ident(value: str) -> str | None:
    text = value.strip()
    if says_nothing(text) or is_template(text):
        return None
    return _exact(bounded(" ".join(clean(text).split()) if not text.isprintable() else clean(text)))


def _exact(text: str) -> str | None:
    if "." in text or "+" in text:
        whole = _WHOLE_DECIMAL.fullmatch(text)
        if whole is not None:
            return whole.group(1)
        if _ROUNDED_NUMBER.fullmatch(text) is not None:
            return None
    return text or None


def bounded(text: str, limit: int = ID_LIMIT) -> str:
    """The text, or its head with a digest of the whole where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - 17]}~{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def resource_id(value: object) -> str | None:
    """An Azure resource's id, which begins with a slash, of at most 1,000 characters."""
    found = name(value, 1_000)
    return found if found is not None and found.startswith("/") else None


def run_identity(value: object) -> str | None:
    """A run's id as it is stored and looked up: GUIDs in lower case; None for N/A, blanks and templates."""
    text = ident(value)
    if text is None or text in _NO_RUN:
        return None
    guid = _GUID.fullmatch(text)
    if guid is None:
        return text
    text = guid.group(1).lower()
    return None if text in _NO_RUN else text


def code(value: object) -> str | None:
    """An error code: a short name or a number other than zero."""
    text = name(value, ID_LIMIT)
    return None if text in {"0", "0.0", "200"} else text


def message(value: object) -> str:
    """An error text of at most 64 KiB (head and tail are kept), without a forwarder's closing note; may be empty."""
    if not isinstance(value, str):
        return name(value) or ""
    text = clean(value).strip()
    if len(text) > MESSAGE_LIMIT // 4:
        text = _head_and_tail(text)
    if "RCA" in text[-400:].upper():
        text = without_forwarding_note(text)
    if says_nothing(text) or (text.startswith(("@{", "@activity(", "@concat(")) and text.endswith(("}", ")"))):
        return ""
    return text


def without_forwarding_note(text: str) -> str:
    """The text without a closing "Forwarded to RCA …", and with everything else as it was."""
    at = max(0, len(text) - 400)
    tail = text[at:]
    note = _NOTE_AFTER_SENTENCE.search(tail)
    if note is not None:
        cut = tail.rindex("Forwarded to", 0, note.end())
        return (text[:at] + tail[:cut]).rstrip(" \t\r\n([|-–—")
    note = _NOTE_IN_LINE.search(tail)
    return text if note is None else (text[:at] + tail[: note.start()]).rstrip()


def _head_and_tail(text: str) -> str:
    raw = text.encode()
    if len(raw) <= MESSAGE_LIMIT:
        return text
    gap = f"\n… [{len(raw) - MESSAGE_LIMIT} bytes left out] …\n"
    half = (MESSAGE_LIMIT - len(gap.encode()) - 8) // 2
    return raw[:half].decode(errors="ignore") + gap + raw[-half:].decode(errors="ignore")


def moment_of(value: object) -> datetime | None:
    """A moment in UTC from ISO-8601 text (any number of fractional digits), or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            found = _moment_of_text(value.strip()[:64])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = _moment_of_number(value)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found is not None and _EARLIEST <= found < _LATEST else None


def _moment_of_text(text: str) -> datetime | None:
    if text.isascii() and text.isdigit():
        return _moment_of_number(int(text))
    if "/" in text:
        return datetime.strptime(text, _US_MOMENT).replace(tzinfo=UTC)
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _moment_of_number(number: float) -> datetime | None:
    if 1e11 <= number < 1e14:
        return datetime.fromtimestamp(number / 1000, tz=UTC)
    return datetime.fromtimestamp(number, tz=UTC) if 1e8 <= number < 1e11 else None
