"""Tickets whose platform was asked: what they learn, what they say was missing, and how they belong together."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete

from pipesleuth.db.tables import Ticket
from pipesleuth.model import NOTHING, Notice, Receipt, StatusChange
from pipesleuth.sandbox import Sandbox
from places import Clock, Place
from platforms import activity, asked, ended, guid, job_run, job_webhook, metric_alert, pipeline_run, task

Open = Callable[..., contextlib.AbstractAsyncContextManager[Place]]
ERROR = "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `sales`.`orders` cannot be found."


class Channel:
    """A destination that remembers whom it was told of."""

    def __init__(self, name: str = "slack") -> None:
        self.name = name
        self.told: list[Notice] = []

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:  # noqa: ARG002  # of the contract
        self.told.append(notice)
        return Receipt(key=f"C{len(self.told)}" if receipt is None else receipt.key, more=NOTHING)

    async def read_update(self, request: Any) -> StatusChange | None:  # noqa: ARG002  # the same
        return None

    async def close(self) -> None:
        return None


class TurnedClock(Clock):
    """The test's own clock, which begins at the real time so that it fits the stand-ins' histories."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(port=0) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return TurnedClock()


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
async def place(open_place: Open, sandbox: Sandbox, channel: Channel) -> AsyncIterator[Place]:
    async with open_place(asked=asked(sandbox), told={"slack": channel}) as opened:
        yield opened


def broken_job(sandbox: Sandbox, number: int, **more: Any) -> None:
    jobs = [{"job_id": 281874479417551, "settings": {"name": "nightly-etl", "tags": {"team": "Sales Data"}}}]
    outputs = {str(number + 1): {"error": ERROR}}
    runs = [job_run([task("transform", number + 1)], number, **more)]
    sandbox.world.databricks.put({"runs": runs, "jobs": jobs, "outputs": outputs})


async def facts(place: Place, ticket: str) -> dict[str, str]:
    return (await detail(place, ticket))["ticket"]["facts"]


async def detail(place: Place, ticket: str) -> dict[str, Any]:
    answer = await place.client.get(f"/api/tickets/{ticket}", headers=await place.signed_in())
    return answer.json()


async def test_a_webhook_of_ids_becomes_a_ticket_with_the_real_error(place: Place, sandbox: Sandbox) -> None:
    broken_job(sandbox, 5_000_000)
    ticket = await place.ticket(job_webhook(5_000_000), "/databricks-monitor")
    before = await place.row(ticket)
    assert before["pipeline"] == "job 281874479417551"
    await place.work_off()
    row = await place.row(ticket)
    assert row["error_message"] == ERROR
    assert row["pipeline"] == "nightly-etl"
    assert row["activity"] == "transform"
    assert row["finops_team"] == "Sales Data"
    assert row["category"] == "resource_not_found"
    assert row["fingerprint"] != before["fingerprint"]
    actions = await place.actions(ticket)
    assert {"Ticket Created", "Enriched", "RCA Updated", "Slack Sent"} <= set(actions)
    assert "Enrichment Failed" not in actions


async def test_people_are_told_after_the_platform_was_asked_and_not_before(
    place: Place, sandbox: Sandbox, channel: Channel
) -> None:
    broken_job(sandbox, 5_000_000)
    ticket = await place.ticket(job_webhook(5_000_000), "/databricks-monitor")
    todo = await place.todo(ticket, "slack")
    assert todo["next_try_at"] > todo["created_at"]
    await place.work_off()
    assert channel.told[0].fields["pipeline"] == "nightly-etl"


async def test_an_outage_of_the_platform_holds_nobody_up_past_the_deadline(
    place: Place, sandbox: Sandbox, channel: Channel
) -> None:
    broken_job(sandbox, 5_000_000)
    sandbox.world.faults.put([{"service": "databricks", "kind": "500"}])
    ticket = await place.ticket(job_webhook(5_000_000), "/databricks-monitor")
    await place.work_off()
    assert channel.told == []
    assert "HTTP 500" in (await facts(place, ticket))["enrichment"]
    place.clock.turn(20)
    await place.work_off()
    assert len(channel.told) == 1
    assert (await place.actions(ticket)).count("Enrichment Failed") == 1
    sandbox.world.faults.clear()
    place.clock.turn(60)
    await place.work_off()
    assert (await place.row(ticket))["error_message"] == ERROR
    assert "enrichment" not in await facts(place, ticket)


async def test_a_run_that_is_gone_is_diagnosed_by_what_the_alert_said(place: Place, channel: Channel) -> None:
    ticket = await place.ticket(job_webhook(5_000_000, error_message=ERROR), "/databricks-monitor")
    await place.work_off()
    row = await place.row(ticket)
    assert row["category"] == "resource_not_found"
    assert "keeps runs for 60 days" in (await facts(place, ticket))["enrichment"]
    assert len(channel.told) == 1
    (said,) = [line for line in await place.lines(ticket) if line["action"] == "Enrichment Failed"]
    assert "The run could not be read" in said["details"]


async def test_a_repair_that_fails_gets_a_ticket_of_its_own(place: Place, sandbox: Sandbox) -> None:
    broken_job(sandbox, 5_000_000, end_time=int(time.time() * 1000) - 5000)
    first = await place.ticket(job_webhook(5_000_000), "/databricks-monitor")
    await place.work_off()
    place.clock.turn(600)
    at = int(place.clock().timestamp() * 1000)
    repair = {
        "type": "REPAIR",
        "id": 77,
        "start_time": at - 300_000,
        "end_time": at - 1000,
        "task_run_ids": [5_000_009],
    }
    again = task("transform", 5_000_009, attempt_number=1, start_time=at - 300_000)
    history = [{**repair, **ended("FAILED", "RUN_EXECUTION_ERROR")}]
    run = job_run([task("transform", 5_000_001), again], 5_000_000, repair_history=history)
    sandbox.world.databricks.put({"runs": [run], "outputs": {"5000009": {"error": "The repair broke too."}}})
    answer = await place.post(job_webhook(5_000_000), "/databricks-monitor")
    assert answer.json()["status"] == "duplicate_ignored"
    await place.work_off()
    rows = {row["run_id"]: row for row in await place.rows()}
    assert set(rows) == {"5000000", "5000000:repair-77"}
    assert rows["5000000:repair-77"]["error_message"] == "The repair broke too."
    assert rows["5000000"]["error_message"] == ERROR
    lineage = (await detail(place, first))["ticket"]["lineage"]
    assert [each["run_id"] for each in lineage["attempts"]] == ["5000000:repair-77"]
    assert lineage["head"] is None
    # Told once more, nothing new is made of it.
    await place.post(job_webhook(5_000_000), "/databricks-monitor")
    await place.work_off()
    assert len(await place.rows()) == 2


async def test_without_credentials_a_failure_after_the_closing_is_another_ticket(open_place: Open) -> None:
    async with open_place() as place:
        ticket = await place.ticket(job_webhook(5_000_000), "/databricks-monitor")
        open_one = (await place.post(job_webhook(5_000_000), "/databricks-monitor")).json()
        assert open_one == {"status": "duplicate_ignored", "ticket_id": ticket, "existing_status": "open"}
        for number in (1, 2):
            headers = await place.signed_in()
            await place.client.post(f"/api/tickets/{ticket}/close", headers=headers)
            said = (await place.post(job_webhook(5_000_000), "/databricks-monitor")).json()
            assert said["status"] == "success"
            row = await place.row(said["ticket_id"])
            assert row["run_id"] == f"5000000:again-{number}"
            once_more = (await place.post(job_webhook(5_000_000), "/databricks-monitor")).json()
            assert once_more["ticket_id"] == said["ticket_id"]
            ticket = said["ticket_id"]


async def test_a_number_is_not_given_again_after_old_tickets_were_deleted(open_place: Open) -> None:
    async with open_place() as place:
        headers = await place.signed_in()

        async def failed_and_closed() -> str:
            ticket = await place.ticket(job_webhook(5_000_000), "/databricks-monitor")
            await place.client.post(f"/api/tickets/{ticket}/close", headers=headers)
            return (await place.row(ticket))["run_id"]

        assert [await failed_and_closed() for _ in range(3)] == ["5000000", "5000000:again-1", "5000000:again-2"]
        oldest = delete(Ticket).where(Ticket.run_id == "5000000:again-1")
        await place.parts.database.write(lambda c: c.execute(oldest))
        assert await failed_and_closed() == "5000000:again-3"


async def test_a_parents_failure_stands_folded_under_its_childs(
    place: Place, sandbox: Sandbox, channel: Channel
) -> None:
    outer, inner, now = guid(), guid(), time.time()
    call = activity(outer, "call", "inner failed", kind="ExecutePipeline", at=now, output={"pipelineRunId": inner})
    runs = [pipeline_run(outer, "pl_outer", at=now), pipeline_run(inner, "pl_inner", at=now)]
    sandbox.world.data_factory.put(
        {
            "pipeline_runs": runs,
            "activity_runs": [call, activity(inner, "copy", "Login failed for user 'etl'.", at=now)],
        }
    )
    body = {"dataFactoryName": "adf-sales-prod"}
    child = await place.ticket({**body, "pipelineName": "pl_inner", "runId": inner})
    parent = await place.ticket({**body, "pipelineName": "pl_outer", "runId": outer})
    await place.work_off()
    rows = {ticket: await place.row(ticket) for ticket in (child, parent)}
    (head,) = [ticket for ticket, row in rows.items() if row["caused_by"] is None]
    (folded,) = [ticket for ticket, row in rows.items() if row["caused_by"] is not None]
    assert rows[folded]["caused_by"] == head
    assert {notice.ticket_id for notice in channel.told} == {head}
    shown = (await detail(place, folded))["ticket"]
    assert shown["lineage"]["head"]["id"] == head
    assert shown["actions"] == []
    assert [each["id"] for each in (await detail(place, head))["ticket"]["lineage"]["folded"]] == [folded]
    headers = await place.signed_in()
    listed = (await place.client.get("/api/open-tickets", headers=headers)).json()
    assert [(each["id"], each["folded"]) for each in listed["tickets"]] == [(head, 1)]
    for run in (outer, inner):
        exists = await place.client.get(
            f"/api/check-ticket-exists/{run}", headers={"x-api-key": "a-key-that-senders-present-in-these-tests"}
        )
        assert exists.json()["exists"] is True
    refused = await place.client.post(f"/api/tickets/{folded}/close", headers=headers)
    assert refused.status_code == 409
    await place.client.post(f"/api/tickets/{head}/take", headers=headers)
    assert (await place.row(folded))["status"] == "in_progress"
    await place.client.post(f"/api/tickets/{head}/close", headers=headers)
    assert (await place.row(folded))["status"] == "acknowledged"
    await place.client.post(f"/api/tickets/{head}/reopen", headers=headers)
    assert (await place.row(folded))["status"] == "open"
    summary = (await place.client.get("/api/summary", headers=headers)).json()
    assert (summary["open_tickets"], summary["folded_tickets"]) == (1, 1)


@pytest.mark.parametrize("first", ["child", "parent"])
async def test_whichever_people_were_told_of_first_is_the_head(
    place: Place, sandbox: Sandbox, channel: Channel, first: str
) -> None:
    outer, inner, now = guid(), guid(), time.time()
    call = activity(outer, "call", "inner failed", kind="ExecutePipeline", at=now, output={"pipelineRunId": inner})
    runs = [pipeline_run(outer, "pl_outer", at=now), pipeline_run(inner, "pl_inner", at=now)]
    sandbox.world.data_factory.put(
        {
            "pipeline_runs": runs,
            "activity_runs": [call, activity(inner, "copy", "Login failed for user 'etl'.", at=now)],
        }
    )
    bodies = {
        "child": {"dataFactoryName": "adf-sales-prod", "pipelineName": "pl_inner", "runId": inner},
        "parent": {"dataFactoryName": "adf-sales-prod", "pipelineName": "pl_outer", "runId": outer},
    }
    head = await place.ticket(bodies.pop(first))
    await place.work_off()
    (other,) = bodies.values()
    folded = await place.ticket(other)
    await place.work_off()
    assert (await place.row(folded))["caused_by"] == head
    assert {notice.ticket_id for notice in channel.told} == {head}
    place.clock.turn(100_000)
    assert (await place.row(folded))["sla_status"] == "Pending"


async def test_a_job_called_by_a_pipeline_is_one_failure_with_it(place: Place, sandbox: Sandbox) -> None:
    run, now = guid(), time.time()
    broken_job(sandbox, 50_000_000)
    page = {"runPageUrl": "https://adb-7405616400000001.1.azuredatabricks.net/?o=7405616400000001#job/1/run/50000000"}
    notebook = activity(run, "transform", "See the page.", kind="DatabricksNotebook", at=now, output=page)
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(run, at=now)], "activity_runs": [notebook]})
    pipeline = await place.ticket({"dataFactoryName": "adf-sales-prod", "pipelineName": "pl", "runId": run})
    await place.work_off()
    assert ERROR in (await place.row(pipeline))["error_message"]
    job = await place.ticket(job_webhook(50_000_000), "/databricks-monitor")
    await place.work_off()
    assert (await place.row(job))["caused_by"] == pipeline


async def test_a_metric_alerts_ticket_becomes_that_of_its_first_run(place: Place, sandbox: Sandbox) -> None:
    now = time.time()
    runs = [guid() for _ in range(3)]
    sandbox.world.data_factory.put(
        {
            "pipeline_runs": [pipeline_run(run, at=now - 60 + n) for n, run in enumerate(runs)],
            "activity_runs": [activity(run, "copy_orders", f"Error of run {n}.", at=now) for n, run in enumerate(runs)],
        }
    )
    ticket = await place.ticket(metric_alert(now))
    assert (await place.row(ticket))["run_id"].startswith("alert:")
    await place.work_off()
    rows = {row["run_id"]: row for row in await place.rows()}
    assert set(rows) == set(runs)
    assert rows[runs[0]]["id"] == ticket
    assert rows[runs[0]]["error_message"] == "Error of run 0."
    assert rows[runs[2]]["error_message"] == "Error of run 2."
    again = (await place.post(metric_alert(now))).json()
    assert again == {"status": "duplicate_ignored", "ticket_id": ticket, "existing_status": "open"}
    assert "Run Found" in await place.actions(ticket)


async def test_an_alert_all_of_whose_runs_are_known_stands_under_the_first(place: Place, sandbox: Sandbox) -> None:
    now, run = time.time(), guid()
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(run, at=now - 60)], "activity_runs": []})
    known = await place.ticket({"dataFactoryName": "adf-sales-prod", "pipelineName": "pl_load_orders", "runId": run})
    alert = await place.ticket(metric_alert(now))
    await place.work_off()
    assert (await place.row(alert))["caused_by"] == known
    assert len(await place.rows()) == 2


async def test_a_handled_failure_is_a_ticket_that_says_so(place: Place, sandbox: Sandbox) -> None:
    run, now = guid(), time.time()
    sandbox.world.data_factory.put(
        {
            "pipeline_runs": [pipeline_run(run, at=now, status="Succeeded", message="")],
            "activity_runs": [activity(run, "copy_orders", "Login failed for user 'etl'.", at=now)],
        }
    )
    body = {"dataFactoryName": "adf-sales-prod", "pipelineName": "pl", "runId": run, "errorMessage": "It failed."}
    ticket = await place.ticket(body)
    await place.work_off()
    assert (await facts(place, ticket))["handled"] == "yes"
    assert (await place.actions(ticket)).count("Handled Failure") == 1
