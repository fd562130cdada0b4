"""Databricks' own webhook bodies: job and task notifications, delivered events, SQL alerts and flat bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipesleuth.model import Failure
from pipesleuth.sources import cluster, job_run
from pipesleuth.sources.fields import error_said, error_text
from pipesleuth.sources.outcome import Outcome, refuse_good_event
from pipesleuth.sources.pipeline_run import PIPELINE_KEYS
from pipesleuth.sources.recovery import Success
from pipesleuth.sources.sql_alert import is_sql_alert, sql_alert

_NATIVE_EVENT = re.compile(
    r"(?:jobs?|clusters?|library|libraries|task)[._]\w+|on_(?:failure|start|success)", re.IGNORECASE
)
_REPORTED = "by its success event, which also comes for a run that succeeded with failures"
_STATES = ("state", "status", "result", "resultstate", "lifecyclestate")


def is_native(payload: Mapping[str, Any]) -> bool:
    """Whether a body at another source's door is plainly Databricks' own."""
    given = job_run.body(payload)
    if any(given.top.get(key) is not None for key in PIPELINE_KEYS):
        return False
    if given.event is not None and _NATIVE_EVENT.match(given.event) is not None:
        return True
    flat = "jobname" in given.top or ("jobid" in given.top and "runid" in given.top)
    return flat or bool(given.job and given.run) or is_sql_alert(given.top) or cluster.names_a_cluster((given.top,))


def success(payload: Mapping[str, Any], host_workspace_id: str | None) -> Success | None:
    """The job's run that a success event names; None for any other body, and for a task's event."""
    given = job_run.body(payload)
    if (given.event or "").lower() != "jobs.on_success":
        return None
    # As a failure it would have had this key: its success is that of the same run.
    told = job_run.job_failure(given, host_workspace_id=host_workspace_id, outcome=Outcome.FAILED)
    if told.run_id is None or told.activity is not None or "task_run_id" in told.facts:
        return None
    return Success(
        run=told.run_id, group=told.run_id, thing=None, began=None, ended=None, url=told.run_url, how=_REPORTED
    )


def failure(payload: Mapping[str, Any], host_workspace_id: str | None) -> Failure | None:
    """The body's failure, or None where it names no job, run, cluster or alert.

    Raises NotAFailure for starts, successes, warnings and other good news.
    """
    given = job_run.body(payload)
    if is_sql_alert(given.top):
        return sql_alert(given.top)
    event = given.event
    outcome = refuse_good_event(event)
    if job_run.names_a_run(given):
        unknown = event is not None and outcome is Outcome.UNSAID and not error_text(given.sections)
        return job_run.job_failure(
            given,
            host_workspace_id=host_workspace_id,
            outcome=outcome,
            unknown_shape=unknown and not any(key in part for part in given.sections for key in _STATES),
        )
    sections = tuple(part for part in (given.cluster, given.top) if part)
    if cluster.names_a_cluster(sections) or given.cluster:
        return cluster.cluster_failure(sections, payload, outcome=outcome, event=event)
    if "pipelinename" in given.top and error_said(given.sections):
        return job_run.job_failure(given, host_workspace_id=host_workspace_id, outcome=outcome)
    return None
