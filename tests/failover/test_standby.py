"""What people, vendors and operators are told while a file stands in for the database."""

from __future__ import annotations

import asyncio
import json

import pytest

from listening import listening
from network_line import NetworkLine
from outages import Serve, paused, stopped, through, until
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.model import Status, StatusChange
from places import PASSWORD, SENDER, Clock, adf
from postgres_server import PostgresServer
from told import Told

RUN = "0000abcd-54a1-4d53-9a36-2c0b7a6e91aa"
PAST = "0000beef-54a1-4d53-9a36-2c0b7a6e91aa"


async def test_people_come_in_see_what_came_since_and_are_told_so(serve: Serve, server: PostgresServer) -> None:
    async with serve() as one:
        await one.send(PAST)
        async with stopped(server):
            await one.send(RUN)
            headers = await one.place.signed_in()
            client = one.place.client
            listed = (await client.get("/api/open-tickets", headers=headers)).json()
            assert [ticket["run_id"] for ticket in listed["tickets"]] == [RUN]
            (banner,) = (await client.get("/api/config", headers=headers)).json()["banners"]
            assert banner["kind"] == "database"
            assert banner["waiting"] == 1
            assert f"{one.database.outage and one.database.outage.since:%H:%M:%S} UTC" in banner["text"]
            # What is in the database may be asked for again later; accounts are made there only.
            asked = await client.get(f"/api/tickets/{one.answered[PAST]}", headers=headers)
            assert (asked.status_code, asked.json()["code"]) == (503, "store_unavailable")
            who = {"email": "new@sigmoidanalytics.com", "password": PASSWORD}
            assert (await client.post("/api/register", json=who)).status_code == 503
            known = await client.get(f"/api/check-ticket-exists/{PAST}", headers=SENDER)
            assert known.json() == {"exists": False, "ticket_id": None}
            ended = await client.post("/api/logout", headers=headers)
            assert ended.status_code == 200
            figures = (await client.get("/metrics")).text
            assert 'pipesleuth_failover{state="standby"} 1.0' in figures
            assert (await client.get("/readyz?for=intake")).status_code == 200
        await one.back()
        assert (await client.get("/api/config", headers=await one.place.signed_in())).json()["banners"] == []
        assert (await client.get("/api/me", headers=headers)).status_code == 401, (
            "a session ended meanwhile stays ended"
        )
        assert 'pipesleuth_failover{state="primary"} 1.0' in (await client.get("/metrics")).text


async def test_a_session_ended_meanwhile_stays_ended_though_its_server_did_not_see_the_return(
    serve: Serve, server: PostgresServer
) -> None:
    async with serve() as one:
        headers = await one.place.signed_in()
        await asyncio.to_thread(server.stop)
        await one.away()
        assert (await one.place.client.post("/api/logout", headers=headers)).status_code == 200
    await asyncio.to_thread(server.start)
    async with serve() as next_one:
        assert (await next_one.place.client.get("/api/me", headers=headers)).status_code == 401


async def test_sockets_are_told_to_load_everything_anew_at_each_switch(serve: Serve, server: PostgresServer) -> None:
    async with serve() as one:
        await one.send(PAST)
        async with listening(one.place) as (socket, hello):
            async with stopped(server):
                await one.send(RUN)
                away = await socket.event()
                assert away["event"] == "resync"
                assert away["epoch"] != hello["epoch"]
                headers = await one.place.signed_in()
                asked = (await one.place.client.get("/api/events?since=0", headers=headers)).json()
                assert asked["epoch"] == away["epoch"]
                ticket = await one.place.ticket()
                while (event := await socket.event()).get("ticket_id") != ticket:
                    assert event["event"] in {"new_ticket", "ticket_updated"}
            await one.back()
            while (event := await socket.event())["event"] != "resync":
                pass
            assert event["epoch"] == hello["epoch"]


class News(Told):
    """A Jira whose webhooks are `{"key", "status"}`."""

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        told = json.loads(request.body)
        return StatusChange(key=told["key"], status=Status(told["status"]), status_name="Done", by="Jo", event_id="e1")


async def test_jiras_webhooks_are_kept_and_have_their_effect_after_the_return(
    serve: Serve, server: PostgresServer
) -> None:
    clock, jira = Clock(), News("jira")
    async with serve(told={"jira": jira}, clock=clock) as one:
        one.place.parts.house.jira_secret = "s"
        await one.send(PAST)
        clock.turn(30)
        await one.place.work_off()
        ticket = one.answered[PAST]
        assert (await one.place.row(ticket))["itsm_ticket_id"] == "KEY-1"
        async with stopped(server):
            await one.send(RUN)
            body = json.dumps({"key": "KEY-1", "status": "acknowledged"})
            for _ in range(2):
                answer = await one.place.client.post("/webhook/jira?secret=s", content=body)
                assert answer.json() == {"status": "ok"}
        await one.back()
        await until(lambda: one.ask("SELECT status FROM tickets WHERE id = %s", ticket) == [("acknowledged",)])
        async with asyncio.timeout(60):
            while len([row for row in await one.place.inbound() if row["door"] == "webhook/jira"]) < 2:  # noqa: ASYNC110  # it lies in the database
                await asyncio.sleep(0.05)
        assert (await one.place.actions(ticket)).count("Ticket Closed") == 1


async def test_a_single_change_that_is_cut_off_is_refused_and_a_reading_goes_on(
    serve: Serve, server: PostgresServer
) -> None:
    async with serve() as one:
        await one.send(PAST)
        headers = await one.place.signed_in()
        async with paused(server):
            taking = one.place.client.post(f"/api/tickets/{one.answered[PAST]}/take", headers=headers)
            listing = one.place.client.get("/api/open-tickets", headers=headers)
            taken, listed = await asyncio.gather(taking, listing)
            assert (taken.status_code, listed.status_code) == (503, 200)
        await one.back()


@pytest.mark.long
async def test_a_server_without_a_worker_works_off_what_only_it_can_see(serve: Serve, server: PostgresServer) -> None:
    clock, jira = Clock(), Told("jira")
    async with serve(told={"jira": jira}, clock=clock) as one:
        one.failover._works = False
        worker = one.place.worker
        await until(lambda: worker.paused)
        await one.send(PAST)
        clock.turn(30)
        await one.place.work_off()
        assert jira.created == []
        async with stopped(server):
            await one.send(RUN)
            await until(lambda: not worker.paused)
            clock.turn(30)
            await one.place.work_off()
            assert [notice.ticket_id for notice in jira.created] == [one.answered[RUN]]
        await one.back()
        await until(lambda: worker.paused)


@pytest.mark.parametrize("standby", ["off"])
async def test_without_a_standby_senders_are_asked_to_come_again_within_seconds(
    serve: Serve, server: PostgresServer, url: str, standby: str
) -> None:
    line = NetworkLine(server.port)
    async with serve(url=through(url, line.port), standby=standby) as one:
        assert (await one.place.post(adf(PAST))).status_code == 200
        line.delay = 5.0
        answer = await one.place.post(adf(RUN))
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        again = await asyncio.wait_for(one.place.post(adf(RUN)), 0.5)
        assert again.status_code == 503, "and at once, from then on"
        line.delay = 0.0
        async with asyncio.timeout(60):
            while (await one.place.post(adf(RUN))).status_code != 200:  # noqa: ASYNC110  # a sender comes again
                await asyncio.sleep(0.05)
        assert one.ask("SELECT count(*) FROM tickets WHERE run_id = %s", RUN) == [(1,)]
    line.refuse()
