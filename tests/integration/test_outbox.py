"""What is owed to the outside: done in the end and once, by whoever holds the claim."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pipesleuth.db.database import Database
from pipesleuth.db.tables import Hold
from pipesleuth.live import Bell
from pipesleuth.model import Notice, Permanent, Receipt, Retryable, timestamp
from pipesleuth.outbox import todos
from pipesleuth.outbox.backoff import pause
from pipesleuth.outbox.todos import Claim
from pipesleuth.outbox.worker import Done, Kind, Tempo, Worker
from places import Place, finished, work_off
from told import Told, failing

TEMPO = Tempo(lease=15, call=30, mark_visible=10, backoff_first=2, backoff_most=600, breaker_faults=5)


async def claimed(place: Place, kind: str, *, lease: float = 15, creates: bool = True) -> list[Claim]:
    return await place.parts.database.write(
        lambda c: todos.claim(c, kind, 32, place.clock(), lease_seconds=lease, creates=creates, visible_seconds=10)
    )


@pytest.fixture
def slack() -> Told:
    return Told("slack")


@pytest.fixture
def jira() -> Told:
    return Told("jira")


async def paced_off(place: Place) -> None:
    """Do everything due, letting the pace of a destination pass meanwhile."""
    for _ in range(20):
        await place.work_off()
        place.clock.turn(1.1)


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
        first = await write(lambda c: todos.settle(c, slow, 1, Receipt(key="SLOW"), place.clock()))
        assert first is True
        todo = await place.todo(ticket, "jira")
        assert todo["claim"] == quick.token
        assert todo["done_version"] == 0
        assert '"SLOW"' in todo["receipt"]
        assert await write(lambda c: todos.settle(c, slow, 1, Receipt(key="AGAIN"), place.clock())) is False
        assert '"SLOW"' in (await place.todo(ticket, "jira"))["receipt"]
        assert await write(lambda c: todos.settle(c, quick, 1, Receipt(key="SLOW"), place.clock())) is True
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
        await write(lambda c: todos.settle(c, analyse, 1, None, place.clock()))
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


# Leases and holders, in real time on a small scale.


class Slow:
    """A handler that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.calls: list[str] = []

    async def __call__(self, claim: Claim) -> Done:
        self.calls.append(claim.token)
        await asyncio.sleep(self.seconds)
        return Done(claim.wanted_version, Receipt(key="K"))


def worker_of(place: Place, handler: Any, tempo: Tempo, *, clock: Any = None, calls: int = 16) -> Worker:
    kinds = [Kind("jira", handler, creates=True, calls=calls)]
    if clock is None:
        return Worker(place.parts.database, Bell(), kinds, tempo)
    return Worker(place.parts.database, Bell(), kinds, tempo, now=clock)


async def test_a_lease_is_renewed_while_a_long_call_runs(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        tempo = Tempo(lease=0.6, call=30, mark_visible=0)
        one, other = Slow(1.5), Slow(0)
        workers = [worker_of(place, one, tempo), worker_of(place, other, tempo)]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        await place.until(lambda: _done(place, ticket), 10)
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)
        assert len(one.calls) + len(other.calls) == 1 or one.calls == []


async def _done(place: Place, ticket: str) -> bool:
    return (await place.todo(ticket, "jira"))["done_version"] >= 1


async def test_what_a_dead_worker_held_is_taken_over_when_its_lease_ends(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        dead = worker_of(place, Slow(60), TEMPO, clock=place.clock)
        await dead._round()
        for lane in dead._lanes.values():
            for task in lane.running:
                task.cancel()
        await finished(dead)
        heir = Slow(0)
        alive = worker_of(place, heir, TEMPO, clock=place.clock)
        place.clock.turn(14)
        await work_off(alive)
        assert heir.calls == []
        place.clock.turn(2)
        await work_off(alive)
        assert len(heir.calls) == 1
        assert await _done(place, ticket)


async def test_a_call_that_hangs_is_cut_and_leaves_a_doubt(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        worker = worker_of(place, Slow(60), Tempo(call=0.05), clock=place.clock)
        await work_off(worker)
        todo = await place.todo(ticket, "jira")
        assert todo["in_doubt"] is True
        assert todo["last_error"].startswith("No answer within")
        assert todo["next_try_at"] > timestamp(place.clock())


async def test_a_handlers_own_mistake_is_tried_again_later_and_ends_nothing(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()

        async def broken(claim: Claim) -> Done:
            raise ZeroDivisionError

        await work_off(worker_of(place, broken, TEMPO, clock=place.clock))
        todo = await place.todo(ticket, "jira")
        assert (todo["in_doubt"], todo["claim"], todo["last_error"]) == (
            True,
            None,
            "Internal error: ZeroDivisionError.",
        )

        async def broken_later(claim: Claim) -> Done:
            def effects(_connection: Any) -> None:
                raise ZeroDivisionError

            return Done(claim.wanted_version, Receipt(key="K"), effects=effects)

        place.clock.turn(60)
        await work_off(worker_of(place, broken_later, TEMPO, clock=place.clock))
        todo = await place.todo(ticket, "jira")
        assert (todo["receipt"], todo["in_doubt"], todo["claim"]) == (None, True, None)
        assert todo["next_try_at"] > timestamp(place.clock())


# Back-off, holds and the breaker.


def test_back_off_doubles_up_to_its_bound_spread_by_a_fifth_and_heeds_what_was_asked() -> None:
    for attempt in range(1, 200):
        for _ in range(20):
            seconds = pause(attempt, first=2, most=600)
            plain = min(600.0, 2.0 * 2 ** min(attempt - 1, 30))
            assert plain * 0.8 <= seconds <= plain * 1.2
    assert len({pause(3, first=2, most=600) for _ in range(10)}) > 1
    assert pause(1, first=2, most=600, asked=90) == 90
    assert pause(0, first=2, most=600) <= 2.4


async def held(place: Place, kind: str) -> Any:
    return await place.read(lambda c: c.execute(select(Hold).where(Hold.kind == kind)).mappings().first())


async def test_after_faults_in_a_row_one_probe_goes_ahead_for_all_workers_and_success_frees_all(
    open_place: Any,
) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        tickets = [await place.ticket() for _ in range(12)]
        calls: list[str] = []
        down = [True]

        async def vendor(claim: Claim) -> Done:
            calls.append(claim.ticket_id)
            if down[0]:
                raise Retryable("HTTP 503", everyone=True)
            return Done(claim.wanted_version, Receipt(key=claim.ticket_id))

        workers = [worker_of(place, vendor, TEMPO, clock=place.clock, calls=3) for _ in range(2)]
        for _ in range(4):
            for worker in workers:
                await worker._round()
                await finished(worker)
        first = len(calls)
        assert 5 <= first <= 12
        hold = await held(place, "jira")
        assert hold["faults"] >= 5
        assert hold["until"] > timestamp(place.clock())
        for minute in range(20):
            place.clock.turn(16)
            before = len(calls)
            await asyncio.gather(*(worker._round() for worker in workers))
            await asyncio.gather(*(worker._round() for worker in workers))
            for worker in workers:
                await finished(worker)
            assert len(calls) - before <= 1, minute
        assert len(calls) > first + 10
        down[0] = False
        place.clock.turn(16)
        for worker in workers:
            await work_off(worker)
        for worker in workers:
            await work_off(worker)
        assert set(calls) == set(tickets)
        assert await place.read(todos.owed) == 24  # archives and analyses; no issue is owed any more
        assert await held(place, "jira") is None


async def test_what_the_other_side_asks_of_everybody_is_kept_by_every_worker(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        for _ in range(3):
            await place.ticket()
        calls: list[str] = []

        async def busy(claim: Claim) -> Done:
            calls.append(claim.ticket_id)
            if len(calls) == 1:
                raise Retryable("HTTP 429", after=40, everyone=True)
            return Done(claim.wanted_version, Receipt(key="K"))

        one, other = (worker_of(place, busy, TEMPO, clock=place.clock, calls=1) for _ in range(2))
        await one._round()
        await finished(one)
        for _ in range(3):
            place.clock.turn(10)
            await work_off(one)
            await work_off(other)
        assert len(calls) == 1
        place.clock.turn(11)
        await work_off(one)
        await work_off(other)
        assert len(calls) == 4


async def test_one_hopeless_to_do_keeps_its_own_back_off_while_the_others_go_well(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        poison = await place.ticket()
        calls: list[str] = []

        async def picky(claim: Claim) -> Done:
            calls.append(claim.ticket_id)
            if claim.ticket_id == poison:
                raise Retryable("HTTP 500")
            return Done(claim.wanted_version, Receipt(key="K"))

        worker = worker_of(place, picky, TEMPO, clock=place.clock)
        for _ in range(30):
            await place.ticket()
            place.clock.turn(1)
            await work_off(worker)
        assert calls.count(poison) <= 6
        assert len(set(calls)) == 31


async def test_faults_are_told_in_one_banner(open_place: Any, slack: Told) -> None:
    slack.does = failing(Retryable("HTTP 500", everyone=True))
    async with open_place(told={"slack": slack}) as place:
        headers = await place.signed_in()
        for _ in range(6):
            await place.ticket()
        for _ in range(12):
            await place.work_off()
            place.clock.turn(2)
        banners = (await place.client.get("/api/config", headers=headers)).json()["banners"]
        assert [banner["kind"] for banner in banners] == ["slack"]
        assert "HTTP 500" in banners[0]["text"]


async def test_the_worker_itself_does_what_is_due_and_stops_when_told(open_place: Any) -> None:
    jira = Told("jira")
    async with open_place(told={"jira": jira}, at_work=True, clock=_running_clock) as place:
        ticket = await place.ticket()
        await place.until(lambda: _nothing_owed(place), 10)
        assert await place.payload(ticket) is None
        assert len(jira.created) == 1


def _running_clock() -> datetime:
    return datetime.now(UTC)


async def _nothing_owed(place: Place) -> bool:
    return await place.read(todos.owed) == 0


async def test_while_the_database_is_away_the_worker_waits_and_then_goes_on(open_place: Any) -> None:
    async with open_place() as place:
        ticket = await place.ticket()
        engine = place.parts.database.engine
        place.parts.database.engine = Database(place.parts.database.url.set(database="/nowhere/at/all.db")).engine
        assert await place.worker._round() == 0
        place.parts.database.engine = engine
        await place.work_off()
        assert await place.payload(ticket) is None
