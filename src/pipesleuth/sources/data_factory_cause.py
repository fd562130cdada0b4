"""Why a pipeline's run failed: down through child pipelines and containers to the innermost failed activity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from pipesleuth.model import Failure, Permanent, Retryable
from pipesleuth.sources import text
from pipesleuth.sources.contract import Told
from pipesleuth.sources.data_factory_api import Factories, Json
from pipesleuth.sources.data_factory_run import (
    activity_error,
    child_run,
    databricks_page,
    innermost,
    is_going,
    is_handled,
    parent_of,
    run_facts,
    run_group,
)
from pipesleuth.sources.hindrance import FACT, Hindrances, reason_of

T = TypeVar("T")
DEEPEST = 8
AROUND = timedelta(hours=1)  # the query's window is about when activities changed last
RETENTION = timedelta(days=45)
Databricks = Callable[[str, Failure], Awaitable[Told | None]]
"""Asks about the Databricks run at a page's address; None where it is in no workspace that may be asked."""


class Cause:
    """Asks one factory about one failure; what was learned so far can be read at any time."""

    def __init__(
        self,
        factories: Factories,
        factory: str,
        failure: Failure,
        databricks: Databricks | None,
        now: datetime,
    ) -> None:
        self._factories = factories
        self._factory = factory
        self._failure = failure
        self._databricks = databricks
        self._now = now
        self._facts = {name: value for name, value in failure.facts.items() if name != FACT}
        self._text = ""
        self._causes: list[str] = []
        self._visited = {failure.run_id}
        self._remarks: list[tuple[str, str]] = []
        self._waits: Retryable | None = None
        self.hindrances = Hindrances()

    def told(self) -> Told:
        """What is known by now."""
        message = self._failure.error_message
        if self._text and self._text not in message:
            message = self._text
        failure = replace(self._failure, error_message=message, facts=self._facts | self.hindrances.fact())
        return Told(
            failure=failure,
            hindrance=self.hindrances.worst or self._waits,
            causes=tuple(self._causes),
            remarks=tuple(self._remarks),
        )

    async def of_run(self, run_id: str) -> None:
        """Learn why a run failed."""
        run = await self._read("the pipeline run", self._factories.pipeline_run(self._factory, run_id))
        if run is None:
            return
        parent = parent_of(run)
        self._failure = replace(
            self._failure,
            pipeline=text.name(run.get("pipelineName")) or self._failure.pipeline,
            run_group=run_group(run) or self._failure.run_group,
            parent_run_id=parent or self._failure.parent_run_id,
            occurred_at=text.moment_of(run.get("runEnd")) or self._failure.occurred_at,
        )
        self._facts |= run_facts(run)
        if is_going(run):
            # A pipeline's own Web activity reports while it still runs: whether it ends well shows later.
            self._waits = Retryable("The run goes on, so whether its failure was handled is not known yet.")
        await self._down(run, run_id, 0)
        if not self._text and not self._failure.error_message:
            self._text = text.message(run.get("message"))

    async def _down(self, run: Json, run_id: str, depth: int) -> None:
        since = (text.moment_of(run.get("runStart")) or self._now - RETENTION) - AROUND
        until = (text.moment_of(run.get("runEnd")) or self._now) + AROUND
        found = await self._read(
            "the activity runs", self._factories.failed_activities(self._factory, run_id, since, until)
        )
        if not found:
            return
        self._mark_handled(run, found, depth)
        activity = innermost(found, text.message(run.get("message")))
        if activity is not None:
            await self._into(activity, depth)

    def _mark_handled(self, run: Json, found: Sequence[Json], depth: int) -> None:
        if depth or not is_handled(run):
            return
        names = ", ".join(dict.fromkeys(str(each.get("activityName")) for each in found[:10]))
        self._facts["handled"] = "yes"
        sentence = (
            f"Data Factory counts the run as Succeeded: the failure of {names} was handled inside the pipeline, which "
            "reported it itself."
        )
        self._remarks.append(("Handled Failure", sentence[:1000]))

    async def _into(self, activity: Json, depth: int) -> None:
        """Into a failed activity: what it says itself, and what the run it started says."""
        self._learn(activity)
        child = child_run(activity)
        if child is not None and child not in self._visited and depth < DEEPEST:
            self._visited.add(child)
            self._causes.append(child)
            self._facts["child_run_id"] = child
            run = await self._read("the child pipeline's run", self._factories.pipeline_run(self._factory, child))
            if run is not None:
                self._facts["child_pipeline"] = text.name(run.get("pipelineName")) or "unnamed"
                await self._down(run, child, depth + 1)
            return
        page = databricks_page(activity)
        if page is not None:
            self._facts["databricks_page"] = page
            await self._on_databricks(page)

    def _learn(self, activity: Json) -> None:
        code, kind, said = activity_error(activity)
        self._failure = replace(
            self._failure,
            activity=text.name(activity.get("activityName")) or self._failure.activity,
            activity_type=text.name(activity.get("activityType")) or self._failure.activity_type,
            error_code=code or self._failure.error_code,
            failure_type=kind or self._failure.failure_type,
        )
        self._text = said or self._text
        given = {
            "activity_run_id": text.ident(activity.get("activityRunId")),
            "linked_service": text.name(activity.get("linkedServiceName")),
            "activity_pipeline": text.name(activity.get("pipelineName")),
        }
        self._facts |= {name: value for name, value in given.items() if value}

    async def _on_databricks(self, page: str) -> None:
        if self._databricks is None:
            return
        told = await self._databricks(page, self._failure)
        if told is None:
            return
        inner = told.failure
        if inner.run_id is not None:
            self._causes += [inner.run_id, *told.causes]
        if inner.error_message and inner.error_message not in self._text:
            self._text = text.message("\n\n".join(filter(None, (self._text, inner.error_message))))
        wanted = ("task_key", "path", "cluster_id", "cluster_reason", "termination_code", "job_id")
        self._facts |= {name: inner.facts[name] for name in wanted if name in inner.facts}
        if told.hindrance is not None:
            self.hindrances.add(f"Of the Databricks run: {reason_of(told.hindrance)}", told.hindrance)

    async def _read(self, what: str, call: Awaitable[T]) -> T | None:
        """What a call answers; None, and a hindrance to be told, where it was refused."""
        try:
            return await call
        except (Retryable, Permanent) as error:
            self.hindrances.unread(what, error)
            return None
