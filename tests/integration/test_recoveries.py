"""An open ticket hears that its run, or a later one of the same thing, ended well; it stays open all the same."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import vendors
from pipesleuth.destinations.teams import Teams, TeamsSettings
from pipesleuth.sandbox import Sandbox
from pipesleuth.sandbox.data_factory import arm_time
from pipesleuth.sources.airflow import Airflow
from pipesleuth.sources.airflow_api import AirflowSettings
from pipesleuth.tickets.recovery import ACTION
from places import Clock, Place
from platforms import FACTORY, asked, ended, guid, job_run, pipeline_run, task

Open = Callable[..., contextlib.AbstractAsyncContextManager[Place]]
GOOD = {"status": "Succeeded", "message": ""}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(port=0) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
async def place(open_place: Open, sandbox: Sandbox) -> AsyncIterator[Place]:
    async with open_place(asked=asked(sandbox)) as opened:
        yield opened


async def told(place: Place, ticket: str | None = None) -> list[str]:
    """What open tickets were told of successes."""
    return [line["details"] for line in await place.lines(ticket) if line["action"] == ACTION]


async def failed_pipeline(place: Place, sandbox: Sandbox, **more: Any) -> tuple[str, str, float]:
    """A pipeline's failed run with its ticket: ticket, run, when it ended."""
    run, at = guid(), time.time() - 300
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(run, at=at, **more)], "activity_runs": []})
    await place.parts.reconciler.round()
    (ticket,) = [row["id"] for row in await place.rows() if row["run_id"] == run]
    return ticket, run, at


async def failed_job(
    place: Place, sandbox: Sandbox, number: int = 5_000_000, **more: Any
) -> tuple[str, dict[str, Any]]:
    at = int((time.time() - 300) * 1000)
    run = job_run([task("t", number + 1)], number, start_time=at - 60_000, end_time=at, **more)
    sandbox.world.databricks.put({"runs": [run]})
    await place.parts.reconciler.round()
    (ticket,) = [row["id"] for row in await place.rows() if row["run_id"] == str(number)]
    return ticket, run


async def test_a_rerun_of_the_same_group_is_told_once_and_the_ticket_stays_open(place: Place, sandbox: Sandbox) -> None:
    ticket, run, at = await failed_pipeline(place, sandbox)
    before = await place.row(ticket)
    again = guid()
    rerun = pipeline_run(again, at=at + 120, runGroupId=run, **GOOD)
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(run, at=at, isLatest=False), rerun]})
    place.clock.turn(60)
    await place.parts.reconciler.round()
    (said,) = await told(place, ticket)
    assert said.startswith(f"Run again with success (a rerun of its run group): run {again} ended well at 20")
    assert said.endswith(f"https://adf.azure.com/en/monitoring/pipelineruns/{again}?factory={said.rpartition('=')[2]}")
    after = await place.row(ticket)
    assert (after["status"], after["version"]) == ("open", before["version"] + 1)
    place.clock.turn(60)
    await place.parts.reconciler.round()
    assert len(await told(place)) == 1


async def test_a_rerun_that_was_itself_run_once_more_says_nothing_yet(place: Place, sandbox: Sandbox) -> None:
    _, run, at = await failed_pipeline(place, sandbox)
    rerun = pipeline_run(guid(), at=at + 120, runGroupId=run, isLatest=False, **{"runStart": arm_time(at + 10), **GOOD})
    sandbox.world.data_factory.put({"pipeline_runs": [rerun]})
    place.clock.turn(60)
    await place.parts.reconciler.round()
    assert await told(place) == []


async def test_a_later_run_of_the_pipeline_is_told_as_such_and_a_rerun_after_it_too(
    place: Place, sandbox: Sandbox
) -> None:
    ticket, run, at = await failed_pipeline(place, sandbox)
    later, another, again = guid(), guid(), guid()
    fresh = {"runStart": arm_time(at + 10), **GOOD}
    for number, end in ((later, at + 60), (another, at + 50)):
        sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(number, at=end, **fresh)]})
        place.clock.turn(60)
        await place.parts.reconciler.round()
    (first,) = await told(place, ticket)
    assert first.startswith(f"Another run succeeded later (the same pipeline): run {later} ended well")
    rerun = pipeline_run(again, at=at + 120, runGroupId=run, **GOOD)
    sandbox.world.data_factory.put({"pipeline_runs": [rerun]})
    await place.parts.reconciler.round()
    place.clock.turn(60)
    await place.parts.reconciler.round()
    assert [said.partition(" (")[0] for said in await told(place, ticket)] == [
        "Another run succeeded later",
        "Run again with success",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"pipelineName": "PL_load_orders"},
        {"runStart": None},
        {"runStart": "soon", "runEnd": {"a": 1}},
        {"runStart": arm_time(time.time() - 1000)},
        {"runId": None},
        {"runId": ["x"], "runGroupId": {"deep": []}},
        {"status": "Failed"},
        {"id": FACTORY.replace("adf-sales-prod", "adf-other") + "/pipelineruns/1"},
    ],
)
async def test_what_is_not_surely_a_later_run_of_the_same_pipeline_says_nothing(
    place: Place, sandbox: Sandbox, odd: dict[str, Any]
) -> None:
    _, _, at = await failed_pipeline(place, sandbox)
    run = pipeline_run(guid(), at=at + 100, **{"runStart": arm_time(at + 10), **GOOD, **odd})
    sandbox.world.data_factory.put({"pipeline_runs": [run]})
    place.clock.turn(60)
    rounds = await place.parts.reconciler.round()
    assert [each.problem for each in rounds] == [None, None]
    assert await told(place) == []


async def test_a_run_that_handled_its_failure_makes_nothing_good(place: Place, sandbox: Sandbox) -> None:
    _, run, at = await failed_pipeline(place, sandbox)
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(run, at=at, **GOOD)]})
    place.clock.turn(60)
    await place.parts.reconciler.round()
    assert await told(place) == []


async def test_a_closed_ticket_is_not_told(place: Place, sandbox: Sandbox) -> None:
    ticket, run, at = await failed_pipeline(place, sandbox)
    closed = await place.client.post(f"/api/tickets/{ticket}/close", headers=await place.signed_in())
    assert closed.status_code == 200
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(guid(), at=at + 120, runGroupId=run, **GOOD)]})
    place.clock.turn(60)
    await place.parts.reconciler.round()
    assert await told(place) == []


async def test_a_factory_that_refuses_the_question_does_not_spoil_the_round(place: Place, sandbox: Sandbox) -> None:
    _, run, at = await failed_pipeline(place, sandbox)
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(guid(), at=at + 120, runGroupId=run, **GOOD)]})
    # The first question of a round is for failed runs, the second for those that ended well.
    sandbox.world.faults.put([{"service": "azure", "route": "queryPipelineRuns", "kind": "500", "skip": 1}])
    place.clock.turn(60)
    rounds = await place.parts.reconciler.round()
    assert [each.problem for each in rounds] == [None, None]
    assert await told(place) == []
    sandbox.world.faults.clear()
    place.clock.turn(60)
    await place.parts.reconciler.round()
    assert len(await told(place)) == 1


async def test_a_repair_that_succeeded_between_two_rounds_is_told(place: Place, sandbox: Sandbox) -> None:
    ticket, run = await failed_job(place, sandbox)
    place.clock.turn(3600)
    at = int(place.clock().timestamp() * 1000) - 120_000
    sandbox.world.databricks.put({"runs": [run | ended("SUCCESS", "SUCCESS") | {"end_time": at}]})
    await place.parts.reconciler.round()
    place.clock.turn(120)
    await place.parts.reconciler.round()
    (said,) = await told(place, ticket)
    assert said.startswith("Run again with success (repaired, or tried again): run 5000000 ended well at 20")
    assert "https://adb-7405616400000001.1.azuredatabricks.net/" in said


@pytest.mark.parametrize(
    "odd",
    [
        {"run_id": 5_000_009},
        {"run_id": None},
        {"state": ["TERMINATED"], "status": "TERMINATED"},
        {"state": {"life_cycle_state": "RUNNING", "result_state": "SUCCESS"}},
        {"state": {"life_cycle_state": "TERMINATED", "result_state": {"SUCCESS": 1}}, "status": None},
        ended("SUCCESS_WITH_FAILURES", "SUCCESS_WITH_FAILURES"),
        ended("CANCELED", "CANCELED"),
    ],
)
async def test_a_run_whose_answer_is_no_plain_success_says_nothing(
    place: Place, sandbox: Sandbox, odd: dict[str, Any]
) -> None:
    _, run = await failed_job(place, sandbox)
    sandbox.world.databricks.runs[5_000_000] = run | ended("SUCCESS", "SUCCESS") | odd
    place.clock.turn(3600)
    rounds = await place.parts.reconciler.round()
    assert [each.problem for each in rounds] == [None, None]
    assert await told(place) == []


async def test_by_hand_the_tickets_are_told_too_but_not_by_a_dry_run(place: Place, sandbox: Sandbox) -> None:
    ticket, run = await failed_job(place, sandbox)
    sandbox.world.databricks.put({"runs": [run | ended("SUCCESS", "SUCCESS")]})
    since = place.clock() - timedelta(hours=1)
    await place.parts.reconciler.by_hand(since, dry_run=True)
    assert await told(place) == []
    await place.parts.reconciler.by_hand(since, dry_run=False)
    assert len(await told(place, ticket)) == 1


async def test_a_later_run_of_the_job_is_told_and_no_other_jobs(place: Place, sandbox: Sandbox) -> None:
    ticket, run = await failed_job(place, sandbox)
    start = run["end_time"] + 10_000
    good = ended("SUCCESS", "SUCCESS") | {"start_time": start, "end_time": start + 50_000}
    other = job_run([], 6_000_000, **good, job_id=5)
    partly = job_run([], 7_000_000, **good | ended("SUCCESS_WITH_FAILURES", "SUCCESS_WITH_FAILURES"))
    sandbox.world.databricks.put({"runs": [other, partly]})
    place.clock.turn(60)
    await place.parts.reconciler.round()
    assert await told(place) == []
    sandbox.world.databricks.put({"runs": [job_run([], 8_000_000, **good)]})
    place.clock.turn(60)
    await place.parts.reconciler.round()
    (said,) = await told(place, ticket)
    assert said.startswith("Another run succeeded later (the same job): run 8000000 ended well at 20")


@pytest.mark.parametrize("wanted", [False, True])
async def test_what_succeeded_with_failures_becomes_a_ticket_only_where_that_is_wanted(
    open_place: Open, sandbox: Sandbox, *, wanted: bool
) -> None:
    at = int((time.time() - 300) * 1000)
    partly = ended("SUCCESS_WITH_FAILURES", "SUCCESS_WITH_FAILURES") | {"start_time": at - 60_000, "end_time": at}
    run = job_run([task("may_fail", 5_000_001)], 5_000_000, **partly)
    sandbox.world.databricks.put({"runs": [run], "outputs": {"5000001": {"error": "ValueError: no rows for today"}}})
    async with open_place(asked=asked(sandbox, databricks_succeeded_with_failures=wanted)) as place:
        await place.parts.reconciler.round()
        await place.work_off()
        rows = await place.rows()
        assert [(row["run_id"], row["activity"]) for row in rows] == ([("5000000", "may_fail")] if wanted else [])
        assert all("no rows for today" in row["error_message"] for row in rows)


async def test_a_cleared_dag_run_and_a_later_one_are_told(open_place: Open, sandbox: Sandbox) -> None:
    def run(name: str, state: str, start: float, end: float) -> dict[str, Any]:
        def at(moment: float) -> str:
            return datetime.fromtimestamp(moment, UTC).isoformat()

        return {"dag_id": "orders", "dag_run_id": name, "state": state, "start_date": at(start), "end_date": at(end)}

    settings = AirflowSettings(_env_file=None, airflow_url=f"{sandbox.url}/airflow", airflow_token="t")  # type: ignore[call-arg, arg-type]
    now = time.time()
    sandbox.world.airflow.put({"runs": [run("nightly", "failed", now - 900, now - 600)]})
    async with open_place(asked=(Airflow(settings),)) as place:
        await place.parts.reconciler.round()
        (ticket,) = [row["id"] for row in await place.rows()]
        sandbox.world.airflow.put({"runs": [run("manual", "success", now - 500, now - 400)]})
        place.clock.turn(60)
        await place.parts.reconciler.round()
        sandbox.world.airflow.put({"runs": [run("nightly", "success", now - 300, now - 200)]})
        place.clock.turn(60)
        await place.parts.reconciler.round()
        place.clock.turn(60)
        await place.parts.reconciler.round()
        assert [said.partition(" ended well")[0] for said in await told(place, ticket)] == [
            "Another run succeeded later (the same DAG): run manual",
            "Run again with success (the same DAG run): run nightly",
        ]


async def test_slack_jira_and_teams_hear_of_it_and_the_tickets_page_shows_it(
    open_place: Open, sandbox: Sandbox
) -> None:
    now = Clock(datetime.now(UTC))
    address: Any = sandbox.environment()["TEAMS_WEBHOOK_URL"]
    teams = Teams(TeamsSettings.model_validate({"teams_webhook_url": address}))
    channels = vendors.told(sandbox, now) | {"teams": teams}
    async with open_place(asked=asked(sandbox), told=channels) as place:
        ticket, run, at = await failed_pipeline(place, sandbox)
        await place.work_off()
        sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(guid(), at=at + 120, runGroupId=run, **GOOD)]})
        place.clock.turn(60)
        await place.parts.reconciler.round()
        await place.work_off()
        row = await place.row(ticket)
        (root,), (issue,) = vendors.roots_of(sandbox, row), vendors.issues_of(sandbox, row)
        thread = [str(note.content) for note in vendors.notes_of(sandbox, root)]
        comments = [str(comment) for comment in issue.comments]
        cards = [str(post.card) for post in sandbox.world.teams.posts]
        for told_there in (thread, comments, cards):
            assert sum("a rerun of its run group" in each for each in told_there) == 1, told_there
        assert (row["status"], vendors.status_of(issue)) == ("open", "open")
        shown = (await place.client.get(f"/api/tickets/{ticket}", headers=await place.signed_in())).json()
        assert [line["action"] for line in shown["timeline"]].count(ACTION) == 1
