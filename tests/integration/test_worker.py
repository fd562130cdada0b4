"""The worker: slow calls, lost leases, probes and ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from pipesleuth.db.database import Database
from pipesleuth.db.tables import Hold
from pipesleuth.model import Receipt, Retryable, timestamp
from pipesleuth.outbox import todos
from pipesleuth.outbox.backoff import pause
from pipesleuth.outbox.kinds import Done, Tempo
from pipesleuth.outbox.todos import Claim
from places import Place, finished, work_off
from told import Told, failing
from working import TEMPO, nothing_left, worker_of

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


async def test_a_lease_is_renewed_while_a_long_call_runs(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        tempo = Tempo(lease=0.6, call=30, mark_visible=0)
        one, other = Slow(1.5), Slow(0)
        workers = [worker_of(place, one, tempo), worker_of(place, other, tempo)]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        await place.until(lambda: nothing_left(place, ticket), 10)
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)
        assert len(one.calls) + len(other.calls) == 1 or one.calls == []


async def test_who_slept_through_its_lease_goes_on_with_nothing(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        slow = Slow(60)
        sleeper = worker_of(place, slow, TEMPO, clock=place.clock)
        await sleeper._round()
        await asyncio.sleep(0.01)
        assert len(slow.calls) == 1
        sleeper._overslept()
        await finished(sleeper)
        assert not sleeper.busy
        todo = await place.todo(ticket, "jira")
        assert (todo["done_version"], todo["in_doubt"], todo["claim"]) == (0, True, slow.calls[0])
        place.clock.turn(30)
        other = worker_of(place, Slow(0), TEMPO, clock=place.clock)
        await work_off(other)
        assert await nothing_left(place, ticket)


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
        assert await nothing_left(place, ticket)


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


@pytest.mark.long
async def test_a_call_that_outlives_its_process_is_given_back_in_doubt_and_due_at_once(open_place: Any) -> None:
    async with open_place(told={"jira": Told("jira")}) as place:
        ticket = await place.ticket()
        worker = worker_of(place, Slow(60), TEMPO, clock=place.clock)
        running = asyncio.create_task(worker.run())

        async def held() -> bool:
            return bool((await place.todo(ticket, "jira"))["claim"])

        await place.until(held)
        worker.stop()
        await asyncio.wait_for(running, 10)
        todo = await place.todo(ticket, "jira")
        assert (todo["claim"], todo["leased_until"], todo["in_doubt"]) == (None, "", True)
        assert todo["next_try_at"] <= timestamp(place.clock())
