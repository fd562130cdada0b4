"""The memory of every request that reached a stand-in."""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from pipesleuth.sandbox.wire import parsed

KEPT_CALLS = 20_000
KEPT_BODY = 200_000
"""Characters of a body that the journal keeps."""

SECRET_HEADERS = {"authorization", "x-goog-api-key", "x-api-key", "api-key", "cookie", "x-identity-header"}
SECRET_FIELDS = re.compile(r"(?i)^(token|key|secret|password|client_secret|client_assertion|sig|code)$")


@dataclass(slots=True)
class Call:
    """One request and what became of it; `status` is None while it is held or was dropped unanswered.

    The body is kept as it came, and read when somebody looks: thousands of parsed ones would fill the memory.
    """

    seq: int
    time: float
    service: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    status: int | None = None
    fault: str | None = None
    finished: float | None = None
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def body(self) -> Any:
        """The body as JSON, as form fields or as text, whichever it is."""
        return readable_body(self.raw, self.headers.get("content-type", ""))

    def seen(self) -> dict[str, Any]:
        """The call as `GET /_calls` shows it."""
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "raw"}
        return plain | {"body": self.body}


class Journal:
    """The last calls, oldest first, numbered from 1 without gaps."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self.last = 0

    def reset(self) -> None:
        """Forget every call; numbering goes on, so that `since` stays meaningful."""
        self.calls.clear()

    def open(
        self, service: str, method: str, path: str, query: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> Call:
        """Remember a request before anything is done with it."""
        self.last += 1
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        call = Call(
            seq=self.last,
            time=self.clock(),
            service=service,
            method=method,
            path=path,
            query=masked_fields(query),
            headers={name: masked_header(name, value) for name, value in named.items()},
            raw=body[: KEPT_BODY + 1],
        )
        self.calls.append(call)
        return call

    def since(self, seq: int, service: str | None = None, path: str | None = None) -> list[Call]:
        """Calls newer than `seq`, of one service and one part of the path if given."""
        return [
            call
            for call in self.calls
            if call.seq > seq and (not service or call.service == service) and (not path or path in call.path)
        ]


def masked_header(name: str, value: str) -> str:
    """A header's value with its credential replaced; what kind of credential it was stays readable."""
    if name not in SECRET_HEADERS:
        return value
    scheme, _, rest = value.partition(" ")
    if name == "authorization" and rest:
        if scheme.lower() == "basic":
            try:
                user = base64.b64decode(rest, validate=True).decode("utf-8", "replace").partition(":")[0]
            except ValueError:
                return "Basic ***"
            return f"Basic {user}:***"
        return f"{scheme} {rest[:5]}***" if rest.startswith("xox") else f"{scheme} ***"
    return "***"


def masked_fields(query: str) -> dict[str, str]:
    """The parameters of a query or form, secrets replaced."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return {name: "***" if SECRET_FIELDS.match(name) else value for name, value in pairs}


def masked_url(url: str) -> str:
    """An address without its password and with the secrets of its query replaced."""
    parts = urlsplit(url)
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in masked_fields(parts.query).items())
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query=query).geturl()


def readable_body(body: bytes, content_type: str) -> Any:
    """A body as JSON, as form fields or as text, whichever it is."""
    if not body:
        return None
    text = body[:KEPT_BODY].decode("utf-8", "replace")
    if "form-urlencoded" in content_type:
        return masked_fields(text)
    if len(body) > KEPT_BODY:
        return text
    try:
        return parsed(body)
    except ValueError:
        return text
