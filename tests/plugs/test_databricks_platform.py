"""Databricks asked about failed runs, over real HTTP: the error itself, from wherever in the run it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipesleuth.model import Failure, Permanent, Retryable
from pipesleuth.sandbox import Sandbox
from pipesleuth.sources.contract import Told
from pipesleuth.sources.databricks import Databricks
from pipesleuth.sources.databricks_platform import DatabricksPlatform
from platforms import RUN, WORKSPACE, databricks_settings, ended, job_run, job_webhook, task

KNOWN_SINCE = datetime.fromtimestamp(1795140900, UTC)
ERROR = "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `sales`.`orders` cannot be found."
TRACE = f"{ERROR}\nFile <command-1>:3"


def source(sandbox: Sandbox, **changes: Any) -> Databricks:
    settings = databricks_settings(sandbox, **changes)
    return Databricks(host_workspace_id=settings.host_workspace_id, platform=DatabricksPlatform(settings))


async def told(
    sandbox: Sandbox,
    body: dict[str, Any] | None = None,
    *,
    seconds: float = 5,
    since: datetime = KNOWN_SINCE,
    **how: Any,
) -> Told:
    asked = source(sandbox, **how)
    (failure,) = asked.read(body or job_webhook())
    try:
        return await asked.enrich(failure, known_since=since, seconds=seconds)
    finally:
        await asked.close()


def simple(sandbox: Sandbox, **more: Any) -> None:
    """A job of three tasks: the middle one failed, so the last was never begun."""
    notebook: dict[str, Any] = {"notebook_task": {"notebook_path": "/Repos/etl/transform"}}
    cluster: dict[str, Any] = {"cluster_instance": {"cluster_id": "1120-020011-abcd123"}}
    tasks = [
        task("ingest", 1001, "SUCCESS", "SUCCESS"),
        task("transform", 1002, **notebook, **cluster),
        task("publish", 1003, "UPSTREAM_FAILED"),
    ]
    jobs = [{"job_id": 281874479417551, "settings": {"name": "nightly-etl", "tags": {"team": "Sales Data"}}}]
    output = {"error": ERROR, "error_trace": TRACE}
    sandbox.world.databricks.put({"runs": [job_run(tasks, **more)], "jobs": jobs, "outputs": {"1002": output}})


def calls(sandbox: Sandbox) -> list[str]:
    return [call.path.removeprefix("/databricks/api/") for call in sandbox.world.journal.calls]


async def test_the_root_failed_tasks_error_comes_with_everything_around_it(sandbox: Sandbox) -> None:
    simple(sandbox)
    found = await told(sandbox)
    failure = found.failure
    assert found.hindrance is None
    assert failure.error_message == TRACE
    assert (failure.pipeline, failure.activity, failure.activity_type) == ("nightly-etl", "transform", "notebook")
    assert failure.run_url == f"{WORKSPACE}/?o=7405616400000001#job/281874479417551/run/{RUN}"
    assert failure.error_code == "RUN_EXECUTION_ERROR"
    assert failure.tags == {"team": "Sales Data"}
    assert failure.occurred_at == datetime.fromtimestamp(1795140891, UTC)
    wanted = {"task_key": "transform", "path": "/Repos/etl/transform", "cluster_id": "1120-020011-abcd123"}
    assert wanted.items() <= failure.facts.items()
    assert "enrichment" not in failure.facts


@pytest.mark.parametrize("version", ["2.1", "2.2"])
async def test_all_pages_of_tasks_are_read_in_either_version(sandbox: Sandbox, version: str) -> None:
    simple(sandbox)
    sandbox.world.databricks.put({"tasks_per_page": 1})
    found = await told(sandbox, databricks_api_version=version)
    assert found.failure.error_message == TRACE
    assert calls(sandbox).count(f"{version}/jobs/runs/get") == 3


async def test_only_the_last_attempt_of_a_task_counts(sandbox: Sandbox) -> None:
    tasks = [
        task("a", 1, attempt_number=0),
        task("a", 2, "SUCCESS", "SUCCESS", attempt_number=1),
        task("b", 3, attempt_number=0),
        task("b", 4, attempt_number=1, start_time=1795140500000),
    ]
    outputs = {str(n): {"error": f"error of {n}"} for n in (1, 3, 4)}
    sandbox.world.databricks.put({"runs": [job_run(tasks)], "outputs": outputs})
    found = await told(sandbox)
    assert found.failure.error_message == "error of 4"
    assert found.failure.facts["attempt"] == "1"


async def test_a_called_jobs_run_is_followed_to_its_own_error(sandbox: Sandbox) -> None:
    child = job_run([task("inner", 77)], 7_000_001, run_name="child-job")
    parent = job_run([task("call", 55, run_job_task={"job_id": 9})])
    outputs = {"55": {"run_job_output": {"run_id": 7_000_001}}, "77": {"error": ERROR}}
    sandbox.world.databricks.put({"runs": [parent, child], "outputs": outputs})
    found = await told(sandbox)
    assert found.failure.error_message == ERROR
    assert found.causes == ("7000001",)
    assert found.failure.facts["child_job"] == "child-job"


async def test_jobs_that_call_each_other_in_a_ring_end_the_search(sandbox: Sandbox) -> None:
    one = job_run([task("call", 55, run_job_task={"job_id": 9})])
    two = job_run([task("call", 56, run_job_task={"job_id": 8})], 7_000_001)
    outputs = {"55": {"run_job_output": {"run_id": 7_000_001}}, "56": {"run_job_output": {"run_id": RUN}}}
    sandbox.world.databricks.put({"runs": [one, two], "outputs": outputs})
    assert "Workload failed" in (await told(sandbox)).failure.error_message


async def test_the_failed_turn_of_a_for_each_task_is_found(sandbox: Sandbox) -> None:
    turns = [task("turn-0", 91, "SUCCESS", "SUCCESS"), task("turn-1", 92)]
    loop = task("loop", 90, for_each_task={"inputs": "[1,2]", "task": {"task_key": "turn"}}, iterations=turns)
    inner = job_run([], 92, run_name="turn")
    sandbox.world.databricks.put({"runs": [job_run([loop]), inner], "outputs": {"92": {"error": ERROR}}})
    found = await told(sandbox)
    assert found.failure.error_message == ERROR
    assert found.failure.facts["failed_iterations"] == "1"


async def test_a_clusters_own_reason_is_told_where_the_cluster_is_the_cause(sandbox: Sandbox) -> None:
    broken = task("load", 5, code="CLUSTER_ERROR", cluster_instance={"cluster_id": "c-1"})
    reason = {
        "code": "CLOUD_PROVIDER_LAUNCH_FAILURE",
        "type": "CLOUD_FAILURE",
        "parameters": {"azure_error_code": "QuotaExceeded", "azure_error_message": "No cores are left."},
    }
    events = [
        {"timestamp": 2, "type": "TERMINATING", "details": {"reason": {"code": "JOB_FINISHED", "type": "SUCCESS"}}},
        {"timestamp": 1, "type": "TERMINATING", "details": {"reason": reason}},
    ]
    sandbox.world.databricks.put({"runs": [job_run([broken])], "cluster_events": {"c-1": events}})
    found = await told(sandbox)
    assert "CLOUD_PROVIDER_LAUNCH_FAILURE (CLOUD_FAILURE)" in found.failure.error_message
    assert "azure_error_code: QuotaExceeded" in found.failure.error_message
    assert found.failure.facts["cluster_reason"] == "CLOUD_PROVIDER_LAUNCH_FAILURE"


async def test_a_repair_that_failed_later_is_another_failure_and_does_not_replace_the_first(sandbox: Sandbox) -> None:
    first, second = task("t", 11), task("t", 12, attempt_number=1, start_time=1795141000000, end_time=1795141500000)
    repair = {"type": "REPAIR", "id": 73, "start_time": 1795141000000, "end_time": 1795141500000, "task_run_ids": [12]}
    history = [{"type": "ORIGINAL", "task_run_ids": [11]}, {**repair, **ended("FAILED", "RUN_EXECUTION_ERROR")}]
    outputs = {"11": {"error": "the first error"}, "12": {"error": "the repair's error"}}
    sandbox.world.databricks.put({"runs": [job_run([first, second], repair_history=history)], "outputs": outputs})
    found = await told(sandbox)
    assert found.failure.error_message == "the first error"
    (later,) = found.later
    assert (later.run_id, later.run_group) == (f"{RUN}:repair-73", str(RUN))
    asked = source(sandbox)
    since = KNOWN_SINCE + timedelta(hours=1)
    of_repair = await asked.enrich(later, known_since=since, seconds=5)
    await asked.close()
    assert of_repair.failure.error_message == "the repair's error"
    assert of_repair.later == ()


@pytest.mark.parametrize("ending", [{"end_time": 0}, ended("SUCCESS", "SUCCESS"), ended("CANCELED", "USER_CANCELED")])
async def test_a_repair_that_runs_succeeded_or_was_stopped_is_no_failure(
    sandbox: Sandbox, ending: dict[str, Any]
) -> None:
    repair = {"type": "REPAIR", "id": 73, "start_time": 1795141000000, "end_time": 1795141500000, "task_run_ids": []}
    going = {"state": {"life_cycle_state": "RUNNING"}, "status": {"state": "RUNNING"}}
    history = [{**repair, **(going if "end_time" in ending else {}), **ending}]
    sandbox.world.databricks.put({"runs": [job_run([task("t", 11)], repair_history=history)]})
    assert (await told(sandbox)).later == ()


FAULTS = [
    ({"kind": "status", "status": 403}, Permanent, "could not be read"),
    ({"kind": "status", "status": 401}, Permanent, "DATABRICKS_TOKEN"),
    ({"kind": "429"}, Retryable, "429"),
    ({"kind": "500"}, Retryable, "500"),
    ({"kind": "wrong_json"}, Retryable, "not JSON"),
    ({"kind": "truncate"}, Retryable, "broke off"),
    ({"kind": "hang"}, Retryable, "longer than 0.5 s"),
    ({"kind": "slow_body", "seconds": 5}, Retryable, "longer than 0.5 s"),
    ({"kind": "refuse"}, Retryable, "broke off"),
]


@pytest.mark.parametrize(("rule", "kind", "said"), FAULTS, ids=lambda each: str(each)[:40])
async def test_every_fault_is_told_and_never_raised(
    sandbox: Sandbox, rule: dict[str, Any], kind: type[Exception], said: str
) -> None:
    simple(sandbox)
    sandbox.world.faults.put([{"service": "databricks", "route": "runs/get", **rule}])
    found = await told(sandbox, seconds=0.5)
    assert isinstance(found.hindrance, kind)
    assert said in found.failure.facts["enrichment"]
    assert "dapi-sandbox" not in found.failure.facts["enrichment"]


async def test_what_was_read_before_a_fault_stays(sandbox: Sandbox) -> None:
    simple(sandbox)
    sandbox.world.faults.put([{"service": "databricks", "route": "get-output", "kind": "hang"}])
    found = await told(sandbox, seconds=0.7)
    assert found.failure.activity == "transform"
    assert found.failure.pipeline == "nightly-etl"
    assert "Databricks took longer" in found.failure.facts["enrichment"]


@pytest.mark.parametrize("status", [404, 400])
async def test_a_run_that_is_gone_is_said_to_be_gone(sandbox: Sandbox, status: int) -> None:
    sandbox.world.databricks.put({"missing_status": status})
    found = await told(sandbox)
    assert isinstance(found.hindrance, Permanent)
    assert "keeps runs for 60 days" in found.failure.facts["enrichment"]


async def test_a_later_look_takes_the_old_hindrance_away(sandbox: Sandbox) -> None:
    simple(sandbox)
    asked = source(sandbox)
    known = Failure(source="databricks", pipeline=f"run {RUN}", run_id=str(RUN), facts={"enrichment": "It was away."})
    found = await asked.enrich(known, known_since=KNOWN_SINCE, seconds=5)
    await asked.close()
    assert "enrichment" not in found.failure.facts
    assert found.failure.pipeline == "nightly-etl"


@pytest.mark.parametrize(
    "more",
    [
        {"workspace_url": "https://adb-9990001112223.3.azuredatabricks.net", "workspace_id": None},
        {"workspace_id": 12345678901},
        {"workspace_url": "https://evil.example.com", "workspace_id": 12345678901},
    ],
)
async def test_a_workspace_that_is_not_configured_is_never_asked(sandbox: Sandbox, more: dict[str, Any]) -> None:
    simple(sandbox)
    found = await told(sandbox, job_webhook(**more), databricks_workspace_id="7405616400000001")
    assert isinstance(found.hindrance, Permanent)
    assert "DATABRICKS_WORKSPACE_URLS" in found.hindrance.reason
    assert calls(sandbox) == []


async def test_an_alert_without_a_run_asks_nobody(sandbox: Sandbox) -> None:
    found = await told(sandbox, {"event_type": "jobs.on_failure", "job": {"name": "nightly"}})
    assert not found.asked
    assert calls(sandbox) == []


@pytest.mark.parametrize("way", ["", "oauth-m2m"])
async def test_a_service_principal_signs_on_where_no_token_is_set(sandbox: Sandbox, way: str) -> None:
    simple(sandbox)
    principal: dict[str, Any] = {"databricks_client_id": "sp", "databricks_client_secret": "dose-sandbox"}
    found = await told(sandbox, databricks_token=None, databricks_auth_type=way, **principal)
    assert found.failure.error_message == TRACE


async def test_history_lists_failed_runs_and_remembers_what_goes_on(sandbox: Sandbox) -> None:
    at = datetime.fromtimestamp(1795140891, UTC)
    going = {**job_run([], 3_000_003), "state": {"life_cycle_state": "RUNNING"}, "status": {"state": "RUNNING"}}
    good = {**job_run([], 3_000_004), **ended("SUCCESS", "SUCCESS")}
    stopped = {**job_run([], 3_000_005), **ended("CANCELED", "USER_CANCELED")}
    late = {**job_run([], 3_000_006), "end_time": 1795140891000 + 3_600_000}
    many = [job_run([], 4_000_000 + n) for n in range(60)]
    sandbox.world.databricks.put({"runs": [going, good, stopped, late, *many]})
    asked = source(sandbox)
    found = await asked.failed_runs(at - timedelta(minutes=30), at + timedelta(minutes=1), None)
    assert {failure.run_id for failure in found.failures} == {str(4_000_000 + n) for n in range(60)}
    assert set(found.running) == {"3000003", "3000006"}
    sandbox.world.databricks.put({"runs": [{**going, **ended("FAILED", "RUN_EXECUTION_ERROR")}]})
    until = at + timedelta(hours=2)
    again = await asked.failed_runs(at + timedelta(hours=1), until, found.running)
    await asked.close()
    assert {failure.run_id for failure in again.failures} == {"3000003", "3000006"}
    assert again.running == ()
