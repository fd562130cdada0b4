"""The AI behind a running service: what it changes, what every fault leaves, and what all servers share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pipesleuth.db.tables import Hold, Mark, Todo
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.model import Notice, Permanent, Receipt, Retryable, StatusChange, moment
from pipesleuth.outbox import todos
from pipesleuth.outbox.todos import Claim
from pipesleuth.sandbox.server import Sandbox
from pipesleuth.tickets.analysis import Analysis, Patience
from places import NOON, Place, adf, work_off

DNS = "Some step failed. The remote name could not be resolved: 'sql-orders.internal.example'"
ODD = "Frobnication of the flange by the instance ended oddly"


class Board:
    """A channel that remembers which causes it was told."""

    name = "slack"

    def __init__(self) -> None:
        self.told: list[str | None] = []

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:  # noqa: ARG002  # the contract's
        if notice.fields["category"] not in self.told:
            self.told.append(notice.fields["category"])
        return Receipt(key="1.1", told_digest=str(notice.version))

    def read_update(self, request: InboundRequest) -> StatusChange | None:  # noqa: ARG002  # the same
        return None

    async def close(self) -> None:
        pass


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Sandbox]:
    async with Sandbox() as running:
        for name, value in running.environment().items():
            if name.startswith("GEMINI"):
                monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
async def place(sandbox: Sandbox, open_place: Any, board: Board) -> AsyncGenerator[Place]:
    async with open_place(told={"slack": board}) as opened_place:
        yield opened_place


async def line(place: Place, ticket_id: str, action: str) -> dict[str, Any]:
    """The one audit line of this action."""
    (found,) = [one for one in await place.lines(ticket_id) if one["action"] == action]
    return found


async def test_the_ai_refines_the_verdict_before_anybody_is_told(place: Place, board: Board) -> None:
    ticket_id = await place.ticket(adf(message=ODD))
    assert (await place.row(ticket_id))["category"] == "unknown"
    await place.work_off()
    row = await place.row(ticket_id)
    assert row["category"] == "cluster_provisioning"
    assert row["rca_source"] == "gemini-2.5-flash"
    assert board.told == ["cluster_provisioning"]
    said = await line(place, ticket_id, "RCA Updated")
    assert said["user_name"] == "gemini-2.5-flash"
    assert "category unknown → cluster_provisioning" in said["details"]
    assert "unknown had said unknown, Low" in said["details"]
    assert "tokens in" in said["details"]
    assert "$0.00" in said["details"]


async def test_an_answer_that_changes_nothing_is_remembered_as_such(place: Place) -> None:
    ticket_id = await place.ticket(adf(message=ODD))
    await place.work_off()
    await once_more(place, ticket_id)
    await place.work_off()
    confirmed = await line(place, ticket_id, "RCA Confirmed")
    assert "used again, without a call" in confirmed["details"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"mode": "safety"}, "safety filter"),
        ({"mode": "blocked"}, "safety filter"),
        ({"mode": "max_tokens"}, "MAX_TOKENS"),
        ({"mode": "malformed"}, "did not fit the schema"),
        ({"mode": "wrong_schema"}, "did not fit the schema"),
        ({"keys": ["another"]}, "refused our key"),
        ({"models": ["gemini-9"]}, "set MODEL_ID"),
    ],
)
async def test_a_lasting_fault_leaves_the_knowledge_bases_verdict_and_says_why(
    place: Place, sandbox: Sandbox, board: Board, state: dict[str, Any], reason: str
) -> None:
    sandbox.world.gemini.put(state)
    ticket_id = await place.ticket(adf(message=DNS))
    await place.work_off()
    row = await place.row(ticket_id)
    assert row["category"] == "dns"
    assert row["rca_source"].startswith("knowledge")
    said = await line(place, ticket_id, "RCA Kept")
    assert reason in said["details"]
    assert f"The verdict of {row['rca_source']} stands." in said["details"]
    assert len(board.told) == 1
    assert (await place.todo(ticket_id, "analyse"))["stopped_at"] is None


@pytest.mark.parametrize("mode", ["429", "503", "500"])
async def test_a_passing_fault_waits_for_the_deadline_and_the_answer_comes_later(
    place: Place, sandbox: Sandbox, board: Board, mode: str
) -> None:
    sandbox.world.gemini.mode = mode
    ticket_id = await place.ticket(adf(message=ODD))
    await place.work_off()
    assert board.told == []
    assert moment((await place.todo(ticket_id, "slack"))["next_try_at"]) == NOON + timedelta(seconds=20)
    assert "it is tried again" in (await line(place, ticket_id, "RCA Waits"))["details"]
    place.clock.turn(21)
    await place.work_off()
    assert board.told == ["unknown"]
    sandbox.world.gemini.mode = "normal"
    place.clock.turn(40)
    await place.work_off()
    assert (await place.row(ticket_id))["category"] == "cluster_provisioning"
    assert board.told == ["unknown", "cluster_provisioning"]
    assert len([a for a in await place.actions(ticket_id) if a == "RCA Waits"]) == 1


async def test_the_servers_delay_is_when_it_is_tried_again(place: Place, sandbox: Sandbox) -> None:
    sandbox.world.gemini.put({"mode": "429", "retry_delay": 34})
    ticket_id = await place.ticket(adf(message=ODD))
    await place.work_off()
    wait = moment((await place.todo(ticket_id, "analyse"))["next_try_at"]) - NOON
    assert timedelta(seconds=34) <= wait < timedelta(seconds=60)


async def test_a_model_that_is_down_holds_nobody_elses_analysis(place: Place, sandbox: Sandbox) -> None:
    sandbox.world.gemini.mode = "503"
    made = [await place.ticket(adf(message=f"{ODD} {n}")) for n in range(8)]
    await place.work_off()
    for ticket_id in made:
        assert "RCA Waits" in await place.actions(ticket_id)
    assert await place.read(lambda c: c.execute(select(Hold)).all()) == []
    budget = await place.read(
        lambda c: c.execute(select(Mark.value).where(Mark.name.like("ai.budget:%"))).scalars().all()
    )
    assert budget == ["0"]


async def test_nothing_is_asked_after_the_time_to_give_up(place: Place, sandbox: Sandbox, board: Board) -> None:
    ticket_id = await place.ticket(adf(message=DNS))
    place.clock.turn(901)
    await place.work_off()
    assert sandbox.world.gemini.calls == 0
    assert "within 15 minutes" in (await line(place, ticket_id, "RCA Skipped"))["details"]
    assert len(board.told) == 1


async def test_after_people_were_told_the_priority_may_rise_and_not_fall(
    place: Place, sandbox: Sandbox, board: Board
) -> None:
    sandbox.world.gemini.script = ["503"]
    ticket_id = await place.ticket(adf(message=f"{ODD}. The login failed: expired."))
    before = await place.row(ticket_id)
    place.clock.turn(21)
    await place.work_off()
    assert len(board.told) == 1
    place.clock.turn(60)
    await place.work_off()
    after = await place.row(ticket_id)
    assert after["rca_source"] == "gemini-2.5-flash"
    assert after["priority"] <= before["priority"]


async def test_a_fault_later_does_not_undo_an_answer(place: Place, sandbox: Sandbox) -> None:
    ticket_id = await place.ticket(adf(message=ODD))
    await place.work_off()
    sandbox.world.gemini.mode = "safety"
    place.clock.turn(700)
    await once_more(place, ticket_id)
    await place.work_off()
    assert (await place.row(ticket_id))["category"] == "cluster_provisioning"
    assert "The verdict of gemini-2.5-flash stands" in (await line(place, ticket_id, "RCA Kept"))["details"]


async def test_the_same_failure_with_the_same_text_is_asked_once_in_ten_minutes(place: Place, sandbox: Sandbox) -> None:
    first = await place.ticket(adf(message=ODD))
    await place.work_off()
    second = await place.ticket(adf(message=ODD))
    await place.work_off()
    assert sandbox.world.gemini.calls == 1
    assert "without a call" in (await line(place, second, "RCA Updated"))["details"]
    assert (await place.row(first))["rca_result"] == (await place.row(second))["rca_result"]
    await place.ticket(adf(message=f"{ODD} again"))
    await place.work_off()
    assert sandbox.world.gemini.calls == 2
    place.clock.turn(601)
    await place.ticket(adf(message=ODD))
    await place.work_off()
    assert sandbox.world.gemini.calls == 3


async def test_equal_analyses_at_the_same_time_share_one_call(place: Place, sandbox: Sandbox) -> None:
    sandbox.world.gemini.put({"mode": "slow", "seconds": 0.3})
    made = [await place.ticket(adf(message=ODD)) for _ in range(5)]
    await place.work_off()
    assert sandbox.world.gemini.calls == 1
    assert {(await place.row(ticket_id))["category"] for ticket_id in made} == {"cluster_provisioning"}


async def test_two_servers_share_the_hours_budget(
    sandbox: Sandbox, open_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ANALYSES_PER_HOUR", "3")
    async with open_place() as one, open_place() as other:
        made = [await one.ticket(adf(message=f"{ODD} {'abcdefgh'[n]}")) for n in range(6)]
        await asyncio.gather(work_off(one.worker), work_off(other.worker))
        assert sandbox.world.gemini.calls == 3
        kept = [ticket_id for ticket_id in made if "RCA Kept" in await one.actions(ticket_id)]
        assert len(kept) == 3
        assert "budget of 3 AI analyses" in (await line(one, kept[0], "RCA Kept"))["details"]
        one.clock.turn(3600)
        await one.ticket(adf(message=f"{ODD} next"))
        await one.work_off()
        assert sandbox.world.gemini.calls == 4


async def test_what_was_seen_before_is_told_to_the_ai_without_names(place: Place, sandbox: Sandbox) -> None:
    first = await place.ticket(adf(message=ODD))
    await place.work_off()
    headers = await place.signed_in()
    closed = await place.client.post(
        f"/api/tickets/{first}/close", json={"note": "rotated the SAS password=hunter22;"}, headers=headers
    )
    assert closed.status_code == 200
    place.clock.turn(601)
    await place.ticket(adf(message=ODD))
    await place.work_off()
    asked = json.dumps(sandbox.world.journal.since(0, "gemini")[-1].body)
    assert "seen 1 times in the last 30 days" in asked
    assert "rotated the SAS" in asked
    assert "hunter22" not in asked
    assert "dana" not in asked.lower()


async def test_the_metrics_count_calls_tokens_seconds_and_cost(place: Place, sandbox: Sandbox) -> None:
    await place.ticket(adf(message=ODD))
    await place.work_off()
    sandbox.world.gemini.mode = "safety"
    await place.ticket(adf(message=f"{ODD} twice"))
    await place.work_off()
    shown = (await place.client.get("/metrics")).text
    assert 'pipesleuth_ai_calls_total{outcome="answered"} 1.0' in shown
    assert 'pipesleuth_ai_calls_total{outcome="failed"} 1.0' in shown
    assert "pipesleuth_ai_seconds_count 2.0" in shown
    assert 'pipesleuth_ai_tokens_total{direction="in"} 0.0' not in shown
    assert "pipesleuth_ai_cost_dollars_total 0.0\n" not in shown


async def test_without_a_key_nobody_is_asked_and_nobody_waits(open_place: Any, board: Board) -> None:
    async with open_place(told={"slack": board}) as place:
        ticket_id = await place.ticket(adf(message=DNS))
        await place.work_off()
        assert len(board.told) == 1
        assert not [a for a in await place.actions(ticket_id) if a.startswith("RCA")]


@pytest.mark.parametrize(
    ("fault", "action"), [(Retryable("Busy.", after=7), "RCA Waits"), (Permanent("No access."), "RCA Kept")]
)
async def test_a_platform_that_does_not_answer_leaves_what_the_alert_said(
    open_place: Any, fault: Retryable | Permanent, action: str
) -> None:
    async def refuses(*_asked: Any) -> Any:
        raise fault

    async with open_place() as place:
        ticket_id = await place.ticket(adf(message=DNS))
        claim = await claimed(place)
        analysis = analysis_of(place, refuses)
        if isinstance(fault, Retryable):
            with pytest.raises(Retryable):
                await analysis(claim)
        else:
            done = await analysis(claim)
            await place.parts.database.write(done.effects)
        assert (await place.row(ticket_id))["category"] == "dns"
        assert fault.reason in (await line(place, ticket_id, action))["details"]


async def test_a_claim_that_was_lost_writes_nothing(open_place: Any) -> None:
    async def refuses(*_asked: Any) -> Any:
        raise Retryable("Busy.")

    async with open_place() as place:
        ticket_id = await place.ticket(adf(message=DNS))
        claim = await claimed(place)
        place.clock.turn(16)
        await claimed(place)
        with pytest.raises(Retryable):
            await analysis_of(place, refuses)(claim)
        assert await place.actions(ticket_id) == ["Ticket Created"]


async def once_more(place: Place, ticket_id: str) -> None:
    """Let the analysis be due again as though it had not been done."""
    undone = update(Todo).where(Todo.ticket_id == ticket_id, Todo.kind == "analyse").values(done_version=0)
    await place.parts.database.write(lambda c: c.execute(undone))


async def claimed(place: Place) -> Claim:
    """The one `analyse` that is due, claimed."""
    (claim,) = await place.parts.database.write(
        lambda c: todos.claim(c, "analyse", 1, place.clock(), lease_seconds=15, creates=False, visible_seconds=10)
    )
    return claim


def analysis_of(place: Place, enrich: Any) -> Analysis:
    """An analysis of one's own, without an AI."""
    house = place.parts.house
    return Analysis(
        place.parts.database, house.triage, {"data_factory": enrich}, None, Patience(900, 300), now=place.clock
    )
