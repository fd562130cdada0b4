"""Why a Databricks run failed: down from the run to the task, the job or the iteration that broke, and its cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from pipesleuth.model import Failure, Permanent, Retryable
from pipesleuth.sources import text
from pipesleuth.sources.contract import Told
from pipesleuth.sources.databricks_api import Workspace
from pipesleuth.sources.databricks_run import (
    Json,
    Key,
    better_name,
    cluster_of,
    ended_at,
    kind_of,
    later_failures,
    number,
    page_of,
    part,
    parts,
    path_of,
    roots,
    tasks_before,
    tasks_of_repair,
    termination,
    word,
)
from pipesleuth.sources.hindrance import FACT, Hindrances

T = TypeVar("T")
DEEPEST = 5
_CLUSTER_CODES = frozenset(
    {"CLUSTER_ERROR", "INVALID_CLUSTER_REQUEST", "CLUSTER_REQUEST_LIMIT_EXCEEDED", "CLOUD_FAILURE", "DRIVER_ERROR"}
    | {"LIBRARY_INSTALLATION_ERROR", "MAX_SPARK_CONTEXTS_EXCEEDED", "STORAGE_ACCESS_ERROR", "INTERNAL_ERROR"}
)
_CLUSTER_WORDS = ("cluster", "driver", "spark context", "executor", "out of memory")
_WANTED_ENDS = frozenset({"INACTIVITY", "USER_REQUEST", "JOB_FINISHED", "SUCCESS"})
_CLUSTER_TROUBLE = frozenset(
    {"DRIVER_NOT_RESPONDING", "DRIVER_UNAVAILABLE", "NODES_LOST", "SPARK_EXCEPTION", "METASTORE_DOWN", "DBFS_DOWN"}
    | {"FAILED_TO_EXPAND_DISK", "NODE_BLACKLISTED", "NODE_EXCLUDED_DECOMMISSIONED", "INIT_SCRIPTS_FAILED"}
)
_LOG_TAIL = 6_000


class Cause:
    """Asks one workspace about one failure; what was learned so far can be read at any time."""

    def __init__(
        self, workspace: Workspace, failure: Failure, known_since: datetime, keyed: Callable[[str], str]
    ) -> None:
        self._workspace = workspace
        self._known_since = known_since
        self._keyed = keyed
        self._failure = failure
        self._facts = {name: value for name, value in failure.facts.items() if name != FACT}
        self._texts: list[str] = []
        self._visited: set[str] = set()
        self.hindrances = Hindrances()
        self._later: list[Failure] = []
        self._causes: list[str] = []

    def told(self) -> Told:
        """What is known by now."""
        said = _joined(self._texts)
        message = self._failure.error_message
        if said and said not in message:
            message = said
        failure = replace(
            self._failure, error_message=message, facts=self._facts | self.hindrances.fact(), error_code=self._code()
        )
        return Told(
            failure=failure, hindrance=self.hindrances.worst, later=tuple(self._later), causes=tuple(self._causes)
        )

    def _code(self) -> str | None:
        return self._failure.error_code or self._facts.get("termination_code")

    async def of_run(self, key: Key) -> None:
        """Learn why a run failed, or one repair of it."""
        run = await self._read("the run", lambda: self._workspace.run(key.run, history=True))
        if run is None:
            return
        self._visited.add(key.run)
        self._whole(run, key)
        self._later = later_failures(run, self._failure, key, self._known_since)
        tasks = tasks_of_repair(run, key.repair) if key.repair else tasks_before(run, self._known_since)
        await self._tags(run)
        await self._down(run, tasks, 0)

    async def of_cluster(self, cluster_id: str) -> None:
        """Learn why a cluster failed."""
        await self._cluster(cluster_id)

    def _whole(self, run: Json, key: Key) -> None:
        """What the run itself tells, before any of its tasks."""
        parent = number(run.get("job_run_id")) or number(run.get("parent_run_id"))
        if parent is not None and parent != key.run:
            # The alert named a task's run: its failure belongs to the job's run.
            self._causes.append(self._keyed(parent))
            self._failure = replace(self._failure, parent_run_id=self._keyed(parent))
        caller = number(part(run.get("trigger_info")).get("run_id"))
        if caller is not None:
            self._note(called_by_run=caller)
        end = ended_at(run)
        self._failure = replace(
            self._failure,
            pipeline=better_name(self._failure.pipeline, run),
            run_url=page_of(run) or self._failure.run_url,
            occurred_at=self._failure.occurred_at or text.moment_of(end),
            failure_type=self._failure.failure_type or word(termination(run), "type") or None,
        )
        self._note(
            job_id=number(run.get("job_id")),
            trigger=word(run, "trigger"),
            creator=text.name(run.get("creator_user_name")),
            termination_code=word(termination(run), "code"),
            termination_type=word(termination(run), "type"),
            result_state=word(part(run.get("state")), "result_state"),
            repair_id=key.repair,
        )

    async def _tags(self, run: Json) -> None:
        job = number(run.get("job_id"))
        if job is None:
            return
        try:
            tags = await self._workspace.job_tags(job)
        except (Retryable, Permanent):
            return  # a run that was submitted without a job has none; the cause can be found all the same
        self._failure = replace(self._failure, tags={**self._failure.tags, **tags})

    async def _down(self, run: Json, tasks: list[Json], depth: int) -> None:
        """Into the task at the root; a run without tasks is one itself."""
        broken = roots(tasks)
        if not broken:
            await self._task(run, depth)
            return
        if len(broken) > 1:
            names = ", ".join(str(task.get("task_key")) for task in broken[:20])
            self._note(failed_tasks=text.name(names))
        await self._task(broken[0], depth)
        if not self._texts:
            self._say(termination(run).get("message"), part(run.get("state")).get("state_message"))

    async def _task(self, task: Json, depth: int) -> None:
        run_id, kind = number(task.get("run_id")), kind_of(task)
        if run_id is None or depth > DEEPEST:
            return
        self._about(task, run_id, kind)
        if kind == "for_each_task" and await self._iteration(run_id, depth):
            return
        output = await self._read("the task's output", lambda: self._workspace.output(run_id))
        child = number(part((output or {}).get("run_job_output")).get("run_id"))
        if child is not None and child not in self._visited:
            await self._child(child, depth)
            if self._texts:
                return
        self._say_output(output or {})
        await self._cluster_where_it_matters(task, output or {})
        if not self._texts:
            self._say(termination(task).get("message"), part(task.get("state")).get("state_message"))

    def _about(self, task: Json, run_id: str, kind: str) -> None:
        name = text.name(task.get("task_key"))
        self._failure = replace(
            self._failure,
            activity=name or self._failure.activity,
            activity_type=kind.removesuffix("_task") or self._failure.activity_type,
        )
        attempt: object = task.get("attempt_number")
        self._note(
            task_key=name,
            task_run_id=run_id,
            path=path_of(task),
            task_url=page_of(task),
            cluster_id=cluster_of(task, part(task.get("new_cluster"))),
            attempt=str(attempt) if isinstance(attempt, int) and attempt > 0 else None,
            termination_code=word(termination(task), "code"),
            termination_type=word(termination(task), "type"),
        )

    async def _iteration(self, run_id: str, depth: int) -> bool:
        """Into the first failed turn of a for-each task; whether there was one."""
        if run_id in self._visited:
            return False
        self._visited.add(run_id)
        inner = await self._read("the for-each task's turns", lambda: self._workspace.run(run_id))
        turns = roots(each for each in parts((inner or {}).get("iterations")) if number(each.get("run_id")) != run_id)
        if not turns:
            return False
        self._note(failed_iterations=str(len(turns)))
        await self._task(turns[0], depth + 1)
        return True

    async def _child(self, child: str, depth: int) -> None:
        """Into the run of the job that a task called."""
        self._visited.add(child)
        self._causes.append(self._keyed(child))
        self._note(child_run_id=child)
        run = await self._read("the called job's run", lambda: self._workspace.run(child))
        if run is not None:
            self._note(child_job=text.name(run.get("run_name")))
            await self._down(run, parts(run.get("tasks")), depth + 1)

    def _say_output(self, output: Mapping[str, Any]) -> None:
        error, trace = text.message(output.get("error")), text.message(output.get("error_trace"))
        self._say(error if error not in trace else "", trace)
        if not self._texts:
            self._say(text.message(output.get("logs"))[-_LOG_TAIL:])

    def _say(self, *said: object) -> None:
        self._texts += [found for found in map(text.message, said) if found and found not in self._texts]

    async def _cluster_where_it_matters(self, task: Json, output: Mapping[str, Any]) -> None:
        cluster_id = cluster_of(task, part(output.get("metadata")))
        said = " ".join([*self._texts, text.message(termination(task).get("message"))])[:20_000].lower()
        matters = word(termination(task), "code") in _CLUSTER_CODES or not self._texts
        if cluster_id is not None and (matters or any(each in said for each in _CLUSTER_WORDS)):
            await self._cluster(cluster_id)

    async def _cluster(self, cluster_id: str) -> None:
        answer = await self._read("the cluster's events", lambda: self._workspace.cluster_events(cluster_id))
        for event in parts((answer or {}).get("events")):
            reason = part(part(event.get("details")).get("reason"))
            code, kind = word(reason, "code"), word(event, "type")
            if code in _WANTED_ENDS or (not code and kind not in _CLUSTER_TROUBLE):
                continue
            self._note(cluster_reason=code or kind, cluster_reason_type=word(reason, "type"))
            lines = [f"Cluster {cluster_id} {'terminated. Reason' if code else 'reported'}: {code or kind}"]
            lines[0] += f" ({word(reason, 'type')})" if word(reason, "type") else ""
            lines += [
                f"{text.name(name, 100)}: {text.message(value)}"
                for name, value in list(part(reason.get("parameters")).items())[:20]
                if text.message(value)
            ]
            self._say("\n".join(lines))
            return

    def _note(self, **facts: str | None) -> None:
        self._facts |= {name: value for name, value in facts.items() if value}

    async def _read(self, what: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What a call answers; None, and a hindrance to be told, where it was refused."""
        try:
            return await ask()
        except (Retryable, Permanent) as error:
            self.hindrances.unread(what, error)
            return None


def _joined(texts: list[str]) -> str:
    return text.message("\n\n".join(texts))
