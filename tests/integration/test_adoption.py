"""A database of the earlier system is recognised, copied aside and taken over in place."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

import earlier_file
from pipesleuth.db import adoption
from pipesleuth.db.database import Database
from pipesleuth.db.earlier import recommendations, run_id
from pipesleuth.db.engine import open_engine
from pipesleuth.db.upgrade import check, upgrade
from places import SENDER, adf
from told import Told


@pytest.fixture
def earlier(tmp_path: Path, cheap_hash: str) -> URL:
    """The file of the earlier system."""
    earlier_file.write(tmp_path / "tickets.db", password_hash=cheap_hash)
    return URL.create("sqlite", database=str(tmp_path / "tickets.db"))


@pytest.fixture
def found_at_start(folder: Path, cheap_hash: str) -> str:
    """The file of the earlier system in the place where a service looks for its own; its first ticket."""
    (folder / "tickets.db").unlink()
    earlier_file.write(folder / "tickets.db", password_hash=cheap_hash)
    return str(earlier_file.CLEAN["id"])


def rows(url: URL, table: str, order: str = "rowid") -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(str(url.database))) as raw:
        raw.row_factory = sqlite3.Row
        return [dict(row) for row in raw.execute(f"SELECT * FROM {table} ORDER BY {order}")]  # noqa: S608  # names of this file


def test_it_is_recognised_and_taken_over_once(earlier: URL) -> None:
    wrong = check(earlier)
    assert wrong is not None
    assert "earlier system" in wrong
    assert upgrade(earlier)
    assert check(earlier) is None
    after = Path(str(earlier.database)).read_bytes()
    assert not upgrade(earlier)
    assert Path(str(earlier.database)).read_bytes() == after


def test_the_file_as_it_was_is_kept_beside_it(earlier: URL, tmp_path: Path) -> None:
    before = rows(earlier, "tickets"), rows(earlier, "audit_trail"), rows(earlier, "users")
    upgrade(earlier)
    kept = URL.create("sqlite", database=str(tmp_path / "tickets.db.before-upgrade"))
    assert (rows(kept, "tickets"), rows(kept, "audit_trail"), rows(kept, "users")) == before
    assert rows(kept, "open_tickets") == []


def test_every_ticket_is_there_with_its_dirt_mended(earlier: URL) -> None:
    upgrade(earlier)
    found = {row["id"]: row for row in rows(earlier, "tickets")}
    assert len(found) == 1 + len(earlier_file.DIRTY)
    clean = found["ADF-20250126T143522-abc123"]
    same = earlier_file.CLEAN.keys() - {"run_id"}
    assert {name: clean[name] for name in same} == {name: earlier_file.CLEAN[name] for name in same}
    assert clean["run_id"] == "abcdef01-1111-2222-3333-444444444444"
    naive = found["ADF-20250127T010203-aaaaaa"]
    assert (naive["timestamp"], naive["run_id"], naive["status"]) == ("2025-01-27T01:02:03.000000+00:00", None, "open")
    busy = found["ADF-20250127T010204-aaaaab"]
    assert (busy["timestamp"], busy["status"], busy["priority"]) == (
        "2025-01-27T01:02:04.000000+00:00",
        "in_progress",
        "P1",
    )
    assert busy["pipeline"] == "unknown pipeline"
    assert json.loads(found["DBX-20250127T010205-aaaaac"]["recommendations"]) == ["Look", "Act"]
    for row in found.values():
        assert row["sla_due_at"] > row["timestamp"]
        assert row["sla_status"] in {"Met", "Breached", "Pending"}
        assert isinstance(json.loads(row["recommendations"]), list)


def test_of_two_tickets_of_one_run_the_first_keeps_it(earlier: URL) -> None:
    upgrade(earlier)
    found = {row["id"]: row["run_id"] for row in rows(earlier, "tickets")}
    assert [found["DBX-20250127T010205-aaaaac"], found["DBX-20250127T010206-aaaaad"]].count("77") == 1
    (said,) = [row for row in rows(earlier, "audit_trail") if row["action"] == "Duplicate Run Detected"]
    assert "77" in said["details"]


def test_audit_lines_keep_their_numbers_and_no_number_comes_again(earlier: URL) -> None:
    upgrade(earlier)
    lines = rows(earlier, "audit_trail")
    assert [line["id"] for line in lines][:2] == [40, 41]
    assert (lines[1]["time_taken_seconds"], lines[1]["mttr_minutes"]) == (300, None)
    with contextlib.closing(sqlite3.connect(str(earlier.database))) as raw:
        assert raw.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit_trail'").fetchone()[0] >= 90


async def test_the_dashboard_serves_it_and_its_people_can_log_in(
    found_at_start: str, open_place: Any, slack: Told, jira: Told
) -> None:
    async with open_place(told={"slack": slack, "jira": jira}) as place:
        headers = await place.signed_in("dana@sigmoidanalytics.com")
        closed = (await place.client.get("/api/closed-tickets", headers=headers)).json()
        assert closed["total"] == 2
        for path in (
            "open-tickets",
            "in-progress-tickets",
            "summary",
            "audit-trail",
            "insights",
            "export/open-tickets",
        ):
            assert (await place.client.get(f"/api/{path}", headers=headers)).status_code == 200, path
        ticket = found_at_start
        whole = (await place.client.get(f"/api/tickets/{ticket}", headers=headers)).json()
        assert whole["ticket"]["recommendations"] == ["Check the path.", "Run it again."]
        assert [line["action"] for line in whole["timeline"]]
        asked = await place.client.get(f"/api/check-ticket-exists/{earlier_file.CLEAN['run_id']}", headers=SENDER)
        assert asked.json()["ticket_id"] == ticket
        again = await place.post(adf(earlier_file.CLEAN["run_id"]))
        assert again.json() == {"status": "duplicate_ignored", "ticket_id": ticket, "existing_status": "acknowledged"}
        await place.work_off()
        assert slack.created == jira.created == []


async def test_what_it_created_outside_is_brought_up_to_date_not_created_again(
    found_at_start: str, open_place: Any, slack: Told
) -> None:
    async with open_place(told={"slack": slack}) as place:
        headers = await place.signed_in("dana@sigmoidanalytics.com")
        ticket = found_at_start
        todo = await place.todo(ticket, "slack")
        assert json.loads(todo["receipt"])["key"] == earlier_file.CLEAN["slack_ts"]
        await place.parts.database.write(lambda c: _forget_jira(c, ticket))
        assert (await place.client.post(f"/api/tickets/{ticket}/reopen", headers=headers, json={})).status_code == 200
        await place.work_off()
        assert (await place.todo(ticket, "slack"))["done_version"] == 2
        assert slack.created == []


def _forget_jira(connection: Connection, ticket: str) -> None:
    connection.exec_driver_sql("UPDATE tickets SET jira_live = 0 WHERE id = ?", (ticket,))


def test_a_crash_in_the_middle_leaves_the_file_as_it_was(earlier: URL, tmp_path: Path) -> None:
    before = rows(earlier, "tickets")

    def power_cut(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE half (id)")
        raise KeyboardInterrupt

    engine = open_engine(earlier)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), engine.connect().execution_options(writing=True) as c, c.begin():
            adoption.adopt(c, adoption.copy_aside(Path(str(earlier.database))), power_cut, datetime.now(UTC))
    engine.dispose()
    assert rows(earlier, "tickets") == before
    assert [path.name for path in tmp_path.glob("*before-upgrade*")] == ["tickets.db.before-upgrade"]
    assert upgrade(earlier)
    assert len(rows(earlier, "tickets")) == len(before)


def test_a_file_with_fewer_columns_and_tables_will_do(tmp_path: Path) -> None:
    file = tmp_path / "tickets.db"
    with contextlib.closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("CREATE TABLE tickets (ID TEXT, pipeline TEXT, run_id TEXT)")
        raw.executemany("INSERT INTO tickets VALUES (?, 'p', ?)", [("a", "1"), ("a", "2"), (None, None)])
    url = URL.create("sqlite", database=str(file))
    assert upgrade(url)
    assert {row["run_id"] for row in rows(url, "tickets")} == {"1", "2", None}
    Database(url).close()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("- a\n* b\n\n", ["a", "b"]),
        (None, []),
        ('{"1": "a"}', ["a"]),
        ("[" * 5000, []),
        ('"one"', ["one"]),
        ("9" * 5000, ["9" * 2000]),
    ],
)
def test_recommendations_are_read_from_whatever_they_were(said: Any, meant: list[str]) -> None:
    assert recommendations(said) == meant


@pytest.mark.parametrize("said", ["N/A", "", " ", None, "null", "None", b"n/a", "unknown"])
def test_words_for_no_run_are_no_run(said: Any) -> None:
    assert run_id(said) is None
