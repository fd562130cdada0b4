"""Small promises of the product's founding document that no other test holds to the letter."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from sqlalchemy import select

import vendors
from admissions import admitted, verdict
from pipesleuth.accounts.people import hashed
from pipesleuth.cli.serve import serve
from pipesleuth.db.tables import User
from pipesleuth.model import Confidence, Notice, Priority, Receipt, Severity, SlaStatus, Status
from pipesleuth.sandbox import Sandbox
from pipesleuth.settings import load
from pipesleuth.tickets import lifecycle
from places import Clock, Place, adf
from told import Told

AZURE = {
    "DB_TYPE": "azuresql",
    "AZURE_SQL_SERVER": "sleuth.database.windows.net",
    "AZURE_SQL_DATABASE": "tickets",
    "AZURE_SQL_USERNAME": "svc",
    "AZURE_SQL_PASSWORD": "p@ss/word",
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that says nothing about databases, in a folder without a .env file."""
    for name in ("DATABASE_URL", "DB_PATH", *AZURE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_it_listens_on_port_8000_unless_told_otherwise() -> None:
    assert inspect.signature(serve).parameters["port"].default == 8000


def test_without_a_word_about_it_the_database_is_a_file_in_the_data_folder(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare.setenv("DATA_DIR", str(tmp_path / "data"))
    url = load().database
    assert (url.drivername, url.database) == ("sqlite", str(tmp_path / "data" / "tickets.db"))


def test_a_local_database_is_the_file_that_its_variable_names(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("DB_PATH", str(tmp_path / "mine.db"))
    url = load().database
    assert (url.drivername, url.database) == ("sqlite", str(tmp_path / "mine.db"))


def test_azure_sql_is_reached_through_pyodbc_and_encrypted(bare: pytest.MonkeyPatch) -> None:
    for name, value in AZURE.items():
        bare.setenv(name, value)
    url = load().database
    assert (url.drivername, url.host, url.port, url.database) == (
        "mssql+pyodbc",
        AZURE["AZURE_SQL_SERVER"],
        1433,
        "tickets",
    )
    assert (url.username, url.password) == ("svc", "p@ss/word")
    assert (url.query["Encrypt"], url.query["TrustServerCertificate"]) == ("yes", "no")


async def test_a_password_is_kept_as_its_bcrypt_hash_only(place: Place) -> None:
    person = {"email": "new@sigmoidanalytics.com", "password": "long enough", "full_name": "New Person"}
    assert (await place.client.post("/api/register", json=person)).status_code == 200
    kept = await place.read(
        lambda c: c.execute(select(User.password_hash).where(User.email == person["email"])).scalar_one()
    )
    assert kept is not None
    assert kept.startswith("$2b$")
    assert bcrypt.checkpw(b"long enough", kept.encode())
    assert hashed("long enough") != kept, "each hash has a salt of its own"


def test_the_words_of_a_ticket_are_the_missions() -> None:
    assert list(Severity) == ["Critical", "High", "Medium", "Low"]
    assert list(Priority) == ["P1", "P2", "P3", "P4"]
    assert list(Confidence) == ["Very High", "High", "Medium", "Low"]
    assert list(Status) == ["open", "in_progress", "acknowledged"]
    assert set(SlaStatus) == {"Met", "Breached", "Pending"}


async def test_everything_a_diagnosis_says_is_on_its_ticket(place: Place) -> None:
    said = replace(
        verdict(Confidence.VERY_HIGH, Priority.P1, "The firewall turned us away."),
        error_type="SqlFailedToConnect",
        affected_entity="sql-ledger",
        severity=Severity.CRITICAL,
        recommendations=["Open the firewall.", "Run it again."],
        auto_heal_possible=True,
    )
    ticket = (await admitted(place, "run", said)).ticket_id
    shown = (await place.client.get(f"/api/tickets/{ticket}", headers=await place.signed_in())).json()["ticket"]
    assert shown["rca_result"] == said.root_cause
    same = {"error_type", "affected_entity", "severity", "priority", "confidence", "auto_heal_possible"}
    assert same < {field.name for field in fields(said)}
    assert {name: shown[name] for name in same} == {name: getattr(said, name) for name in same}
    assert shown["recommendations"] == ["Open the firewall.", "Run it again."]


async def test_one_run_told_twice_at_the_same_time_is_a_race_with_one_winner(place: Place) -> None:
    free = threading.Event()
    busy = asyncio.create_task(place.parts.database.write(lambda _: free.wait(10)))
    rivals = [asyncio.create_task(admitted(place, "one-run")) for _ in range(5)]
    await asyncio.sleep(0)
    free.set()  # all of them wait by now, and so they meet in one commit
    ended = [await one for one in rivals]
    assert await busy
    assert Counter(one.outcome for one in ended) == {"success": 1, "duplicate_race_condition": 4}
    assert {one.ticket_id for one in ended} == {(await place.rows())[0]["id"]}


async def test_an_audit_line_keeps_the_first_200_characters_of_the_cause(place: Place) -> None:
    ticket = await place.ticket(adf())
    cause = "".join(f"{number:04}" for number in range(100))
    await place.parts.database.write(
        lambda c: lifecycle.rediagnose(
            c,
            lifecycle.fetch(c, ticket),
            verdict(Confidence.HIGH, Priority.P2, cause),
            place.clock(),
            warn_seconds=300,
            details="Because.",
        )
    )
    assert (await place.row(ticket))["rca_result"] == cause
    assert (await place.lines(ticket))[-1]["rca_summary"] == cause[:200]


async def test_a_ticket_knows_its_slack_message_by_time_stamp_and_channel(open_place: Any, clock: Clock) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
        slack = vendors.told(sandbox, clock)["slack"]
        async with open_place(told={"slack": slack}) as place:
            ticket = await place.ticket()
            await place.work_off()
            (message,) = [one for one in sandbox.world.slack.messages if not one.is_reply]
            row = await place.row(ticket)
            assert (row["slack_ts"], row["slack_channel"]) == (message.ts, message.channel)


async def test_destinations_are_told_at_the_same_time(open_place: Any) -> None:
    meeting = asyncio.Barrier(2)

    async def only_together(notice: Notice, receipt: Receipt | None, in_doubt: bool) -> Receipt:  # noqa: FBT001  # Told calls it so
        await asyncio.wait_for(meeting.wait(), 10)
        return Receipt(key="K", told_digest=f"{notice.version} {receipt is None} {in_doubt}")

    jira, slack = Told("jira", does=only_together), Told("slack", does=only_together)
    async with open_place(told={"jira": jira, "slack": slack}) as place:
        ticket = await place.ticket()
        place.worker._lanes.pop("analyse")
        place.clock.turn(60)
        await place.work_off()
        actions = await place.actions(ticket)
        assert {"Jira Created", "Slack Sent"} < set(actions)


async def test_a_search_of_the_trail_looks_into_every_column(place: Place) -> None:
    ticket = await place.ticket(adf("0-the-run", pipeline="pl_finance_searched"))
    other = await place.ticket(adf(pipeline="other"))
    headers = await place.signed_in()
    await place.client.post(f"/api/tickets/{ticket}/take", headers=headers, json={"note": "a noteworthy note"})
    line = (await place.lines(ticket))[-1]
    for column in ("ticket_id", "pipeline", "run_id", "action", "user_name", "rca_summary", "finops_team", "details"):
        asked = {"q": line[column][:100].upper()}
        answer = await place.client.get("/api/audit-trail", params=asked, headers=headers)
        found = [one["id"] for one in answer.json()["audits"]]
        assert line["id"] in found, column
        if column in {"ticket_id", "run_id", "pipeline", "details"}:
            assert other not in {one["ticket_id"] for one in answer.json()["audits"]}, column
