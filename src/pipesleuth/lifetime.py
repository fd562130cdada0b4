"""A process from its start to a clean end: what runs in the background, and what it lets go of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from pipesleuth import __version__ as version
from pipesleuth import traces
from pipesleuth.db.database import Database
from pipesleuth.db.standby import begin
from pipesleuth.destinations.contract import Destination
from pipesleuth.destinations.jira import Jira
from pipesleuth.live import Bell, Hub
from pipesleuth.model import Permanent, Retryable, StoreUnavailable
from pipesleuth.outbox import beats
from pipesleuth.outbox.heartbeat import Heartbeat, Switch
from pipesleuth.outbox.worker import Worker
from pipesleuth.settings import Settings
from pipesleuth.sources.contract import Source
from pipesleuth.tickets import indexing, rounds
from pipesleuth.tickets.failover import PRIMARY, Failover
from pipesleuth.tickets.reconciler import Reconciler
from pipesleuth.triage.analyst import Analyst
from pipesleuth.web.deps import House

FAULT_SECONDS = 1.0  # before something that went wrong is begun anew

log = structlog.get_logger(__name__)
Clock = Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class Parts:
    """What a process runs besides answering requests."""

    settings: Settings
    database: Database
    bell: Bell
    hub: Hub
    house: House
    worker: Worker | None
    clock: Clock
    told: Mapping[str, Destination]
    analyst: Analyst | None
    asked: tuple[Source, ...]
    reconciler: Reconciler
    works: bool = True  # off to-dos, also while the primary database is there
    failover: Failover | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def let_run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Let something run in the background until the end."""
        self.tasks.append(asyncio.create_task(work, name=name))

    async def close(self) -> None:
        """Give back what the parts hold: connections, threads, the database."""
        for outside in (*self.told.values(), *self.asked):
            await outside.close()
        if self.analyst is not None:
            await self.analyst.close()
        await self.house.identity.close()
        await asyncio.to_thread(self.database.close)


@contextlib.asynccontextmanager
async def running(parts: Parts, *, serves: bool = True) -> AsyncGenerator[None]:
    """Everything that runs in the background, from an upgraded database to a clean end.

    `serves` says whether this process takes webhooks in.
    """
    if parts.settings.otel_exporter_otlp_endpoint:
        await asyncio.to_thread(traces.start, parts.settings.otel_exporter_otlp_endpoint, version)
    await begin(parts.database)
    if parts.failover is not None:
        await parts.failover.begin()
        parts.let_run("failover", parts.failover.run())
    with contextlib.suppress(StoreUnavailable):  # a server may start before its database does
        await parts.house.feed.skip()  # from here on every change is told, the first one too
    parts.let_run("hub", _follow(parts.hub))
    parts.let_run("duplicates", rounds.count_duplicates(parts.house.intake))
    parts.let_run("search", indexing.keep_words(parts.database, parts.house.intake.flooded))
    parts.let_run("jira.myself", _recognise_ourselves(parts.told))
    if parts.worker is not None:
        parts.let_run("worker", parts.worker.run())
        if parts.reconciler.at_work and parts.works:
            parts.let_run("reconciler", parts.reconciler.run())
        warn = parts.settings.sla_warn_seconds
        parts.let_run("deadlines", rounds.watch_deadlines(parts.database, parts.clock, warn))
    parts.let_run("heartbeat", _heartbeat(parts, serves=serves).run())
    try:
        yield
    finally:
        await _stop(parts)
        if parts.settings.otel_exporter_otlp_endpoint:
            await asyncio.to_thread(traces.stop)


def _heartbeat(parts: Parts, *, serves: bool) -> Heartbeat:
    """What this process tells the others, and a dead-man switch, of its life."""
    settings, house = parts.settings, parts.house
    url = settings.heartbeat_url.get_secret_value() if settings.heartbeat_url else ""

    def roles() -> list[str]:
        beat = house.worker_beat()
        works = beat is not None and parts.clock() - beat < beats.LIVES
        return [*([beats.SERVER] if serves and not house.draining else []), *([beats.WORKER] if works else [])]

    switch = Switch(url, settings.heartbeat_seconds) if url else None
    return Heartbeat(parts.database, roles, switch, now=parts.clock, primary=lambda: house.failover() == PRIMARY)


async def _recognise_ourselves(told: Mapping[str, Destination]) -> None:
    """Learn which changes in Jira are our own, so that they do not come back as news."""
    jira = told.get("jira")
    if isinstance(jira, Jira):
        try:
            await jira.recognise_ourselves()
        except (Retryable, Permanent) as error:
            log.warning("jira.not_recognised", reason=error.reason)


async def _stop(parts: Parts) -> None:
    if parts.worker is not None:
        parts.worker.stop()
    for task in parts.tasks:
        if task.get_name() != "worker":
            task.cancel()
    ended = await asyncio.gather(*parts.tasks, return_exceptions=True)
    for task, error in zip(parts.tasks, ended, strict=True):
        if isinstance(error, Exception):
            log.error("task.failed", task=task.get_name(), exc_info=error)
    parts.tasks.clear()
    await parts.close()


async def _follow(hub: Hub) -> None:
    """Tell dashboards what changes. The app's edge: a fault here is logged, and followed on from there."""
    while True:
        try:
            await hub.follow()
        except Exception:
            log.exception("live.failed")
        await asyncio.sleep(FAULT_SECONDS)
