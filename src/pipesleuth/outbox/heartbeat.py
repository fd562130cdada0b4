"""A process's heartbeat: its signs of life for the others, and the dead-man switch called while all is well."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection

from pipesleuth.client import Client, Limits, Vendor
from pipesleuth.db.database import Database
from pipesleuth.model import Permanent, Retryable, StoreUnavailable
from pipesleuth.outbox import beats

EVERY_SECONDS = 10.0
CALL = Limits(connect=5, read=5, whole=10, body=65_536)

log = structlog.get_logger(__name__)


class Switch:
    """A dead-man switch: somebody else's address that raises the alarm once it is called no more.

    Only this host is ever called, redirects are not followed, and the address (a secret) is repeated nowhere.
    """

    def __init__(self, url: str, every_seconds: float) -> None:
        parts = urlsplit(url)
        self.every_seconds = every_seconds
        self._url = url
        self._client = Client(Vendor(base_urls=(f"{parts.scheme}://{parts.netloc}",), secrets=(url, parts.path)), CALL)

    async def call(self) -> bool:
        """Say that all is well; whether that was heard."""
        try:
            await self._client.call("GET", self._url)
        except (Retryable, Permanent) as error:
            log.warning("heartbeat.not_heard", reason=error.reason)
            return False
        return True

    async def close(self) -> None:
        """Give the connection back."""
        await self._client.close()


class Heartbeat:
    """Beats for one process; `roles` says in which of `beats.ROLES` it is well at this moment.

    `primary` says whether the database itself is written: what stands in for it does not make all well.
    """

    def __init__(
        self,
        database: Database,
        roles: Callable[[], Collection[str]],
        switch: Switch | None,
        *,
        now: Callable[[], datetime],
        primary: Callable[[], bool] = lambda: True,
    ) -> None:
        self._primary = primary
        self._database = database
        self._roles = roles
        self._switch = switch
        self._now = now
        self._who = f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._called: float | None = None

    async def run(self) -> None:
        """Beat until cancelled, and then say that this process lives no more."""
        every = min(EVERY_SECONDS, self._switch.every_seconds) if self._switch else EVERY_SECONDS
        try:
            while True:
                await self.beat()
                await asyncio.sleep(every)
        finally:
            await self._end()
            if self._switch is not None:
                await self._switch.close()

    async def beat(self) -> None:
        """Write this process's signs, and call the switch where it is time and everything lives.

        What is written goes through the same writer as webhooks do: a database that takes no more, or a process
        that is stuck, gives no sign. A loop's own edge: a fault is logged, and the next beat comes.
        """
        try:
            alive = await self._database.write(self._write)
        except StoreUnavailable as error:
            log.warning("heartbeat.missed", reason=str(error))
            return
        except Exception:
            log.exception("heartbeat.failed")
            return
        clock = asyncio.get_running_loop().time()
        if self._switch is None or not self._primary() or not all(alive.get(role) for role in beats.ROLES):
            return
        if self._called is None or clock - self._called >= self._switch.every_seconds:
            self._called = clock if await self._switch.call() else self._called

    def _write(self, connection: Connection) -> Mapping[str, int]:
        beats.beat(connection, self._who, self._roles(), self._now())
        return beats.alive(connection, self._now())

    async def _end(self) -> None:
        try:
            await self._database.write(lambda c: beats.beat(c, self._who, (), self._now()))
        except StoreUnavailable as error:
            log.warning("heartbeat.not_ended", reason=str(error))
