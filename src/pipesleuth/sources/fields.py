"""Case-blind reading of a JSON object's fields, and of whatever in it sounds like an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any, TypeVar, cast

from pipesleuth.sources import text

Fields = dict[str, Any]
Found = TypeVar("Found")

OBJECT_LIMIT = 500  # fields of one object that are looked at
# Bodies of one kind have the same keys in the same order, so that most objects' keys are folded from memory.
_SHAPES: dict[tuple[str, ...], tuple[str, ...]] = {}
_SHAPES_LIMIT, _SHAPE_LIMIT, _KEY_LIMIT = 512, 48, 64
LEAF_LIMIT = 5_000  # values of one body that are looked at where its shape is unknown
_SAID_BY_ERRORS = (
    "errormessage",
    "errormsg",
    "errortext",
    "error",
    "failuremessage",
    "exceptionmessage",
    "exception",
    "errors",
    "errordetails",
    "errordetail",
    "errordescription",
    "failurereason",
    "failuredetails",
)
_SAID_BY_STATES = ("statemessage", "statusmessage", "message", "reason", "details", "stacktrace", "traceback")
_RANKS = {key: rank for rank, key in enumerate((*_SAID_BY_ERRORS, *_SAID_BY_STATES))}
_INSIDE_AN_ERROR = (
    "message",
    "errormessage",
    "error",
    "msg",
    "description",
    "detail",
    "details",
    "innererror",
    "title",
)
_CODES = ("errorcode", "errorcodes", "code", "exceptiontype", "errorclass")
_SOUNDS_WRONG = re.compile(
    r"\b(?:errors?|exceptions?|fail(?:s|ed|ure|ures|ing)?|timed? ?out|denied|refused|unable|cannot|can't|could not"
    r"|not found|invalid|aborted|crash(?:ed)?|terminated|unreachable|forbidden|unauthori[sz]ed|traceback)\b"
    r"|[a-z](?:Error|Exception)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def fold(key: str) -> str:
    """The key without letter case and separators: `PipelineName`, `pipeline_name` and `pipelineName_s` are one.

    The closing `_s`, `_g`, `_d`, `_b` or `_t` is the type mark of the AzureDiagnostics table's columns.
    """
    if len(key) > 2 and key[-2] == "_" and key[-1] in "sgdbt":
        key = key[:-2]
    return key.lower().replace("_", "").replace("-", "").replace(" ", "").replace(".", "")


def _folded(keys: tuple[str, ...]) -> tuple[str, ...]:
    folded = tuple(fold(key) if len(key) <= _KEY_LIMIT else key for key in keys)
    if len(keys) <= _SHAPE_LIMIT and all(len(key) <= _KEY_LIMIT for key in keys):
        if len(_SHAPES) >= _SHAPES_LIMIT:
            _SHAPES.clear()
        _SHAPES[keys] = folded
    return folded


def fields(value: object) -> Fields:
    """An object's fields under their folded names (the first that is not null wins); empty for anything else."""
    if not isinstance(value, dict):
        return {}
    given = cast("Mapping[str, Any]", value)
    if len(given) > OBJECT_LIMIT:
        given = dict(islice(given.items(), OBJECT_LIMIT))
    keys = tuple(given)
    found = dict(zip(_SHAPES.get(keys) or _folded(keys), given.values(), strict=True))
    if len(found) == len(given):
        return found
    found = dict[str, Any]()
    for folded, field in zip(_folded(keys), given.values(), strict=True):
        if found.get(folded) in (None, ""):
            found[folded] = field
    return found


def items(value: object, limit: int = 2_000) -> Sequence[Any]:
    """A list's first `limit` items; one thing alone counts as a list of itself, null as an empty one."""
    if isinstance(value, list):
        given = cast("list[Any]", value)
        return given if len(given) <= limit else given[:limit]
    return () if value is None else (value,)


def parsed(value: object) -> object:
    """The value, or what is in it where it is a JSON object or array written as text."""
    if isinstance(value, str) and len(value) <= 1_000_000 and value[:64].lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def pick(sections: Iterable[Fields], keys: Sequence[str], reader: Callable[[object], Found | None]) -> Found | None:
    """The first field under one of the keys that the reader can read; earlier sections win."""
    for section in sections:
        if not section:
            continue
        for key in keys:
            value = section.get(key)
            if value is not None:
                found = reader(value)
                if found is not None and found != "":
                    return found
    return None


def said(value: object, depth: int = 3) -> str:
    """The error text in a field: text as it is, or the message inside an error object or list; may be empty."""
    value = parsed(value)
    if isinstance(value, str):
        return text.message(value)
    if depth == 0:
        return ""
    if isinstance(value, dict):
        inner = fields(cast("object", value))
        for key in _INSIDE_AN_ERROR:
            found = said(inner[key], depth - 1) if inner.get(key) is not None else ""
            if found:
                return found
        return ""
    if isinstance(value, list):
        parts = (said(item, depth - 1) for item in cast("list[object]", value)[:10])
        return text.message("\n".join(part for part in parts if part))
    return ""


def error_said(sections: Iterable[Fields]) -> str:
    """What fields made for errors say; a longer field that repeats the found text wins over it; may be empty."""
    given = tuple(sections)
    return _fullest(given, pick(given, _SAID_BY_ERRORS, said) or "")


def error_text(sections: Iterable[Fields]) -> str:
    """What the error fields say, else what a state or a message says; may be empty."""
    given = tuple(sections)
    return error_said(given) or pick(given, _SAID_BY_STATES, said) or ""


def _fullest(sections: tuple[Fields, ...], found: str) -> str:
    if not found:
        return found
    opening = found[:2_000].rstrip(" .…")
    for section in sections:
        for key in ("message", "statemessage", "errordetails", "error"):
            value = section.get(key)
            if value is not None:
                other = said(value)
                if len(other) > len(found) and opening in other:
                    found = other
    return found


def error_object(sections: Iterable[Fields]) -> Fields:
    """The fields of the error object, where the error is one (also when it is JSON written as text)."""
    for section in sections:
        value = section.get("error")
        if value is not None:
            inner = fields(parsed(value))
            if inner:
                return inner
    return {}


def error_code(sections: Iterable[Fields], error: Fields) -> str | None:
    """The platform's code for the error, from the fields or from the error object."""
    return pick(sections, ("errorcode", "errorclass", "exceptiontype"), text.code) or pick((error,), _CODES, text.code)


def leaves(body: object) -> Iterator[tuple[str, str, object]]:
    """JSON pointer, folded key and value of a body's scalars, breadth first, at most 5,000 nodes."""
    waiting: list[tuple[str, str, object]] = [("", "", body)]
    at = 0
    while at < len(waiting) and at < LEAF_LIMIT:
        pointer, key, value = waiting[at]
        at += 1
        if isinstance(value, dict):
            if len(waiting) > LEAF_LIMIT:
                continue
            inner = islice(cast("Mapping[str, object]", value).items(), OBJECT_LIMIT)
            waiting.extend(
                (f"{pointer}/{_escaped(name)}"[:300], fold(name) if len(name) <= 64 else "", child)
                for name, child in inner
            )
        elif isinstance(value, list):
            if len(waiting) > LEAF_LIMIT:
                continue
            inner_items = cast("list[object]", value)[:OBJECT_LIMIT]
            waiting.extend((f"{pointer}/{index}"[:300], key, child) for index, child in enumerate(inner_items))
        else:
            yield pointer, key, value


def _escaped(name: str) -> str:
    return text.clean(name[:100]).replace("~", "~0").replace("/", "~1")


def error_anywhere(body: object) -> str:
    """The best error text anywhere in a body of unknown shape; empty where nothing sounds like one."""
    outer = fields(body)
    direct = error_said((outer, *map(fields, list(outer.values())[:50])))
    if direct:
        return direct
    best, best_rank = "", 10_000
    for _, key, value in leaves(body):
        if not isinstance(value, str):
            continue
        rank = _RANKS.get(key, 1_000)
        if rank >= best_rank:
            continue
        found = said(value)
        # A word that was made for errors is believed; any other text has to sound like one.
        if found and (rank < len(_SAID_BY_ERRORS) or _SOUNDS_WRONG.search(found[:20_000])):
            best, best_rank = found, rank
    return best


def digest(body: object) -> str:
    """Sixteen hex digits that are the same for bodies of the same content, whatever the order of their fields."""
    # Numbers in hexadecimal: Python refuses to write a decimal number of thousands of digits.
    content = sorted(
        f"{pointer}={hex(value) if isinstance(value, int) else repr(value)}" for pointer, _, value in leaves(body)
    )
    return sha256("\n".join(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]
