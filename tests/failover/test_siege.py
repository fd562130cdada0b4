"""Servers as processes, a database that comes and goes, kills at random: every accepted webhook is one ticket."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from child_process import free_port
from network_line import NetworkLine
from outages import plain, through
from places import adf
from postgres_server import PostgresServer
from served import KEY, Served

QUICK = {"STANDBY": "on", "PRIMARY_TIMEOUT": "1", "STANDBY_HEALTHY_SECONDS": "1", "REGISTRATION": "closed"}


class Siege:
    """Two servers with a standby each, on one database by a line each."""

    def __init__(self, folder: Path, server: PostgresServer, url: str, seed: int) -> None:
        self.server, self.url = server, url
        self.dice = random.Random(seed)  # noqa: S311  # dice, not a secret
        self.lines = [NetworkLine(server.port) for _ in range(2)]
        self.services: list[Served] = []
        for number, line in enumerate(self.lines):
            (folder / str(number)).mkdir()
            more = QUICK | {"DATABASE_URL": through(url, line.port)}
            self.services.append(Served(folder / str(number), "serve", port=free_port(), **more))
        self.accepted: dict[str, set[str]] = {}
        self.refused = 0
        self.over = threading.Event()

    def send(self, part: int) -> None:
        """Failures one after the other, each to one of the servers, now and then to both; sent again until taken."""
        dice = random.Random(part)  # noqa: S311  # the same
        number = 0
        while not self.over.is_set():
            number += 1
            run = f"run-{part}-{number}"
            chosen = dice.choice(self.services)
            self.post(chosen, run)
            if dice.random() < 0.2:
                self.post(next(one for one in self.services if one is not chosen), run)
            time.sleep(0.02)

    def post(self, service: Served, run: str) -> None:
        """One webhook, until it is taken in."""
        while True:
            try:
                answer = httpx.post(
                    f"{service.url}/azure-monitor", json=adf(run), headers={"x-api-key": KEY}, timeout=20
                )
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code == 200:
                self.accepted.setdefault(run, set()).add(answer.json()["ticket_id"])
                return
            self.refused += 1
            time.sleep(0.1)

    def blow(self) -> None:
        """One thing that goes wrong for a while."""
        line = self.dice.choice(self.lines)
        what = self.dice.choice(["stop", "pause", "refuse", "slow", "deaf", "kill"])
        seconds = self.dice.uniform(1.5, 4)
        if what == "stop":
            self.server.stop()
            time.sleep(seconds)
            self.server.start()
        elif what == "pause":
            self.server.pause()
            time.sleep(seconds)
            self.server.resume()
        elif what == "refuse":
            line.refuse()
            time.sleep(seconds)
            line.listen()
        elif what == "slow":
            line.delay = 3.0
            time.sleep(seconds)
            line.delay = 0.0
        elif what == "deaf":
            line.deaf = True
            time.sleep(seconds)
            line.cut()
            line.deaf = False
        if what == "kill" or self.dice.random() < 0.4:
            victim = self.dice.choice(self.services)
            victim.kill()
            victim.start()

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """What the database itself says."""
        with psycopg.connect(plain(self.url), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def state(self, service: Served) -> bool:
        """Whether a server writes the database itself."""
        return 'pipesleuth_failover{state="primary"} 1.0' in httpx.get(f"{service.url}/metrics", timeout=20).text


@pytest.fixture
def siege(tmp_path: Path, server: PostgresServer, url: str) -> Iterator[Callable[[int], Siege]]:
    """Begins a siege, and ends its processes."""
    begun: list[Siege] = []

    def begin(seed: int) -> Siege:
        begun.append(Siege(tmp_path, server, url, seed))
        return begun[-1]

    yield begin
    for one in begun:
        for service in one.services:
            service.end()
        for line in one.lines:
            line.refuse()


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_or_there_twice_whatever_happens(siege: Callable[[int], Siege], seed: int) -> None:
    fight = siege(seed)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: one.start(), fight.services))
        senders = [pool.submit(fight.send, part) for part in range(4)]
        for _ in range(6):
            time.sleep(fight.dice.uniform(1, 3))
            fight.blow()
        time.sleep(1)
        fight.over.set()
        for one in senders:
            one.result(120)
    until = time.monotonic() + 90
    while True:
        there = {str(run): str(ticket) for run, ticket in fight.ask("SELECT run_id, id FROM tickets")}
        if set(fight.accepted) <= set(there) and all(map(fight.state, fight.services)):
            break
        lacking = sorted(set(fight.accepted) - set(there))[:10]
        assert time.monotonic() < until, f"{lacking} are not there; {[one.log for one in fight.services]}"
        time.sleep(0.5)
    time.sleep(2)
    merged = {
        str(name)[7:]: json.loads(str(value))["ticket"]
        for name, value in fight.ask("SELECT name, value FROM marks WHERE name LIKE 'merged:%'")
    }
    wrong = [
        (run, ticket, there[run])
        for run, tickets in fight.accepted.items()
        for ticket in tickets
        if merged.get(ticket, ticket) != there[run]
    ]
    assert wrong == []
    assert fight.ask("SELECT run_id FROM tickets GROUP BY run_id HAVING count(*) > 1") == []
    assert fight.ask(
        "SELECT ticket_id FROM audit_trail WHERE action = 'Ticket Created' GROUP BY ticket_id HAVING count(*) > 1"
    ) == []  # fmt: skip
    assert len(fight.accepted) > 100
    for service in fight.services:
        assert b"Traceback" not in service.log.read_bytes()
