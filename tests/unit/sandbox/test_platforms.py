"""The Databricks and Data Factory stand-ins answer what was put into them, as the platforms do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pipesleuth.sandbox import Sandbox

Sample = Callable[[str], Any]
RUN = 41847992357943
TASK = 41847992357999
FACTORY = (
    "/subscriptions/11112222-3333-4444-5555-666677778888/resourceGroups/rg-data-prod"
    "/providers/Microsoft.DataFactory/factories/adf-sales-prod"
)
VERSION = {"api-version": "2018-06-01"}
PIPELINE_RUN = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"


@pytest.fixture
async def workspace(http: httpx.AsyncClient, sample: Sample) -> None:
    output = sample("dbx_runs_get_output_22")
    events = sample("dbx_cluster_events_response")["events"]
    job = {"job_id": 281874479417551, "settings": {"name": "nightly-etl"}}
    run = sample("dbx_runs_get_22")
    run["repair_history"] = run["repair_history"][:1]
    state = {
        "runs": [run],
        "outputs": {str(TASK): output},
        "cluster_events": {"1120-020011-abcd123": events},
        "jobs": [job],
    }
    assert (await http.put("/_state/databricks", json=state)).status_code == 200


@pytest.fixture
async def factory(http: httpx.AsyncClient, sample: Sample) -> None:
    state = {
        "pipeline_runs": [sample("adf_pipelinerun_get")],
        "activity_runs": sample("adf_query_activityruns_response")["value"],
    }
    assert (await http.put("/_state/data_factory", json=state)).status_code == 200


@pytest.mark.usefixtures("workspace")
async def test_a_run_is_answered_in_both_versions_and_with_history_on_demand(
    databricks: httpx.AsyncClient, sample: Sample
) -> None:
    plain = (await databricks.get("2.1/jobs/runs/get", params={"run_id": RUN})).json()
    full = (await databricks.get("2.2/jobs/runs/get", params={"run_id": RUN, "include_history": "true"})).json()
    example = sample("dbx_runs_get_22")
    assert plain == {name: value for name, value in example.items() if name != "repair_history"}
    assert full["repair_history"] == example["repair_history"][:1]


@pytest.mark.usefixtures("workspace")
async def test_tasks_come_in_pages(http: httpx.AsyncClient, databricks: httpx.AsyncClient) -> None:
    await http.put("/_state/databricks", json={"tasks_per_page": 2})
    first = (await databricks.get("2.2/jobs/runs/get", params={"run_id": RUN})).json()
    token = first["next_page_token"]
    second = (await databricks.get("2.2/jobs/runs/get", params={"run_id": RUN, "page_token": token})).json()
    assert [task["task_key"] for task in first["tasks"] + second["tasks"]] == ["ingest", "transform", "publish"]
    assert second["has_more"] is False


@pytest.mark.usefixtures("workspace")
async def test_output_is_had_of_a_task_and_refused_for_the_whole_job(
    databricks: httpx.AsyncClient, sample: Sample
) -> None:
    output = (await databricks.get("2.1/jobs/runs/get-output", params={"run_id": TASK})).json()
    assert output == sample("dbx_runs_get_output_22")
    refused = await databricks.get("2.1/jobs/runs/get-output", params={"run_id": RUN})
    example = sample("dbx_error_get_output_multitask_400")
    assert refused.status_code == 400
    assert refused.json()["message"] == example["message"]
    assert set(refused.json()) == set(example)
    task = (await databricks.get("2.1/jobs/runs/get", params={"run_id": TASK})).json()
    assert (task["parent_run_id"], task["tasks"][0]["task_key"]) == (RUN, "transform")


@pytest.mark.usefixtures("workspace")
async def test_unknown_runs_missing_ids_and_missing_tokens_are_refused(
    databricks: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    unknown = await databricks.get("2.1/jobs/runs/get", params={"run_id": 1})
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert (await databricks.get("2.1/jobs/runs/get")).status_code == 400
    assert (await http.get("/databricks/api/2.1/jobs/runs/get")).status_code == 401
    assert (await databricks.get("2.1/jobs/runs/nonsense")).status_code == 404


@pytest.mark.usefixtures("workspace")
async def test_a_repair_needs_the_latest_repairs_id_and_ends_by_itself(
    databricks: httpx.AsyncClient, sample: Sample, clock: Any
) -> None:
    body = {**sample("dbx_repair_request"), "latest_repair_id": None}
    started = await databricks.post("2.2/jobs/runs/repair", json=body)
    assert set(started.json()) == set(sample("dbx_repair_response"))
    assert (await databricks.post("2.2/jobs/runs/repair", json=body)).status_code == 400, "it is still running"
    clock.now += 10
    query = {"run_id": RUN, "include_history": "true"}
    run = (await databricks.get("2.2/jobs/runs/get", params=query)).json()
    assert run["state"]["result_state"] == "SUCCESS"
    assert [entry["type"] for entry in run["repair_history"]] == ["ORIGINAL", "REPAIR"]
    assert [task["task_key"] for task in run["tasks"]].count("transform") == 2
    stale = await databricks.post("2.2/jobs/runs/repair", json={**body, "latest_repair_id": 5})
    assert stale.status_code == 400


@pytest.mark.usefixtures("workspace")
async def test_the_same_token_starts_one_run_only(databricks: httpx.AsyncClient, sample: Sample) -> None:
    body = sample("dbx_run_now_request")
    first, second = [(await databricks.post("2.2/jobs/run-now", json=body)).json() for _ in range(2)]
    assert first == second
    assert set(first) == set(sample("dbx_run_now_response"))
    other = await databricks.post("2.2/jobs/run-now", json={**body, "idempotency_token": "another"})
    assert other.json() != first


@pytest.mark.usefixtures("workspace")
async def test_cluster_events_and_jobs_are_answered(databricks: httpx.AsyncClient, sample: Sample) -> None:
    body = {"cluster_id": "1120-020011-abcd123", "order": "DESC", "limit": 10}
    events = (await databricks.post("2.1/clusters/events", json=body)).json()
    assert events["events"] == sample("dbx_cluster_events_response")["events"]
    assert (await databricks.get("2.1/clusters/get", params={"cluster_id": "gone"})).status_code == 400
    change = {"job_id": 281874479417551, "new_settings": {"webhook_notifications": {"on_failure": [{"id": "d"}]}}}
    await databricks.post("2.2/jobs/update", json=change)
    job = (await databricks.get("2.2/jobs/get", params={"job_id": 281874479417551})).json()
    assert job["settings"]["name"] == "nightly-etl"
    assert job["settings"]["webhook_notifications"]["on_failure"] == [{"id": "d"}]
    assert len((await databricks.get("2.2/jobs/list")).json()["jobs"]) == 1


async def test_a_notification_destination_hides_its_credentials(databricks: httpx.AsyncClient) -> None:
    generic = {"url": "https://p.example", "username": "u", "password": "geheim"}
    body = {"display_name": "ps", "config": {"generic_webhook": generic}}
    made = (await databricks.post("2.0/notification-destinations", json=body)).json()
    listed = await databricks.get("2.0/notification-destinations")
    assert [entry["id"] for entry in listed.json()["results"]] == [made["id"]]
    assert "geheim" not in listed.text
    assert (await databricks.delete(f"2.0/notification-destinations/{made['id']}")).status_code == 200


async def test_a_workspace_also_answers_at_the_root_and_to_the_sdks_questions(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    config = (await http.get("/.well-known/databricks-config")).json()
    endpoints = (await http.get("/oidc/.well-known/oauth-authorization-server")).json()
    assert config["oidc_endpoint"] == f"{sandbox.url}/oidc"
    token = await http.post(
        endpoints["token_endpoint"], data={"grant_type": "client_credentials"}, auth=("id", "secret")
    )
    bearer = {"authorization": f"Bearer {token.json()['access_token']}"}
    assert (await http.get("/api/2.2/jobs/runs/list", headers=bearer)).json() == {"has_more": False}


@pytest.mark.usefixtures("factory")
async def test_a_pipeline_run_is_found_without_regard_to_case(azure: httpx.AsyncClient, sample: Sample) -> None:
    for path in (FACTORY, FACTORY.lower(), FACTORY.replace("adf-sales", "ADF-Sales")):
        answer = await azure.get(f"{path}/pipelineruns/{PIPELINE_RUN}", params=VERSION)
        assert answer.json() == sample("adf_pipelinerun_get")


@pytest.mark.usefixtures("factory")
async def test_activity_runs_are_queried_within_a_window(azure: httpx.AsyncClient, sample: Sample) -> None:
    path = f"{FACTORY}/pipelineruns/{PIPELINE_RUN}/queryActivityruns"
    query = sample("adf_query_activityruns_request")
    answer = await azure.post(path, params=VERSION, json=query)
    assert answer.json() == sample("adf_query_activityruns_response")
    earlier = {**query, "lastUpdatedBefore": "2026-11-20T01:30:00Z"}
    assert (await azure.post(path, params=VERSION, json=earlier)).json()["value"] == []
    del query["lastUpdatedAfter"]
    assert (await azure.post(path, params=VERSION, json=query)).status_code == 400


@pytest.mark.usefixtures("factory")
async def test_pipeline_runs_are_queried_in_pages_with_filters(
    http: httpx.AsyncClient, azure: httpx.AsyncClient
) -> None:
    await http.post("/_generate/data_factory", json={"count": 30, "seed": 1})
    await http.put("/_state/data_factory", json={"page_size": 10})
    window = {"lastUpdatedAfter": "2026-11-01T00:00:00Z", "lastUpdatedBefore": "2026-12-01T00:00:00.0000000Z"}
    rules = [{"operand": "Status", "operator": "Equals", "values": ["Failed"]}]
    ids: list[str] = []
    token: str | None = None
    while True:
        body = {**window, "filters": rules, "continuationToken": token}
        page = (await azure.post(f"{FACTORY}/queryPipelineRuns", params=VERSION, json=body)).json()
        ids += [run["runId"] for run in page["value"]]
        token = page["continuationToken"]
        if token is None:
            break
    assert len(ids) == len(set(ids)) > 30
    rules = [{"operand": "PipelineName", "operator": "Equals", "values": ["pl_load_orders"]}]
    some = (await azure.post(f"{FACTORY}/queryPipelineRuns", params=VERSION, json={**window, "filters": rules})).json()
    assert {run["pipelineName"] for run in some["value"]} == {"pl_load_orders"}
    elsewhere = FACTORY.replace("adf-sales-prod", "adf-other")
    assert (await azure.post(f"{elsewhere}/queryPipelineRuns", params=VERSION, json=window)).json()["value"] == []


@pytest.mark.usefixtures("factory")
async def test_a_rerun_joins_the_group_of_the_run_it_repeats(
    azure: httpx.AsyncClient, sample: Sample, clock: Any
) -> None:
    query = {**VERSION, "referencePipelineRunId": PIPELINE_RUN, "isRecovery": "true", "startFromFailure": "true"}
    started = (await azure.post(f"{FACTORY}/pipelines/pl_load_orders/createRun", params=query)).json()
    assert set(started) == set(sample("adf_createrun_response"))
    run = (await azure.get(f"{FACTORY}/pipelineruns/{started['runId']}", params=VERSION)).json()
    assert (run["runGroupId"], run["status"]) == (PIPELINE_RUN, "InProgress")
    assert run["parameters"] == sample("adf_pipelinerun_get")["parameters"]
    clock.now += 10
    assert (await azure.get(f"{FACTORY}/pipelineruns/{started['runId']}", params=VERSION)).json()[
        "status"
    ] == "Succeeded"
    unknown = await azure.post(f"{FACTORY}/pipelines/pl_nothing/createRun", params=VERSION)
    assert unknown.status_code == 404


async def test_resource_manager_refuses_in_its_own_form(
    azure: httpx.AsyncClient, http: httpx.AsyncClient, sample: Sample
) -> None:
    missing = await azure.get(f"{FACTORY}/pipelineruns/nothing", params=VERSION)
    example = sample("arm_error_404")["error"]
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, example["code"])
    assert set(missing.json()["error"]) == set(example)
    assert (await azure.get(f"{FACTORY}/pipelineruns/nothing")).status_code == 400
    nobody = await http.get(f"/azure{FACTORY}/pipelineruns/x", params=VERSION)
    assert nobody.status_code == 401
    assert "www-authenticate" in nobody.headers


async def test_entra_gives_tokens_to_services_and_machines(http: httpx.AsyncClient) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "a",
        "client_secret": "b",
        "scope": "https://management.azure.com/.default",
    }
    good = await http.post("/azure/tenant-1/oauth2/v2.0/token", data=form)
    assert (good.json()["token_type"], good.json()["expires_in"]) == ("Bearer", 3599)
    bad = await http.post("/azure/tenant-1/oauth2/v2.0/token", data={**form, "client_secret": "wrong"})
    assert (bad.status_code, bad.json()["error"]) == (401, "invalid_client")
    where = (await http.get("/azure/tenant-1/v2.0/.well-known/openid-configuration")).json()
    assert where["token_endpoint"].endswith("/azure/tenant-1/oauth2/v2.0/token")
    query = {"resource": "https://management.azure.com/", "api-version": "2018-02-01"}
    machine = await http.get("/azure/metadata/identity/oauth2/token", params=query, headers={"Metadata": "true"})
    assert machine.json()["access_token"]
    assert (await http.get("/azure/metadata/identity/oauth2/token", params=query)).status_code == 400


async def test_generated_failures_can_be_read_back_down_to_the_innermost_error(
    http: httpx.AsyncClient, databricks: httpx.AsyncClient, azure: httpx.AsyncClient
) -> None:
    jobs = (await http.post("/_generate/databricks", json={"count": 20, "seed": 3})).json()["runs"]
    for line in jobs:
        run = (await databricks.get("2.1/jobs/runs/get", params={"run_id": line["run_id"]})).json()
        bad = [task for task in run["tasks"] if task["state"]["result_state"] == "FAILED"]
        output = (await databricks.get("2.1/jobs/runs/get-output", params={"run_id": bad[0]["run_id"]})).json()
        assert output["error"]
        assert line["webhook"]["run"]["run_id"] == line["run_id"]
    lines = (await http.post("/_generate/data_factory", json={"count": 20, "seed": 3})).json()["runs"]
    window = {"lastUpdatedAfter": "2026-11-01T00:00:00Z", "lastUpdatedBefore": "2026-12-01T00:00:00Z"}
    nested = 0
    for line in lines:
        path = f"{FACTORY}/pipelineruns/{line['run_id']}"
        activities = (await azure.post(f"{path}/queryActivityruns", params=VERSION, json=window)).json()["value"]
        if child := activities[0]["output"].get("pipelineRunId"):
            nested += 1
            path = f"{FACTORY}/pipelineruns/{child}"
            activities = (await azure.post(f"{path}/queryActivityruns", params=VERSION, json=window)).json()["value"]
        assert activities[0]["error"]["errorCode"] == line["error_code"]
    assert nested
    again = (await http.post("/_generate/data_factory", json={"count": 20, "seed": 3})).json()["runs"]
    assert [line["run_id"] for line in again] == [line["run_id"] for line in lines], "a seed repeats itself"


async def test_databricks_own_client_is_content(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    line = (await http.post("/_generate/databricks", json={"count": 1, "seed": 4})).json()["runs"][0]

    def ask() -> tuple[str, str]:
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415  # heavy, and needed here only

        client = WorkspaceClient(host=f"{sandbox.url}/databricks", token="dapi-1", auth_type="pat")
        run = client.jobs.get_run(line["run_id"])
        assert run.tasks
        output = client.jobs.get_run_output(run.tasks[1].run_id or 0)
        return str(run.run_name), str(output.error)

    name, error = await asyncio.to_thread(ask)
    assert name == line["job_name"]
    assert error
