"""What vendors that hang cost intake, how an outage is caught up with, and how soon a failure stands in Slack."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import uvloop

from intake import KEY, MESSAGES, alert, middle, service
from load import Run, post
from pipesleuth.sandbox.server import BackgroundSandbox

RATE, SECONDS, ROUNDS = 200, 8, 3
GOAL_RATIO, GOAL_P95 = 1.2, 1.0
CAUGHT_UP = 100
CHANNEL_RATE = 10  # messages a second, so that the catch-up of this bench does not take a quarter of an hour


def bodies(count: int) -> list[bytes]:
    """Typical alerts, each with a run of its own."""
    texts = [MESSAGES[number % len(MESSAGES)].replace("{n}", str(number % 50)) for number in range(count)]
    return [json.dumps(alert(f"pl_{n % 40}", str(uuid.uuid4()), text)).encode() for n, text in enumerate(texts)]


async def paced(port: int, made: list[bytes]) -> Run:
    """Post at a steady rate, each when its time has come, over connections that are kept."""
    run = Run()
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def one() -> None:
        while (body := await waiting.get()) is not None:
            single = await post(port, "/azure-monitor", iter([body]), key=KEY, connections=1)
            run.took += single.took
            for status, times in single.statuses.items():
                run.statuses[status] = run.statuses.get(status, 0) + times

    workers = [asyncio.create_task(one()) for _ in range(16)]
    began = time.perf_counter()
    for number, body in enumerate(made):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        waiting.put_nowait(body)
    for _ in workers:
        waiting.put_nowait(None)
    await asyncio.gather(*workers)
    run.seconds = time.perf_counter() - began
    return run


def intake(*arguments: str) -> Run:
    """Intake at the steady rate, beside vendors that answer, that hang, or that nobody calls."""
    with service(*arguments) as port:
        uvloop.run(paced(port, bodies(200)))
        run = uvloop.run(paced(port, bodies(RATE * SECONDS)))
        assert set(run.statuses) == {200}, run.statuses
        return run


def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    """A stand-in's switch."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)  # noqa: S310  # ours
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # the same
        return json.load(answer)


def roots(sandbox: BackgroundSandbox) -> dict[str, float]:
    """The tickets that stand in Slack, and since when."""
    messages = ask(f"{sandbox.url}/_slack/messages")["messages"]
    return {one["metadata"]["event_payload"]["ticket_id"]: float(one["ts"]) for one in messages if not one["is_reply"]}


def environment(sandbox: BackgroundSandbox, **more: str) -> dict[str, str]:
    """Settings without an AI."""
    vendors = {name: value for name, value in sandbox.environment().items() if not name.startswith(("GEMINI", "TEAMS"))}
    return {**vendors, "RECONCILE": "false", **more}


def how_soon() -> list[float]:
    """Seconds from the webhook's sending to the message in Slack, one failure after another."""
    sandbox = BackgroundSandbox()
    took: list[float] = []
    try:
        with service(**environment(sandbox)) as port:
            for body in bodies(30):
                sent = time.time()
                run = uvloop.run(post(port, "/azure-monitor", iter([body]), key=KEY, connections=1, keep=True))
                ticket = json.loads(run.answers[0])["ticket_id"]
                until = time.time() + 10
                while ticket not in (there := roots(sandbox)) and time.time() < until:
                    time.sleep(0.02)
                took.append(there.get(ticket, float("inf")) - sent)
                time.sleep(1.2)
    finally:
        sandbox.stop()
    return sorted(took)


def catch_up() -> tuple[float, int, int]:
    """After an outage: seconds until all is told, how many messages and issues there are, and refusals for haste."""
    sandbox = BackgroundSandbox()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            ask(f"{sandbox.url}/_faults", "PUT", [{"kind": "refuse"}])
            ask(f"{sandbox.url}/_state/slack", "PUT", {"rate_per_second": CHANNEL_RATE * 1.2})
            place = environment(sandbox, DATA_DIR=folder, SLACK_PER_SECOND=str(CHANNEL_RATE))
            with service(**place) as port:
                uvloop.run(post(port, "/azure-monitor", iter(bodies(CAUGHT_UP)), key=KEY, connections=8))
                time.sleep(15)
                ask(f"{sandbox.url}/_faults", "DELETE")
                began = time.monotonic()
                while owed(Path(folder)) and time.monotonic() - began < 180:
                    time.sleep(0.2)
                seconds = time.monotonic() - began
            calls = ask(f"{sandbox.url}/_calls?service=slack")["calls"]
            hasty = sum(1 for call in calls if call["status"] == 429)
            assert len(roots(sandbox)) == CAUGHT_UP, "some were lost"
            assert len(ask(f"{sandbox.url}/_jira/issues")["issues"]) == CAUGHT_UP, "some were lost"
            return seconds, CAUGHT_UP, hasty
    finally:
        sandbox.stop()


def owed(folder: Path) -> int:
    """What is still to be told."""
    connection = sqlite3.connect(folder / "tickets.db", timeout=10)
    try:
        return connection.execute("SELECT count(*) FROM todos WHERE wanted_version > done_version").fetchone()[0]
    finally:
        connection.close()


def main() -> int:
    modes = {
        "intake, vendors answer at once": "--prompt",
        "intake, all vendors hang": "--hang",
        "intake, nobody works": "--no-work",
    }
    rounds = [{name: intake(mode) for name, mode in modes.items()} for _ in range(ROUNDS)]  # in turns: noise hits all
    print(f"{'':<44}{'p50 ms':>9}{'p99 ms':>9}{'a second':>10}   middle of {ROUNDS}")
    for name in modes:
        runs = [each[name] for each in rounds]
        print(f"{name:<44}{middle(runs, 0.5):>9.1f}{middle(runs, 0.99):>9.1f}{middle(runs):>10.0f}")
    calm, hanging, _ = ([each[name].at(0.99) for each in rounds] for name in modes)
    ratio = statistics.median(hung / well for hung, well in zip(hanging, calm, strict=True))
    print(f"{'p99 vendors hang / p99 vendors answer':<44}{ratio:>9.2f}   goal {GOAL_RATIO}")
    took = how_soon()
    p95, half = took[int(len(took) * 0.95)] * 1000, took[len(took) // 2] * 1000
    print(f"{'webhook to Slack, no AI':<44}{half:>9.0f}{p95:>9.0f} (p95)   goal {GOAL_P95 * 1000:.0f}")
    seconds, told, hasty = catch_up()
    what = f"for {told} tickets at {CHANNEL_RATE}/s, {hasty} refused, none lost"
    print(f"{'catch-up after an outage':<44}{seconds:>9.1f} s {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
