"""The door in front of the stand-ins: it writes every request down and makes the ordered faults happen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipesleuth.sandbox.faults import Fault, FaultPlan
from pipesleuth.sandbox.journal import Call, Journal
from pipesleuth.sandbox.refusals import refusal_of
from pipesleuth.sandbox.wire import BODY_LIMIT

DROP = "pipesleuth.drop"
"""The ASGI extension with which our server lets an app cut its connection."""

PREFIXES = {
    "slack": "slack",
    "jira": "jira",
    "gemini": "gemini",
    "databricks": "databricks",
    "azure": "azure",
    "airflow": "airflow",
    "teams": "teams",
    # databricks-sdk cuts the path off its host, so a workspace also answers at the root.
    "api": "databricks",
    "oidc": "databricks",
    ".well-known": "databricks",
}


@dataclass(slots=True)
class Taken:
    """An answer caught on its way out."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    body: bytes = b""


class Door:
    """Wraps the stand-ins' app; requests that belong to no vendor pass untouched."""

    def __init__(self, inner: ASGIApp, journal: Journal, faults: FaultPlan, clock: Callable[[], float]) -> None:
        self.inner = inner
        self.journal = journal
        self.faults = faults
        self.clock = clock
        self.closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or drop it when a fault says so."""
        path = str(scope.get("path", ""))
        service = PREFIXES.get(path.lstrip("/").partition("/")[0])
        if scope["type"] != "http" or service is None:
            await self.inner(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            await say(send, Taken(413, [], b'{"detail":"body too large"}'))
            return
        query = scope.get("query_string", b"").decode("latin-1")
        call = self.journal.open(service, scope["method"], path, query, scope["headers"], body)
        fault = self.faults.pick(service, scope["method"], path)
        if fault is None:
            taken = await self.effect(scope, body)
            call.status = taken.status
            await say(send, taken)
        else:
            call.fault = fault.kind
            await self.strike(fault, call, scope, body, receive, send)
        call.finished = self.clock()

    async def effect(self, scope: Scope, body: bytes) -> Taken:
        """Let the vendor do what was asked and catch its answer."""
        taken = Taken()
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                taken.status = message["status"]
                taken.headers = list(message.get("headers", []))
            elif message["type"] == "http.response.body":
                taken.body += message.get("body", b"")

        await self.inner(scope, receive, send)
        return taken

    async def strike(  # all that one ASGI call is made of
        self, fault: Fault, call: Call, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        """Make one fault happen to one request."""
        match fault.kind:
            case "status" | "429" | "500":
                headers, refusal = refusal_of(call.service, fault.status, fault.retry_after, self.clock())
                call.status = fault.status
                await say(send, plain(fault.status, json.dumps(refusal).encode(), headers))
            case "refuse":
                await drop(scope, send)
            case "hang":
                await self.hold(receive, fault.seconds)
                await drop(scope, send)
            case "timeout_after_success":
                call.extra["answer_kept_back"] = (await self.effect(scope, body)).status
                await self.hold(receive, fault.seconds)
                await drop(scope, send)
            case "wrong_json":
                if fault.effect:
                    call.extra["answer_kept_back"] = (await self.effect(scope, body)).status
                call.status = 200
                await say(send, plain(200, b'{"ok": tru\n<html>upstream said hello</html>', {}))
            case "slow_body":
                taken = await self.effect(scope, body)
                call.status = taken.status
                await self.drip(taken, fault.seconds, send)
            case _:
                taken = await self.effect(scope, body)
                call.extra["answer_kept_back"] = taken.status
                await break_off(taken, scope, send)

    async def hold(self, receive: Receive, seconds: float) -> None:
        """Wait until the time is up, the client has gone or the sandbox closes."""
        gone = asyncio.ensure_future(client_gone(receive))
        closing = asyncio.ensure_future(self.closing.wait())
        await asyncio.wait({gone, closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, closing):
            task.cancel()
        await asyncio.gather(gone, closing, return_exceptions=True)

    async def drip(self, taken: Taken, seconds: float, send: Send) -> None:
        """Send the answer in pieces over the given time."""
        await send({"type": "http.response.start", "status": taken.status, "headers": taken.headers})
        size = max(1, len(taken.body) // 8)
        pieces = [taken.body[start : start + size] for start in range(0, len(taken.body), size)]
        for piece in pieces:
            if not self.closing.is_set():
                await asyncio.sleep(seconds / len(pieces))
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def read_body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is longer than the limit."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(pieces)
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size <= BODY_LIMIT:
            pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces) if size <= BODY_LIMIT else None


async def client_gone(receive: Receive) -> None:
    """Returns when the client has closed its side."""
    while (await receive())["type"] != "http.disconnect":
        pass


def plain(status: int, body: bytes, headers: dict[str, str]) -> Taken:
    """A JSON answer made by the door itself."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    length = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return Taken(status, [*length, *pairs], body)


async def say(send: Send, taken: Taken) -> None:
    """Send a caught answer on."""
    await send({"type": "http.response.start", "status": taken.status, "headers": taken.headers})
    await send({"type": "http.response.body", "body": taken.body, "more_body": False})


async def drop(scope: Scope, send: Send) -> None:
    """Cut the connection without an answer; under a foreign server, break off after the head."""
    cut = scope.get("extensions", {}).get(DROP)
    if cut is not None:
        cut["cut"]()
        await asyncio.sleep(0.005)  # until the server has noticed, it would complain of a missing answer
        return
    await send({"type": "http.response.start", "status": 502, "headers": [(b"content-length", b"1")]})


async def break_off(taken: Taken, scope: Scope, send: Send) -> None:
    """Send the head and half the body, then cut the connection."""
    await send({"type": "http.response.start", "status": taken.status, "headers": taken.headers})
    half = taken.body[: len(taken.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    # The half must have left before the cut, or the client would see no head at all.
    await asyncio.sleep(0.02)
    cut = scope.get("extensions", {}).get(DROP)
    if cut is not None:
        cut["cut"]()
        await asyncio.sleep(0.005)
