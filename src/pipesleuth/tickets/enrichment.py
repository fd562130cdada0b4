"""What a failure's platform tells about it, taken over into its ticket: facts, relatives, and what was missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field
from pydantic_core import to_json
from sqlalchemy import Connection, RowMapping, select, update

from pipesleuth.db.database import Database
from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Ticket, Todo
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import Failure, Retryable, moment
from pipesleuth.sources.contract import Source, Told
from pipesleuth.tickets import lifecycle, lineage, trail
from pipesleuth.tickets.finops import FinOps
from pipesleuth.tickets.intake import Intake
from pipesleuth.triage.diagnose import Triage

FACT = "enrichment"  # the fact that says what could not be read
_LEAST_SECONDS = 1.0
_TOLD_FACTS = ("task_key", "path", "child_pipeline", "cluster_reason", "termination_code", "failed_tasks", "handled")


class EnrichmentSettings(EnvironmentSettings):
    """How long the platforms are asked about one failure."""

    enrich_seconds: float = Field(
        12, gt=0, le=25, description="How long one look at a failure on its platform may take, in seconds."
    )


class Enrichment:
    """Asks the sources' platforms for tickets; part of the to-do `analyse`, before the diagnosis."""

    def __init__(
        self,
        database: Database,
        sources: Mapping[str, Source],
        intake: Intake,
        triage: Triage,
        finops: FinOps,
        *,
        seconds: float = 12,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._sources = sources
        self._intake = intake
        self._triage = triage
        self._finops = finops
        self._seconds = seconds
        self._now = now

    async def on(self, row: RowMapping, read: Failure) -> tuple[Failure, Retryable | None]:
        """The failure with what its platform told, written on its ticket; and why a later try may tell more."""
        source, began = self._sources[read.source], asyncio.get_running_loop().time()
        since = moment(row["timestamp"])
        told = await source.enrich(read, known_since=since, seconds=self._seconds)
        if told.runs:
            run = await self._shared_out(row, told)
            if run is None:
                return told.failure, None
            left = self._seconds - (asyncio.get_running_loop().time() - began)
            told = await source.enrich(run, known_since=since, seconds=max(left, _LEAST_SECONDS))
        if not told.asked:
            return read, None
        await self._database.write(lambda c: self._record(c, row["id"], read, told))
        await self._admit_new(told.later, row, "A repair of the run failed too.")
        return told.failure, told.hindrance if isinstance(told.hindrance, Retryable) else None

    async def _shared_out(self, row: RowMapping, told: Told) -> Failure | None:
        """An alert's runs: the first without a ticket takes the alert's over, the others get their own."""
        taken = await self._database.write(lambda c: self._take_over(c, row["id"], told))
        others = [run for run in told.runs if taken is None or run.run_id != taken.run_id]
        await self._admit_new(others, row, f"Found in the window of the alert that made {row['id']}.")
        return taken

    def _take_over(self, connection: Connection, ticket_id: str, told: Told) -> Failure | None:
        """Make the alert's ticket that of its first run without one; folded under a run's where all have one."""
        row, alert = lifecycle.fetch(connection, ticket_id), told.failure.run_id or ""
        known = lineage.ticketed(connection, [run.run_id for run in told.runs if run.run_id])
        if any(each == ticket_id for each in known.values()):
            return next(run for run in told.runs if known.get(run.run_id or "") == ticket_id)
        doubtful = select(Todo.kind).where(Todo.ticket_id == ticket_id, Todo.in_doubt)
        if connection.execute(doubtful).first() is not None:
            # What is on its way carries the alert's mark: another mark would make a second issue of it.
            raise Retryable("People are being told of the alert just now; its run is looked up a moment later.")
        for run in told.runs:
            if run.run_id is not None and run.run_id not in known and _renamed(connection, ticket_id, run.run_id):
                lineage.remember_alias(connection, alert, run.run_id, self._now())
                values = {"run_id": run.run_id, "pipeline": run.pipeline, "run_url": run.run_url}
                details = f"The alert named no run; the run history of its window shows {run.run_id} of {run.pipeline}."
                entry = trail.Entry(action="Run Found", details=details)
                lifecycle.change(connection, {**row, **values}, values, entry, self._now())
                return run
        head = lineage.head_of(connection, next(iter(known.values())))
        if head != ticket_id and row["caused_by"] is None:
            lineage.fold(connection, row, lifecycle.fetch(connection, head), self._now())
        return None

    async def _admit_new(self, runs: Sequence[Failure], row: RowMapping, opening: str) -> None:
        """Tickets for runs that have none."""
        keys = [run.run_id for run in runs if run.run_id]
        known = await self._database.read(lambda c: lineage.ticketed(c, keys)) if keys else {}
        for run in runs:
            if run.run_id is None or run.run_id in known:
                continue
            body = to_json({"found_by": row["id"], "failure": _plain(run)})
            source = self._sources[run.source]
            await self._intake.admit(
                run, self._triage.provisional(run), body, prefix=source.prefix, door="enrichment", opening=opening
            )

    def _record(self, connection: Connection, ticket_id: str, read: Failure, told: Told) -> None:
        """Write what was told on the ticket, and in the trail what could not be read."""
        row = lifecycle.fetch(connection, ticket_id)
        failure, now = told.failure, self._now()
        values = self._columns(row, failure)
        if values or failure.error_message != read.error_message:
            entry = trail.Entry(action="Enriched", details=_what(failure))
            lifecycle.change(connection, row, values, entry, now)
            row = lifecycle.fetch(connection, ticket_id)
        missing = failure.facts.get(FACT)
        if missing and missing != read.facts.get(FACT):
            lifecycle.said(connection, row, "Enrichment Failed", trail.SYSTEM, now, missing)
        if "handled" not in read.facts:
            for action, sentence in told.remarks:
                lifecycle.said(connection, row, action, trail.SYSTEM, now, sentence)
        lifecycle.learn(connection, row, failure)
        lineage.join(connection, ticket_id, failure, told.causes, now)

    def _columns(self, row: RowMapping, failure: Failure) -> dict[str, Any]:
        """What of the ticket's card the platform knows better."""
        tags = self._finops.extract_finops_tags(failure.pipeline, failure.resource_type, failure.tags)
        values = {
            "pipeline": failure.pipeline,
            "run_url": failure.run_url,
            "activity": failure.activity,
            "error_code": failure.error_code,
            "finops_team": tags.team,
            "finops_owner": tags.owner,
            "finops_cost_center": tags.cost_center,
        }
        return {name: value for name, value in values.items() if value is not None and row[name] != value}


def _renamed(connection: Connection, ticket_id: str, run_id: str) -> bool:
    """Whether the ticket is this run's now; not where a webhook for the run came in at the same moment."""
    return wrote_first(connection, update(Ticket).where(Ticket.id == ticket_id).values(run_id=run_id))


def _plain(failure: Failure) -> dict[str, Any]:
    known = {name: getattr(failure, name) for name in Failure.__dataclass_fields__}
    return {name: value for name, value in known.items() if value} | {
        "tags": dict(failure.tags),
        "facts": dict(failure.facts),
    }


def _what(failure: Failure) -> str:
    """What the platform told, for the trail."""
    where = f"{failure.activity} ({failure.activity_type})" if failure.activity_type else failure.activity
    facts = [f"{name.replace('_', ' ')} {failure.facts[name]}" for name in _TOLD_FACTS if name in failure.facts]
    parts = [f"failed in {where}" if where else "", failure.error_code or "", *facts]
    return f"The platform was asked: {'; '.join(filter(None, parts)) or 'nothing new'}."
