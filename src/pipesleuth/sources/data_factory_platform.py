"""The Data Factories that may be asked: why a run failed, which runs an alert is about, what else failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipesleuth.model import Failure, Permanent, Retryable
from pipesleuth.sources import text
from pipesleuth.sources.alert import FACTORY_TYPE
from pipesleuth.sources.contract import History, Told
from pipesleuth.sources.data_factory_api import Factories, factory_path
from pipesleuth.sources.data_factory_cause import Cause, Databricks
from pipesleuth.sources.data_factory_run import failure_of, success_of, thing_of
from pipesleuth.sources.data_factory_settings import DataFactorySettings
from pipesleuth.sources.hindrance import FACT, Hindrances
from pipesleuth.sources.pipeline_run import UNNAMED
from pipesleuth.sources.recovery import Awaited, Recovery, recoveries

MARGIN = timedelta(minutes=5)
MOST_RUNS = 200


class DataFactoryPlatform:
    """Azure's Data Factories as far as an identity may read them."""

    def __init__(
        self,
        settings: DataFactorySettings,
        *,
        databricks: Databricks | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._known = tuple(filter(None, map(factory_path, settings.factories)))
        self._factories = Factories(settings, now=now)
        self._databricks = databricks
        self._now = now

    @property
    def has_history(self) -> bool:
        """Whether a factory is named whose history can be read."""
        return bool(self._known)

    async def enrich(self, failure: Failure, *, known_since: datetime, seconds: float) -> Told:
        """What the factory knows of the failure, as far as `seconds` allow; raises nothing."""
        _ = known_since
        factory = self._factory(failure)
        if failure.run_id is None or failure.source != "data_factory":
            return Told(failure=failure, asked=False)
        if factory is None:
            # Other resources' alerts come in at the same door; nobody is to be asked about those.
            missing = Permanent(
                "Which factory to ask is not known: set AZURE_RESOURCE_GROUP and AZURE_DATA_FACTORY_NAME."
            )
            about_factory = failure.resource_type == FACTORY_TYPE
            return Told(failure=failure, hindrance=missing if about_factory else None, asked=about_factory)
        if failure.run_id.startswith("alert:"):
            return await self._alert(failure, factory, seconds)
        cause = Cause(self._factories, factory, failure, self._databricks, self._now())
        try:
            async with asyncio.timeout(seconds):
                await cause.of_run(failure.run_id)
        except TimeoutError:
            cause.hindrances.late("Data Factory", seconds)
        return cause.told()

    async def failed_runs(self, since: datetime, until: datetime) -> History:
        """Runs of the named factories that failed in between. Raises Retryable and Permanent."""
        found: list[Failure] = []
        for factory in self._known:
            runs = await self._factories.failed_runs(factory, since, until)
            found += [failure for run in runs if (failure := failure_of(run, factory)) is not None]
        return History(failures=tuple(found))

    async def recovered(self, failures: Sequence[Failure], since: datetime, until: datetime) -> list[Recovery]:
        """Which of these failed runs were made good in between: one question for each factory. Raises Retryable."""
        factories: dict[str, list[Failure]] = {}
        for failure in failures:
            factory = self._factory(failure) if failure.resource_type == FACTORY_TYPE else None
            if factory is not None and not (failure.run_id or "alert:").startswith("alert:"):
                factories.setdefault(factory, []).append(failure)
        found: list[Recovery] = []
        for factory, waiting in factories.items():
            names = dict.fromkeys(failure.pipeline for failure in waiting)
            try:
                runs = await self._factories.succeeded_runs(factory, since, until, list(names))
            except Permanent:
                continue  # a factory that an alert named and that may not be asked
            failed = {failure.run_id for failure in waiting}
            # A run that handled its failure ends well itself, and makes nothing good.
            good = [each for run in runs if (each := success_of(run, factory)) is not None and each.run not in failed]
            awaited = [Awaited(f, f.run_group or f.run_id, thing_of(factory, f.pipeline)) for f in waiting]
            found += recoveries(awaited, good, same="a rerun of its run group", other="the same pipeline")
        return found

    async def close(self) -> None:
        """Let go of connections."""
        await self._factories.close()

    def _factory(self, failure: Failure) -> str | None:
        given = factory_path(failure.resource_id)
        if given is not None:
            return given
        name = failure.facts.get("factory", "").lower()
        named = [each for each in self._known if each.rpartition("/")[2].lower() == name]
        return named[0] if named else (self._known[0] if len(self._known) == 1 and not name else None)

    async def _alert(self, failure: Failure, factory: str, seconds: float) -> Told:
        """The failed runs of the window that an alert without a run is about."""
        start = text.moment_of(failure.facts.get("window_start"))
        end = text.moment_of(failure.facts.get("window_end"))
        if start is None or end is None:
            start, end = (failure.occurred_at, failure.occurred_at) if failure.occurred_at else (None, None)
        if start is None or end is None:
            return Told(failure=failure, asked=False)
        trouble, runs = Hindrances(), list[Failure]()
        try:
            async with asyncio.timeout(seconds):
                listed = await self._factories.failed_runs(factory, start - MARGIN, end + MARGIN, _pipeline_of(failure))
            runs = [each for run in listed[:MOST_RUNS] if (each := failure_of(run, factory)) is not None]
        except TimeoutError:
            trouble.late("Data Factory", seconds)
        except (Retryable, Permanent) as error:
            trouble.unread("the run history", error)
        if not runs and trouble.worst is None:
            none = Retryable("The run history shows no failed run in the alert's window yet.")
            trouble.add(none.reason, none)
        facts = {name: value for name, value in failure.facts.items() if name != FACT}
        found = [replace(each, tags=failure.tags, facts={**facts, **each.facts}) for each in runs]
        found.sort(key=lambda each: (each.occurred_at or end, each.run_id or ""))
        asked = replace(failure, facts=facts | trouble.fact())
        return Told(failure=asked, hindrance=trouble.worst, runs=tuple(found))


def _pipeline_of(failure: Failure) -> str | None:
    """The pipeline that a metric alert's dimension names; None where the alert is about all of them."""
    others = {UNNAMED, "*", failure.facts.get("factory"), failure.facts.get("alert_rule")}
    return None if failure.pipeline in others else failure.pipeline
