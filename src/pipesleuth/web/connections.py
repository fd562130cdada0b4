"""Connections with a limit: how many there may be, how long a request may take to come, and an answer to be read.

uvicorn itself only ends idle connections between requests; headers or a body that come a byte at a time, and answers
that nobody reads, would hold a connection for ever.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from http import HTTPStatus
from typing import Any

from uvicorn.middleware.proxy_headers import _TrustedHosts  # pyright: ignore[reportPrivateUsage]  # the very rule by which uvicorn believes proxies
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipesleuth.accounts.attempts import network_of
from pipesleuth.web.traffic import TrafficSettings


def _refused(status: int, detail: str, code: str, *headers: str) -> bytes:
    """An answer in the house's shape of errors, as it goes over the wire before any route is asked."""
    body = json.dumps({"detail": detail, "code": code}).encode()
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "connection: close",
        *headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_REFUSALS = {
    408: _refused(408, "The request did not come in time.", "too_slow"),
    429: _refused(429, "Your address holds too many connections.", "too_many", "retry-after: 5"),
    503: _refused(503, "The server holds as many connections as it can.", "too_many", "retry-after: 5"),
}


class Limits:
    """The connections that one server holds at this moment."""

    def __init__(self, settings: TrafficSettings) -> None:
        self.settings = settings
        self.held: Counter[str] = Counter()
        self.total = 0
        self._proxies = _TrustedHosts(list(settings.trusted_proxies))

    def refusal(self, address: str) -> int | None:
        """The status that one more connection of this address is refused with; None where it may stay."""
        if self.total >= self.settings.connections:
            return 503
        limited = self.held[address] >= self.settings.connections_per_address and address not in self._proxies
        return 429 if limited else None

    def hold(self, address: str) -> None:
        """One more."""
        self.held[address] += 1
        self.total += 1

    def release(self, address: str) -> None:
        """One less."""
        self.total -= 1
        self.held[address] -= 1
        if self.held[address] <= 0:
            del self.held[address]


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with one clock for a request on its way in, and one for an answer that nobody reads.

    A websocket is let go here when it takes the connection over: it has its own limit and its pings.
    """

    limits: Limits
    _address: str | None = None
    _upgraded: bool = False
    _arriving: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # uvicorn narrows it likewise
        """Begin, or refuse at once."""
        super().connection_made(transport)
        address = network_of(self.client[0]) if self.client else ""
        if refusal := self.limits.refusal(address):
            transport.write(_REFUSALS[refusal])
            transport.close()
            return
        self._address = address
        self.limits.hold(address)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the connection was refused."""
        if self._address is None or self.transport.is_closing():
            return
        super().data_received(data)
        answering: Any = self.cycle  # None before the first request
        idle = answering is None or answering.response_complete
        if idle and self._arriving is None and self.timeout_keep_alive_task is None and not self._upgraded:
            self._expect()  # blank lines between requests begin none, and end uvicorn's own clock

    def on_message_begin(self) -> None:
        """A request begins on a connection that was idle."""
        super().on_message_begin()
        if self._arriving is None:
            self._expect()

    def on_message_complete(self) -> None:
        """The request is here."""
        self._arrived()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection becomes a websocket."""
        self._upgraded = True
        self._let_go()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._let_go()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """What was sent is not read: wait for a while."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.settings.request_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It is read again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _expect(self) -> None:
        self._arriving = self.loop.call_later(self.limits.settings.request_seconds, self._too_slow)

    def _arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _too_slow(self) -> None:
        self._arriving = None
        if self.transport.is_closing():
            return
        answering: Any = self.cycle
        if answering is None or answering.response_complete:
            self.transport.write(_REFUSALS[408])
            self.transport.close()
        elif not answering.response_started:
            # The route still waits for the body: it is told that nobody is there, and its answer goes nowhere.
            self.transport.write(_REFUSALS[408])
            answering.disconnected = True
            answering.message_event.set()
            self.transport.close()
        else:
            self.transport.abort()

    def _let_go(self) -> None:
        self._arrived()
        self.resume_writing()
        if self._address is not None:
            self.limits.release(self._address)
            self._address = None


def limited(settings: TrafficSettings) -> type[LimitedProtocol]:
    """The protocol of one server, with limits of its own."""
    return type("LimitedProtocolOfServer", (LimitedProtocol,), {"limits": Limits(settings)})
