"""What an outage of the database costs senders: the time to the first webhook that is taken in, and how it goes on."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import uvloop

from intake import KEY, bodies, service
from load import Run, post

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from outages import plain
from postgres_server import PostgresServer, postgres_running

CONNECTIONS, REQUESTS, WARM_UP = 32, 1200, 300
P99_GOAL_MS = 250


def load(port: int, count: int, *, connections: int = CONNECTIONS) -> Run:
    """One load run of new failures."""
    made: Iterator[bytes] = iter(list(bodies(count)))
    return uvloop.run(post(port, "/azure-monitor", made, key=KEY, connections=connections, keep=True))


def accepted(runs: list[Run]) -> set[str]:
    """The tickets that senders were answered."""
    answers = [json.loads(text) for run in runs for text in run.answers]
    return {answer["ticket_id"] for answer in answers if answer.get("status") == "success"}


def state(port: int) -> str:
    """Which database the service writes."""
    figures = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()  # our own server
    (line,) = [
        line for line in figures.splitlines() if line.startswith("pipesleuth_failover{") and line.endswith(" 1.0")
    ]
    return line.partition('"')[2].partition('"')[0]


def outage(server: PostgresServer, port: int, way: str) -> list[Run]:
    """One outage under load, and its line of the table; the runs that were answered."""
    before = load(port, REQUESTS)
    server.stop() if way == "stopped" else server.pause()
    gone = time.perf_counter()
    first = load(port, 1, connections=1)
    until_first = time.perf_counter() - gone
    during = load(port, REQUESTS)
    server.start() if way == "stopped" else server.resume()
    back = time.perf_counter()
    merging = load(port, REQUESTS)
    while state(port) != "primary":
        time.sleep(0.05)
    merged = time.perf_counter() - back
    runs = [before, first, during, merging]
    statuses = {status: sum(run.statuses.get(status, 0) for run in runs) for run in runs for status in run.statuses}
    print(
        f"{way:<8} first webhook after {until_first * 1000:.0f} ms   p99: before {before.at(0.99):.0f} ms, breaker open"
        f" {during.at(0.99):.0f} ms (goal {P99_GOAL_MS}), at the return {merging.at(0.99):.0f} ms   merged after "
        f"{merged:.1f} s   {statuses}",
        flush=True,
    )
    return runs


def main() -> int:
    with postgres_running(durable=True) as server:
        url = server.new_database()
        more = {"DATABASE_URL": url, "STANDBY": "on", "STANDBY_HEALTHY_SECONDS": "2"}
        with service("--no-work", **more) as port:
            load(port, WARM_UP)
            runs = [run for way in ("stopped", "paused") for run in outage(server, port, way)]
            time.sleep(1)
            with psycopg.connect(plain(url)) as connection:
                there = [row[0] for row in connection.execute("SELECT id FROM tickets")]
        lost, double = accepted(runs) - set(there), len(there) - len(set(there))
        print(f"{len(accepted(runs))} accepted, {len(lost)} lost, {double} double")
        return 1 if lost or double else 0


if __name__ == "__main__":
    sys.exit(main())
