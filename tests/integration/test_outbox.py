"""What is owed to the outside: done in the end and once, by whoever holds the claim."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pipesleuth.model import Notice, Permanent, Receipt, Retryable, timestamp
from pipesleuth.outbox import settlement, todos
from places import finished
from told import Told, failing
from working import claimed, paced_off


async def test_a_ticket_is_archived_analysed_and_told_and_then_nothing_is_owed(
    open_place: Any, jira: Told, slack: Told
) -> None:
    async with open_place(told={"jira": jira, "slack": slack}) as place:
        ticket = await place.ticket()
        await paced_off(place)
        row = await place.row(ticket)
        assert (row["itsm_ticket_id"], row["slack_ts"]) == ("KEY-1", "KEY-1")
        assert row["blob_log_url"].endswith(f"2026-11-20/{ticket}-payload.json")
        assert await place.payload(ticket) is None
        assert len(jira.created) == len(slack.created) == 1
        assert slack.updated[-1].fields["itsm_ticket_id"] == "KEY-1" or slack.created[0].fields["itsm_ticket_id"]
        assert await place.read(todos.owed) == 0
        actions = await place.actions(ticket)
        assert [actions.count(a) for a in ("Blob Saved", "Jira Created", "Slack Sent")] == [1, 1, 1]
        for kind in ("archive", "analyse", "jira", "slack"):
            todo = await place.todo(ticket, kind)
            assert (todo["claim"], todo["leased_until"], todo["in_doubt"], todo["last_error"]) == (
                None,
                "",
                False,
                None,
            )


async def test_a_claim_is_given_to_one_of_two_workers(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        for _ in range(20):
            await place.ticket()
        both = await asyncio.gather(claimed(place, "jira"), claimed(place, "jira"))
        tickets = [claim.ticket_id for claims in both for claim in claims]
        assert len(tickets) == len(set(tickets)) == 20
        assert await claimed(place, "jira") == []


async def test_the_urgent_go_first_then_the_old(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        tickets: list[str] = []
        for _ in range(4):
            tickets.append(await place.ticket())
            place.clock.turn(1)
        await place.parts.database.write(lambda c: todos.rerank(c, tickets[2], 1))
        order = [claim.ticket_id for claim in await claimed(place, "jira")]
        assert order == [tickets[2], tickets[0], tickets[1], tickets[3]]


async def test_doubt_is_written_down_before_the_call_and_kept_by_a_crash(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        (first,) = await claimed(place, "jira")
        assert first.in_doubt is False
        todo = await place.todo(ticket, "jira")
        assert (todo["in_doubt"], todo["doubt_since"]) == (True, timestamp(place.clock()))
        place.clock.turn(14)
        assert await claimed(place, "jira") == []
        place.clock.turn(2)
        (again,) = await claimed(place, "jira")
        assert again.in_doubt is True
        assert again.token != first.token
        assert again.attempts == 2


async def test_a_clean_refusal_clears_its_own_doubt_but_not_an_earlier_one(open_place: Any, jira: Told) -> None:
    async with open_place(told={"jira": jira}) as place:
        ticket = await place.ticket()
        jira.does = failing(Retryable("HTTP 429", after=1))
        await place.work_off()
        todo = await place.todo(ticket, "jira")
        assert (todo["in_doubt"], todo["last_error"], todo["attempts"]) == (False, "HTTP 429", 1)
        jira.does = failing(Retryable("No answer", in_doubt=True))
        place.clock.turn(5)
        await place.work_off()
        assert (await place.todo(ticket, "jira"))["in_doubt"] is True
        jira.does = failing(Retryable("The search was refused"))
        place.clock.turn(60)
        await place.work_off()
        assert (await place.todo(ticket, "jira"))["in_doubt"] is True
        jira.does = None
        place.clock.turn(120)
        await place.work_off()
        assert jira.doubts == [False, False, True, True]
        todo = await place.todo(ticket, "jira")
        assert (todo["in_doubt"], todo["doubt_since"], todo["attempts"]) == (False, None, 0)


async def test_what_is_in_doubt_is_not_looked_for_before_it_can_be_seen(open_place: Any, jira: Told) -> None:
    async with open_place(told={"jira": jira}) as place:
        await place.ticket()
        jira.does = failing(Retryable("No answer", in_doubt=True), 1)
        await place.work_off()
        for _ in range(9):
            place.clock.turn(1)
            await place.work_off()
        assert len(jira.doubts) == 1
        place.clock.turn(2)
        await place.work_off()
        assert jira.doubts == [False, True]


async def test_a_late_settling_fills_only_an_empty_receipt(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        (slow,) = await claimed(place, "jira")
        place.clock.turn(30)
        (quick,) = await claimed(place, "jira")
        write = place.parts.database.write
        first = await write(lambda c: settlement.settle(c, [(slow, 1, Receipt(key="SLOW"))], place.clock()))
        assert first == [True]
        todo = await place.todo(ticket, "jira")
        assert todo["claim"] == quick.token
        assert todo["done_version"] == 0
        assert '"SLOW"' in todo["receipt"]
        assert await write(lambda c: settlement.settle(c, [(slow, 1, Receipt(key="AGAIN"))], place.clock())) == [False]
        assert '"SLOW"' in (await place.todo(ticket, "jira"))["receipt"]
        again = await write(lambda c: settlement.settle(c, [(quick, 1, Receipt(key="SLOW"))], place.clock()))
        assert again == [False]  # the line about it stands there already
        assert (await place.todo(ticket, "jira"))["done_version"] == 1


async def test_a_change_during_the_call_makes_the_to_do_due_again(open_place: Any, jira: Told) -> None:
    async with open_place(told={"jira": jira}) as place:
        ticket = await place.ticket()
        headers = await place.signed_in()
        began, go_on = asyncio.Event(), asyncio.Event()

        async def wait(notice: Notice, receipt: Receipt | None, in_doubt: bool) -> Receipt:  # noqa: FBT001
            began.set()
            await go_on.wait()
            return jira.keep(notice, receipt)

        jira.does = wait
        await place.worker._round()
        await began.wait()
        assert (await place.client.post(f"/api/tickets/{ticket}/take", headers=headers)).status_code == 200
        go_on.set()
        await finished(place.worker)
        todo = await place.todo(ticket, "jira")
        assert todo["wanted_version"] > todo["done_version"]
        await place.work_off()
        assert [notice.status for notice in jira.updated] == ["in_progress"]
        todo = await place.todo(ticket, "jira")
        assert todo["wanted_version"] <= todo["done_version"]


async def test_a_closed_ticket_that_was_never_told_creates_nothing(open_place: Any, jira: Told, slack: Told) -> None:
    async with open_place(told={"jira": jira, "slack": slack}) as place:
        ticket = await place.ticket()
        headers = await place.signed_in()
        assert (await place.client.post(f"/api/tickets/{ticket}/close", headers=headers)).status_code == 200
        await paced_off(place)
        assert jira.created == slack.created == []
        assert await place.read(todos.owed) == 0
        assert (await place.client.post(f"/api/tickets/{ticket}/reopen", headers=headers)).status_code == 200
        await paced_off(place)
        assert len(jira.created) == len(slack.created) == 1


async def test_a_stopped_to_do_says_why_and_is_tried_again_when_asked(open_place: Any, slack: Told) -> None:
    slack.does = failing(Permanent("not_in_channel. Invite the app to #x, then retry."))
    async with open_place(told={"slack": slack}) as place:
        ticket = await place.ticket()
        headers = await place.signed_in()
        await place.work_off()
        place.clock.turn(3600)
        await place.work_off()
        assert len(slack.doubts) == 1
        whole = (await place.client.get(f"/api/tickets/{ticket}", headers=headers)).json()
        (shown,) = [one for one in whole["deliveries"] if one["kind"] == "slack"]
        assert (shown["state"], shown["can_retry"]) == ("stopped", True)
        assert "not_in_channel" in shown["last_error"]
        assert "Slack Stopped" in await place.actions(ticket)
        slack.does = None
        asked = await place.client.post(f"/api/tickets/{ticket}/deliveries/slack/retry", headers=headers)
        assert asked.status_code == 202
        await place.work_off()
        assert len(slack.created) == 1
        for kind, status in (("slack", 409), ("teams", 404)):
            answer = await place.client.post(f"/api/tickets/{ticket}/deliveries/{kind}/retry", headers=headers)
            assert (answer.status_code, answer.json()["field"]) == (status, "kind")


async def test_channels_wait_for_the_analysis_and_it_hastens_them(open_place: Any, jira: Told) -> None:
    async with open_place(told={"jira": jira}) as place:
        # As it is where an AI is configured: the channels' first try comes at the deadline.
        later = place.clock() + timedelta(seconds=20)
        duties = place.parts.house.intake._duties
        place.parts.house.intake._duties = replace(duties, channels_wait_seconds=20.0)
        ticket = await place.ticket()
        assert (await place.todo(ticket, "jira"))["next_try_at"] == timestamp(later)
        (analyse,) = await claimed(place, "analyse", lease=60, creates=False)
        await place.worker._round()
        await finished(place.worker)
        assert jira.created == []
        write = place.parts.database.write
        await write(lambda c: settlement.settle(c, [(analyse, 1, None)], place.clock()))
        await write(lambda c: todos.hasten(c, ticket, ("jira",), place.clock()))
        await place.work_off()
        assert len(jira.created) == 1
        other = await place.ticket()
        await claimed(place, "analyse", lease=60, creates=False)
        place.clock.turn(19)
        await place.work_off()
        assert len(jira.created) == 1
        place.clock.turn(1.1)
        await place.work_off()
        assert [notice.ticket_id for notice in jira.created] == [ticket, other]


async def test_an_analysis_that_comes_too_late_is_not_made(open_place: Any, jira: Told) -> None:
    async with open_place(told={"jira": jira}, rca_give_up_seconds=900) as place:
        ticket = await place.ticket()
        before = await place.row(ticket)
        place.clock.turn(901)
        await place.work_off()
        assert "RCA Skipped" in await place.actions(ticket)
        assert (await place.row(ticket))["rca_result"] == before["rca_result"]
        assert len(jira.created) == 1
