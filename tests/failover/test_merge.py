"""What a standby has taken in comes to the primary once, with all that belongs to it, however often it is brought."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from sqlalchemy import select

from network_line import NetworkLine
from outages import Serve, Served, stopped, through, until
from pipesleuth.db import standby_file
from pipesleuth.db.tables import Ticket
from pipesleuth.model import Notice, Receipt
from pipesleuth.tickets import merging
from pipesleuth.tickets.kept import kept
from places import SENDER, Clock, adf
from postgres_server import PostgresServer
from told import Told

RUN = "0000abcd-54a1-4d53-9a36-2c0b7a6e91aa"


def finding(jira: Told) -> Callable[[Notice, Receipt | None, bool], Receipt]:
    """A vendor that finds what it has by the run's mark, where it is asked to look."""
    known: dict[str, Receipt] = {}

    def deliver(notice: Notice, receipt: Receipt | None, in_doubt: bool) -> Receipt:  # noqa: FBT001  # of the contract
        found = receipt or (known.get(notice.run_mark) if in_doubt else None)
        return (
            known.setdefault(notice.run_mark, jira.keep(notice, found)) if found is None else jira.keep(notice, found)
        )

    return deliver


async def jira_told(one: Served, clock: Clock) -> None:
    """Let its worker tell Jira, once the vendor's search can see what others made."""
    clock.turn(30)
    await one.place.work_off()


async def test_a_run_that_two_servers_took_in_is_one_ticket_with_one_issue(
    serve: Serve, server: PostgresServer
) -> None:
    clock, jira = Clock(), Told("jira")
    jira.does = finding(jira)
    async with (
        serve("one", told={"jira": jira}, clock=clock) as one,
        serve("two", told={"jira": jira}, clock=clock) as two,
    ):
        async with stopped(server):
            await asyncio.gather(one.send(RUN), two.send(RUN))
            assert one.answered[RUN] != two.answered[RUN]
            await jira_told(one, clock)
            await jira_told(two, clock)
            assert (len(jira.created), jira.doubts.count(True)) == (1, 2), "both have looked before they created"
        await asyncio.gather(one.back(), two.back())
        ((stays, seen, issue),) = one.ask("SELECT id, seen_count, itsm_ticket_id FROM tickets")
        assert (seen, issue) == (2, "KEY-1")
        (gone,) = {one.answered[RUN], two.answered[RUN]} - {stays}
        assert one.wrongs() == two.wrongs() == []
        ((line,),) = one.ask("SELECT details FROM audit_trail WHERE action = 'Merged From Standby'")
        assert gone in line
        headers = await one.place.signed_in()
        shown = (await one.place.client.get(f"/api/tickets/{gone}", headers=headers)).json()
        assert shown["ticket"]["id"] == stays
        assert await one.place.actions(gone) == []


async def test_what_was_told_on_the_standby_is_not_told_again_for_the_primarys_ticket(
    serve: Serve, server: PostgresServer, url: str
) -> None:
    clock, jira, line = Clock(), Told("jira"), NetworkLine(server.port)
    async with (
        serve("cut off", url=through(url, line.port), told={"jira": jira}, clock=clock) as one,
        serve("connected", told={"jira": Told("jira")}, clock=clock) as other,
    ):
        line.refuse()
        await other.send(RUN)
        await one.send(RUN)
        headers = await one.place.signed_in()
        ticket = one.answered[RUN]
        await jira_told(one, clock)
        closed = await one.place.client.post(f"/api/tickets/{ticket}/close", headers=headers, json={"note": "Done."})
        assert closed.status_code == 409, "its Jira issue has the say, on the standby too"
        line.listen()
        await one.back()
        row = await other.place.row(other.answered[RUN])
        assert (row["itsm_ticket_id"], row["jira_live"], row["seen_count"]) == ("KEY-1", True, 2)
        await jira_told(one, clock)
        assert len(jira.created) == 1
        assert jira.updated[-1].ticket_id == other.answered[RUN], (
            "its issue is brought up to date for the one that stays"
        )
        assert (await other.place.todo(other.answered[RUN], "jira"))["done_version"] > 0
    line.refuse()


async def test_lines_keep_their_time_and_order_and_get_the_primarys_numbers(
    serve: Serve, server: PostgresServer
) -> None:
    clock, jira = Clock(), Told("jira")
    async with serve(told={"jira": jira}, clock=clock) as one:
        await one.send("before")
        async with stopped(server):
            await one.send(RUN)
            ticket = one.answered[RUN]
            headers = await one.place.signed_in()
            clock.turn(1)
            taken = await one.place.client.post(f"/api/tickets/{ticket}/take", headers=headers)
            assert taken.status_code == 200
            await jira_told(one, clock)
            judged = {"right": True, "note": "It was so."}
            await one.place.client.post(f"/api/tickets/{ticket}/feedback", headers=headers, json=judged)
            before = await one.place.lines(ticket)
            assert all(row["id"] > standby_file.FIRST_LINE for row in before)
        await one.back()
        after = await one.place.lines(ticket)
        assert [(row["timestamp"], row["action"], row["details"]) for row in after] == [
            (row["timestamp"], row["action"], row["details"]) for row in before
        ]
        assert all(row["id"] < 1000 for row in after)
        receipt = json.loads((await one.place.todo(ticket, "jira"))["receipt"])
        assert receipt["told_audit_id"] in [row["id"] for row in after]
        assert one.ask("SELECT ticket_id FROM feedback") == [(ticket,)]
        assert (await one.place.row(ticket))["status"] == "in_progress"
        await jira_told(one, clock)
        assert len(jira.created) == 2  # this one and the one before: none again
        told = [news.audit_id for notice in jira.updated for news in notice.news]
        assert len(told) == len(set(told))


async def test_bringing_it_twice_and_in_pieces_changes_nothing_twice(serve: Serve, server: PostgresServer) -> None:
    async with serve(standby_healthy_seconds=3600) as one:
        async with stopped(server):
            await one.storm("run", 5)
        local, database = one.database.local, one.database
        await until(lambda: database.well_seconds > 0)

        async def bring() -> list[str]:
            some = await local.read(lambda c: kept(c, c.execute(select(Ticket.id)).scalars().all()))
            done = await database.write_there(lambda c: merging.bring(c, some, one.place.clock()))
            return sorted(each.outcome for each in done)

        # As if the process had ended after the primary's commit and before its own.
        assert await bring() == ["moved"] * 5
        await one.place.post(adf("run-3"))
        assert await bring() == ["completed", "known", "known", "known", "known"]
        assert await bring() == ["known"] * 5
        one.failover._healthy = 0.0
        await one.back()
        assert one.ask("SELECT run_id, seen_count FROM tickets WHERE seen_count > 1") == [("run-3", 2)]
        assert one.ask("SELECT count(*) FROM audit_trail WHERE action = 'Duplicate Run Detected'") == [(1,)]
        assert one.wrongs() == []
        assert (await one.place.client.get("/api/check-ticket-exists/run-3", headers=SENDER)).json()["exists"] is True


async def test_what_processes_left_behind_is_brought_home_by_the_next_one(serve: Serve, server: PostgresServer) -> None:
    async with stopped(server), serve() as one, serve() as two:
        await one.storm("one", 5)
        await two.storm("two", 5)
        assert {one.database.file.path.name, two.database.file.path.name} == {"standby-1.db", "standby-2.db"}
    async with serve() as three:
        three.answered |= one.answered | two.answered
        await until(lambda: three.ask("SELECT count(*) FROM tickets") == [(10,)])
        await until(lambda: not (three.database.folder / "standby-2.db").exists())
        assert three.wrongs() == []
