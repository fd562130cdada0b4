"""Three servers and three workers on one PostgreSQL: one is killed, one sleeps, and everything is done once."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from counts import wrongs
from fleet import ANALYSES, PER_SECOND, Ear, Fleet, pause, wake

SOON = 1.0  # seconds until a change at one server is seen at all
FOUND, LATE = "Webhook Missed", "SLA Breached"
MISSED = 3  # runs that no webhook tells of
SLEEP = 4.0  # longer than a lease


@pytest.fixture
def fleet(postgres: Callable[[], str], tmp_path: Path) -> Generator[Fleet]:
    made = Fleet(tmp_path, postgres())
    try:
        # Runs that only their platform tells of, to all workers at the same time.
        made.vendors.post("/_generate/databricks", json={"count": MISSED, "seed": 7}).raise_for_status()
        made.start()
        yield made
    finally:
        made.end()


def test_three_servers_and_three_workers_do_everything_once(fleet: Fleet) -> None:
    ears = fleet.ears()
    delays = heard(fleet, ears, 6) + heard_out_of_order(fleet, ears)
    late_settling(fleet, 3)
    storm(fleet, 15)
    out_of_time(fleet)
    settled(fleet, ears)
    assert wrongs(fleet) == []
    assert once(fleet) == []
    assert sorted(delays)[len(delays) // 2] < SOON, delays


@pytest.mark.long
def test_after_many_sleeps_and_a_larger_storm_too(fleet: Fleet) -> None:
    ears = fleet.ears()
    for first in range(600, 900, 100):
        late_settling(fleet, 8, first=first)
    storm(fleet, 100)
    out_of_time(fleet)
    settled(fleet, ears)
    assert wrongs(fleet) == []
    assert once(fleet) == []


def heard(fleet: Fleet, ears: list[Ear], changes: int) -> list[float]:
    """Failures told to one server after the other; how long each dashboard has waited for each."""
    delays: list[float] = []
    for number in range(changes):
        ticket = fleet.post(fleet.failure(number), [fleet.servers[number % len(fleet.servers)]])
        answered = time.monotonic()
        delays += told(fleet, ears, fleet.told_of(ticket), answered)
    return delays


def told(fleet: Fleet, ears: list[Ear], sequence: int, since: float) -> list[float]:
    """How long each dashboard has waited for an event."""
    fleet.until(lambda: all(sequence in ear.heard for ear in ears), f"event {sequence} is heard", 20)
    return [max(0.0, ear.heard[sequence] - since) for ear in ears]


def heard_out_of_order(fleet: Fleet, ears: list[Ear]) -> list[float]:
    """A line that takes its number early and is committed after the next ones; how long everybody waited for it."""
    run = fleet.failure(500)
    with fleet.asking() as connection:
        early = connection.execute(
            "INSERT INTO audit_trail (timestamp, ticket_id, action, user_name, event, ticket_version)"
            " SELECT timestamp, ticket_id, 'Seen', 'a slow server', 'ticket_updated', NULL FROM audit_trail"
            " WHERE event = 'new_ticket' ORDER BY id LIMIT 1 RETURNING id"
        ).fetchone()
        assert early is not None
        late = fleet.told_of(fleet.post(run, fleet.servers))
        assert late > early["id"]
        told(fleet, ears, late, time.monotonic())
        connection.commit()
        return told(fleet, ears, early["id"], time.monotonic())


def late_settling(fleet: Fleet, failures: int, *, first: int = 600) -> None:
    """A worker falls asleep while vendors answer; others take over; it wakes up and settles what is not its any more."""
    fleet.until(lambda: not fleet.owed(), "all is told")
    sleeper, *others = fleet.workers
    for one in others:
        pause(one)
    slow = {"kind": "slow_body", "seconds": 2.0}
    creating = ({"service": "slack", "route": "chat.postMessage"}, {"service": "jira", "route": "*/issue"})
    fleet.vendors.put("/_faults", json=[{**slow, **which, "method": "POST"} for which in creating]).raise_for_status()
    tickets = [fleet.post(fleet.failure(first + number), fleet.servers) for number in range(failures)]

    def created() -> bool:
        issues = fleet.vendors.get("/_jira/issues").json()["issues"]
        messages = fleet.vendors.get("/_slack/messages").json()["messages"]
        return all(ticket in str(issues) for ticket in tickets) and all(ticket in str(messages) for ticket in tickets)

    fleet.until(created, "the vendors have what they were told")
    pause(sleeper)
    fleet.vendors.delete("/_faults").raise_for_status()
    for one in others:
        wake(one)
    time.sleep(SLEEP)
    fleet.until(lambda: not fleet.owed(), "the others have taken over")
    wake(sleeper)


def storm(fleet: Fleet, failures: int) -> None:
    """Everything told to two servers at once, while a server and a worker are killed."""
    victim, *there = fleet.servers
    runs = [fleet.failure(1000 + number) for number in range(failures)]
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(fleet.post, run, servers)
            for run, one in zip(runs, itertools.cycle(there), strict=False)
            for servers in ([victim, *there], [one, *there])
        ]
        jobs[failures // 2].result()
        victim.kill()
        fleet.workers[1].kill()
        for job in jobs:
            job.result()


def out_of_time(fleet: Fleet) -> None:
    """Everybody's time is up at the same moment, also that of runs that no webhook told of."""
    fleet.until(lambda: fleet.actions()[FOUND] >= MISSED, "the runs that nobody told of are found")
    late = "2026-01-01T00:00:00.000000Z"
    with fleet.asking() as connection:
        for row in fleet.rows("SELECT id FROM tickets"):
            connection.execute("UPDATE tickets SET sla_due_at = %s WHERE id = %s", (late, row["id"]))
            connection.commit()  # one at a time: the workers lock several in an order of their own
    fleet.until(
        lambda: not fleet.rows("SELECT id FROM tickets WHERE sla_status = 'Pending' LIMIT 1"), "all is breached"
    )


def settled(fleet: Fleet, ears: list[Ear]) -> None:
    """Wait until everything is told, and take down what the vendors have."""
    fleet.until(lambda: not fleet.owed(), "all is told", 90)
    (newest,) = fleet.rows("SELECT max(id) AS id FROM audit_trail WHERE event IS NOT NULL")
    alive = ears[1:]  # the first one's server is gone
    told(fleet, alive, newest["id"], time.monotonic())
    for ear in ears:
        ear.close()
    lines = {row["id"] for row in fleet.rows("SELECT id FROM audit_trail WHERE event IS NOT NULL")}
    for ear in alive:
        assert {line for line in lines if line > ear.since} - set(ear.heard) == set()
        assert ear.twice == []
    fleet.gather()


def once(fleet: Fleet) -> list[str]:
    """What was done twice or not at all, of the things that servers do by themselves; and limits that did not hold."""
    tickets = len(fleet.rows("SELECT id FROM tickets"))
    lines = Counter(
        (row["action"], row["ticket_id"]) for row in fleet.rows("SELECT action, ticket_id FROM audit_trail")
    )
    found = [
        f"{ticket} has {n} × {action}" for (action, ticket), n in lines.items() if action in {FOUND, LATE} and n > 1
    ]
    for action, expected in ((FOUND, MISSED), (LATE, tickets)):
        count = fleet.actions()[action]
        found += [] if count == expected else [f"{count} of {expected} have {action}"]
    budgets = [int(row["value"]) for row in fleet.rows("SELECT value FROM marks WHERE name LIKE 'ai.budget:%'")]
    asked = sum(1 for call in fleet.calls("gemini", "") if call["method"] == "POST")
    if not budgets or max(budgets) > ANALYSES or asked > ANALYSES * len(budgets):
        found.append(f"the AI was asked {asked} times, of the hours' budgets {budgets} were taken")
    return found + too_quick(fleet.calls("slack", "chat.postMessage"))


def too_quick(calls: list[dict[str, Any]]) -> list[str]:
    """Where more messages went to a channel than it takes a second, with half as many again for delays on the way."""
    times = sorted(call["time"] for call in calls if "thread_ts" not in str(call["body"]))
    most = PER_SECOND + PER_SECOND // 2
    spans = [(later - first, first) for first, later in zip(times, times[most:], strict=False)]
    return [f"{most + 1} messages within {span:.2f} s" for span, _ in spans if span < 1]
