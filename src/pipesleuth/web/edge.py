"""The outermost layer: a request's id and trace, safety headers on every answer, and counts and times."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipesleuth import traces
from pipesleuth.web import errors
from pipesleuth.web.gauges import Gauges

# Nothing is loaded but from here, nothing frames us, no device is asked for, no address is told to others.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types pipesleuth"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
_OVER_TLS = (b"strict-transport-security", b"max-age=31536000")
_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# Asked every few seconds by machines: a trace of each would hide all others.
_UNTRACED = ("/healthz", "/readyz", "/metrics", "/static/", "/favicon")

log = structlog.get_logger(__name__)


class Edge:
    """Wraps the app."""

    def __init__(self, app: ASGIApp, gauges: Gauges) -> None:
        self._app = app
        self._gauges = gauges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given, parent = _presented(scope)
        request_id = given or secrets.token_hex(8).encode()
        # Each request runs in a context of its own, so that nothing has to be taken back.
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        if scope["path"].startswith(_UNTRACED):
            await self._pass(scope, receive, send, request_id)
            return
        with traces.stretch(scope["method"][:16], "server", parent=parent) as seen:
            status = await self._pass(scope, receive, send, request_id)
            route = _route(scope)
            seen.rename(f"{scope['method'][:16]} {route}")
            seen.note("http.route", route)
            seen.note("http.response.status_code", status)
            if status >= 500:
                seen.failed(str(status))

    async def _pass(self, scope: Scope, receive: Receive, send: Send, request_id: bytes) -> int:
        """The status of the answer, whose headers are made complete on the way."""
        started = time.perf_counter()
        status = 0
        headers = [*_RAW_HEADERS, (b"x-request-id", request_id)]
        if scope["scheme"] == "https":
            headers.append(_OVER_TLS)

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *headers]
                if scope["path"].startswith(("/api/", "/auth/")):
                    MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if status:  # half an answer is out: the server cuts it off, and says so in its log
                raise
            # Our own mistake is logged with its place and answered without it.
            log.exception("request.failed", path=scope["path"])
            said = errors.answer(500, "Something went wrong here; it was logged.", "internal")
            await said(scope, receive, sending)
        finally:
            self._gauges.request(scope["method"], _route(scope), status or 500, time.perf_counter() - started)
        return status or 500


def _route(scope: Scope) -> str:
    """The route as it was declared: there are few of them, whatever is asked for."""
    return getattr(scope.get("route"), "path", None) or "unmatched"


def _presented(scope: Scope) -> tuple[bytes | None, str | None]:
    """The request id and the `traceparent` that the sender gave; another shape of id is none."""
    given: bytes | None = None
    parent: str | None = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            given = value
        elif name == b"traceparent" and len(value) <= 64:
            parent = value.decode("latin-1")
    return given, parent
