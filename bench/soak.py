"""An hour under mixed load: `make soak`, or `make soak ARGS="--minutes 10"`.

A server and a worker as processes, stand-ins that misbehave, webhooks at a steady rate (most of them repeat a run, as
storms do), open dashboards and people who read. Each minute: memory of both processes, how long webhooks took, what
went wrong. In the end a verdict: memory flat, no error, times stable, and every answered failure there once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from child_process import free_port, stop
from dashboards import people
from places import PASSWORD, RESPONDER, VIEWER
from served import KEY, Served, environment

CONNECTIONS, READERS, FRESH = 8, 3, 0.1
FLAT, STABLE = 0.05, 2.0
MESSAGES = (
    "Login failed for user 'etl'. Server: db.contoso.com",
    "java.lang.OutOfMemoryError: GC overhead limit exceeded",
    "Operation on target Copy failed: ErrorCode=UserErrorFileNotFound,'Type=Microsoft.DataTransfer,Message=gone'",
    "Something that nobody has heard of, number {n}.",
)
FAULTS = (
    {"kind": "429", "retry_after": 1},
    {"kind": "500"},
    {"kind": "hang", "seconds": 2.0},
    {"kind": "timeout_after_success", "seconds": 1.0},
    {"kind": "wrong_json"},
    {"kind": "truncate"},
)
PATHS = ("open-tickets", "open-tickets?q=orders", "summary", "audit-trail?limit=50", "insights", "closed-tickets")


@dataclass(slots=True)
class Minute:
    """What one minute showed: times in milliseconds, memory in MB."""

    took: list[float] = field(default_factory=list[float])
    reads: list[float] = field(default_factory=list[float])
    memory: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    events: int = 0

    def at(self, share: float) -> float:
        """The time that this share of the webhooks took at most."""
        return sorted(self.took)[min(len(self.took) - 1, int(len(self.took) * share))] * 1000 if self.took else 0.0

    def held(self, name: str) -> float:
        """The memory of a process in the middle of the minute."""
        return statistics.median(self.memory.get(name, [0.0]))


class Soak:
    """One run over a service in a folder; `minutes` of load at `rate` webhooks a second."""

    def __init__(self, folder: Path, minutes: float, rate: float, sockets: int) -> None:
        self.minutes, self.rate, self.sockets = minutes, rate, sockets
        self.seen: list[Minute] = [Minute()]
        self.wrong: Counter[str] = Counter()
        self.accepted: set[str] = set()
        self.folder = folder
        self._dice = random.Random(1)
        self._known: list[bytes] = []
        self._port = free_port()
        self._end = 0.0

    async def run(self) -> None:
        """Start everything, load it, and stop it."""
        people(self.folder)
        vendors, settings = self._vendors()
        try:
            server = Served(self.folder, "serve", "--no-worker", port=self._port, **settings)
            worker = Served(self.folder, "worker", port=free_port(), **settings)
            try:
                await asyncio.gather(asyncio.to_thread(server.start), asyncio.to_thread(worker.start))
                await self._load(settings["SANDBOX"], {"server": server, "worker": worker})
            finally:
                for one in (server, worker):
                    if one.end() != 0:
                        self.wrong[f"{one.words[0]} did not end well"] += 1
            for one in (server, worker):
                self._read_log(one.log)
            self._count()
        finally:
            stop(vendors)

    def _vendors(self) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
        """The stand-ins in a process of their own, and the settings that lead to them."""
        hook = ["--webhook-url", f"http://127.0.0.1:{self._port}/webhook/jira", "--webhook-secret", "s" * 20]
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pipesleuth", "sandbox", "--port", "0", *hook],
            cwd=self.folder,
            env=environment(self.folder),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        known: dict[str, str] = {}
        for raw in process.stdout:
            line = raw.decode().strip()
            name, equals, value = line.partition("=")
            if equals and name.isupper():
                known[name] = value
            if line.startswith("Sandbox on "):
                known["SANDBOX"] = line.split()[2].rstrip(":")
            if line.startswith("Faults on demand"):
                break
        more = {"JWT_SECRET_KEY": "k" * 40, "JIRA_WEBHOOK_SECRET": "s" * 20, "SLACK_PER_SECOND": "50"}
        return process, known | more | {"RECONCILE": "false", "PUBLIC_BASE_URL": f"http://127.0.0.1:{self._port}"}

    async def _load(self, sandbox: str, processes: dict[str, Served]) -> None:
        self._end = time.monotonic() + self.minutes * 60
        address = f"http://127.0.0.1:{self._port}"
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            tokens = [await self._token(client, who) for who in (RESPONDER, VIEWER)]
            await asyncio.gather(
                *(self._send(number) for number in range(CONNECTIONS)),
                *(self._listen(tokens[number % 2]) for number in range(self.sockets)),
                *(self._look(client, tokens[0]) for _ in range(READERS)),
                self._break(sandbox),
                self._sample(processes),
            )

    async def _token(self, client: httpx.AsyncClient, email: str) -> str:
        given = await client.post("/api/login", json={"email": email, "password": PASSWORD})
        return given.json()["access_token"]

    def _body(self) -> tuple[str, bytes]:
        """Mostly a failure that was told of already, as retrying platforms and storms have it."""
        if self._known and self._dice.random() > FRESH:
            return "", self._dice.choice(self._known)
        run, text = str(uuid.UUID(int=self._dice.getrandbits(128))), self._dice.choice(MESSAGES)
        body = {
            "PipelineName": f"pl_{self._dice.randrange(200)}_orders",
            "PipelineRunId": run,
            "ErrorMessage": text.replace("{n}", run),
        }
        content = json.dumps(body).encode()
        self._known = [*self._known[-499:], content]
        return run, content

    async def _send(self, number: int) -> None:
        """One sender's share of the rate, at even times however long answers take."""
        head = (
            f"POST /azure-monitor HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\n"
        )
        pause = CONNECTIONS / self.rate
        due = time.monotonic() + pause * number / CONNECTIONS
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while time.monotonic() < self._end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += pause
            run, body = self._body()
            began = time.perf_counter()
            try:
                writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                lines = answer.lower().split(b"\r\n")
                await reader.readexactly(next(int(line[15:]) for line in lines if line.startswith(b"content-length:")))
            except (OSError, asyncio.IncompleteReadError) as error:
                self.wrong[f"webhook: {type(error).__name__}"] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                continue
            self.seen[-1].took.append(time.perf_counter() - began)
            if answer[9:12] != b"200":
                self.wrong[f"webhook: {answer[9:12].decode()}"] += 1
            elif run:
                self.accepted.add(run)
        writer.close()

    async def _listen(self, token: str) -> None:
        """One open dashboard; closed before the end is an error."""
        try:
            async with connect(f"ws://127.0.0.1:{self._port}/ws", max_size=None) as browser:
                await browser.send(json.dumps({"token": token}))
                while (left := self._end - time.monotonic()) > 0:
                    try:
                        async with asyncio.timeout(left):
                            await browser.recv()
                    except TimeoutError:
                        return
                    self.seen[-1].events += 1
        except (ConnectionClosed, OSError) as error:
            self.wrong[f"socket: {error}"[:80]] += 1

    async def _look(self, client: httpx.AsyncClient, token: str) -> None:
        """Somebody who reads now this, now that."""
        while time.monotonic() < self._end:
            path, began = self._dice.choice(PATHS), time.perf_counter()
            try:
                answer = await client.get(f"/api/{path}", headers={"authorization": f"Bearer {token}"})
                self.seen[-1].reads.append(time.perf_counter() - began)
                if answer.status_code != 200:
                    self.wrong[f"{path}: {answer.status_code}"] += 1
            except httpx.HTTPError as error:
                self.wrong[f"{path}: {type(error).__name__}"] += 1
            await asyncio.sleep(self._dice.uniform(0.3, 1.2))

    async def _break(self, sandbox: str) -> None:
        """The vendors misbehave for a while, and are well for a while."""
        async with httpx.AsyncClient(base_url=sandbox, timeout=30) as client:
            while time.monotonic() < self._end:
                service = self._dice.choice(["slack", "jira", "gemini"])
                fault = {**self._dice.choice(FAULTS), "service": service, "probability": self._dice.choice([0.2, 0.6])}
                for method, rules, seconds in (("PUT", [fault], (3, 10)), ("DELETE", None, (5, 20))):
                    try:
                        (await client.request(method, "/_faults", json=rules)).raise_for_status()
                    except httpx.HTTPError as error:
                        self.wrong[f"the stand-ins: {type(error).__name__}"] += 1
                    await asyncio.sleep(self._dice.uniform(*seconds))

    async def _sample(self, processes: dict[str, Served]) -> None:
        """Memory every two seconds; a line every minute."""
        print("minute  a second   p50 ms   p99 ms  reads p50  server MB  worker MB   events  wrong", flush=True)
        began = time.monotonic()
        while time.monotonic() < self._end:
            await asyncio.sleep(2)
            now = self.seen[-1]
            for name, one in processes.items():
                assert one.process is not None
                now.memory.setdefault(name, []).append(resident(one.process.pid))
            if time.monotonic() - began >= 60 * len(self.seen):
                self.seen.append(Minute())
                self._say(len(self.seen) - 1, now)

    def _say(self, number: int, one: Minute) -> None:
        reads = statistics.median(one.reads) * 1000 if one.reads else 0.0
        print(
            f"{number:>6} {len(one.took) / 60:>9.1f} {one.at(0.5):>8.1f} {one.at(0.99):>8.1f} {reads:>10.1f} "
            f"{one.held('server'):>10.1f} {one.held('worker'):>10.1f} {one.events:>8}  {sum(self.wrong.values())}",
            flush=True,
        )

    def _read_log(self, log: Path) -> None:
        for line in log.read_text(errors="replace").splitlines():
            if '"level": "error"' in line or "Traceback" in line:
                self.wrong[f"{log.stem}: {line[:100]}"] += 1

    def _count(self) -> None:
        with sqlite3.connect(self.folder / "tickets.db", timeout=30) as raw:
            stored = [run for (run,) in raw.execute("SELECT run_id FROM tickets")]
        self.wrong["failures lost"] += len(self.accepted - set(stored))
        self.wrong["failures twice"] += len(stored) - len(set(stored))


def resident(process_id: int) -> float:
    """The memory that a process holds, in MB."""
    fields = Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096 / 1_000_000


def verdict(soak: Soak) -> list[str]:
    """What of the promises was not kept."""
    whole = [minute for minute in soak.seen if len(minute.took) >= soak.rate * 30]
    warm = whole[max(1, len(whole) // 5) :]  # a fifth is for warming up
    if len(warm) < 3:
        return ["it was too short for a verdict: at least five minutes"]
    third = max(1, len(warm) // 3)
    missed: list[str] = []
    for name in ("server", "worker"):
        early, late = (statistics.mean(m.held(name) for m in some) for some in (warm[:third], warm[-third:]))
        change = late / early - 1
        print(f"{name + ' memory, last third / first':<36} {change:>+8.1%}   ± {FLAT:.0%}")
        missed += [f"the {name}'s memory is not flat"] if abs(change) > FLAT else []
    times = [minute.at(0.99) for minute in warm]
    ratio = statistics.median(times[-third:]) / statistics.median(times[:third])
    print(f"{'p99, last third / first':<36} {ratio:>8.2f}   at most {STABLE}")
    missed += ["p99 is not stable"] if ratio > STABLE else []
    errors = +soak.wrong
    print(f"{'errors':<36} {sum(errors.values()):>8}   none")
    return missed + [f"{count} × {what}" for what, count in errors.most_common(10)]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=60.0, help="how long")
    options.add_argument("--rate", type=float, default=100.0, help="webhooks a second")
    options.add_argument("--sockets", type=int, default=50, help="open dashboards")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipesleuth-soak-", ignore_cleanup_errors=True) as folder:
        soak = Soak(Path(folder), given.minutes, given.rate, given.sockets)
        asyncio.run(soak.run())
        sent, events = sum(len(m.took) for m in soak.seen), sum(m.events for m in soak.seen)
        print(f"\n{sent} webhooks, {len(soak.accepted)} failures, {events} events")
        missed = verdict(soak)
    for line in missed:
        print(f"MISSED: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
