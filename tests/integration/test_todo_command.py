"""`pipesleuth todo` and the figures: what is owed, why it stopped, and how it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from pipesleuth.db.tables import Todo
from pipesleuth.tickets import owed
from places import Place


async def ask(place: Place, *words: str) -> str:
    """What the command says about this place's database."""
    environment = {**os.environ, "DATA_DIR": str(place.folder), "COLUMNS": "200"}
    done = subprocess.run(  # noqa: ASYNC221  # nothing else goes on here meanwhile
        [sys.executable, "-m", "pipesleuth", "todo", *words],
        env=environment,
        cwd=place.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


async def stopped(place: Place) -> str:
    """A ticket whose archive to-do has stopped."""
    ticket = await place.ticket()
    why = {"stopped_at": "2026-11-20T12:00:00.000000+00:00", "last_error": "not_in_channel. Invite the app to #x"}
    mine = (Todo.ticket_id == ticket, Todo.kind == "archive")
    await place.parts.database.write(lambda c: c.execute(update(Todo).where(*mine).values(**why)).rowcount)
    return ticket


async def test_a_stopped_to_do_is_listed_with_its_reason_and_retried(place: Place) -> None:
    ticket = await stopped(place)
    listed = await ask(place, "list", "--state", "stopped")
    assert ticket in listed
    assert "Invite the app to #x" in listed
    assert "pipesleuth todo retry --state stopped" in listed
    assert "1 due again" in await ask(place, "retry", "--kind", "archive", "--state", "stopped")
    place.clock.now = datetime.now(UTC)  # the command's own clock
    await place.work_off()
    assert (await place.todo(ticket, "archive"))["stopped_at"] is None
    assert "Nothing is owed" in await ask(place, "list", "--ticket", ticket)
    assert "Archive Retried" in await place.actions(ticket)


async def test_a_dropped_to_do_is_owed_no_more_and_the_ticket_says_so(place: Place) -> None:
    ticket = await stopped(place)
    assert "1 given up" in await ask(place, "drop", "--ticket", ticket, "--kind", "archive", "--yes")
    todo = await place.todo(ticket, "archive")
    assert todo["done_version"] == todo["wanted_version"]
    assert "Archive Dropped" in await place.actions(ticket)


@pytest.mark.parametrize("words", [("retry",), ("drop", "--yes"), ("list", "--state", "lost")])
async def test_a_command_that_does_not_say_which_is_refused(place: Place, words: tuple[str, ...]) -> None:
    said = await ask(place, *words)
    assert said.startswith("pipesleuth: ")
    assert "Traceback" not in said


async def test_metrics_count_to_dos_by_kind_and_state_with_lag_tries_and_holds(place: Place) -> None:
    await stopped(place)
    place.clock.turn(30)
    text = (await place.client.get("/metrics")).text
    assert 'pipesleuth_todos{kind="archive",state="stopped"} 1.0' in text
    assert 'pipesleuth_todos{kind="analyse",state="due"} 1.0' in text
    assert 'pipesleuth_todo_lag_seconds{kind="analyse",state="due"} 30.0' in text
    assert 'pipesleuth_todo_attempts{kind="archive",state="stopped"} 0.0' in text
    await place.work_off()
    assert 'kind="analyse",state="due"' not in (await place.client.get("/metrics")).text


async def test_many_are_retried_a_piece_at_a_time_and_each_once(place: Place) -> None:
    tickets = [await stopped(place) for _ in range(3)]
    which, now = owed.Filter(kind="archive", state=owed.STOPPED), place.clock()
    write = place.parts.database.write
    done, at = await write(lambda c: owed.retry(c, which, "Dana", now, most=2))
    assert (done, at) == (2, (sorted(tickets)[1], "archive"))
    assert await write(lambda c: owed.retry(c, which, "Dana", now, at or owed.START, most=2)) == (1, None)
    assert await write(lambda c: owed.retry(c, which, "Dana", now)) == (0, None)
