"""The reconciler: what the platforms' own histories show as failed and nobody told us of becomes a ticket."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated

import structlog
from pydantic import Field, field_validator
from pydantic_core import to_json
from pydantic_settings import NoDecode

from pipesleuth.db.database import Database
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import Failure, Permanent, Retryable, StoreUnavailable, timestamp
from pipesleuth.sources.contract import History, Source
from pipesleuth.tickets import coverage, lineage, recovery
from pipesleuth.tickets.arrival import SUCCESS
from pipesleuth.tickets.intake import Intake
from pipesleuth.tickets.recurrence import REPAIRED, ask_again
from pipesleuth.triage.diagnose import Triage

FIRST_LOOK_BACK = timedelta(hours=1)
OVERLAP = timedelta(minutes=5)
SUCCESSES_SECONDS = 60  # what a slow platform may take of a round to say what ended well
AT_ONCE = 16  # tickets made together, so that they share commits and webhooks still get through
DOOR = "reconciler"
MISSED = "The run stands in the platform's own history; its webhook never came."

log = structlog.get_logger(__name__)


class ReconcilerSettings(EnvironmentSettings):
    """How the platforms' histories are compared with the tickets; off where no platform can be asked."""

    reconcile_seconds: float = Field(
        120, ge=0, description="How often the histories are read, in seconds; 0 reads them only by command."
    )
    reconcile_grace_seconds: float = Field(
        60, ge=0, description="How long after a run's end its webhook may still come, in seconds."
    )
    reconcile_include: Annotated[tuple[str, ...], NoDecode] = Field(
        ("*",), description="Names of pipelines and jobs that are reconciled: globs, comma-separated."
    )
    reconcile_exclude: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names that are not, even where RECONCILE_INCLUDE has them: globs, comma-separated."
    )

    @field_validator("reconcile_include", "reconcile_exclude", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    def wants(self, pipeline: str) -> bool:
        """Whether runs of this name are reconciled; letter case does not matter."""
        name = pipeline.lower()
        included = any(fnmatchcase(name, glob.lower()) for glob in self.reconcile_include)
        return included and not any(fnmatchcase(name, glob.lower()) for glob in self.reconcile_exclude)


@dataclass(slots=True)
class Round:
    """What one reading of a platform's history found: failed runs, those without a ticket, tickets made."""

    source: str
    since: datetime
    until: datetime
    failed: int = 0
    missing: list[Failure] = field(default_factory=list[Failure])
    made: int = 0
    problem: str | None = None


class Reconciler:
    """Compares histories with tickets; of several servers one at a time."""

    def __init__(
        self,
        database: Database,
        sources: Sequence[Source],
        intake: Intake,
        triage: Triage,
        settings: ReconcilerSettings,
        *,
        lease_seconds: float = 15,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._sources = [source for source in sources if source.has_history]
        self._intake = intake
        self._triage = triage
        self._settings = settings
        self._lease = timedelta(seconds=lease_seconds)
        self._now = now
        self._me = str(uuid.uuid4())

    @property
    def at_work(self) -> bool:
        """Whether there is a history to read now and then."""
        return bool(self._sources) and self._settings.reconcile_seconds > 0

    @property
    def platforms(self) -> tuple[str, ...]:
        """The sources whose history can be read."""
        return tuple(source.name for source in self._sources)

    async def run(self) -> None:
        """Read the histories every so often, until cancelled. The edge: a fault here is logged, and tried again."""
        while True:
            try:
                await self.round(rest=timedelta(seconds=self._settings.reconcile_seconds * 0.9))
            except StoreUnavailable as error:
                log.warning("reconciler.waits", reason=str(error))
            except Exception:
                log.exception("reconciler.failed")
            await asyncio.sleep(self._settings.reconcile_seconds)

    async def round(self, *, rest: timedelta = timedelta(0)) -> list[Round]:
        """Everything since the last round; nothing where another server is at it.

        For so long a `rest` no other server may begin a round: the platforms are asked as often by many as by one.
        """
        if self._database.outage is not None:
            return []  # what is missing here may be in the database that is away
        if not await self._database.write(lambda c: coverage.take_turn(c, self._me, self._now(), self._lease)):
            return []
        until = self._now() + rest
        holding = asyncio.create_task(self._hold(), name="reconciler.hold")
        try:
            return [await self._platform(source) for source in self._sources]
        finally:
            holding.cancel()
            await self._database.write(lambda c: coverage.end_turn(c, self._me, max(until, self._now())))

    async def by_hand(
        self,
        since: datetime,
        *,
        dry_run: bool,
        listed: Callable[[Round], None] = lambda _round: None,
        made: Callable[[], None] = lambda: None,
    ) -> list[Round]:
        """Everything since a moment, as a person asked; `listed` and `made` are told how far it is."""
        rounds: list[Round] = []
        for source in self._sources:
            found, history = Round(source.name, since, self._now() - self._grace), History()
            try:
                history = await source.failed_runs(found.since, found.until, None)
            except (Retryable, Permanent) as error:
                found.problem = error.reason
            else:
                await self._compared(found, history)
            listed(found)
            if not dry_run:
                await self._make(found, made)
                await self._tell_of_successes(source, found, history)
                await self._database.write(lambda c, f=found: coverage.add(c, f.source, f.made))
            rounds.append(found)
        return rounds

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._settings.reconcile_grace_seconds)

    async def _platform(self, source: Source) -> Round:
        """One platform's history since its own mark; its trouble is not the others'."""
        before = await self._database.read(lambda c: coverage.progress(c, source.name))
        start = before.until if before is not None else self._now() - FIRST_LOOK_BACK
        found = Round(source.name, start - OVERLAP if before is not None else start, self._now() - self._grace)
        if found.until <= start:
            return found
        try:
            history = await source.failed_runs(found.since, found.until, before.running if before is not None else None)
        except (Retryable, Permanent) as error:
            found.problem = error.reason
            log.warning("reconciler.not_read", source=source.name, reason=error.reason)
            reason = error.reason
            await self._database.write(lambda c: coverage.trouble(c, source.name, reason, self._now()))
            return found
        known = await self._compared(found, history)
        await self._make(found)
        await self._ask_again(known)
        await self._tell_of_successes(source, found, history)
        wanted = [failure for failure in history.failures if self._settings.wants(failure.pipeline)]
        fresh = sum(1 for failure in wanted if (failure.occurred_at or found.until) > start)
        late = sum(1 for failure in found.missing if (failure.occurred_at or found.until) <= start)
        await self._database.write(
            lambda c: coverage.advance(
                c, source.name, since=start, until=found.until, running=history.running, failed_runs=fresh + late
            )
        )
        log.info("reconciler.read", source=source.name, failed=found.failed, made=found.made)
        return found

    async def _compared(self, found: Round, history: History) -> list[tuple[Failure, str]]:
        """Sort the history's runs into those with a ticket, which are returned, and those without."""
        runs = {failure.run_id: failure for failure in history.failures if self._settings.wants(failure.pipeline)}
        tickets = await self._database.read(lambda c: lineage.ticketed(c, [run for run in runs if run]))
        if self._database.outage is not None:
            raise StoreUnavailable("Which runs have a ticket cannot be seen during an outage of the database.")
        found.failed = len(runs)
        found.missing = [failure for run, failure in runs.items() if run not in tickets]
        return [(runs[run], ticket) for run, ticket in tickets.items()]

    async def _make(self, found: Round, made: Callable[[], None] = lambda: None) -> None:
        """Tickets for what is missing, oldest first; one that a webhook makes meanwhile is its."""
        latest = datetime.max.replace(tzinfo=UTC)
        missing = sorted(found.missing, key=lambda failure: failure.occurred_at or latest)
        prefixes = {source.name: source.prefix for source in self._sources}
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            outcomes = await asyncio.gather(*(self._admit(failure, prefixes[failure.source]) for failure in some))
            for outcome in outcomes:
                found.made += outcome == SUCCESS
                made()

    async def _admit(self, failure: Failure, prefix: str) -> str:
        body = to_json({"found_by": DOOR, "source": failure.source, "run_id": failure.run_id, **_told(failure)})
        diagnosis = self._triage.provisional(failure)
        opening = "Found by reconciling."
        admission = await self._intake.admit(
            failure, diagnosis, body, prefix=prefix, door=DOOR, opening=opening, missed=MISSED
        )
        return admission.outcome

    async def _ask_again(self, known: Sequence[tuple[Failure, str]]) -> None:
        """A run that ended once more after its ticket was made was repaired: its platform tells how that ended."""
        ended = {
            ticket: timestamp(failure.occurred_at)
            for failure, ticket in known
            if failure.source == REPAIRED and failure.occurred_at is not None
        }
        if ended:
            later = await self._database.read(lambda c: coverage.made_before(c, ended))
            if later:
                await self._database.write(lambda c: ask_again(c, later, self._now()))

    async def _tell_of_successes(self, source: Source, found: Round, history: History) -> None:
        """Open tickets hear of later runs that ended well; what cannot be asked now does not spoil the round."""
        waiting = await self._database.read(lambda c: recovery.waiting(c, source.name))
        failures = [failure for failure in waiting if self._settings.wants(failure.pipeline)]
        if found.problem is not None or not failures:
            return
        # Longer than the round: a question that went wrong, and a webhook that came late, are made up for.
        since = min(found.since, found.until - FIRST_LOOK_BACK)
        try:
            async with asyncio.timeout(SUCCESSES_SECONDS):
                recovered = await source.recovered(failures, since, found.until, history)
        except (Retryable, Permanent, TimeoutError) as error:
            log.warning("reconciler.successes_not_read", source=source.name, reason=str(error) or "it took too long")
            return
        if recovered:
            await self._database.write(lambda c: recovery.tell(c, recovered, self._now()))

    async def _hold(self) -> None:
        """Keep the turn while the round goes on."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                await self._database.write(lambda c: coverage.take_turn(c, self._me, self._now(), self._lease))
            except StoreUnavailable as error:
                log.warning("reconciler.not_held", reason=str(error))


def _told(failure: Failure) -> Mapping[str, object]:
    known = {name: getattr(failure, name) for name in ("pipeline", "error_message", "error_code", "run_url")}
    return known | {"occurred_at": failure.occurred_at, "facts": dict(failure.facts), "tags": dict(failure.tags)}
