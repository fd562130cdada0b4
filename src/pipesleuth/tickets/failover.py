"""What a process does about an outage of its primary: go on, come back, and bring home what came in meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from pipesleuth.db import standby_file
from pipesleuth.db.database import Database, epoch
from pipesleuth.db.standby import Standby
from pipesleuth.db.standby_file import StandbyFile
from pipesleuth.destinations.contract import Destination, InboundRequest
from pipesleuth.model import BadPayload, StoreUnavailable, timestamp
from pipesleuth.outbox.worker import Worker
from pipesleuth.tickets import jira_sync, leftovers, merging
from pipesleuth.tickets.intake import Intake
from pipesleuth.tickets.kept import Kept, kept

TICK_SECONDS = 0.2
COPY_SECONDS = 30.0  # so that the copy of people is never older than a minute
AT_ONCE = 64  # tickets that may share a commit of the merge
TRIES = 3
GRACE_SECONDS = 5.0  # beyond a call's own limit, before the merge waits for it no longer
DOOR = "webhook/jira"
PRIMARY, STANDBY, MERGING = "primary", "standby", "merging"
_UNKEPT_HEADERS = frozenset({"authorization", "cookie", "x-api-key"})

log = structlog.get_logger(__name__)


class Failover:
    """Drives a Standby; one for each process that takes webhooks in.

    `works` says whether this process works off to-dos also while the primary is bound. While its file stands in it
    always does: nobody else can see what is in it.
    """

    def __init__(
        self,
        database: Standby,
        intake: Intake,
        worker: Worker | None,
        jira: Destination | None,
        *,
        works: bool,
        healthy_seconds: float,
        call_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._intake = intake
        self._worker = worker
        self._jira = jira
        self._works = works
        self._healthy = healthy_seconds
        self._call = call_seconds
        self._now = now
        self._next_copy = 0.0  # at once: an earlier process may have left something in a file
        self._left: set[str] = set()
        self.brought: Counter[str] = Counter()

    @property
    def state(self) -> str:
        """Which database is written: `primary`, `standby`, or `merging`."""
        outage = self._database.outage
        return PRIMARY if outage is None else MERGING if outage.returning else STANDBY

    async def keep_news(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Keep a vendor's webhook for later, where the tickets that it may be about are away; whether that was so."""
        if self._database.outage is None:
            return False
        kept = json.dumps({name: value for name, value in headers.items() if name.lower() not in _UNKEPT_HEADERS})
        at = timestamp(self._now())
        await self._database.local.write(lambda c: standby_file.keep_news(c, at, kept, body))
        return True

    async def begin(self) -> None:
        """Before the first request: people may come in, also should the primary go at once."""
        self._rest_worker()
        try:
            await self._bring_ended(self._database.local)
            await self._copy_people()
        except StoreUnavailable as error:
            log.warning("failover.people_not_copied", reason=str(error))

    async def run(self) -> None:
        """Go on until cancelled. The edge: a fault here is logged, and looked at again a moment later."""
        while True:
            try:
                await self._round()
            except StoreUnavailable as error:
                log.warning("failover.waits", reason=str(error))
            except Exception:
                log.exception("failover.failed")
            await asyncio.sleep(TICK_SECONDS)

    async def _round(self) -> None:
        self._rest_worker()
        if self._database.outage is not None:
            if self._database.well_seconds >= self._healthy:
                await self._return()
        elif time.monotonic() >= self._next_copy:
            await self._copy_people()
            self._next_copy = time.monotonic() + COPY_SECONDS
            await self._bring_home(self._database.local)
            for orphan in standby_file.orphans(self._database.folder):
                await self._adopt(orphan)

    def _rest_worker(self) -> None:
        if self._worker is not None:
            self._worker.paused = not self._works and self._database.outage is None

    async def _copy_people(self) -> None:
        known = await self._database.read_there(standby_file.people)
        await self._database.local.write(lambda c: standby_file.copy_people(c, known))

    async def _bring_ended(self, local: Database) -> None:
        """Sessions that were ended during an outage stay ended, also where their process ended before it was over."""
        ended = (await local.read(standby_file.people))["marks"]
        await self._database.write_there(lambda c: leftovers.bring_marks(c, ended))

    async def _return(self) -> None:
        """Claims stop, running calls settle, everything is brought home, and the primary is bound again."""
        self._left.clear()
        if self._worker is not None:
            self._worker.paused = True
            await self._settled(self._worker)
        database = self._database
        try:
            async with database.returning():
                await self._bring_tickets(database.local)
                await self._bring_leftovers(database.local)
                async with database.shut():
                    await self._bring_tickets(database.local)
                    await self._bring_leftovers(database.local)
                    database.bind_primary()
            await self._bring_home(database.local)
        finally:
            self._rest_worker()

    async def _settled(self, worker: Worker) -> None:
        until = time.monotonic() + self._call + GRACE_SECONDS
        while worker.busy and time.monotonic() < until:  # noqa: ASYNC110  # calls to vendors end when they end
            await asyncio.sleep(0.05)

    # --- bringing home ---

    async def _adopt(self, orphan: StandbyFile) -> None:
        """Bring home what a process left behind that ended during an outage."""
        nothing_left = False
        try:
            await asyncio.to_thread(orphan.prepare)
            await self._bring_ended(orphan.database)
            await self._bring_home(orphan.database)
            nothing_left = await orphan.database.read(standby_file.is_empty)
        finally:
            await asyncio.to_thread(orphan.close, remove=nothing_left)

    async def _bring_home(self, local: Database) -> None:
        """Everything that a file still owes, and then forget it there."""
        if await local.read(standby_file.is_empty):
            return
        self._left.clear()
        await self._bring_tickets(local)
        done = await self._bring_leftovers(local)
        await self._apply_news(local)
        await local.write(lambda c: standby_file.empty(c, done))

    async def _bring_tickets(self, local: Database) -> None:
        """Bring what the primary lacks; what cannot be brought is left, and tried again in a later round."""
        while some := await local.read(self._next):
            # Followers after their heads, which may have another id on the primary.
            for follow in (False, True):
                now = [each for each in some if (each.ticket["caused_by"] is not None) is follow]
                await asyncio.gather(*(self._bring(local, each) for each in now))

    def _next(self, connection: Connection) -> list[Kept]:
        ids = standby_file.owed(connection, AT_ONCE + len(self._left))
        return kept(connection, [one for one in ids if one not in self._left])

    async def _bring(self, local: Database, one: Kept) -> None:
        ticket_id = one.ticket["id"]
        try:
            done = await self._brought(one)
        except StoreUnavailable:
            raise
        except Exception:
            # One that cannot be stored must not keep all others away; it stays in the file and is tried again.
            log.exception("failover.not_brought", ticket=ticket_id)
            self._left.add(ticket_id)
            return
        await local.write_together(_note_brought, one)
        self.brought[done.outcome] += 1
        log.debug("failover.brought", ticket=ticket_id, outcome=done.outcome, is_now=done.ticket_id)

    async def _brought(self, one: Kept) -> merging.Brought:
        for _ in range(TRIES - 1):
            try:
                return await self._database.write_there_together(self._merge, one)
            except IntegrityError:
                continue  # another server was at the same run at this moment: now it can be seen
        return await self._database.write_there_together(self._merge, one)

    def _merge(self, connection: Connection, some: list[Kept]) -> list[merging.Brought]:
        return merging.bring(connection, some, self._now())

    async def _bring_leftovers(self, local: Database) -> int:
        """Marks and the register of webhooks; how far the primary has the register."""
        name = await local.read(epoch)
        while True:
            done = await self._database.read_there(lambda c: leftovers.register_done(c, name))
            some = await local.read(lambda c, after=done: leftovers.next_piece(c, name, after))
            await self._database.write_there(lambda c, piece=some: leftovers.bring(c, piece))
            if not some.inbound:
                return done

    async def _apply_news(self, local: Database) -> None:
        """Give kept webhooks their effect, in the order in which they came."""
        while (row := await local.read(standby_file.oldest_news)) is not None:
            outcome, reason = await self._applied(InboundRequest(json.loads(row.headers), {}, row.body))
            await self._intake.note(DOOR, outcome, reason, row.body)
            await local.write(lambda c, number=row.id: standby_file.forget_news(c, number))

    async def _applied(self, request: InboundRequest) -> tuple[str, str]:
        try:
            change = self._jira.read_update(request) if self._jira is not None else None
        except BadPayload as bad:
            return "rejected", bad.reason
        if change is None:
            return jira_sync.IGNORED, "No status of an issue changed, or we changed it ourselves."
        return await self._database.write_there(lambda c: jira_sync.apply(c, change, self._now()))


def _note_brought(connection: Connection, some: list[Kept]) -> list[None]:
    for one in some:
        standby_file.note_brought(connection, one.ticket["id"], one.newest, one.ticket["seen_count"])
    return [None] * len(some)
