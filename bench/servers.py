"""Several servers on one PostgreSQL: how fast webhooks become tickets, and how soon every server's sockets hear."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import uvloop
import websockets
from sqlalchemy.engine import make_url

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from intake import KEY, bodies, load, service
from live import send, token
from load import Run, post
from pipesleuth.db.upgrade import upgrade
from postgres_server import postgres_running

SERVERS = 3
CONNECTIONS = 32  # at each server
WARM_UP = 200
GOAL = 0.25
SOCKETS, CHANGES, SOON_MS = 50, 10, 1000


def spread(ports: list[int], count: int) -> float:
    """Failures posted to all of these servers at once; tickets a second in all of them together."""
    shares = [list(bodies(count // len(ports))) for _ in ports]

    async def everybody() -> list[Run]:
        sends = (
            post(port, "/azure-monitor", iter(share), key=KEY, connections=CONNECTIONS)
            for port, share in zip(ports, shares, strict=True)
        )
        return await asyncio.gather(*sends)

    began = time.perf_counter()
    runs = uvloop.run(everybody())
    took = time.perf_counter() - began
    assert all(set(run.statuses) == {200} for run in runs), [run.statuses for run in runs]
    return sum(len(run.took) for run in runs) / took


def intake(ports: list[int], count: int, rounds: int) -> None:
    """Take turns between a no-op, one server and all of them, so that a noisy machine hits all alike; the table."""
    for port in ports:
        load(port, "/noop", WARM_UP)
        load(port, "/azure-monitor", WARM_UP)
    floors, ones, alls = list[Run](), list[Run](), list[float]()
    for _ in range(rounds):
        floors.append(load(ports[0], "/noop", count, connections=CONNECTIONS))
        ones.append(load(ports[0], "/azure-monitor", count, connections=CONNECTIONS))
        alls.append(spread(ports, count))
    floor = statistics.median(run.rate for run in floors)
    share = statistics.median(one.rate / each.rate for one, each in zip(ones, floors, strict=True))
    more = statistics.median(rate / one.rate for rate, one in zip(alls, ones, strict=True))
    p99 = statistics.median(run.at(0.99) for run in ones)
    rate = statistics.median(run.rate for run in ones)
    print(f"PostgreSQL  no-op POST       {floor:>7.0f}/s")
    print(f"PostgreSQL  1 server         {rate:>7.0f}/s  p99 {p99:.0f} ms  {share:.2f} × no-op  goal {GOAL}")
    print(
        f"PostgreSQL  {len(ports)} servers        {statistics.median(alls):>7.0f}/s  {more:.2f} × one server",
        flush=True,
    )


async def listen(port: int, who: str, ready: asyncio.Event, seen: list[tuple[int, float]]) -> None:
    """One dashboard: note at which server and when each new ticket was heard of."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None, open_timeout=60) as socket:
        await socket.send(json.dumps({"token": who}))
        await socket.recv()
        ready.set()
        while True:
            if '"new_ticket"' in str(await socket.recv())[:40]:
                seen.append((port, time.perf_counter()))


async def fan_out(ports: list[int], who: str) -> None:
    """One change at a time at the first server; how long dashboards there and at the others wait for it."""
    seen: list[tuple[int, float]] = []
    tasks: list[asyncio.Task[None]] = []
    for port in ports:
        waits = [asyncio.Event() for _ in range(SOCKETS)]
        tasks += [asyncio.create_task(listen(port, who, ready, seen)) for ready in waits]
        await asyncio.gather(*(ready.wait() for ready in waits))
    here, there = list[float](), list[float]()
    for number in range(CHANGES):
        seen.clear()
        answered = await asyncio.to_thread(send, ports[0], number)
        until = time.perf_counter() + 20
        while len(seen) < len(tasks) and time.perf_counter() < until:  # noqa: ASYNC110  # many tasks write to it
            await asyncio.sleep(0.01)
        assert len(seen) == len(tasks), f"only {len(seen)} of {len(tasks)} heard"
        for port, at in seen:
            (here if port == ports[0] else there).append(max(0.0, at - answered) * 1000)
    for task in tasks:
        task.cancel()
    for what, delays in (("the same server", sorted(here)), ("other servers", sorted(there))):
        p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
        print(f"a change heard at {what:<16} p50 {p50:>4.0f} ms  p99 {p99:>4.0f} ms  goal {SOON_MS} ms", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=600, help="how many failures each side of a round takes in")
    options.add_argument("--rounds", type=int, default=3, help="how many rounds")
    given = options.parse_args()
    with postgres_running(durable=True) as server, tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        url = server.new_database()
        upgrade(make_url(url))
        rooms = [Path(name) / str(number) for number in range(SERVERS)]
        shared = {"DATABASE_URL": url, "STANDBY": "off", "JWT_SECRET_KEY": "k" * 40}
        ports = [opened.enter_context(service("--no-work", DATA_DIR=str(room), **shared)) for room in rooms]
        intake(ports, given.requests, given.rounds)
        uvloop.run(fan_out(ports, token(ports[0])))


if __name__ == "__main__":
    main()
