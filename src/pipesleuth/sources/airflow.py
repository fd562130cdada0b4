"""Apache Airflow: what `deploy/airflow/pipesleuth_callback.py` posts, and what an instance's REST API tells besides.

Callbacks: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/logging-monitoring/callbacks.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

from pipesleuth.model import Failure, NotAFailure, Permanent, Retryable
from pipesleuth.sources import text
from pipesleuth.sources.airflow_api import AirflowApi, AirflowSettings, TaskRun
from pipesleuth.sources.contract import History, Told
from pipesleuth.sources.fields import Fields, error_said, fields, items, parsed, pick, said
from pipesleuth.sources.hindrance import FACT, Hindrances
from pipesleuth.sources.outcome import good_state, refuse_good_event
from pipesleuth.sources.recovery import Awaited, Recovery, Success, recoveries
from pipesleuth.sources.unread import scattered, subject, unwrapped

UNNAMED = "unknown DAG"
_MOST_TAGS = 30
_OTHER_STATES = {
    "upforretry": "Airflow tries the task again by itself",
    "upforreschedule": "the sensor waits for its next look",
    "deferred": "the task waits for its trigger",
    "scheduled": "the run has not ended",
    "restarting": "the task was cleared while it ran",
    "removed": "the task is no longer part of the DAG",
    "none": "the task has not begun",
}
_REASONS = {
    "task_failure": "a task failed",
    "timed_out": "the run took longer than its dagrun_timeout",
    "all_tasks_deadlocked": "none of the tasks that are left can start: their upstream tasks or their slots never come",
}
_FACTS = {
    "try": ("trynumber",),
    "max_tries": ("maxtries",),
    "run_type": ("runtype",),
    "logical_date": ("logicaldate", "executiondate"),
    "hostname": ("hostname",),
    "pool": ("pool",),
    "queue": ("queue",),
    "deployment": ("deployment",),
}


class Airflow:
    """Failures of Airflow's DAG runs; one run makes one ticket, however many of its tasks failed.

    `settings` name the instance that may be asked; None asks nobody.
    """

    name: str = "airflow"
    prefix: str = "AIR"
    aliases: tuple[str, ...] = ()

    def __init__(
        self, settings: AirflowSettings | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._api = AirflowApi(settings, now) if settings is not None and settings.configured else None

    @property
    def asks(self) -> bool:
        """Whether an instance is configured to be asked."""
        return self._api is not None

    @property
    def has_history(self) -> bool:
        """Whether failed runs can be listed."""
        return self._api is not None

    @property
    def fails_again(self) -> bool:
        """A cleared run keeps its id, and Airflow keeps no history of clearings that could be asked for."""
        return True

    def read(self, payload: Mapping[str, Any]) -> list[Failure]:
        """The failed run of a callback's body. Raises BadPayload or NotAFailure, each with its reason."""
        inner = payload if _names_a_dag(_sections(payload)) else unwrapped(payload) or payload
        sections = _sections(inner)
        if _names_a_dag(sections):
            _refuse_good_news(sections)
            return [self._failure(sections)]
        found, message = scattered(payload)
        known = self._failure((found,))
        spoken = pick((found,), ("pipelinename", "pipeline", "jobname"), text.name) or subject(found)
        named = known.pipeline if known.pipeline != UNNAMED else spoken or UNNAMED
        run = known.run_id or _key(None, named, pick((found,), ("pipelinerunid", "jobrunid"), text.run_identity))
        said_there = known.error_message or message
        return [replace(known, pipeline=named, run_id=run, error_message=said_there, unknown_shape=True)]

    def good_news(self, payload: Mapping[str, Any]) -> Success | None:
        """The DAG run that a callback for the whole DAG reports as succeeded; a task's own success is not the run's."""
        sections = _sections(payload)
        told = self._failure(sections)
        state, reason = pick(sections, ("state",), text.name), pick(sections, ("reason",), text.name)
        well = reason == "success" or (reason is None and told.activity is None and state == "success")
        if told.run_id is None or not well:
            return None
        how, ended = "the same DAG run, by its own report", told.occurred_at
        return Success(
            run=told.facts["dag_run_id"],
            group=told.run_id,
            thing=None,
            began=None,
            ended=ended,
            url=told.run_url,
            how=how,
        )

    async def enrich(self, failure: Failure, *, known_since: datetime, seconds: float) -> Told:
        """The failed tasks of the run and the end of the log of the first of them, as far as `seconds` allow."""
        del known_since
        dag, run = failure.facts.get("dag_id"), failure.facts.get("dag_run_id")
        if self._api is None or dag is None or run is None or "deployment" in failure.facts:
            return Told(failure=failure, asked=False)
        learned, hindrances = _Learned(failure), Hindrances()
        try:
            async with asyncio.timeout(seconds):
                await self._look(self._api, dag, run, learned)
        except TimeoutError:
            hindrances.late("Airflow", seconds)
        except (Retryable, Permanent) as error:
            hindrances.add(f"Airflow did not tell more: {error.reason.rstrip('. ')}.", error)
        facts = {name: value for name, value in learned.failure.facts.items() if name != FACT} | hindrances.fact()
        return Told(failure=replace(learned.failure, facts=facts), hindrance=hindrances.worst)

    async def failed_runs(self, since: datetime, until: datetime, running: Sequence[str] | None = None) -> History:
        """The DAG runs that ended as failed in between. Raises Retryable and Permanent."""
        del running  # runs are listed by when they ended, so that none has to be remembered
        if self._api is None:
            return History()
        found: list[Failure] = []
        async for run in self._api.runs("failed", since, until):
            told = fields(run)
            given: Fields = {"dagid": told.get("dagid"), "runid": told.get("dagrunid"), "state": "failed"}
            given |= {"enddate": told.get("enddate"), "runtype": told.get("runtype"), "reason": told.get("note")}
            given |= {"logicaldate": told.get("logicaldate", told.get("executiondate"))}
            known = self._failure((given,))
            if known.run_id is not None:
                found.append(known)
        return History(failures=tuple(found))

    async def recovered(
        self, failures: Sequence[Failure], since: datetime, until: datetime, history: History
    ) -> Sequence[Recovery]:
        """Which of these failed runs were made good in between: one question for each DAG. Raises Retryable."""
        del history
        ours = [failure for failure in failures if "dag_id" in failure.facts and "deployment" not in failure.facts]
        good: list[Success] = []
        if self._api is None:
            return ()
        for dag in dict.fromkeys(failure.facts["dag_id"] for failure in ours):
            try:
                good += await self._succeeded(self._api, dag, since, until)
            except Permanent:
                continue  # a DAG that is gone, or that this user may not read
        keys = ((each, each.facts["dag_id"], each.facts.get("dag_run_id")) for each in ours)
        awaited = [Awaited(failure, _key(None, dag, run), dag) for failure, dag, run in keys]
        return recoveries(awaited, good, same="the same DAG run", other="the same DAG")

    async def close(self) -> None:
        """Let go of connections."""
        if self._api is not None:
            await self._api.close()

    async def _succeeded(self, api: AirflowApi, dag: str, since: datetime, until: datetime) -> list[Success]:
        """A DAG's runs that succeeded in between. Raises Retryable and Permanent."""
        found: list[Success] = []
        async for told in api.runs("success", since, until, dag):
            run = fields(told)
            number = text.run_identity(run.get("dagrunid"))
            if number is not None and text.name(run.get("dagid")) == dag and run.get("state") == "success":
                key = _key(None, dag, number)
                found.append(
                    Success(
                        run=number,
                        group=key,
                        thing=dag,
                        began=text.moment_of(run.get("startdate")),
                        ended=text.moment_of(run.get("enddate")),
                        url=self._page(dag, number, None),
                    )
                )
        return found

    async def _look(self, api: AirflowApi, dag: str, run: str, learned: _Learned) -> None:
        """Raises Retryable and Permanent; what was learned until then stays."""
        failed = await api.failed_tasks(dag, run)
        first = _cause(failed, learned.failure.activity)
        if first is None:
            return
        learned.task(first, failed, self._page(dag, run, first))
        learned.log(await api.log_tail(dag, run, first))

    def _failure(self, sections: tuple[Fields, ...]) -> Failure:
        dag = pick(sections, ("dagid", "dag"), text.name)
        run = pick(sections, ("runid", "dagrunid"), text.run_identity)
        task = pick(sections, ("taskid", "task"), text.name)
        index = pick(sections, ("mapindex",), text.ident)
        facts = {name: pick(sections, keys, text.name) for name, keys in _FACTS.items()}
        facts |= {"dag_id": dag, "dag_run_id": run, "map_index": index if task else None}
        error = fields(parsed(pick(sections, ("exception",), _anything)))
        reason = pick(sections, ("reason",), text.name)
        kind = pick((error,), ("type",), text.code)
        return Failure(
            source=self.name,
            pipeline=dag or UNNAMED,
            run_id=_key(facts["deployment"], dag, run),
            error_message=_message(sections, error, reason),
            error_code=text.code(kind.rpartition(".")[2]) if kind else None,
            failure_type=pick(sections, ("state",), text.name) if task else reason,
            activity=text.name(f"{task[:250]} [{index[:40]}]") if task and index is not None else task,
            activity_type=pick(sections, ("operator",), text.name),
            run_url=self._page(dag, run, None) if "deployment" not in facts or facts["deployment"] is None else None,
            resource_type="Airflow DAG",
            occurred_at=pick(sections, ("enddate", "timestamp", "ts"), text.moment_of),
            run_group=None,
            tags=_tags(sections),
            facts={name: value for name, value in facts.items() if value is not None},
        )

    def _page(self, dag: str | None, run: str | None, task: TaskRun | None) -> str | None:
        """The run's own page, on the configured instance only: an address in a payload is nobody's word."""
        if self._settings is None or not self._settings.airflow_url or dag is None or run is None:
            return None
        base, where = self._settings.airflow_url, (quote(dag, safe=""), quote(run, safe=""))
        if self._settings.airflow_api == "v1":
            chosen = f"&task_id={quote(task.task_id, safe='')}&tab=logs" if task else ""
            return f"{base}/dags/{where[0]}/grid?dag_run_id={where[1]}{chosen}"
        return f"{base}/dags/{where[0]}/runs/{where[1]}" + (f"/tasks/{quote(task.task_id, safe='')}" if task else "")


class _Learned:
    """A failure that grows while its instance is asked."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure

    def task(self, first: TaskRun, failed: Sequence[TaskRun], page: str | None) -> None:
        """Take over which task broke the run."""
        names = dict.fromkeys(one.shown for one in failed)
        facts = {"failed_tasks": ", ".join(list(names)[:10])[: text.NAME_LIMIT], "try": str(first.tries)}
        known = self.failure
        self.failure = replace(
            known,
            activity=first.shown,
            activity_type=first.operator or known.activity_type,
            run_url=page or known.run_url,
            facts={**known.facts, **facts},
        )

    def log(self, tail: str) -> None:
        """Add the end of a task's log, where it says more than the alert."""
        known = self.failure.error_message
        if not tail or tail in known:
            return
        said_there = known and known.splitlines()[-1].strip() in tail
        message = tail if not known or said_there else f"{known}\n\n{tail}"
        self.failure = replace(self.failure, error_message=text.message(message))


def _cause(failed: Sequence[TaskRun], named: str | None) -> TaskRun | None:
    """The task that broke the run: the one the alert names, or the first that failed."""
    return next((one for one in failed if one.shown == named), None) or min(
        failed, key=lambda one: one.ended or "9", default=None
    )


def _sections(payload: Mapping[str, Any]) -> tuple[Fields, ...]:
    """The body and the objects of Airflow's context in it, under their folded names."""
    top = fields(payload)
    parts = [fields(parsed(top.get(name))) for name in ("taskinstance", "ti", "dagrun", "dag", "task")]
    return tuple(part for part in (top, *parts) if part)


def _names_a_dag(sections: tuple[Fields, ...]) -> bool:
    return pick(sections, ("dagid",), text.name) is not None


def _refuse_good_news(sections: tuple[Fields, ...]) -> None:
    """Raise NotAFailure for a success, a retry and everything else that has not failed."""
    event = pick(sections, ("event", "eventtype"), text.name)
    reason = pick(sections, ("reason",), text.name)
    if reason is not None:
        # A DAG's callback: the state there is that of its last task, which may even have succeeded.
        good = good_state((reason,))
        if good is not None:
            raise NotAFailure(good)
        return
    state = pick(sections, ("state",), text.name)
    other = _OTHER_STATES.get("".join(filter(str.isalnum, state.lower()))) if state else None
    if other is not None:
        raise NotAFailure(f"The state {text.name(state, 100)} reports no failure: {other}.")
    if event and "retry" in event.lower():
        raise NotAFailure(f"The event {event[:100]} reports no failure: Airflow tries the task again by itself.")
    refuse_good_event(event)
    good = good_state((state,))
    if good is not None and not error_said(sections):
        raise NotAFailure(good)


def _key(deployment: str | None, dag: str | None, run: str | None) -> str | None:
    """A run's id is its DAG's own (`scheduled__2026-11-20T02:00:00+00:00`), so that the DAG belongs to its identity."""
    if run is None:
        return None
    return text.bounded("/".join(filter(None, (deployment, dag, run))))


def _message(sections: tuple[Fields, ...], error: Fields, reason: str | None) -> str:
    """The traceback where there is one, else what the exception says, else why the run ended."""
    trace = pick((error,), ("traceback",), text.message)
    if trace:
        return trace
    kind, words = pick((error,), ("type",), text.name), said(cast("object", error)) if error else ""
    spoken = f"{kind}: {words}" if kind and words and not words.startswith(kind) else words or kind or ""
    spoken = spoken or error_said(sections)
    if not spoken and reason is not None:
        return f"DAG run failed ({reason}): {_REASONS.get(reason, reason)}."
    if not spoken and "upstreamfailed" in str(pick(sections, ("state",), text.name) or "").replace("_", ""):
        return "upstream_failed: a task before this one failed, so that it was not started."
    return spoken


def _tags(sections: tuple[Fields, ...]) -> dict[str, str]:
    """Airflow's tags are words; `team:finance` and `team=finance` name a value."""
    found: dict[str, str] = {}
    for tag in items(pick(sections, ("tags",), _anything), _MOST_TAGS):
        named = text.name(fields(tag).get("name", tag), 200)
        if named is not None:
            word, mark, value = named.partition("=" if "=" in named else ":")
            name, value = text.name(word, 100), text.name(value) if mark else "yes"
            if name is not None and value is not None:
                found.setdefault(name, value)
    owner = pick(sections, ("owner", "owners"), text.name)
    if owner is not None and owner.lower() != "airflow":  # the default, which is nobody
        found.setdefault("owner", owner)
    return found


def _anything(value: object) -> object:
    return value
