"""How failures become tickets: once for each run, whoever else comes in at the same moment."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest
from sqlalchemy.exc import DataError

from admissions import admitted, drawing, seen_so_often, verdict
from pipesleuth.model import Confidence, Priority
from pipesleuth.tickets.finops import FinOps, load_rules, words
from pipesleuth.tickets.intake import NoFreeId
from places import Place, adf


async def test_two_hundred_equal_webhooks_at_once_are_one_ticket(place: Place) -> None:
    body = adf()
    answers = [a.json() for a in await asyncio.gather(*(place.post(body) for _ in range(200)))]
    (row,) = await place.rows()
    assert {answer["ticket_id"] for answer in answers} == {row["id"]}
    statuses = [answer["status"] for answer in answers]
    assert statuses.count("success") == 1
    assert set(statuses) <= {"success", "duplicate_ignored", "duplicate_race_condition"}
    actions = await place.actions(row["id"])
    assert actions.count("Ticket Created") == 1
    assert actions.count("Duplicate Run Detected") == 1
    await place.parts.house.intake.count()
    assert (await place.row(row["id"]))["seen_count"] == 200
    assert len(await place.inbound()) == 200


async def test_duplicates_are_counted_by_the_service_itself_within_a_second(place: Place) -> None:
    body = adf()
    ticket = await place.ticket(body)
    for _ in range(4):
        await place.post(body)
    await place.until(lambda: seen_so_often(place, ticket, 5))


async def test_a_count_that_cannot_be_written_is_kept(place: Place) -> None:
    body, intake = adf(), place.parts.house.intake
    ticket = await place.ticket(body)
    intake._uncounted["no such ticket"] = 2**70
    for _ in range(4):
        await place.post(body)
    with pytest.raises((OverflowError, DataError)):
        await intake.count()
    del intake._uncounted["no such ticket"]
    await intake.count()
    assert (await place.row(ticket))["seen_count"] == 5


async def test_two_servers_on_one_file_make_one_ticket_for_each_run(open_place: Any) -> None:
    bodies = [adf() for _ in range(30)]
    async with open_place() as one, open_place() as other:
        posts = [place.post(body) for body in bodies for place in (one, other, one)]
        answers = [a.json() for a in await asyncio.gather(*posts)]
        rows = await one.rows()
        assert len(rows) == 30
        assert sum(answer["status"] == "success" for answer in answers) == 30
        by_run = {row["run_id"]: row["id"] for row in rows}
        for index, answer in enumerate(answers):
            run = bodies[index // 3]["data"]["context"]["properties"]["PipelineRunId"]
            assert answer["ticket_id"] == by_run[run]
        for row in rows:
            actions = await one.actions(row["id"])
            assert actions.count("Ticket Created") == 1
            assert actions.count("Duplicate Run Detected") == 1
        await one.parts.house.intake.count()
        await other.parts.house.intake.count()
        assert {row["seen_count"] for row in await one.rows()} == {3}


async def test_a_row_that_cannot_be_stored_fails_alone_and_not_its_neighbours(place: Place) -> None:
    unstorable: Any = 2**70
    arrivals = [admitted(place, f"run-{n}", activity=unstorable if n == 7 else None) for n in range(20)]
    ended = await asyncio.gather(*arrivals, return_exceptions=True)
    assert isinstance(ended[7], Exception)
    assert sum(not isinstance(one, BaseException) for one in ended) == 19
    rows = await place.rows()
    assert {row["run_id"] for row in rows} == {f"run-{n}" for n in range(20) if n != 7}
    lines = await place.lines()
    assert len(lines) == 19
    assert len(await place.inbound()) == 19


async def test_a_taken_ticket_id_is_drawn_again_and_never_mistaken_for_a_known_run(place: Place) -> None:
    intake = drawing(place, ["aaaaaa", "aaaaaa", "aaaaaa", "bbbbbb"])
    ended = [await admitted(place, run, intake=intake) for run in ("one", "other")]
    assert [one.outcome for one in ended] == ["success", "success"]
    assert ended[0].ticket_id.endswith("-aaaaaa")
    assert ended[1].ticket_id.endswith("-bbbbbb")


async def test_taken_ids_within_one_commit_are_drawn_again(place: Place) -> None:
    intake = drawing(place, ["aaaaaa"] * 20)
    ended = await asyncio.gather(*(admitted(place, f"run-{n}", intake=intake) for n in range(20)))
    assert {one.outcome for one in ended} == {"success"}
    assert len({one.ticket_id for one in ended}) == 20
    for one in ended:
        assert await place.actions(one.ticket_id) == ["Ticket Created"]
        assert await place.payload(one.ticket_id) is not None
        assert (await place.todo(one.ticket_id, "archive"))["done_version"] == 0


async def test_when_no_id_is_free_the_sender_is_asked_to_come_again(place: Place) -> None:
    intake = drawing(place, ["aaaaaa"] * 20)
    await admitted(place, "one", intake=intake)
    with pytest.raises(NoFreeId):
        await admitted(place, "other", intake=intake)
    assert len(await place.rows()) == 1


async def test_a_broken_rule_of_the_table_is_no_duplicate(place: Place) -> None:
    place.parts.worker = None
    with sqlite3.connect(place.folder / "tickets.db") as raw:
        raw.execute(
            "CREATE TRIGGER no_p AFTER INSERT ON payloads BEGIN SELECT RAISE(ABORT, 'NOT NULL constraint failed: x'); END"
        )
    answer = await place.post(adf())
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["code"] == "failed_here"
    assert await place.rows() == []
    assert await place.lines() == []
    assert len(list((place.folder / "rejected").glob("*.body"))) == 1


async def test_runs_without_an_id_are_each_a_ticket(place: Place) -> None:
    ended = await asyncio.gather(*(admitted(place, None) for _ in range(5)))
    assert len({one.ticket_id for one in ended}) == 5
    assert {one.outcome for one in ended} == {"success"}
    assert {row["run_id"] for row in await place.rows()} == {None}


@pytest.mark.parametrize("run", ["N/A", "", "null", None, "   ", "-"])
async def test_a_word_for_nothing_is_no_run(place: Place, run: str | None) -> None:
    for number in range(2):
        body = adf(None, message=f"Error {number}.")
        body["data"]["context"]["properties"]["PipelineRunId"] = run
        assert (await place.post(body)).json()["status"] == "success"
    assert {row["run_id"] for row in await place.rows()} == {None}


async def test_a_surer_verdict_of_a_second_alert_updates_a_ticket_that_nobody_was_told_of(place: Place) -> None:
    first = await admitted(place, "r", verdict(Confidence.LOW, Priority.P4, "Unclear."))
    place.clock.turn(10)
    again = await admitted(place, "r", verdict(Confidence.HIGH, Priority.P1, "The disk is full."))
    assert again.outcome == "duplicate_ignored"
    row = await place.row(first.ticket_id)
    assert (row["rca_result"], row["priority"], row["version"]) == ("The disk is full.", "P1", 2)
    assert row["sla_seconds"] == 900
    assert row["sla_due_at"] == "2026-11-20T12:15:00.000000+00:00"
    assert (await place.todo(first.ticket_id, "archive"))["rank"] == 1
    assert await place.actions(first.ticket_id) == ["Ticket Created", "RCA Updated", "Duplicate Run Detected"]
    less_sure = await admitted(place, "r", verdict(Confidence.MEDIUM, Priority.P4, "Maybe something else."))
    assert less_sure.outcome == "duplicate_ignored"
    assert (await place.row(first.ticket_id))["rca_result"] == "The disk is full."


async def test_of_several_second_alerts_in_one_commit_the_surest_is_believed(place: Place) -> None:
    first = await admitted(place, "r", verdict(Confidence.LOW, Priority.P4, "Unclear."))
    more = [
        verdict(Confidence.MEDIUM, cause="medium"),
        verdict(Confidence.VERY_HIGH, cause="surest"),
        verdict(Confidence.HIGH, cause="high"),
    ]
    await asyncio.gather(*(admitted(place, "r", one) for one in more))
    assert (await place.row(first.ticket_id))["rca_result"] == "surest"


@pytest.mark.parametrize(
    ("name", "team"),
    [
        ("Daily_Final_Load", "DataPlatform"),
        ("FinanceDailyClose", "Finance"),
        ("pl_finance_close", "Finance"),
        ("finance2close", "Finance"),
        ("FINANCE_REPORT", "Finance"),
        ("refinance_offers", "DataPlatform"),
        ("DataIngestion_Pipeline", "DataEngineering"),
        ("etl_finance", "Finance"),
        ("HRDataLoad", "HumanResources"),
        ("", "DataPlatform"),
        ("日次ロード", "DataPlatform"),
    ],
)
def test_a_pipelines_whole_words_say_whose_money_it_costs(name: str, team: str) -> None:
    assert FinOps(load_rules()).extract_finops_tags(name, None).team == team


def test_words_are_split_at_case_digits_and_underscores() -> None:
    assert words("pl_FinanceDaily2XMLLoad") == {"pl", "finance", "daily", "xml", "load"}
