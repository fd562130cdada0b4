"""The SLA clock in the channels: a warning and a breach are told once, by however many processes, across restarts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from pipesleuth.sandbox import Sandbox
from pipesleuth.tickets import deadlines
from places import Clock, Place, work_off
from vendors import issues_of, notes_of, payload, roots_of, told

WARN = 300


async def sweep(place: Place) -> int:
    """What each process does every second."""
    now = place.clock()
    return await place.parts.database.write(lambda c: deadlines.sweep(c, now, warn_seconds=WARN))


def thread(sandbox: Sandbox, row: dict[str, Any]) -> list[str]:
    """What the notes in a ticket's thread say."""
    (root,) = roots_of(sandbox, row)
    return [note.content["text"] for note in notes_of(sandbox, root)]


async def test_warning_and_breach_are_told_once_by_two_servers_and_across_a_restart(
    open_place: Any, clock: Clock
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(clock=lambda: clock().timestamp()))
        first = await stack.enter_async_context(open_place(told=told(sandbox, clock)))
        second = await stack.enter_async_context(open_place(told=told(sandbox, clock)))
        ticket = await first.ticket()
        await work_off(first.worker)
        row = await first.row(ticket)
        clock.turn(row["sla_seconds"] - WARN - 1)
        assert await sweep(first) == 0
        clock.turn(2)
        assert sum(await asyncio.gather(sweep(first), sweep(second))) == 1
        assert sum(await asyncio.gather(sweep(second), sweep(first))) == 0
        await asyncio.gather(work_off(first.worker), work_off(second.worker))
        clock.turn(WARN)
        assert sum(await asyncio.gather(sweep(first), sweep(second))) == 1
        async with open_place(told=told(sandbox, clock)) as restarted:
            assert await sweep(restarted) == 0
            for _ in range(3):
                await asyncio.gather(work_off(first.worker), work_off(second.worker), work_off(restarted.worker))
                clock.turn(1)
            actions = await restarted.actions(ticket)
            assert actions.count("SLA Warning") == actions.count("SLA Breached") == 1
            assert (await restarted.row(ticket))["sla_status"] == "Breached"
        notes = thread(sandbox, row)
        assert [sum(word in note for note in notes) for word in ("SLA Warning", "SLA Breached")] == [1, 1]
        (issue,) = issues_of(sandbox, row)
        assert len(issue.comments) == 2


async def test_a_clock_that_steps_back_does_not_undo_or_repeat_a_breach(open_place: Any, clock: Clock) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox, open_place(told=told(sandbox, clock)) as place:
        ticket = await place.ticket()
        await work_off(place.worker)
        row = await place.row(ticket)
        clock.turn(row["sla_seconds"] + 1)
        assert await sweep(place) == 1
        clock.turn(-600)
        assert await sweep(place) == 0
        clock.turn(700)
        assert await sweep(place) == 0
        await work_off(place.worker)
        (root,) = roots_of(sandbox, row)
        told_lines = [payload(note)["audit_id"] for note in notes_of(sandbox, root)]
        assert len(told_lines) == len(set(told_lines)) == 1
