"""Reading a webhook's body: bounded before it is whole, JSON as strict as it must be and as lenient as it may."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from fastapi import Request

from pipesleuth.model import BadPayload
from pipesleuth.web.errors import Problem


async def read_body(request: Request, most: int) -> bytes:
    """The raw body. Raises Problem (413) as soon as it is known to be larger than `most` bytes."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Problem(
            400,
            f"Send the body as it is, not encoded as {encoding[:40]}.",
            "content_encoding",
            where="Content-Encoding",
        )
    too_large = Problem(413, f"The body is larger than {most} bytes.", "too_large")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def parse(body: bytes, deepest: int) -> dict[str, Any]:
    """The body's JSON object. Raises BadPayload that says what is wrong and where.

    Bytes that are no UTF-8 become U+FFFD; of equal keys the last wins; NaN and the infinities are refused.
    """
    if not body.strip():
        raise BadPayload("The body is empty; a JSON object is expected.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
    try:
        payload: Any = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadPayload(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise BadPayload(f"The body is nested deeper than {deepest} levels.") from error
    except ValueError as error:
        raise BadPayload(f"The body is not JSON we can read: {str(error)[:120]}") from error
    if not isinstance(payload, dict):
        raise BadPayload(f"The body is a JSON {_kind(payload)}; an object is expected.")
    found = cast("dict[str, Any]", payload)
    # Brackets are counted first: only a body that could be too deep is walked.
    if text.count("{") + text.count("[") > deepest and _deeper(found, deepest):
        raise BadPayload(f"The body is nested deeper than {deepest} levels.")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number.")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "boolean"), (str, "string"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "number")


def _deeper(payload: object, deepest: int) -> bool:
    level: list[Any] = [payload]
    for _ in range(deepest):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Any) -> list[Any]:
    inner: Iterable[Any] = cast("dict[str, Any]", node).values() if isinstance(node, dict) else node
    return [child for child in inner if isinstance(child, dict | list)]
