"""Bad neighbours, clashing ids and a database in trouble."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from admissions import RUN, admitted, verdict
from pipesleuth.model import Confidence, Priority, WrongSetting
from pipesleuth.tickets import identity
from pipesleuth.tickets.finops import FinOps, load_rules
from places import SENDER, Clock, Place, adf, alert, dbx, settings_in


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
