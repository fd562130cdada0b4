"""A ticket from the moment it is taken until it is closed, reopened or late."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pipesleuth.model import Category, Confidence, Diagnosis, Permanent, Priority, Responder, Severity, timestamp
from pipesleuth.tickets import deadlines, lifecycle, rounds
from places import ADMIN, VIEWER, Place
from told import Told, failing


def diagnosis(priority: str, severity: str = "Medium", cause: str = "A cause.") -> Diagnosis:
    return Diagnosis(
        root_cause=cause,
        error_type="X",
        category=Category.TIMEOUT,
        affected_entity=None,
        severity=Severity(severity),
        priority=Priority(priority),
        confidence=Confidence.HIGH,
        recommendations=["Look."],
        auto_heal_possible=False,
        retryable=True,
        owner=Responder.DATA,
        said_by="knowledge:test",
    )


async def act(place: Place, ticket: str, verb: str, headers: dict[str, str], **body: Any) -> Any:
    return await place.client.post(f"/api/tickets/{ticket}/{verb}", headers=headers, json=body or None)


async def rediagnosed(place: Place, ticket: str, said: Diagnosis, warn: float = 300) -> bool:
    return await place.parts.database.write(
        lambda c: lifecycle.rediagnose(
            c, lifecycle.fetch(c, ticket), said, place.clock(), warn_seconds=warn, details="Because."
        )
    )


async def swept(place: Place, warn: float = 300) -> int:
    return await place.parts.database.write(lambda c: deadlines.sweep(c, place.clock(), warn_seconds=warn))


async def test_take_close_and_reopen_with_notes_and_times(place: Place) -> None:
    ticket = await place.ticket()
    headers = await place.signed_in()
    place.clock.turn(60)
    taken = (await act(place, ticket, "take", headers, note="Looking at it.")).json()["ticket"]
    assert (taken["status"], taken["ack_user"], taken["version"]) == ("in_progress", "Dana", 2)
    place.clock.turn(60)
    closed = (await act(place, ticket, "close", headers, note="Reran it.")).json()["ticket"]
    assert (closed["status"], closed["ack_user"], closed["ack_seconds"]) == ("acknowledged", "Dana", 120)
    assert (closed["ack_ts"], closed["sla_status"]) == (timestamp(place.clock()), "Met")
    assert closed["actions"] == ["reopen"]
    place.clock.turn(60)
    again = (await act(place, ticket, "reopen", headers, note="It came back.")).json()
    shown = again["ticket"]
    assert (shown["status"], shown["ack_user"], shown["ack_ts"], shown["ack_seconds"]) == ("open", None, None, None)
    assert (shown["sla_status"], shown["version"], shown["actions"]) == ("Pending", 4, ["take", "close"])
    lines = again["timeline"]
    assert [line["action"] for line in lines] == ["Ticket Created", "Ticket Taken", "Ticket Closed", "Ticket Reopened"]
    assert [line["details"] for line in lines[1:]] == ["Looking at it.", "Reran it.", "It came back."]
    assert {line["user_name"] for line in lines[1:]} == {"Dana"}
    assert (lines[2]["time_taken_seconds"], lines[2]["mttr_minutes"], lines[2]["sla_status"]) == (120, 2.0, "Met")


async def test_a_ticket_closed_after_its_deadline_is_breached(place: Place) -> None:
    ticket = await place.ticket()
    due = (await place.row(ticket))["sla_seconds"]
    place.clock.turn(due)
    headers = await place.signed_in()
    assert (await act(place, ticket, "close", headers)).json()["ticket"]["sla_status"] == "Met"
    other = await place.ticket()
    place.clock.turn((await place.row(other))["sla_seconds"] + 0.001)
    headers = await place.signed_in()
    assert (await act(place, other, "close", headers)).json()["ticket"]["sla_status"] == "Breached"


@pytest.mark.parametrize(
    ("before", "verb"), [((), "reopen"), (("take",), "take"), (("close",), "take"), (("close",), "close")]
)
async def test_what_the_state_does_not_allow_is_refused_and_changes_nothing(
    place: Place, before: tuple[str, ...], verb: str
) -> None:
    ticket = await place.ticket()
    headers = await place.signed_in()
    for step in before:
        await act(place, ticket, step, headers)
    row, lines = await place.row(ticket), await place.lines()
    answer = await act(place, ticket, verb, headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_now")
    assert await place.row(ticket) == row
    assert await place.lines() == lines


async def test_of_twenty_who_take_it_at_once_one_gets_it(place: Place) -> None:
    ticket = await place.ticket()
    headers = await place.signed_in()
    answers = await asyncio.gather(*(act(place, ticket, "take", headers) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert (await place.row(ticket))["version"] == 2


async def test_who_may_only_look_cannot_act(place: Place) -> None:
    ticket = await place.ticket()
    headers = await place.signed_in(VIEWER)
    for verb in ("take", "close", "reopen", "deliveries/archive/retry"):
        answer = await act(place, ticket, verb, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await act(place, ticket, "take", await place.signed_in(ADMIN))).status_code == 200


@pytest.mark.parametrize("ticket", ["ADF-20260101T000000-000000", "%00", "x" * 3000, "'; DROP TABLE tickets; --"])
async def test_a_ticket_that_is_not_there_is_not_found(place: Place, ticket: str) -> None:
    headers = await place.signed_in()
    for verb in ("take", "close", "reopen"):
        answer = await act(place, ticket, verb, headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for what in ("", "/payload", "/related"):
        answer = await place.client.get(f"/api/tickets/{ticket}{what}", headers=headers)
        assert answer.status_code == 404


async def test_a_note_too_long_or_of_a_wrong_type_is_refused_by_its_name(place: Place) -> None:
    ticket = await place.ticket()
    headers = await place.signed_in()
    for note in ("x" * 2001, 5, ["a"]):
        answer = await act(place, ticket, "take", headers, note=note)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "invalid", "note")
    answer = await act(place, ticket, "take", headers, note="NUL \x00 here")
    assert answer.status_code == 200
    assert (await place.lines(ticket))[-1]["details"] == "NUL \ufffd here"


async def test_while_a_live_jira_issue_owns_it_a_ticket_is_read_only(open_place: Any) -> None:
    jira = Told("jira")
    async with open_place(told={"jira": jira}) as place:
        ticket = await place.ticket()
        await place.work_off()
        headers = await place.signed_in()
        for verb in ("take", "close", "reopen"):
            answer = await act(place, ticket, verb, headers)
            assert (answer.status_code, answer.json()["code"]) == (409, "not_now")
            assert "KEY-1" in answer.json()["detail"]
        whole = (await place.client.get(f"/api/tickets/{ticket}", headers=headers)).json()["ticket"]
        assert "KEY-1" in whole["read_only_reason"]
        assert whole["actions"] == []
        # Its to-do stops: from now on it is moved here.
        jira.does = failing(Permanent("The project is gone."))
        await rediagnosed(place, ticket, diagnosis("P1"))
        await place.work_off()
        whole = (await place.client.get(f"/api/tickets/{ticket}", headers=headers)).json()["ticket"]
        assert whole["read_only_reason"] is None
        assert whole["actions"] == ["take", "close"]
        assert (await act(place, ticket, "take", headers)).status_code == 200


# The SLA clock.


async def test_a_ticket_is_breached_at_the_moment_its_time_is_up(place: Place) -> None:
    ticket = await place.ticket()
    place.clock.turn((await place.row(ticket))["sla_seconds"] - 0.001)
    await swept(place)
    assert (await place.row(ticket))["sla_status"] == "Pending"
    place.clock.turn(0.001)
    await swept(place)
    row = await place.row(ticket)
    assert row["sla_status"] == "Breached"
    assert await place.actions(ticket) == ["Ticket Created", "SLA Warning", "SLA Breached"]
    line = (await place.lines(ticket))[-1]
    assert (line["event"], line["ticket_version"], line["sla_status"]) == ("ticket_updated", row["version"], "Breached")
    assert await swept(place) == 0


async def test_two_sweepers_breach_and_warn_once(open_place: Any) -> None:
    async with open_place() as one, open_place() as other:
        tickets = [await one.ticket() for _ in range(10)]
        one.clock.turn((await one.row(tickets[0]))["sla_seconds"] - 100)
        told = await asyncio.gather(*(swept(place) for place in (one, other) for _ in range(3)))
        assert sum(told) == 10
        one.clock.turn(101)
        told = await asyncio.gather(*(swept(place) for place in (one, other) for _ in range(3)))
        assert sum(told) == 10
        for ticket in tickets:
            actions = await one.actions(ticket)
            assert [actions.count(a) for a in ("SLA Warning", "SLA Breached")] == [1, 1]


async def test_the_warning_comes_in_time_and_the_channels_are_told(open_place: Any) -> None:
    slack = Told("slack")
    async with open_place(told={"slack": slack}) as place:
        ticket = await place.ticket()
        await place.work_off()
        place.clock.turn((await place.row(ticket))["sla_seconds"] - 299)
        await swept(place)
        await place.work_off()
        assert [news.action for news in slack.updated[-1].news][-1] == "SLA Warning"


async def test_a_closed_ticket_is_never_breached(place: Place) -> None:
    ticket = await place.ticket()
    await act(place, ticket, "close", await place.signed_in())
    place.clock.turn(10**6)
    assert await swept(place) == 0
    assert (await place.row(ticket))["sla_status"] == "Met"


async def test_the_service_sweeps_by_itself(place: Place) -> None:
    ticket = await place.ticket()
    place.clock.turn(10**6)
    watching = asyncio.create_task(rounds.watch_deadlines(place.parts.database, place.clock, 300))
    await place.until(lambda: _breached(place, ticket))
    watching.cancel()


async def _breached(place: Place, ticket: str) -> bool:
    return (await place.row(ticket))["sla_status"] == "Breached"


async def test_news_of_a_close_in_time_that_come_late_correct_the_breach(place: Place) -> None:
    ticket = await place.ticket()
    created = place.clock()
    due = (await place.row(ticket))["sla_seconds"]
    place.clock.turn(due + 60)
    await swept(place)
    closed_at = created + timedelta(seconds=due - 60)
    await place.parts.database.write(
        lambda c: lifecycle.finish(c, lifecycle.fetch(c, ticket), "Kim", closed_at, place.clock(), hand="jira")
    )
    row = await place.row(ticket)
    assert (row["sla_status"], row["ack_seconds"], row["ack_ts"]) == ("Met", due - 60, timestamp(closed_at))
    assert (await place.actions(ticket))[-2:] == ["SLA Corrected", "Ticket Closed"]


@pytest.mark.parametrize(("offset", "seconds"), [(-3600, 0), (3600, 60)])
async def test_the_moment_of_closing_lies_between_the_tickets_time_and_now(
    place: Place, offset: int, seconds: int
) -> None:
    ticket = await place.ticket()
    now = place.clock.turn(60)
    at = now + timedelta(seconds=offset)
    await place.parts.database.write(lambda c: lifecycle.finish(c, lifecycle.fetch(c, ticket), "Kim", at, now))
    assert (await place.row(ticket))["ack_seconds"] == seconds


async def test_reopened_after_its_deadline_a_ticket_is_late(place: Place) -> None:
    ticket = await place.ticket()
    await act(place, ticket, "close", await place.signed_in())
    place.clock.turn(10**5)
    reopened = (await act(place, ticket, "reopen", await place.signed_in())).json()["ticket"]
    assert reopened["sla_status"] == "Breached"


# A better diagnosis.


async def test_before_anybody_was_told_a_diagnosis_may_change_everything(place: Place) -> None:
    ticket = await place.ticket()
    await rediagnosed(place, ticket, diagnosis("P1", "Critical"))
    await rediagnosed(place, ticket, diagnosis("P4", "Low"))
    row = await place.row(ticket)
    assert (row["priority"], row["severity"], row["sla_seconds"]) == ("P4", "Low", 86400)
    assert row["sla_due_at"] == timestamp(place.clock() + timedelta(seconds=86400))


async def test_after_the_channels_were_told_the_priority_only_rises(open_place: Any) -> None:
    async with open_place(told={"slack": Told("slack")}) as place:
        ticket = await place.ticket()
        await rediagnosed(place, ticket, diagnosis("P2", "High"))
        place.worker._lanes.pop("analyse")
        await place.work_off()
        assert (await place.row(ticket))["told_at"] is not None
        await rediagnosed(place, ticket, diagnosis("P4", "Low", "Something else."))
        row = await place.row(ticket)
        assert (row["priority"], row["severity"], row["rca_result"]) == ("P2", "High", "Something else.")
        await rediagnosed(place, ticket, diagnosis("P1", "Critical"))
        row = await place.row(ticket)
        assert (row["priority"], row["severity"], row["sla_seconds"]) == ("P1", "Critical", 900)


async def test_a_closed_ticket_keeps_severity_priority_and_sla(place: Place) -> None:
    ticket = await place.ticket()
    await act(place, ticket, "close", await place.signed_in())
    before = await place.row(ticket)
    assert await rediagnosed(place, ticket, diagnosis("P1", "Critical", "Now we know."))
    row = await place.row(ticket)
    assert row["rca_result"] == "Now we know."
    for column in ("severity", "priority", "sla_seconds", "sla_status", "sla_due_at", "ack_seconds"):
        assert row[column] == before[column]


async def test_a_moved_deadline_leaves_time_for_the_warning(place: Place) -> None:
    ticket = await place.ticket()
    now = place.clock.turn(1000)
    await rediagnosed(place, ticket, diagnosis("P1", "Critical"))
    row = await place.row(ticket)
    assert row["sla_due_at"] == timestamp(now + timedelta(seconds=300))
    assert (await place.todo(ticket, "archive"))["rank"] == 1


async def test_a_diagnosis_never_undoes_a_breach(place: Place) -> None:
    ticket = await place.ticket()
    await rediagnosed(place, ticket, diagnosis("P1", "Critical"))
    place.clock.turn(901)
    await swept(place)
    before = await place.row(ticket)
    await rediagnosed(place, ticket, diagnosis("P4", "Low"))
    row = await place.row(ticket)
    assert (row["sla_status"], row["sla_due_at"]) == ("Breached", before["sla_due_at"])


async def test_the_same_diagnosis_again_is_no_change(place: Place) -> None:
    ticket = await place.ticket()
    assert await rediagnosed(place, ticket, diagnosis("P2"))
    version = (await place.row(ticket))["version"]
    assert not await rediagnosed(place, ticket, diagnosis("P2"))
    assert (await place.row(ticket))["version"] == version


async def test_every_change_is_a_version_a_line_and_a_due_channel(open_place: Any) -> None:
    async with open_place(told={"slack": Told("slack")}) as place:
        ticket = await place.ticket()
        headers = await place.signed_in()
        for verb in ("take", "close", "reopen"):
            await act(place, ticket, verb, headers)
            version = (await place.row(ticket))["version"]
            assert (await place.todo(ticket, "slack"))["wanted_version"] == version
            assert (await place.todo(ticket, "archive"))["wanted_version"] == 1
            assert (await place.lines(ticket))[-1]["ticket_version"] == version
