"""Data Factory asked about failed runs, over real HTTP: the innermost activity, and the runs behind an alert."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipesleuth.model import Failure, Permanent, Retryable
from pipesleuth.sandbox import Sandbox
from pipesleuth.sources.contract import Source, Told
from pipesleuth.sources.data_factory_api import factory_path
from platforms import FACTORY, RUN, WORKSPACE, activity, asked, guid, job_run, metric_alert, pipeline_run, task

ERROR = (
    "ErrorCode=SqlFailedToConnect,'Type=Microsoft.DataTransfer.Common.Shared.HybridDeliveryException,Message=No login.'"
)


@pytest.fixture
async def factory(sandbox: Sandbox) -> AsyncIterator[Source]:
    sources = asked(sandbox)
    yield sources[0]
    for source in sources:
        await source.close()


def web_body(run: str) -> dict[str, Any]:
    return {"dataFactoryName": "adf-sales-prod", "pipelineName": "pl_load_orders", "runId": run}


async def told(factory: Source, body: dict[str, Any], seconds: float = 5) -> Told:
    (failure,) = factory.read(body)
    return await factory.enrich(failure, known_since=datetime.now(UTC), seconds=seconds)


def put(sandbox: Sandbox, runs: list[dict[str, Any]], activities: list[dict[str, Any]]) -> None:
    sandbox.world.data_factory.put({"pipeline_runs": runs, "activity_runs": activities})


async def test_a_failed_activity_tells_the_real_error(sandbox: Sandbox, factory: Source) -> None:
    run, now = guid(), time.time()
    put(sandbox, [pipeline_run(run, at=now)], [activity(run, "copy_orders", ERROR, at=now)])
    found = await told(factory, web_body(run))
    failure = found.failure
    assert found.hindrance is None
    assert failure.error_message == ERROR
    assert (failure.activity, failure.activity_type, failure.error_code) == ("copy_orders", "Copy", "2200")
    assert failure.failure_type == "UserError"
    assert failure.run_group == run
    assert failure.facts["trigger"] == "tr_daily_0200"


async def test_the_way_goes_down_through_child_pipelines(sandbox: Sandbox, factory: Source) -> None:
    outer, middle, inner, now = guid(), guid(), guid(), time.time()
    call: dict[str, Any] = {"kind": "ExecutePipeline", "at": now}
    put(
        sandbox,
        [
            pipeline_run(run, at=now, message="Operation on target call failed: Operation on target …")
            for run in (outer, middle)
        ]
        + [pipeline_run(inner, "pl_inner", at=now)],
        [
            activity(outer, "call", "Operation on target call failed", output={"pipelineRunId": middle}, **call),
            activity(middle, "call", "Operation on target copy failed", output={"pipelineRunId": inner}, **call),
            activity(inner, "copy_orders", ERROR, at=now),
        ],
    )
    found = await told(factory, web_body(outer))
    assert found.failure.error_message == ERROR
    assert found.failure.activity == "copy_orders"
    assert found.causes == (middle, inner)
    assert found.failure.facts["child_pipeline"] == "pl_inner"


async def test_pipelines_that_call_each_other_in_a_ring_end_the_search(sandbox: Sandbox, factory: Source) -> None:
    one, two, now = guid(), guid(), time.time()
    call: dict[str, Any] = {"kind": "ExecutePipeline", "at": now}
    put(
        sandbox,
        [pipeline_run(one, at=now), pipeline_run(two, at=now)],
        [
            activity(one, "call", "to two", output={"pipelineRunId": two}, **call),
            activity(two, "call", "to one", output={"pipelineRunId": one}, **call),
        ],
    )
    found = await told(factory, web_body(one))
    assert found.causes == (two,)
    assert found.failure.error_message == "to one"


async def test_containers_only_repeat_what_failed_inside_them(sandbox: Sandbox, factory: Source) -> None:
    run, now = guid(), time.time()
    put(
        sandbox,
        [
            pipeline_run(
                run,
                at=now,
                message="Operation on target each failed: Activity failed because an inner activity failed.",
            )
        ],
        [
            activity(run, "each", "Activity failed because an inner activity failed.", kind="ForEach", at=now),
            activity(run, "if_new", "inner activity failed", kind="IfCondition", at=now - 1),
            activity(run, "until_ready", "inner activity failed", kind="Until", at=now - 1),
            activity(run, "copy_one", ERROR, at=now - 2),
            activity(run, "notify", "The web hook answered 500", kind="WebActivity", at=now - 3),
        ],
    )
    assert (await told(factory, web_body(run))).failure.activity == "copy_one"


async def test_all_pages_of_activities_are_read(sandbox: Sandbox, factory: Source) -> None:
    run, now = guid(), time.time()
    loops = [activity(run, f"each_{n}", "inner", kind="ForEach", at=now) for n in range(25)]
    put(sandbox, [pipeline_run(run, at=now)], [*loops, activity(run, "copy_orders", ERROR, at=now)])
    sandbox.world.data_factory.put({"page_size": 5})
    assert (await told(factory, web_body(run))).failure.error_message == ERROR


async def test_a_databricks_activity_leads_to_its_run(sandbox: Sandbox, factory: Source) -> None:
    run, now = guid(), time.time()
    page = {"runPageUrl": f"{WORKSPACE}/?o=7405616400000001#job/281874479417551/run/{RUN}"}
    notebook = activity(run, "transform", "See the run page.", kind="DatabricksNotebook", at=now, output=page)
    put(sandbox, [pipeline_run(run, at=now)], [notebook])
    outputs = {"1002": {"error": "ValueError: no rows", "error_trace": "Traceback…\nValueError: no rows"}}
    sandbox.world.databricks.put({"runs": [job_run([task("main", 1002)])], "outputs": outputs})
    found = await told(factory, web_body(run))
    assert "ValueError: no rows" in found.failure.error_message
    assert found.causes == (str(RUN),)
    assert found.failure.facts["databricks_page"] == page["runPageUrl"]


async def test_a_run_page_on_a_strange_host_is_not_followed(sandbox: Sandbox, factory: Source) -> None:
    run, now = guid(), time.time()
    page = {"runPageUrl": f"https://evil.example.com/#job/1/run/{RUN}"}
    put(sandbox, [pipeline_run(run, at=now)], [activity(run, "t", "x", kind="DatabricksNotebook", at=now, output=page)])
    await told(factory, web_body(run))
    assert [call for call in sandbox.world.journal.calls if call.service == "databricks"] == []


async def test_a_failure_that_the_pipeline_handled_is_marked_so(sandbox: Sandbox, factory: Source) -> None:
    run, now = guid(), time.time()
    put(
        sandbox,
        [pipeline_run(run, at=now, status="Succeeded", message="")],
        [activity(run, "copy_orders", ERROR, at=now)],
    )
    found = await told(factory, web_body(run))
    assert found.failure.facts["handled"] == "yes"
    assert found.failure.error_message == ERROR
    ((action, sentence),) = found.remarks
    assert action == "Handled Failure"
    assert "copy_orders" in sentence


async def test_a_run_that_still_goes_on_is_looked_at_again_without_alarm(sandbox: Sandbox, factory: Source) -> None:
    run, now = guid(), time.time()
    put(
        sandbox,
        [pipeline_run(run, at=now, status="InProgress", runEnd=None)],
        [activity(run, "copy_orders", ERROR, at=now)],
    )
    found = await told(factory, web_body(run))
    assert found.failure.error_message == ERROR
    assert isinstance(found.hindrance, Retryable)
    assert "enrichment" not in found.failure.facts


async def test_a_metric_alert_finds_every_failed_run_of_its_window(sandbox: Sandbox, factory: Source) -> None:
    now = time.time()
    inside = [guid(), guid()]
    put(
        sandbox,
        [pipeline_run(run, at=now - 60) for run in inside]
        + [pipeline_run(guid(), at=now - 3600), pipeline_run(guid(), "pl_other", at=now - 60)]
        + [pipeline_run(guid(), at=now - 60, status="Succeeded")],
        [],
    )
    found = await told(factory, metric_alert(now))
    assert {run.run_id for run in found.runs} == set(inside)
    assert found.hindrance is None


async def test_a_metric_alert_waits_for_a_history_that_lags(sandbox: Sandbox, factory: Source) -> None:
    found = await told(factory, metric_alert(time.time()))
    assert isinstance(found.hindrance, Retryable)
    assert found.runs == ()


FAULTS = [
    ({"kind": "status", "status": 403}, Permanent, "Reader"),
    ({"kind": "status", "status": 401}, Permanent, "401"),
    ({"kind": "429", "retry_after": 7}, Retryable, "429"),
    ({"kind": "500"}, Retryable, "500"),
    ({"kind": "wrong_json"}, Retryable, "not JSON"),
    ({"kind": "truncate"}, Retryable, "broke off"),
    ({"kind": "hang"}, Retryable, "longer than 0.7 s"),
]


@pytest.mark.parametrize(("rule", "kind", "said"), FAULTS, ids=lambda each: str(each)[:40])
async def test_every_fault_is_told_and_never_raised(
    sandbox: Sandbox, factory: Source, rule: dict[str, Any], kind: type[Exception], said: str
) -> None:
    run, now = guid(), time.time()
    put(sandbox, [pipeline_run(run, at=now)], [activity(run, "copy_orders", ERROR, at=now)])
    sandbox.world.faults.put([{"service": "azure", "route": "pipelineruns", **rule}])
    found = await told(factory, web_body(run), seconds=0.7)
    assert isinstance(found.hindrance, kind)
    assert said in found.failure.facts["enrichment"]


async def test_the_wait_that_azure_asks_for_is_handed_on(sandbox: Sandbox, factory: Source) -> None:
    sandbox.world.faults.put([{"service": "azure", "route": "pipelineruns", "kind": "429", "retry_after": 7}])
    found = await told(factory, web_body(guid()))
    assert isinstance(found.hindrance, Retryable)
    assert found.hindrance.after == 7


async def test_a_run_that_is_gone_is_said_to_be_gone(factory: Source) -> None:
    found = await told(factory, web_body(guid()))
    assert isinstance(found.hindrance, Permanent)
    assert "keeps runs for 45 days" in found.failure.facts["enrichment"]


async def test_a_wrong_secret_is_told_without_being_shown(sandbox: Sandbox) -> None:
    sources = asked(sandbox, azure_client_secret="wrong")
    found = await told(sources[0], web_body(guid()))
    for source in sources:
        await source.close()
    assert "AZURE_CLIENT_SECRET" in found.failure.facts["enrichment"]
    assert "AADSTS7000215" in found.failure.facts["enrichment"]


async def test_a_token_is_asked_for_once(sandbox: Sandbox, factory: Source) -> None:
    for _ in range(3):
        await told(factory, web_body(guid()))
    tokens = [call for call in sandbox.world.journal.calls if call.path.endswith("/oauth2/v2.0/token")]
    assert len(tokens) == 1


async def test_alerts_about_other_resources_ask_nobody(sandbox: Sandbox, factory: Source) -> None:
    other = Failure(
        source="data_factory", pipeline="vm", run_id="x", resource_id="/subscriptions/a", resource_type="A/b"
    )
    sources = asked(sandbox, azure_data_factory_name="")
    found = await sources[0].enrich(other, known_since=datetime.now(UTC), seconds=5)
    for source in sources:
        await source.close()
    assert not found.asked
    assert list(sandbox.world.journal.calls) == []


async def test_history_lists_the_failed_runs_of_a_stretch_of_time(sandbox: Sandbox, factory: Source) -> None:
    now = time.time()
    runs = [guid() for _ in range(12)]
    put(sandbox, [pipeline_run(run, at=now - 30) for run in runs] + [pipeline_run(guid(), at=now - 7200)], [])
    sandbox.world.data_factory.put({"page_size": 5})
    until = datetime.now(UTC)
    found = await factory.failed_runs(until - timedelta(hours=1), until)
    assert sorted(failure.run_id or "" for failure in found.failures) == sorted(runs)
    assert found.failures[0].resource_id is not None
    assert found.failures[0].resource_id.lower() == FACTORY.lower()


@pytest.mark.parametrize(
    "resource",
    [
        None,
        "",
        "/subscriptions/x/resourcegroups/rg/providers/microsoft.datafactory/factories/adf",
        FACTORY.replace("rg-data-prod", "rg/../../x"),
        FACTORY.replace("rg-data-prod", "rg%2f.."),
        "https://evil.example.com" + FACTORY,
    ],
)
def test_only_well_formed_resource_ids_name_a_factory(resource: str | None) -> None:
    assert factory_path(resource) is None


def test_whatever_follows_a_factorys_name_is_left_out() -> None:
    path = factory_path(FACTORY + "/pipelineruns/../../x?api=1")
    assert path is not None
    assert path.endswith("/factories/adf-sales-prod")
