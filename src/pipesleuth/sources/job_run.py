"""A Databricks job's failed run, from a notification, a delivered event or a flat body.

Shapes: https://docs.databricks.com/aws/en/jobs/notifications and, for a run's state,
https://docs.databricks.com/api/workspace/jobs/getrun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from pipesleuth.model import NOTHING, Failure, NotAFailure
from pipesleuth.sources import text
from pipesleuth.sources.fields import (
    Fields,
    error_code,
    error_object,
    error_said,
    error_text,
    fields,
    items,
    parsed,
    pick,
)
from pipesleuth.sources.outcome import Outcome, good_state
from pipesleuth.sources.tags import carried
from pipesleuth.sources.workspace import run_key, run_page, workspace_address, workspace_id

UNNAMED = "unknown job"
_EVENT_KEYS = ("eventtype", "event", "eventname", "notificationtype", "alerttype", "actionname", "type")
_TIME_KEYS = ("endtime", "timestamp", "eventtime", "eventtimestamp", "failedat", "timegenerated", "time")
_FAILED_TASK_STATES = frozenset({"FAILED", "TIMEDOUT", "INTERNAL_ERROR", "CANCELED"})
_FACTS = {
    "trigger": ("trigger", "triggertype", "jobtriggertype"),
    "cluster_id": ("clusterid",),
    "cluster_name": ("clustername",),
    "attempt": ("attemptnumber",),
    "repair_id": ("repairid", "latestrepairid"),
    "creator": ("creatorusername", "runas"),
    "update_id": ("updateid",),
}


@dataclass(frozen=True, slots=True)
class Body:
    """A body's parts by their names, whichever of them it has."""

    top: Fields
    job: Fields
    settings: Fields
    run: Fields
    state: Fields
    ended: Fields  # the run's termination details
    task: Fields
    cluster: Fields

    @property
    def event(self) -> str | None:
        """The event's own name, such as `jobs.on_failure`."""
        return pick((self.top,), _EVENT_KEYS, text.name)

    @property
    def sections(self) -> tuple[Fields, ...]:
        """All parts, those that know most about the failure first."""
        parts = (self.task, self.run, self.ended, self.state, self.top, self.job, self.settings, self.cluster)
        return tuple(part for part in parts if part)


def body(payload: Mapping[str, object]) -> Body:
    """The parts of a body; what is wrapped in `data`, `payload` or `body` counts as if it stood outside."""
    top = fields(payload)
    for wrapper in ("data", "payload", "body", "event", "resource", "requestparams"):
        inner = fields(parsed(top.get(wrapper)))
        if inner:
            top = {**inner, **{key: value for key, value in top.items() if value is not None and key != wrapper}}
    run = _part(top, "run")
    job = _part(top, "job")
    status = fields(run.get("status")) or fields(top.get("status"))
    return Body(
        top=top,
        job=job,
        settings=fields(job.get("settings")) or fields(run.get("settings")) or fields(top.get("settings")),
        run=run,
        state=fields(run.get("state")) or fields(top.get("state")),
        ended=fields(status.get("terminationdetails")) or fields(run.get("terminationdetails")),
        task=_part(top, "task"),
        cluster=_part(top, "cluster"),
    )


def _part(top: Fields, name: str) -> Fields:
    value = parsed(top.get(name))
    if value is None or isinstance(value, dict):
        return fields(cast("object", value))
    if isinstance(value, list):
        return fields(cast("list[object]", value)[0]) if value else {}
    if name == "run":
        return {"runid": value}
    return {"taskkey": value} if name == "task" else {"name": value}


def names_a_run(given: Body) -> bool:
    """Whether the body speaks of a job or of a run of one."""
    keys = ("runid", "jobid", "jobname", "jobrunid", "parentrunid", "runname", "taskkey")
    return bool(given.run or given.job) or any(given.top.get(key) not in (None, "") for key in keys)


def job_failure(
    given: Body,
    *,
    host_workspace_id: str | None,
    outcome: Outcome = Outcome.UNSAID,
    tags: Mapping[str, str] = NOTHING,
    facts: Mapping[str, str] = NOTHING,
    occurred_at: datetime | None = None,
    unknown_shape: bool = False,
) -> Failure:
    """The failed run of the body; raises NotAFailure where its state says that it did not fail.

    A task's failure belongs to its parent run. `outcome` is what the event's own name says.
    """
    sections = given.sections
    if outcome is not Outcome.FAILED:
        _refuse_good_state(given)
    own, run_id = _runs(given)
    job_id = pick((given.job, given.top, given.run, given.task), ("jobid",), text.run_identity) or pick(
        (given.job,), ("id",), text.run_identity
    )
    task = _failed_task(given)
    base, workspace = workspace_address(sections), workspace_id(sections)
    known = {"job_id": job_id, "task_run_id": own if own != run_id else None, "workspace_id": workspace}
    known |= {"workspace_url": base, "event": given.event, "task_key": pick((task,), ("taskkey", "key"), text.name)}
    known |= {fact: pick(sections, keys, text.name) for fact, keys in _FACTS.items()}
    known |= {"termination_code": pick((given.ended,), ("code",), text.code), "result_state": _result(given)}
    return Failure(
        source="databricks",
        pipeline=_pipeline(given, job_id, run_id),
        run_id=run_key(run_id, workspace, host_workspace_id) if run_id is not None else None,
        error_message=_error(given, task),
        error_code=error_code(sections, error_object(sections)) or known["termination_code"],
        failure_type=pick((given.ended,), ("type",), text.name) or pick(sections, ("failuretype",), text.name),
        activity=known["task_key"],
        activity_type=pick((task, given.top), ("tasktype", "jobtasktype"), text.name),
        run_url=run_page((given.run, given.top), base, job_id, run_id),
        resource_type="Databricks job",
        occurred_at=pick((given.run, given.top, task), _TIME_KEYS, text.moment_of) or occurred_at,
        logic_app_run_id=pick((given.top,), ("logicapprunid",), text.ident),
        processing_mode="databricks",
        tags={**tags, **carried((given.settings, given.job, given.run, given.top))},
        facts={**facts, **{key: value for key, value in known.items() if value is not None}},
        unknown_shape=unknown_shape,
    )


def _refuse_good_state(given: Body) -> None:
    state = (given.state, given.run, given.top)
    states = (pick(state, (key,), text.name) for key in ("resultstate", "jobterminalstate", "lifecyclestate"))
    plain = (pick((given.run, given.top), (key,), text.name) for key in ("state", "status", "result"))
    good = good_state((*states, *plain))
    if good is not None and not error_said(given.sections):
        raise NotAFailure(good)


def _result(given: Body) -> str | None:
    keys = ("resultstate", "jobterminalstate", "lifecyclestate", "state", "status")
    return pick((given.state, given.run, given.top), keys, text.name)


def _runs(given: Body) -> tuple[str | None, str | None]:
    """The run that the body speaks of, and the job run that the failure belongs to."""
    own = pick((given.run, given.task, given.top, given.job), ("runid",), text.run_identity)
    own = own or pick((given.run,), ("id",), text.run_identity) or pick((given.top,), ("updateid",), text.run_identity)
    keys = ("parentrunid", "jobrunid", "multitaskparentrunid")
    parent = pick((given.run, given.task, given.top, given.job), keys, text.run_identity)
    return own, parent or own


def _pipeline(given: Body, job_id: str | None, run_id: str | None) -> str:
    job = pick((given.job, given.settings), ("name", "jobname"), text.name)
    job = job or pick((given.top, given.run), ("jobname", "pipelinename", "pipeline"), text.name)
    if job is not None:
        return job
    run = pick((given.run, given.top), ("runname", "name"), text.name)
    if run is not None:
        return run
    if job_id is not None:
        return f"job {job_id}"
    return f"run {run_id}" if run_id is not None else UNNAMED


def _failed_task(given: Body) -> Fields:
    if given.task:
        return given.task
    if "taskkey" in given.run or "taskkey" in given.top:
        return given.run if "taskkey" in given.run else {"taskkey": given.top["taskkey"]}
    for task in items(given.run.get("tasks", given.top.get("tasks")), 200):
        part = fields(task)
        result = pick((fields(part.get("state")), part), ("resultstate", "lifecyclestate", "state"), text.name)
        if result is not None and result.upper() in _FAILED_TASK_STATES:
            return part
    return {}


def _error(given: Body, task: Fields) -> str:
    output = fields(given.run.get("runoutput", given.top.get("runoutput", given.top.get("output"))))
    ours = (task, given.run, output, given.top)
    said = error_said(ours) or error_text((fields(task.get("state")), given.ended, given.state, *ours, given.cluster))
    trace = pick(ours, ("errortrace", "stacktrace"), text.message)
    if trace and trace not in said:
        return text.message(f"{said}\n{trace}")
    return said
