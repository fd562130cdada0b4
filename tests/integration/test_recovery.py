"""Once a vendor is back, what is owed is delivered soon, at the pace the vendor allows, the urgent first."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from sqlalchemy import Connection, update

from pipesleuth.db.tables import Todo
from pipesleuth.destinations.outline import SIGNS
from pipesleuth.model import Status
from pipesleuth.outbox import todos
from pipesleuth.sandbox import Sandbox
from pipesleuth.tickets import lifecycle
from places import Clock, Place, adf, work_off
from vendors import issues_of, notes_of, roots_of, told

SOON = 25


async def passed(place: Place, seconds: float, step: float = 1.0) -> None:
    """Let so many seconds pass, with the worker at work."""
    for _ in range(round(seconds / step)):
        place.clock.turn(step)
        await work_off(place.worker)


async def test_after_outages_of_any_length_everything_is_delivered_within_25_seconds(
    open_place: Any, clock: Clock
) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox, open_place(told=told(sandbox, clock)) as place:
        for outage in (4, 13, 35, 70):
            sandbox.world.faults.put([{"kind": "500", "service": name} for name in ("jira", "slack")])
            for _ in range(3):
                await place.ticket(adf())
            await passed(place, outage)
            assert await place.read(todos.owed) > 0
            sandbox.world.faults.clear()
            await passed(place, SOON)
            assert await place.read(todos.owed) == 0, f"after an outage of {outage} s"


async def test_an_hour_s_outage_ends_in_a_catch_up_at_slack_s_pace_without_one_refusal(
    open_place: Any, clock: Clock
) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
        vendors = told(sandbox, clock, slack_per_second=1)
        async with open_place(told={"slack": vendors["slack"]}) as place:
            sandbox.world.faults.put([{"kind": "refuse", "service": "slack"}])
            tickets = [await place.ticket(adf()) for _ in range(5)]
            await passed(place, 3600, step=60)
            sandbox.world.faults.clear()
            sandbox.world.slack.put({"rate_per_second": 1})
            before = len(sandbox.world.journal.calls)
            vendors["slack"]._turns.clear()  # pyright: ignore[reportAttributeAccessIssue]  # real seconds, which did not pass
            await passed(place, SOON + len(tickets))
            posted = [call for call in list(sandbox.world.journal.calls)[before:] if call.path.endswith("postMessage")]
            assert [call.status for call in posted] == [200] * len(tickets)
            moments = [call.time for call in posted]
            assert min(after - earlier for earlier, after in itertools.pairwise(moments)) >= 1
            assert [len(roots_of(sandbox, row)) for row in await place.rows()] == [1] * len(tickets)


async def test_a_p1_overtakes_a_crowd_of_p4s_at_one_message_a_second(open_place: Any, clock: Clock) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
        vendors = told(sandbox, clock)
        vendors["slack"].per_second = 1  # pyright: ignore[reportAttributeAccessIssue]  # for claims, not for real seconds
        async with open_place(told={"slack": vendors["slack"]}, slack_per_second=1) as place:
            vendors["slack"].per_second = 1000  # pyright: ignore[reportAttributeAccessIssue]  # the same
            for _ in range(40):
                await place.ticket(adf())
            await place.parts.database.write(lambda c: c.execute(update(Todo).values(rank=4)).rowcount)
            await passed(place, 3)
            clock.turn(0.1)
            urgent = await place.ticket(adf())
            mine = update(Todo).where(Todo.ticket_id == urgent)
            await place.parts.database.write(lambda c: c.execute(mine.values(rank=1)).rowcount)
            await passed(place, 2)
            assert roots_of(sandbox, await place.row(urgent))
            assert len(sandbox.world.slack.messages) <= 8


async def test_two_workers_share_a_channel_s_pace_and_channels_do_not_wait_for_one_another(
    open_place: Any, clock: Clock, tmp_path: Any
) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text('routes:\n  - {channel: "#finance-data", pipeline: "fin_*"}\n')
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
        how = {"slack_routes": routes}
        slacks = [told(sandbox, clock, **how)["slack"] for _ in range(2)]
        for slack in slacks:
            slack.per_second = 1  # pyright: ignore[reportAttributeAccessIssue]  # for claims, not for real seconds
        async with open_place(told={"slack": slacks[0]}) as one, open_place(told={"slack": slacks[1]}) as two:
            for slack in slacks:
                slack.per_second = 1000  # pyright: ignore[reportAttributeAccessIssue]  # the same
            for _ in range(15):
                await one.ticket(adf(pipeline="pl_orders"))
            await one.ticket(adf(pipeline="fin_close"))
            await asyncio.gather(work_off(one.worker), work_off(two.worker))
            assert {message.channel for message in sandbox.world.slack.messages} == {"C0SANDBOX01", "C0SANDBOX02"}
            for _ in range(4):
                clock.turn(1)
                await asyncio.gather(work_off(one.worker), work_off(two.worker))
            roots = [one for one in sandbox.world.slack.messages if one.channel == "C0SANDBOX01"]
            assert len(roots) == 5


async def test_more_news_than_one_call_tells_are_told_or_passed_over_to_the_last(open_place: Any, clock: Clock) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox, open_place(told=told(sandbox, clock)) as place:
        ticket = await place.ticket(adf())
        await work_off(place.worker)
        for hand in ("jira", "pipesleuth"):
            for number in range(40):
                deed = lifecycle.put_back if number % 2 else lifecycle.start
                await place.parts.database.write(lambda c, d=deed, h=hand: move(c, ticket, d, h, clock))
            await passed(place, 20)
            assert await place.read(todos.owed) == 0
        (root,) = roots_of(sandbox, await place.row(ticket))
        assert len(notes_of(sandbox, root)) == 80
        (issue,) = issues_of(sandbox, await place.row(ticket))
        assert len(issue.comments) == 40


def move(connection: Connection, ticket: str, deed: Any, hand: str, clock: Clock) -> None:
    """Take the ticket or put it back, by our hand or by Jira's."""
    deed(connection, lifecycle.fetch(connection, ticket), "Dana", clock(), hand=hand)


@pytest.mark.parametrize("fault", ["timeout_after_success", "500"])
async def test_a_ticket_back_in_its_earlier_state_is_told_again_where_a_lost_try_said_otherwise(
    open_place: Any, clock: Clock, fault: str
) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
        vendors = told(sandbox, clock)
        async with open_place(told={"slack": vendors["slack"]}) as place:
            ticket, person = await place.ticket(adf()), await place.signed_in()
            await passed(place, 2)
            for deed in ("close", "reopen"):
                put = {"kind": fault, "service": "slack", "route": "chat.update", "seconds": 0.01, "count": 1}
                sandbox.world.faults.put([put] if deed == "close" else [])
                assert (await place.client.post(f"/api/tickets/{ticket}/{deed}", headers=person)).status_code == 200
                await passed(place, 1)
            await passed(place, SOON)
            root = roots_of(sandbox, await place.row(ticket))[0]
            assert root.content["blocks"][0]["text"]["text"].startswith(SIGNS[Status.OPEN])
