"""How the stand-ins read what a client sends and say no to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard, cast
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Json = dict[str, Any]

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of a request's body that a stand-in reads; more is answered with 413."""


class Refusal(Exception):
    """The stand-in answers as the vendor does when it refuses."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


async def refusal_answer(_request: Request, error: Exception) -> Response:
    """The answer for a Refusal raised anywhere below a route."""
    if not isinstance(error, Refusal):
        raise error
    if isinstance(error.body, str):
        return Response(error.body, error.status, error.headers, "text/html")
    return JSONResponse(error.body, error.status, error.headers)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[Json]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def object_of(value: object) -> Json:
    """The value when it is a JSON object, else an empty one."""
    return value if is_object(value) else {}


def list_of(value: object) -> list[Any]:
    """The value when it is a JSON array, else an empty one."""
    return value if is_array(value) else []


def objects_of(value: object) -> list[Json]:
    """The JSON objects of an array; anything else in it is left out."""
    return [entry for entry in list_of(value) if is_object(entry)]


def text_of(value: object, default: str = "") -> str:
    """The value when it is text, else the default."""
    return value if isinstance(value, str) else default


def number_of(value: object, default: int) -> int:
    """A whole number written as a number or as text; the default for anything else."""
    if isinstance(value, bool):
        return default
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 30 else default


def seconds_of(value: object, default: float) -> float:
    """A duration in seconds, never negative; the default for anything that is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return max(0.0, float(value))


def parsed(raw: bytes) -> object:
    """The JSON value in the bytes; raises ValueError for anything else, however deep or long."""
    try:
        return cast("object", json.loads(raw))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def form_of(raw: bytes) -> Json:
    """The fields of an urlencoded body; of repeated names the last one counts."""
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))


def bearer_of(request: Request) -> str:
    """The token of an `Authorization: Bearer` header, or nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
