"""The guard behind the outermost layer: which hosts, origins, rates and bodies come through to the routes."""

from __future__ import annotations

import ipaddress
import math
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipesleuth.accounts import TooMany
from pipesleuth.web import errors
from pipesleuth.web.traffic import Traffic

# These count by key and read their bodies with a limit of their own; nothing here may cost them time.
DOORS = ("/azure-monitor", "/databricks-monitor", "/hooks/", "/webhook/", "/api/check-ticket-exists/")
# Probes and scrapers come by names of the cluster that nobody configures.
PROBES = ("/healthz", "/readyz", "/metrics")
COUNTED = ("/api/", "/auth/", "/docs", "/openapi.json")
MOST_BODY = 4_194_304  # bytes; the longest thing a person sends is an error text of a million characters
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Wraps the routes; what is refused here is answered in the house's one shape of errors."""

    def __init__(self, app: ASGIApp, traffic: Traffic, public_base_url: str) -> None:
        self._app = app
        self._traffic = traffic
        public = urlsplit(public_base_url)
        self._netloc = public.netloc.lower()
        self._hosts = frozenset({"localhost", public.hostname or "", *traffic.settings.allowed_hosts})
        self._is_ours = lru_cache(maxsize=1024)(self._belongs)  # every request asks, and names are few

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer why not."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        host, origin = _named(scope)
        if scope["type"] == "websocket":
            if self._is_ours(host):
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        if path not in PROBES and not self._is_ours(host):
            said = "This host is not served here. Set PUBLIC_BASE_URL, or name it in ALLOWED_HOSTS."
            await errors.answer(400, said, "unknown_host")(scope, receive, send)
            return
        if path.startswith(DOORS):
            await self._app(scope, receive, send)
            return
        if scope["method"] not in _SAFE:
            if origin is not None and not same_origin(origin, host, self._netloc):
                await errors.answer(403, "Another site's page may not do this.", "foreign_origin")(scope, receive, send)
                return
            receive = _bounded(receive)
        if path.startswith(COUNTED):
            try:
                self._traffic.request(scope["client"][0] if scope["client"] else "")
            except TooMany as much:
                after = {"Retry-After": str(math.ceil(much.after))}
                said = "Too many requests from this address."
                await errors.answer(429, said, "too_many", headers=after)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _belongs(self, host: str) -> bool:
        if not host:
            return True  # HTTP/1.0 and plain probes name none; every browser does
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            # No name that somebody else controls can be an address: a rebound page would send its own name.
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def same_origin(origin: str, host: str, public: str) -> bool:
    """Whether a page of this origin is one of ours: of the `host` that was asked, or of the `public` one.

    Both are in lower case, with a port where they have one.
    """
    try:
        there = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    return bool(there) and there in {public, host}


def _named(scope: Scope) -> tuple[str, str | None]:
    host, origin = "", None
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1").lower()
        elif name == b"origin":
            origin = value.decode("latin-1")
    return host, origin


def _bounded(receive: Receive) -> Receive:
    """The same request, cut off where its body becomes too large."""
    size = 0

    async def receiving() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MOST_BODY:
            raise HTTPException(413, f"The body is larger than {MOST_BODY} bytes.")
        return message

    return receiving
