"""The to-do `analyse`: ask the platform, read the whole error, ask the analyst, and take over what is better."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import Connection, select

from pipesleuth.db.database import Database
from pipesleuth.db.tables import Ticket
from pipesleuth.model import Diagnosis, Failure, moment
from pipesleuth.outbox import todos
from pipesleuth.outbox.todos import Claim
from pipesleuth.outbox.worker import Done
from pipesleuth.tickets import lifecycle, trail
from pipesleuth.tickets.origin import recalled
from pipesleuth.triage.diagnose import Triage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What an analyst made of a failure: its diagnosis, or none; and what the audit trail is to say of it."""

    diagnosis: Diagnosis | None
    said: str


class Analyst(Protocol):
    """Gives a second opinion on a failure; never raises for its own faults."""

    async def __call__(self, failure: Failure, verdict: Diagnosis, fingerprint: str) -> Opinion:
        """What the analyst says, the knowledge base having given `verdict`."""
        ...


Enrich = Callable[[Failure], Awaitable[Failure]]


class Analysis:
    """Handles `analyse`; `enrich` asks a source's platform, `analyst` is the AI where one is configured."""

    def __init__(
        self,
        database: Database,
        triage: Triage,
        enrich: Mapping[str, Enrich],
        analyst: Analyst | None,
        *,
        give_up_seconds: float,
        warn_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._triage = triage
        self._enrich = enrich
        self._analyst = analyst
        self._give_up = timedelta(seconds=give_up_seconds)
        self._warn_seconds = warn_seconds
        self._now = now

    async def __call__(self, claim: Claim) -> Done:
        """Make the diagnosis better, or say why it stays; then the channels wait no longer."""
        row = await self._database.read(
            lambda c: c.execute(select(Ticket).where(Ticket.id == claim.ticket_id)).mappings().one()
        )
        if self._now() - moment(row["timestamp"]) > self._give_up:
            return Done(claim.wanted_version, effects=lambda c: self._too_late(c, claim.ticket_id))
        read = recalled(row)
        failure = await self._enrich[read.source](read) if read.source in self._enrich else read
        verdict = self._triage.full(failure)
        opinion = await self._analyst(failure, verdict, row["fingerprint"]) if self._analyst else Opinion(None, "")
        said = opinion.said or f"The whole error was read; {verdict.said_by} says {verdict.category}."
        best = opinion.diagnosis or verdict
        return Done(claim.wanted_version, effects=lambda c: self._write(c, claim.ticket_id, read, failure, best, said))

    def _write(
        self, connection: Connection, ticket_id: str, read: Failure, failure: Failure, best: Diagnosis, said: str
    ) -> None:
        now = self._now()
        row = lifecycle.fetch(connection, ticket_id)
        if failure != read:
            lifecycle.learn(connection, row, failure)
            row = lifecycle.fetch(connection, ticket_id)
        changed = lifecycle.rediagnose(connection, row, best, now, warn_seconds=self._warn_seconds, details=said)
        if not changed and self._analyst is not None:
            entry = trail.Entry(action="RCA Confirmed", by=best.said_by, details=said)
            trail.write(connection, [trail.line(row, entry, now)])
        todos.hasten(connection, ticket_id, lifecycle.CHANNELS, now)

    def _too_late(self, connection: Connection, ticket_id: str) -> None:
        now = self._now()
        row = lifecycle.fetch(connection, ticket_id)
        minutes = round(self._give_up.total_seconds() / 60)
        details = f"It was not analysed within {minutes} minutes, so the knowledge base's verdict stands."
        trail.write(connection, [trail.line(row, trail.Entry(action="RCA Skipped", details=details), now)])
        todos.hasten(connection, ticket_id, lifecycle.CHANNELS, now)
