"""A webhook that reports a success makes no ticket; where it names a failed run's own rerun, the open ticket hears of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from pipesleuth.tickets.recovery import ACTION
from places import Place

Open = Callable[..., contextlib.AbstractAsyncContextManager[Place]]

REPORTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a repaired run's success event": (
        "/databricks-monitor",
        {"event_type": "jobs.on_failure", "run": {"run_id": 77}, "job": {"job_id": 5}},
        {"event_type": "jobs.on_success", "run": {"run_id": 77}, "job": {"job_id": 5}},
    ),
    "a rerun's own report": (
        "/azure-monitor",
        {"pipelineName": "pl_a", "runId": "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11", "status": "Failed"},
        {
            "pipelineName": "pl_a",
            "runId": "again",
            "groupId": "7D0C5A0E-9b1f-4b1e-8f7a-2f3f0a5d9e11",
            "status": "Succeeded",
        },
    ),
    "a DAG's callback, with its last task": (
        "/hooks/airflow",
        {"dag_id": "orders", "run_id": "nightly", "task_id": "load", "state": "failed"},
        {"event": "dag_succeeded", "dag_id": "orders", "run_id": "nightly", "task_id": "load", "reason": "success"},
    ),
    "a cleared DAG run's own body": (
        "/hooks/airflow",
        {"dag_id": "orders", "run_id": "nightly", "task_id": "load", "state": "failed"},
        {"dag_id": "orders", "run_id": "nightly", "state": "success", "end_date": "2026-11-20T02:14:20+00:00"},
    ),
}


async def told(place: Place) -> list[tuple[str, str]]:
    """Which tickets were told of successes, and what."""
    return [(line["ticket_id"], line["details"]) for line in await place.lines() if line["action"] == ACTION]


@pytest.mark.parametrize("what", REPORTS)
async def test_an_event_that_names_the_same_run_is_told_at_once_and_once(open_place: Open, what: str) -> None:
    door, failure, success = REPORTS[what]
    async with open_place() as place:
        ticket = await place.ticket(failure, door)
        dry = await place.post(success, f"{door}?dry_run=1")
        assert (dry.json()["status"], await told(place)) == ("ignored", [])
        for _ in range(2):
            answer = await place.post(success, door)
            assert answer.json()["status"] == "ignored"
        ((named, said),) = await told(place)
        assert (named, said.partition(" (")[0]) == (ticket, "Run again with success")
        assert (await place.row(ticket))["status"] == "open"


@pytest.mark.parametrize("what", REPORTS)
@pytest.mark.parametrize(
    "odd",
    [
        {"run": {"run_id": 78}, "runId": "x", "groupId": "y", "run_id": "other"},
        {"task": {"task_key": "t"}, "runId": "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11", "task_id": "t", "reason": None},
        {"run": {"run_id": ["77"]}, "runId": {"a": 1}, "groupId": [], "run_id": {"a": {}}},
        {"event_type": "jobs.on_start", "status": "InProgress", "state": "running", "reason": "task_failure"},
    ],
)
async def test_an_event_that_surely_names_no_failed_run_says_nothing(
    open_place: Open, what: str, odd: dict[str, Any]
) -> None:
    door, failure, success = REPORTS[what]
    async with open_place() as place:
        await place.ticket(failure, door)
        changed = success | {name: value for name, value in odd.items() if name in success or name.startswith("task")}
        assert (await place.post(changed, door)).status_code == 200
        assert await told(place) == []
