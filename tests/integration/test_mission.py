"""Small promises of the product's founding document that no other test holds to the letter."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import bcrypt
import pytest
from sqlalchemy import select

from admissions import admitted, verdict
from pipesleuth import accounts
from pipesleuth.cli.serve import serve
from pipesleuth.db.tables import User
from pipesleuth.model import Confidence, Priority, Severity, SlaStatus, Status
from pipesleuth.settings import load
from pipesleuth.tickets import lifecycle
from places import Place, adf

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
    assert kept.startswith("$2b$")
    assert bcrypt.checkpw(b"long enough", kept.encode())
    assert accounts.hashed("long enough") != kept, "each hash has a salt of its own"


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
    ended = await asyncio.gather(*(admitted(place, "one-run") for _ in range(5)))
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
