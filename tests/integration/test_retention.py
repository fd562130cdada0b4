"""What was closed long ago goes, with all that hangs on it; nothing else does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update
from typer.testing import CliRunner

from pipesleuth.cli import app
from pipesleuth.db import retention
from pipesleuth.db.tables import AuditLine, Payload, Ticket, Todo
from pipesleuth.model import WrongSetting, timestamp
from places import NOON, Place, adf

CUT = NOON - timedelta(days=180)


def _nothing(*_: Any) -> None:
    pass


def _aged(connection: Connection, ticket: str, days: int, **values: Any) -> None:
    """As if the ticket had been closed so many days ago."""
    at = timestamp(NOON - timedelta(days=days))
    known = {"status": "acknowledged", "timestamp": at, "ack_ts": at} | values
    connection.execute(update(Ticket).where(Ticket.id == ticket).values(**known))
    connection.execute(update(AuditLine).where(AuditLine.ticket_id == ticket).values(timestamp=at))
    connection.execute(update(Todo).where(Todo.ticket_id == ticket).values(done_version=Todo.wanted_version))


async def _tickets(place: Place, number: int) -> list[str]:
    return [await place.ticket(adf()) for _ in range(number)]


def _pruned(place: Place) -> dict[str, int]:
    return retention.prune(place.parts.settings.database, CUT, begin=_nothing, progress=_nothing)


async def test_old_closed_tickets_go_with_all_that_hangs_on_them(place: Place) -> None:
    old, young, still_open = await _tickets(place, 3)
    await place.parts.database.write(lambda c: _aged(c, old, 200))
    await place.parts.database.write(lambda c: _aged(c, young, 100))
    await place.parts.database.write(lambda c: _aged(c, still_open, 300, status="open", ack_ts=None))
    said = retention.expected(place.parts.settings.database, CUT)
    gone = _pruned(place)
    assert gone == said
    assert gone["tickets"] == 1
    assert gone["audit_trail"] == gone["payloads"] == 1
    assert {row["id"] for row in await place.rows()} == {young, still_open}
    for table in (AuditLine, Todo, Payload):
        left = await place.read(lambda c, table=table: set(c.execute(select(table.ticket_id)).scalars()))
        assert left - {None} == {young, still_open}
    (said_so,) = [line for line in await place.lines() if line["action"] == "Tickets Pruned"]
    assert "1 rows of tickets" in said_so["details"]


async def test_what_still_owes_something_outside_stays(place: Place) -> None:
    (old,) = await _tickets(place, 1)
    await place.parts.database.write(lambda c: _aged(c, old, 200))
    await place.parts.database.write(lambda c: c.execute(update(Todo).values(wanted_version=9)))
    assert _pruned(place)["tickets"] == 0
    await place.parts.database.write(lambda c: c.execute(update(Todo).values(stopped_at="2026")))
    assert _pruned(place)["tickets"] == 1


async def test_who_others_stand_folded_under_goes_with_the_last_of_them(place: Place) -> None:
    head, repeats = await _tickets(place, 2)
    await place.parts.database.write(lambda c: _aged(c, head, 200))
    await place.parts.database.write(lambda c: _aged(c, repeats, 100, caused_by=head))
    assert _pruned(place)["tickets"] == 0
    await place.parts.database.write(lambda c: _aged(c, repeats, 190))
    assert _pruned(place)["tickets"] == 2


async def test_archived_bodies_are_kept(place: Place) -> None:
    (old,) = await _tickets(place, 1)
    await place.work_off()
    await place.parts.database.write(lambda c: _aged(c, old, 200))
    before = sorted((place.folder / "archive").rglob("*.json"))
    assert before
    assert _pruned(place)["tickets"] == 1
    assert sorted((place.folder / "archive").rglob("*.json")) == before


async def test_audit_lines_of_nobody_go_when_they_are_old(place: Place) -> None:
    def write(connection: Connection) -> None:
        for days in (100, 200, 300):
            at = timestamp(NOON - timedelta(days=days))
            connection.execute(insert(AuditLine).values(timestamp=at, action="Note", ticket_id="ADF-gone"))

    await place.parts.database.write(write)
    assert _pruned(place)["audit_trail"] == 2


async def test_more_than_one_transaction_s_worth_goes_beside_a_service_that_works(place: Place) -> None:
    (one,) = await _tickets(place, 1)
    await place.parts.database.write(lambda c: _aged(c, one, 200))

    def many(connection: Connection) -> None:
        row = dict(connection.execute(select(Ticket).where(Ticket.id == one)).mappings().one())
        rows = [row | {"id": f"ADF-{number:06}", "run_id": f"r{number}"} for number in range(3 * retention.TICKETS)]
        connection.execute(insert(Ticket), rows)

    await place.parts.database.write(many)
    steps: list[int] = []
    url = place.parts.settings.database
    gone = retention.prune(url, CUT, begin=steps.append, progress=lambda _, rows: steps.append(rows))
    assert gone["tickets"] == steps[0] == sum(steps[1:]) == 3 * retention.TICKETS + 1
    assert max(steps[1:]) <= retention.TICKETS
    assert (await place.post(adf())).json()["status"] == "success"


async def test_the_command_says_what_would_go_and_then_what_went(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (old,) = await _tickets(place, 1)
    await place.parts.database.write(lambda c: _aged(c, old, 200))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", place.parts.settings.database.render_as_string(hide_password=False))
    command = ["db", "prune", "--older-than", "90d"]
    said = CliRunner().invoke(app, [*command, "--dry-run"])
    assert said.exit_code == 0, said.output
    assert "1 rows would go" in said.output
    assert len(await place.rows()) == 1
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    assert "1 rows are gone" in said.output
    assert await place.read(lambda c: c.execute(select(func.count()).select_from(Ticket)).scalar_one()) == 0


@pytest.mark.parametrize(("said", "days"), [("180d", 180), ("26w", 182), ("6m", 180), ("1y", 365), ("48h", 2)])
def test_a_span_has_a_number_and_a_unit(said: str, days: int) -> None:
    assert retention.span(said) == timedelta(days=days)


@pytest.mark.parametrize("said", ["", "180", "-1d", "1h", "0d", "١٨d", "99999999999d", "99999y", "180d; DROP"])
def test_any_other_span_is_refused(said: str) -> None:
    with pytest.raises(WrongSetting):
        retention.span(said)
