"""Alive, ready, and the dead-man switch: each says no more and no less than is so."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from canned_server import CannedServer, answer
from listening import listening
from pipesleuth.db.database import open_engine
from pipesleuth.outbox import beats
from pipesleuth.outbox.heartbeat import Heartbeat, Switch
from pipesleuth.settings import Settings
from pipesleuth.web import stream
from places import Place


async def ready(place: Place, query: str = "") -> tuple[int, dict[str, Any]]:
    given = await place.client.get(f"/readyz{query}")
    return given.status_code, given.json()


@pytest.fixture
async def without_worker(open_place: Any) -> AsyncGenerator[Place]:
    """A server whose worker is, or is not, another process."""
    async with open_place() as place:
        place.parts.house.worker_beat = lambda: None
        await hushed(place)
        yield place


async def hushed(place: Place) -> None:
    """The service's own first beat is over and forgotten; its next one comes after the test."""

    async def begun() -> bool:
        return bool((await place.read(lambda c: beats.alive(c, place.clock())))[beats.SERVER])

    await place.until(begun)
    await place.parts.database.write(lambda c: c.execute(text("DELETE FROM marks WHERE name LIKE 'beat:%'")))


async def beat(place: Place, role: str, who: str = "elsewhere:1:ab") -> None:
    await place.parts.database.write(lambda c: beats.beat(c, who, [role], place.clock()))


async def test_ready_is_a_database_with_its_schema_and_a_worker_that_beats(place: Place) -> None:
    assert await ready(place) == (
        200,
        {"status": "ready", "checks": {"database": True, "migrations": True, "worker": True}},
    )


async def test_a_worker_in_another_process_counts_while_it_beats(without_worker: Place) -> None:
    place = without_worker
    assert (await ready(place))[0] == 503
    assert (await ready(place))[1]["checks"]["worker"] is False
    await beat(place, beats.WORKER)
    assert (await ready(place))[0] == 200
    place.clock.turn(beats.LIVES.total_seconds() + 1)
    assert (await ready(place))[0] == 503


async def test_intake_is_ready_without_any_worker(without_worker: Place) -> None:
    status, said = await ready(without_worker, "?for=intake")
    assert (status, said["checks"]) == (200, {"database": True, "migrations": True})
    assert (await without_worker.client.get("/readyz?for=tea")).status_code == 400


async def test_a_worker_of_ones_own_that_is_stuck_is_not_replaced_by_anothers(place: Place) -> None:
    await beat(place, beats.WORKER)
    long_ago = place.clock() - timedelta(seconds=31)
    place.parts.house.worker_beat = lambda: long_ago
    assert (await ready(place))[0] == 503


async def test_an_older_schema_is_not_ready_and_a_newer_one_is(place: Place) -> None:
    found = {}
    for version in ("0000", "9999"):
        await place.parts.database.write(
            lambda c, v=version: c.execute(text("UPDATE alembic_version SET version_num=:v"), {"v": v})
        )
        found[version] = await ready(place)
    assert found["0000"][0] == 503
    assert found["0000"][1]["checks"]["migrations"] is False
    assert found["9999"][0] == 200


async def test_alive_stays_alive_without_a_database_and_ready_does_not(place: Place) -> None:
    away = place.folder / "folder.db"
    away.mkdir()
    engine = place.parts.database.engine
    place.parts.database.engine = open_engine(place.parts.database.url.set(database=str(away)))
    assert (await place.client.get("/healthz")).json() == {"status": "alive"}
    assert await ready(place) == (503, {"status": "not_ready", "checks": {"database": False}})
    assert (await place.client.get("/metrics")).status_code == 200
    place.parts.database.engine = engine


async def test_who_ends_is_not_ready_and_sends_its_sockets_away(place: Place) -> None:
    async with listening(place) as (socket, _):
        place.parts.house.draining = True
        place.parts.hub.dismiss()
        assert await socket.closed() == stream.SERVICE_RESTART
    assert (await ready(place))[1]["status"] == "draining"
    assert (await ready(place, "?for=intake"))[0] == 503
    assert (await place.client.get("/healthz")).status_code == 200
    answered = await place.post({"PipelineName": "p", "PipelineRunId": "late", "ErrorMessage": "x"})
    assert answered.json()["status"] == "success"  # what is let in is still taken


async def test_signs_of_life_are_counted_by_role_and_forgotten_in_the_end(place: Place) -> None:
    await hushed(place)
    for who in ("a:1:x", "b:1:x"):
        await beat(place, beats.SERVER, who)
    await beat(place, beats.WORKER, "c:1:x")
    alive = await place.read(lambda c: beats.alive(c, place.clock()))
    assert alive == {"server": 2, "worker": 1}
    place.clock.turn(7200)
    await beat(place, beats.WORKER, "d:1:x")
    names = await place.read(
        lambda c: c.execute(text("SELECT name FROM marks WHERE name LIKE 'beat:worker:%'")).scalars().all()
    )
    assert names == ["beat:worker:d:1:x"]


class Deadman:
    """A heartbeat of one's own with a switch that can be asked what it heard."""

    def __init__(self, place: Place, server: CannedServer) -> None:
        self.roles: list[str] = [beats.SERVER, beats.WORKER]
        self.switch = Switch(f"{server.url}/ping/a-secret-path", 60)
        self.heartbeat = Heartbeat(place.parts.database, lambda: self.roles, self.switch, now=place.clock)


async def test_the_dead_mans_switch_is_called_while_intake_worker_and_database_are_well(open_place: Any) -> None:
    async with open_place() as place, CannedServer(answer(200, b"OK")) as there:
        await hushed(place)
        one = Deadman(place, there)
        for roles in ([beats.SERVER], [beats.WORKER], []):
            one.roles = roles
            await one.heartbeat.beat()
        assert there.requests == []
        one.roles = [beats.SERVER, beats.WORKER]
        await one.heartbeat.beat()
        await one.heartbeat.beat()  # once a minute and no more
        assert [request.split(b"\r\n")[0] for request in there.requests] == [b"GET /ping/a-secret-path HTTP/1.1"]
        await one.switch.close()


async def test_while_a_standby_is_written_the_switch_is_not_called(place: Place) -> None:
    async with CannedServer(answer(200, b"OK")) as there:
        one = Deadman(place, there)
        standing_in = Heartbeat(
            place.parts.database, lambda: one.roles, one.switch, now=place.clock, primary=lambda: False
        )
        await standing_in.beat()
        assert there.requests == []


async def test_without_a_database_the_switch_is_not_called(place: Place) -> None:
    async with CannedServer(answer(200, b"OK")) as there:
        one = Deadman(place, there)
        away = place.folder / "folder.db"
        away.mkdir()
        engine = place.parts.database.engine
        place.parts.database.engine = open_engine(place.parts.database.url.set(database=str(away)))
        await one.heartbeat.beat()
        place.parts.database.engine = engine
        assert there.requests == []


async def test_the_switch_follows_no_redirect_and_its_secret_is_in_no_log(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        CannedServer(answer(200, b"OK")) as elsewhere,
        CannedServer(answer(302, b"", location=f"{elsewhere.url}/x")) as there,
    ):
        one = Deadman(place, there)
        await one.heartbeat.beat()
        await one.heartbeat.beat()  # what was not heard is said again
        assert (len(there.requests), elsewhere.requests) == (2, [])
        await one.switch.close()
    said = capsys.readouterr().out
    assert "heartbeat.not_heard" in said
    assert "a-secret-path" not in said


@pytest.mark.parametrize(
    "url", ["http://ping.example.com/x", "ftp://ping.example.com/x", "https://u:p@ping.example.com/", "x"]
)
def test_a_switch_is_reached_by_https_or_on_this_machine(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="must be an https address"):
        Settings(_env_file=None, heartbeat_url=url, data_dir=tmp_path)  # pyright: ignore[reportCallIssue, reportArgumentType]  # pydantic's own
