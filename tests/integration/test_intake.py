"""How failures become tickets: once for each run, whoever else comes in at the same moment."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pipesleuth.model import Category, Confidence, Diagnosis, Failure, Priority, Responder, Severity, WrongSetting
from pipesleuth.tickets import identity
from pipesleuth.tickets.finops import FinOps, load_rules, words
from pipesleuth.tickets.intake import Admission, Duties, Intake, NoFreeId
from places import SENDER, Clock, Place, adf, alert, dbx, settings_in

RUN = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"


def verdict(confidence: Confidence, priority: Priority = Priority.P3, cause: str = "A cause.") -> Diagnosis:
    return Diagnosis(
        root_cause=cause,
        error_type="X",
        category=Category.UNKNOWN,
        affected_entity=None,
        severity=Severity.MEDIUM,
        priority=priority,
        confidence=confidence,
        recommendations=["Look."],
        auto_heal_possible=False,
        retryable=False,
        owner=Responder.DATA,
        said_by="knowledge:test",
    )


async def admitted(
    place: Place, run_id: str | None, diagnosis: Diagnosis | None = None, intake: Intake | None = None, **failure: Any
) -> Admission:
    found = Failure(source="data_factory", pipeline="pl", run_id=run_id, **failure)
    return await (intake or place.parts.house.intake).admit(
        found, diagnosis or verdict(Confidence.MEDIUM), b"{}", prefix="ADF", door="azure-monitor"
    )


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
    await place.until(lambda: _seen(place, ticket, 5))


async def _seen(place: Place, ticket: str, times: int) -> bool:
    return (await place.row(ticket))["seen_count"] == times


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


def drawing(place: Place, digits: list[str]) -> Intake:
    """An intake whose ticket ids end in these digits, and then in random ones."""
    left = list(digits)

    def draw(prefix: str, now: datetime) -> str:
        fresh = identity.ticket_id(prefix, now)
        return fresh[:-6] + left.pop(0) if left else fresh

    duties = Duties(at_once=("archive", "analyse"), channels=(), channels_wait_seconds=0)
    return Intake(place.parts.database, FinOps(load_rules()), duties, now=place.clock, draw=draw)


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


def test_real_tags_win_over_the_name_and_bring_their_own_people() -> None:
    finops = FinOps(load_rules())
    tagged = finops.extract_finops_tags("pl_finance", None, {"Cost-Center": "CC-9", "TEAM": "Marketing"})
    assert (tagged.team, tagged.owner, tagged.cost_center) == ("Marketing", "marketing-data@example.com", "CC-9")
    own = finops.extract_finops_tags("pl_finance", None, {"team": "night-shift"})
    assert (own.team, own.owner, own.cost_center) == ("night-shift", None, None)
    spelt = finops.extract_finops_tags("x", None, {"team": "finance"})
    assert (spelt.team, spelt.cost_center) == ("Finance", "CC-1001")


def test_a_teams_own_rules_replace_ours(tmp_path: Path) -> None:
    own = tmp_path / "finops.yaml"
    own.write_text("rules:\n  - words: [Trading]\n    team: Desk\ndefault: Rest\nteams:\n  Desk: {owner: desk@x}\n")
    finops = FinOps(load_rules(own))
    assert finops.extract_finops_tags("TradingBook", None).owner == "desk@x"
    assert finops.extract_finops_tags("finance", None).team == "Rest"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "FINOPS_RULES"),
        ("rules: [", "FINOPS_RULES"),
        ("rules:\n  - words: [on]\n    team: X\ndefault: D\nteams: {}\n", "rules.0.words.0"),
        ("rules: []\nteams: {}\n", "default"),
        ("rules: []\ndefault: D\nteams: {}\nextra: 1\n", "extra"),
        ("\x00\x01", "FINOPS_RULES"),
    ],
)
def test_wrong_rules_are_refused_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "finops.yaml"
    own.write_text(text)
    with pytest.raises(WrongSetting) as refused:
        load_rules(own)
    assert said in str(refused.value)
    assert "FINOPS_RULES" in str(refused.value)


@pytest.mark.parametrize(("priority", "seconds"), [("P1", 900), ("P2", 1800), ("P3", 7200), ("P4", 86400)])
async def test_the_priority_sets_the_deadline_from_the_tickets_own_time(
    place: Place, priority: str, seconds: int
) -> None:
    one = await admitted(place, "r", verdict(Confidence.HIGH, Priority(priority)))
    row = await place.row(one.ticket_id)
    assert row["sla_seconds"] == seconds
    assert row["sla_status"] == "Pending"
    due = (place.clock.now + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    assert row["sla_due_at"] == due


def test_ticket_ids_are_of_the_missions_form_in_utc() -> None:
    clock = Clock()
    berlin = clock.now.astimezone(timezone(timedelta(hours=1)))
    assert re.fullmatch(r"ADF-20261120T120000-[0-9a-f]{6}", identity.ticket_id("ADF", berlin))


@pytest.mark.parametrize(("mode", "kept"), [(None, "Single"), ("Parallel", "Parallel"), ("x" * 50, "x" * 32), (7, "7")])
async def test_the_processing_mode_is_the_payloads_or_single(place: Place, mode: Any, kept: str) -> None:
    ticket = await place.ticket(adf(ProcessingMode=mode))
    assert (await place.row(ticket))["processing_mode"] == kept


async def test_the_ticket_its_line_its_body_and_what_it_owes_are_there_when_the_answer_comes(place: Place) -> None:
    ticket = await place.ticket(dbx(12), "/databricks-monitor")
    (line,) = await place.lines(ticket)
    assert (line["action"], line["user_name"], line["event"], line["ticket_version"]) == (
        "Ticket Created",
        "Pipesleuth",
        "new_ticket",
        1,
    )
    assert line["timestamp"] == "2026-11-20T12:00:00.000000+00:00"
    assert line["rca_summary"]
    assert await place.payload(ticket) is not None
    for kind in ("archive", "analyse"):
        todo = await place.todo(ticket, kind)
        assert (todo["wanted_version"], todo["done_version"], todo["attempts"]) == (1, 0, 0)


async def test_long_names_and_texts_stay_within_their_columns(place: Place) -> None:
    long = "\U0001f525" * 5000
    body = adf(pipeline=long, message=long, ActivityName=long, ErrorCode=long, LogicAppRunId=long, ProcessingMode=long)
    row = await place.row(await place.ticket(body))
    for name, most in (
        ("pipeline", 300),
        ("activity", 300),
        ("error_code", 300),
        ("logic_app_run_id", 300),
        ("processing_mode", 32),
        ("run_url", 2000),
        ("affected_entity", 1000),
        ("error_type", 300),
    ):
        assert row[name] is None or len(row[name]) <= most, name


# When the database will not.


async def test_a_locked_database_is_answered_503_and_nothing_is_half_written(place: Place) -> None:
    raw = sqlite3.connect(place.folder / "tickets.db", isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    try:
        place.parts.database.engine.dispose()
        answers = await asyncio.gather(*(place.post(adf()) for _ in range(3)))
    finally:
        raw.execute("ROLLBACK")
        raw.close()
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["code"] == "store_unavailable"
    assert await place.rows() == []
    assert await place.lines() == []
    assert (await place.post(adf())).json()["status"] == "success"


async def test_a_full_disk_is_answered_503_and_what_was_answered_stays(place: Place) -> None:
    before = await place.ticket()
    with sqlite3.connect(place.folder / "tickets.db") as raw:
        pages = raw.execute("PRAGMA page_count").fetchone()[0]

    def limited(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")

    def unlimited(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")

    await place.parts.database.write(limited)
    bodies = [adf(message="x" * 20_000) for _ in range(12)]
    answers = await asyncio.gather(*(place.post(body) for body in bodies))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert any(answer.status_code == 503 for answer in answers)
    stored = {row["id"] for row in await place.rows()}
    answered = {answer.json()["ticket_id"] for answer in answers if answer.status_code == 200}
    assert answered | {before} == stored
    for ticket in stored:
        assert await place.actions(ticket) == ["Ticket Created"]
        assert await place.payload(ticket) is not None
    await place.parts.database.write(unlimited)
    again = await asyncio.gather(*(place.post(body) for body in bodies))
    assert {answer.status_code for answer in again} == {200}
    assert len(await place.rows()) == 13


async def test_a_database_that_may_only_be_read_is_answered_503(place: Place) -> None:
    def only_read(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA query_only = 1")

    await place.parts.database.write(only_read)
    answer = await place.post(adf())
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert (await place.client.get("/api/check-ticket-exists/x", headers=SENDER)).status_code == 200
    place.parts.database.engine.dispose()
    assert (await place.post(adf())).status_code == 200


async def test_a_missing_table_is_no_crash_either(place: Place) -> None:
    with sqlite3.connect(place.folder / "tickets.db") as raw:
        raw.execute("DROP TABLE payloads")
    answer = await place.post(adf())
    assert answer.status_code == 503
    assert await place.rows() == []


async def test_a_payload_is_kept_to_the_byte_whatever_its_size(place: Place) -> None:
    for size in (10, 8191, 8192, 300_000):
        body = (b'{"PipelineName": "p", "PipelineRunId": "r%d", "ErrorMessage": "' % size) + b"\xc3\xbc" * size + b'"}'
        ticket = await place.ticket(body)
        headers = await place.signed_in()
        shown = await place.client.get(f"/api/tickets/{ticket}/payload", headers=headers)
        assert shown.content == body


async def test_several_rows_of_one_run_in_one_payload_are_one_ticket(place: Place) -> None:
    said = (await place.post(alert([("pl_a", RUN), ("pl_a", RUN)]))).json()
    assert said["status"] == "success"
    assert len(await place.rows()) == 1


async def test_a_wrong_setting_names_its_variable() -> None:
    with pytest.raises(ValueError, match="rca_deadline_seconds"):
        settings_in(Path(), rca_deadline_seconds=-1)
