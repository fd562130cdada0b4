"""What nobody told us of becomes a ticket, once, and the figures say how often that was needed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from pipesleuth.cli import app
from pipesleuth.cli.reconcile import NoMoment, moment_of
from pipesleuth.sandbox import Sandbox
from pipesleuth.tickets import coverage
from pipesleuth.tickets.reconciler import Reconciler, ReconcilerSettings
from places import Clock, Place
from platforms import asked, ended, guid, job_run, job_webhook, pipeline_run, task

Open = Callable[..., contextlib.AbstractAsyncContextManager[Place]]


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


def broken(sandbox: Sandbox, number: int, ago: float = 300, **more: Any) -> dict[str, Any]:
    """A failed job run that ended so many seconds ago."""
    at = int((time.time() - ago) * 1000)
    run = job_run([task("t", number + 1)], number, start_time=at - 60_000, end_time=at, **more)
    sandbox.world.databricks.put({"runs": [run], "outputs": {str(number + 1): {"error": "It broke."}}})
    return run


def reconciler(place: Place, **settings: Any) -> Reconciler:
    parts = place.parts
    known = ReconcilerSettings(_env_file=None, **settings)  # pyright: ignore[reportCallIssue]
    house = parts.house
    return Reconciler(parts.database, parts.asked, house.intake, house.triage, known, now=place.clock)


async def runs(place: Place) -> set[str]:
    return {row["run_id"] for row in await place.rows()}


async def figures(place: Place) -> dict[str, dict[str, Any]]:
    answer = await place.client.get("/api/summary", headers=await place.signed_in())
    return {line["source"]: line for line in answer.json()["coverage"]}


async def test_a_run_without_a_webhook_becomes_a_ticket_that_says_so(place: Place, sandbox: Sandbox) -> None:
    broken(sandbox, 5_000_000)
    run = guid()
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(run, at=time.time() - 300)], "activity_runs": []})
    await place.parts.reconciler.round()
    rows = {row["run_id"]: row for row in await place.rows()}
    assert set(rows) == {"5000000", run}
    assert (rows["5000000"]["source"], rows[run]["source"]) == ("databricks", "data_factory")
    assert rows[run]["id"].startswith("ADF-")
    lines = await place.lines(rows[run]["id"])
    assert [line["action"] for line in lines] == ["Ticket Created", "Webhook Missed"]
    assert "its webhook never came" in lines[1]["details"]
    assert await place.parts.reconciler.round() is not None
    assert len(await place.rows()) == 2


async def test_a_run_that_was_told_of_is_counted_and_left_alone(place: Place, sandbox: Sandbox) -> None:
    broken(sandbox, 5_000_000)
    broken(sandbox, 6_000_000)
    await place.ticket(job_webhook(5_000_000), "/databricks-monitor")
    await place.parts.reconciler.round()
    line = (await figures(place))["databricks"]
    assert (line["failed_runs"], line["by_webhook"], line["by_reconciler"]) == (2, 1, 1)
    assert line["lag_seconds"] == 60
    shown = (await place.client.get("/metrics")).text
    assert 'pipesleuth_coverage_runs{known_by="reconciler",source="databricks"} 1.0' in shown
    place.clock.turn(120)
    await place.parts.reconciler.round()
    assert (await figures(place))["databricks"]["failed_runs"] == 2


async def test_what_ended_just_now_is_left_to_its_webhook_for_a_while(place: Place, sandbox: Sandbox) -> None:
    broken(sandbox, 5_000_000, ago=10)
    await place.parts.reconciler.round()
    assert await runs(place) == set()
    place.clock.turn(120)
    await place.parts.reconciler.round()
    assert await runs(place) == {"5000000"}


async def test_a_run_that_went_on_for_long_is_found_when_it_ends(place: Place, sandbox: Sandbox) -> None:
    at = int(time.time() * 1000)
    going = {"state": {"life_cycle_state": "RUNNING"}, "status": {"state": "RUNNING"}, "end_time": 0}
    run = job_run([], 5_000_000, start_time=at - 9 * 3_600_000) | going
    sandbox.world.databricks.put({"runs": [run]})
    await place.parts.reconciler.round()
    sandbox.world.databricks.put({"runs": [run | ended("FAILED", "RUN_EXECUTION_ERROR") | {"end_time": at + 60_000}]})
    place.clock.turn(300)
    await place.parts.reconciler.round()
    assert await runs(place) == {"5000000"}


async def test_names_that_are_not_wanted_are_left_out(place: Place, sandbox: Sandbox) -> None:
    for number, name in ((5_000_000, "etl_orders"), (6_000_000, "etl_test"), (7_000_000, "playground")):
        broken(sandbox, number, run_name=name)
    await reconciler(place, reconcile_include="ETL_*", reconcile_exclude="*_test").round()
    assert await runs(place) == {"5000000"}


async def test_a_repair_without_a_webhook_is_found_too(place: Place, sandbox: Sandbox) -> None:
    run = broken(sandbox, 5_000_000)
    await place.parts.reconciler.round()
    await place.work_off()
    place.clock.turn(600)
    at = int(place.clock().timestamp() * 1000) - 120_000
    repair = {"type": "REPAIR", "id": 9, "start_time": at - 1000, "end_time": at, "task_run_ids": []}
    history = [repair | ended("FAILED", "RUN_EXECUTION_ERROR")]
    sandbox.world.databricks.put({"runs": [run | {"end_time": at, "repair_history": history}]})
    await place.parts.reconciler.round()
    await place.work_off()
    assert await runs(place) == {"5000000", "5000000:repair-9"}


async def test_only_one_server_reads_the_histories_at_a_time(place: Place, sandbox: Sandbox) -> None:
    broken(sandbox, 5_000_000)
    lease = timedelta(seconds=15)
    now = place.clock()
    assert await place.parts.database.write(lambda c: coverage.take_turn(c, "another server", now, lease))
    assert await place.parts.reconciler.round() == []
    assert await runs(place) == set()
    place.clock.turn(16)
    assert len(await place.parts.reconciler.round()) == 2
    assert await runs(place) == {"5000000"}


async def test_many_servers_ask_the_platforms_as_often_as_one(place: Place, sandbox: Sandbox) -> None:
    broken(sandbox, 5_000_000)
    lease = timedelta(seconds=15)
    assert len(await place.parts.reconciler.round(rest=timedelta(seconds=100))) == 2
    place.clock.turn(99)
    write, now = place.parts.database.write, place.clock()
    assert not await write(lambda c: coverage.take_turn(c, "another server", now, lease))
    later = place.clock.turn(2)
    assert await write(lambda c: coverage.take_turn(c, "another server", later, lease))


async def test_one_platforms_trouble_is_not_the_others(place: Place, sandbox: Sandbox) -> None:
    broken(sandbox, 5_000_000)
    sandbox.world.faults.put([{"service": "azure", "route": "queryPipelineRuns", "kind": "500"}])
    await place.parts.reconciler.round()
    assert await runs(place) == {"5000000"}
    assert "HTTP 500" in (await figures(place))["data_factory"]["problem"]
    sandbox.world.faults.clear()
    run = guid()
    sandbox.world.data_factory.put({"pipeline_runs": [pipeline_run(run, at=time.time() - 300)], "activity_runs": []})
    await place.parts.reconciler.round()
    assert await runs(place) == {"5000000", run}
    assert (await figures(place))["data_factory"]["problem"] is None


async def test_what_servers_and_commands_count_at_the_same_moment_is_all_counted(place: Place) -> None:
    write, now = place.parts.database.write, place.clock()
    await write(lambda c: coverage.trouble(c, "databricks", "away", now))

    def read(found: int) -> Callable[[Connection], None]:
        return lambda c: coverage.advance(c, "databricks", since=now, until=now, running=(), failed_runs=found)

    await write(read(1))
    both = [work for _ in range(20) for work in (read(2), lambda c: coverage.add(c, "databricks", 3))]
    await asyncio.gather(*(write(work) for work in both))
    known = await place.parts.database.read(lambda c: coverage.progress(c, "databricks"))
    assert known == coverage.Progress(now, (), 1 + 20 * (2 + 3), now)


async def test_by_hand_a_longer_past_can_be_looked_at_and_only_looked_at(place: Place, sandbox: Sandbox) -> None:
    broken(sandbox, 5_000_000, ago=20 * 3600)
    since = place.clock() - timedelta(days=1)
    (_, dry) = await place.parts.reconciler.by_hand(since, dry_run=True)
    assert [failure.run_id for failure in dry.missing] == ["5000000"]
    assert await runs(place) == set()
    made: list[int] = []
    await place.parts.reconciler.by_hand(since, dry_run=False, made=lambda: made.append(1))
    assert await runs(place) == {"5000000"}
    assert made == [1]


async def test_without_credentials_nothing_is_read(open_place: Open) -> None:
    async with open_place() as place:
        assert not place.parts.reconciler.at_work
        assert await figures(place) == {}


def test_the_command_says_what_to_set_where_no_platform_is_known(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "AZURE_SUBSCRIPTION_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["reconcile", "--since", "2h", "--dry-run"])
    assert result.exit_code == 1
    assert "DATABRICKS_HOST" in str(result.exception)


def test_a_moment_is_said_in_hours_or_as_a_time() -> None:
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert moment_of("90m", now) == now - timedelta(minutes=90)
    assert moment_of("7d", now) == now - timedelta(days=7)
    assert moment_of("2026-11-20T02:00", now) == datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
    for wrong in ("yesterday", "", "-3h", "2030-01-01T00:00"):
        with pytest.raises(NoMoment):
            moment_of(wrong, now)
