"""Reading a Databricks run as the Jobs API shows it: how it ended, which task failed at the root, its repairs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from pipesleuth.model import Failure
from pipesleuth.sources import text, workspace
from pipesleuth.sources.fields import items
from pipesleuth.sources.recovery import Success

Json = Mapping[str, Any]
_GOOD_RESULTS = frozenset(
    {"SUCCESS", "SUCCESS_WITH_FAILURES", "EXCLUDED", "DISABLED", "MAXIMUM_CONCURRENT_RUNS_REACHED"}
)
_REPEATED_RESULTS = frozenset({"UPSTREAM_FAILED", "UPSTREAM_CANCELED"})
_CANCELLED = frozenset({"CANCELED", "CANCELLED", "USER_CANCELED"})
_GOOD_CODES = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES", "SKIPPED", "DISABLED", "MAX_CONCURRENT_RUNS_EXCEEDED"})
_OVER = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
_KEY = re.compile(r"(?:(?P<workspace>\d{6,20}):)?(?P<run>\d{1,20})(?::(?P<what>repair|again)-(?P<number>\d{1,20}))?")
_PLACEHOLDER = re.compile(r"(?:job|run) \d+|unknown job")
_PATHS = ("notebook_path", "python_file", "main_class_name", "entry_point", "pipeline_id", "project_directory")
FAR = 1 << 62


@dataclass(frozen=True, slots=True)
class Key:
    """A ticket's run id taken apart: the workspace where it is another, the run, and its repair."""

    workspace: str | None
    run: str
    repair: str | None = None

    @property
    def base(self) -> str:
        """The key of the whole run, whichever repair this is."""
        return f"{self.workspace}:{self.run}" if self.workspace else self.run


def key_of(run_id: str | None) -> Key | None:
    """The parts of a run id; None where it names no job run (a cluster's event, an alert)."""
    found = _KEY.fullmatch(run_id or "")
    if found is None:
        return None
    return Key(found["workspace"], found["run"], found["number"] if found["what"] == "repair" else None)


def part(value: object) -> Json:
    """A JSON object, or an empty one for anything else."""
    return cast("Json", value) if isinstance(value, dict) else {}


def parts(value: object) -> list[Json]:
    """The objects in a JSON array."""
    return [cast("Json", each) for each in items(value) if isinstance(each, dict)]


def number(value: object) -> str | None:
    """A run's id as its digits."""
    return text.run_identity(value)


def ended_at(run: Json) -> int:
    """When it ended, in milliseconds; very far away where it has not."""
    value: object = run.get("end_time")
    return value if isinstance(value, int) and value > 0 else FAR


def is_over(run: Json) -> bool:
    """Whether it has ended, well or badly."""
    life, now = word(part(run.get("state")), "life_cycle_state"), word(part(run.get("status")), "state")
    return life in _OVER or (not life and now == "TERMINATED")


def word(section: Json, name: str) -> str:
    """An upper-case word of the API's, empty where there is none."""
    return (text.code(section.get(name)) or "").upper()


def termination(run: Json) -> Json:
    """The code, type and message of its end."""
    return part(part(run.get("status")).get("termination_details"))


def failed(run: Json) -> bool:
    """Whether it failed by itself: not for what stood before it, and nobody stopped it."""
    return _rank(run) == 0


def succeeded(run: Json) -> bool:
    """Whether it ended well, all of it."""
    result, code = word(part(run.get("state")), "result_state"), word(termination(run), "code")
    return is_over(run) and (result or code) == "SUCCESS"


def partly(run: Json) -> bool:
    """Whether it counts as succeeded although tasks of it failed."""
    result, code = word(part(run.get("state")), "result_state"), word(termination(run), "code")
    return is_over(run) and (result or code) == "SUCCESS_WITH_FAILURES"


def _rank(run: Json) -> int | None:
    """0 for a failure of its own, 1 for one that was cancelled; None for anything else."""
    result, code = word(part(run.get("state")), "result_state"), word(termination(run), "code")
    if not is_over(run) or result in _GOOD_RESULTS or result in _REPEATED_RESULTS:
        return None
    if word(part(run.get("state")), "life_cycle_state") == "SKIPPED":
        return None
    if result in _CANCELLED or code in _CANCELLED:
        return 1
    if result:
        return 0
    return None if not code or code in _GOOD_CODES else 0


def latest(tasks: Iterable[Json]) -> list[Json]:
    """For each task key its last attempt: repairs and retries leave the earlier ones in the list."""
    newest: dict[str, Json] = {}
    for task in tasks:
        name = str(task.get("task_key") or task.get("run_id"))
        if name not in newest or _age(task) >= _age(newest[name]):
            newest[name] = task
    return list(newest.values())


def _age(task: Json) -> tuple[int, int]:
    attempt, start = task.get("attempt_number"), task.get("start_time")
    return (attempt if isinstance(attempt, int) else 0, start if isinstance(start, int) else 0)


def roots(tasks: Iterable[Json]) -> list[Json]:
    """The tasks that failed by themselves, the first to fail first; cancelled ones only where nothing else is."""
    ranked = [(rank, ended_at(task), task) for task in latest(tasks) if (rank := _rank(task)) is not None]
    best = min((rank for rank, _, _ in ranked), default=0)
    return [task for rank, _, task in sorted(ranked, key=lambda each: each[:2]) if rank == best]


def repairs(run: Json) -> list[Json]:
    """The repairs in its history, in their order."""
    return [entry for entry in parts(run.get("repair_history")) if word(entry, "type") == "REPAIR"]


def tasks_before(run: Json, known_since: datetime) -> list[Json]:
    """Its tasks without those of repairs that began after the failure became known."""
    limit = known_since.timestamp() * 1000
    later: set[str | None] = set()
    for repair in repairs(run):
        start: object = repair.get("start_time")
        if isinstance(start, int) and start > limit:
            later |= {number(each) for each in items(repair.get("task_run_ids"))}
    return [task for task in parts(run.get("tasks")) if number(task.get("run_id")) not in later]


def tasks_of_repair(run: Json, repair: str) -> list[Json]:
    """The tasks that one repair ran again."""
    for entry in repairs(run):
        if number(entry.get("id")) == repair:
            ids = {number(each) for each in items(entry.get("task_run_ids"))}
            return [task for task in parts(run.get("tasks")) if number(task.get("run_id")) in ids]
    return []


def later_failures(run: Json, failure: Failure, key: Key, known_since: datetime) -> list[Failure]:
    """The repairs that failed after the failure became known, each a failure of its own."""
    limit = known_since.timestamp() * 1000
    found: list[Failure] = []
    for repair in repairs(run):
        ident, end = number(repair.get("id")), ended_at(repair)
        if ident is None or ident == key.repair or not limit < end < FAR or not failed(repair):
            continue
        said = text.message(termination(repair).get("message")) or text.message(
            part(repair.get("state")).get("state_message")
        )
        known = {name: value for name, value in failure.facts.items() if name in {"job_id", "workspace_id", "creator"}}
        found.append(
            replace(
                failure,
                run_id=f"{key.base}:repair-{ident}",
                error_message=said,
                error_code=word(termination(repair), "code") or None,
                activity=None,
                activity_type=None,
                occurred_at=text.moment_of(end),
                run_group=key.base,
                parent_run_id=key.base,
                facts=known | {"repair_id": ident},
            )
        )
    return found


def success_of(run: Json, run_key: str, address: str) -> Success:
    """A run of the history that ended well; `address` is its workspace's."""
    job, ended = number(run.get("job_id")), ended_at(run)
    return Success(
        run=run_key,
        group=run_key,
        thing=thing_of(address, job),
        began=text.moment_of(run.get("start_time")),
        ended=text.moment_of(ended) if ended < FAR else None,
        url=page_of(run),
    )


def thing_of(address: str, job: str | None) -> str | None:
    """A job in its workspace."""
    return f"{address} {job}" if job is not None else None


def failure_of(run: Json, run_key: str, workspace_id: str | None) -> Failure:
    """A failed run of the history as a failure, with what the list of runs tells."""
    end, state = termination(run), part(run.get("state"))
    given = {
        "job_id": number(run.get("job_id")),
        "workspace_id": workspace_id,
        "termination_code": word(end, "code"),
        "result_state": word(state, "result_state"),
        "trigger": word(run, "trigger"),
        "creator": text.name(run.get("creator_user_name")),
    }
    facts = {name: value for name, value in given.items() if value}
    ended = ended_at(run)
    return Failure(
        source="databricks",
        pipeline=name_of(run) or f"run {number(run.get('run_id'))}",
        run_id=run_key,
        error_message=text.message(end.get("message")) or text.message(state.get("state_message")),
        error_code=facts.get("termination_code"),
        failure_type=word(end, "type") or None,
        run_url=page_of(run),
        resource_type="Databricks job",
        occurred_at=text.moment_of(ended) if ended < FAR else None,
        processing_mode="databricks",
        facts=facts,
    )


def name_of(run: Json) -> str | None:
    """The job's name, as its run carries it."""
    return text.name(run.get("run_name"))


def better_name(given: str, run: Json) -> str:
    """The run's own name where the alert had only a number to go by."""
    return (name_of(run) or given) if _PLACEHOLDER.fullmatch(given) else given


def page_of(run: Json) -> str | None:
    """The address of the run's page, on a believed host only."""
    return workspace.run_page(({"runpageurl": run.get("run_page_url")},), None, None, None)


def kind_of(task: Json) -> str:
    """What a task runs, as the API names it: `notebook_task`, `run_job_task`…; empty where it does not say."""
    return next((name for name, value in task.items() if name.endswith("_task") and isinstance(value, dict)), "")


def path_of(task: Json) -> str | None:
    """The notebook, file or class that a task runs."""
    inner = part(task.get(kind_of(task)))
    return next((found for name in _PATHS if (found := text.name(inner.get(name)))), None)


def cluster_of(*sections: Json) -> str | None:
    """The cluster that it ran on; none where it ran serverless."""
    for section in sections:
        for holder in (part(section.get("cluster_instance")), section):
            found = text.ident(holder.get("cluster_id")) or text.ident(holder.get("existing_cluster_id"))
            if found is not None:
                return found
    return None
