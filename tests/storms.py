"""A storm: the service and a worker as processes, vendors that misbehave, kills at random; and the count afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from child_process import free_port, stop
from pipesleuth.sandbox.server import BackgroundSandbox
from places import adf, dbx

KEY = "a-key-that-storms-present"
SECRET = "the-secret-of-jira-s-webhooks"
# Short enough for a test, in the same order as the defaults: a call ends before a lease, a doubt before a look.
TEMPO = {
    "LEASE_SECONDS": "3",
    "CALL_SECONDS": "4",
    "MARK_VISIBLE_SECONDS": "1",
    "BACKOFF_FIRST_SECONDS": "0.1",
    "BACKOFF_MOST_SECONDS": "1",
    "RCA_DEADLINE_SECONDS": "2",
    "SLACK_PER_SECOND": "100",
}
LAG = 0.4  # of the vendors' searches: less than MARK_VISIBLE_SECONDS, as the promise demands
KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "429", "retry_after": 0.5},
    {"kind": "429", "retry_after": 1},
    {"kind": "500"},
    {"kind": "status", "status": 503},
    {"kind": "hang", "seconds": 1.0},
    {"kind": "timeout_after_success", "seconds": 0.8},
    {"kind": "wrong_json"},
    {"kind": "slow_body", "seconds": 0.5},
    {"kind": "refuse"},
    {"kind": "truncate"},
)
CATEGORY = {"new": "open", "indeterminate": "in_progress", "done": "acknowledged"}
COLUMNS = ("To Do", "In Progress", "In Review", "Done")
SECRETIVE = "Login failed. Server=tcp:db;User ID=etl;Password=Gr3enApple!77;AccountKey=c2VjcmV0LW9mLXN0b3Jt; step {n}"


class Process:
    """One of our programs, which can be killed and started again; its log goes on."""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-m", "pipesleuth", *words]
        self._environment = dict(environment)
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            stop(self.process, signal=signal.SIGKILL)

    def end(self) -> None:
        """Ask it to end."""
        if self.process is not None:
            stop(self.process, seconds=20)


class Storm:
    """One storm in a folder; everything random comes from the seed."""

    def __init__(self, folder: Path, seed: int, *, seconds: float = 5.0, rate: float = 8.0) -> None:
        self.folder = folder
        self.seed = seed
        self.seconds = seconds
        self.rate = rate
        self.drops = seed % 2 == 1
        self.accepted: dict[str, str] = {}
        self.bodies: dict[str, bytes] = {}
        self.kills = 0
        self.faults = 0
        self.problems: list[str] = []
        self.issues: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self._dice = random.Random(seed)  # noqa: S311  # dice, not a secret
        self._port = free_port()
        self._calm = threading.Event()
        self._over = threading.Event()
        self.log = folder / "log"

    def run(self) -> None:
        """The storm, then quiet, then everything delivered; what the vendors have is in `issues` and `messages`."""
        address = f"http://127.0.0.1:{self._port}"
        sandbox = BackgroundSandbox(webhook_url=f"{address}/webhook/jira", webhook_secret=SECRET, jira_search_lag=LAG)
        self._vendors = httpx.Client(base_url=sandbox.url, timeout=20)
        self._service = httpx.Client(base_url=address, timeout=10, headers={"x-api-key": KEY})
        environment = self._environment(sandbox, address)
        server = Process(["serve", "--port", str(self._port), "--log-level", "warning"], environment, self.log)
        worker = Process(["worker", "--log-level", "warning"], environment, self.log)
        try:
            self._vendors.put("/_state/slack", json={"history_lag_seconds": LAG}).raise_for_status()
            server.start()
            self._wait_for_service()
            worker.start()
            self._blow(server, worker)
            self._drain()
            self._settle_differences()
            self.issues = self._vendors.get("/_jira/issues").json()["issues"]
            self.messages = self._vendors.get("/_slack/messages").json()["messages"]
        finally:
            self._calm.set()
            server.end()
            worker.end()
            self._vendors.close()
            self._service.close()
            sandbox.stop()

    def _environment(self, sandbox: BackgroundSandbox, address: str) -> dict[str, str]:
        vendors = {name: value for name, value in sandbox.environment().items() if not name.startswith("TEAMS")}
        if self.seed % 3:  # every third storm has an AI that changes its mind
            vendors = {name: value for name, value in vendors.items() if not name.startswith("GEMINI")}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in {"PATH", "HOME", "PYTHONPATH", "LANG", "SSL_CERT_DIR"}
        }
        ours = {
            "DATA_DIR": str(self.folder),
            "PUBLIC_BASE_URL": address,
            "RCA_API_KEY": KEY,
            "JWT_SECRET_KEY": "k" * 40,
            "JIRA_WEBHOOK_SECRET": SECRET,
            "RECONCILE": "false",
        }
        # With the usual breaker a broken vendor is hardly called any more; without, it is called all the time.
        breaker = {} if self.drops else {"BREAKER_FAULTS": "100"}
        return {**kept, **vendors, **ours, **TEMPO, **breaker}

    def _wait_for_service(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if self._service.get("/healthz").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError("the service did not come up:\n" + self.log.read_text(errors="replace")[-3000:])

    # --- the storm itself ---

    def _blow(self, server: Process, worker: Process) -> None:
        seed = self._dice.randrange(10**9)
        chaos = {"drop": 0.15 if self.drops else 0, "duplicate": 0.3, "delay": [0, 0.8], "seed": seed}
        retries = {"retry_delays": [0.4, 0.8, 1.5, 2.5, 4]}
        self._vendors.put("/_state/jira", json={"webhook": {**chaos, **retries}}).raise_for_status()
        threads = [
            threading.Thread(target=self._guarded, args=(work, random.Random(self._dice.randrange(10**9))))  # noqa: S311
            for work in (self._send, self._move, self._break)
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + self.seconds
        while time.monotonic() < until or not self.kills:
            time.sleep(self._dice.uniform(0.5, 2.5))
            victims = self._dice.choice([(server,), (worker,), (server, worker)])
            for victim in victims:
                victim.kill()
                self.kills += 1
            time.sleep(self._dice.uniform(0, 0.4))
            for victim in victims:
                victim.start()
            self._wait_for_service()
        self._calm.set()
        self._wait_for_service()
        for thread in threads:
            thread.join(180)  # what was not taken yet is sent now, and a crowded machine is slow
            assert not thread.is_alive(), "a thread of the storm hangs"
        assert not self.problems, self.problems

    def _guarded(self, work: Any, dice: random.Random) -> None:
        try:
            work(dice)
        except Exception as error:  # noqa: BLE001  # a thread's fault is the storm's own, and is told at its end
            self.problems.append(f"{type(error).__name__}: {error}")

    def _send(self, dice: random.Random) -> None:
        """Failures at a steady rate, some twice; what is not taken is sent again, as senders do."""
        number = 0
        owed: list[tuple[str, str, bytes]] = []
        client = httpx.Client(base_url=self._service.base_url, timeout=10, headers={"x-api-key": KEY})
        while not self._calm.is_set() or owed:
            if not self._calm.is_set():
                number += 1
                owed.append(self._failure(number, dice))
            run, door, body = owed[0]
            if self._sent(client, run, door, body):
                owed.pop(0)
                if dice.random() < 0.2:
                    self._sent(client, run, door, body)
            time.sleep(1 / self.rate if not self._calm.is_set() else 0.05)
        client.close()

    def _failure(self, number: int, dice: random.Random) -> tuple[str, str, bytes]:
        text = SECRETIVE.replace("{n}", str(number))
        if dice.random() < 0.5:
            run = f"{self.seed % 0xFFFF:04x}{number:04x}-54a1-4d53-9a36-2c0b7a6e91aa"
            body, door = adf(run, pipeline=f"pl_{number}", message=text), "/azure-monitor"
        else:
            run = str(9_000_000 + number)
            body, door = dbx(int(run), job=f"job-{number}", message=text), "/databricks-monitor"
        content = httpx.Request("POST", "http://x/", json=body).content
        self.bodies[run] = content
        return run, door, content

    def _sent(self, client: httpx.Client, run: str, door: str, body: bytes) -> bool:
        try:
            answer = client.post(door, content=body, headers={"content-type": "application/json"})
        except httpx.HTTPError:
            return False
        if answer.status_code == 503:
            return False
        assert answer.status_code == 200, answer.text
        ticket = answer.json()["ticket_id"]
        assert self.accepted.setdefault(run, ticket) == ticket, f"{run} has two tickets"
        return True

    def _move(self, dice: random.Random) -> None:
        """A person moves cards on the board, now and then to another project."""
        client = httpx.Client(base_url=self._vendors.base_url, timeout=20)
        while not self._calm.wait(0.1):
            issues = client.get("/_jira/issues").json()["issues"]
            if issues:
                issue = dice.choice(issues)["id"]
                client.post(f"/_jira/issues/{issue}/status", json={"status": dice.choice(COLUMNS)}).raise_for_status()
                if dice.random() < 0.05:
                    client.post(f"/_jira/issues/{issue}/move", json={"project": "DATA"}).raise_for_status()
        client.close()

    def _break(self, dice: random.Random) -> None:
        """Let the vendors misbehave in ever new ways."""
        client = httpx.Client(base_url=self._vendors.base_url, timeout=20)
        while not self._calm.is_set():
            faults = [
                {
                    **dice.choice(KINDS),
                    "service": dice.choice(["slack", "jira", "jira", "gemini"]),
                    "probability": dice.choice([0.3, 0.6, 1.0]),
                    "seed": dice.randrange(10**6),
                }
                for _ in range(dice.randrange(1, 5))
            ]
            self._count_faults(client)
            if not self._calm.is_set():
                client.put("/_faults", json=faults).raise_for_status()
            self._calm.wait(dice.uniform(0.3, 1.0))
        self._count_faults(client)
        client.delete("/_faults").raise_for_status()
        client.close()

    def _count_faults(self, client: httpx.Client) -> None:
        self.faults += sum(fault["hits"] for fault in client.get("/_faults").json()["faults"])

    # --- the quiet after it ---

    def _drain(self, seconds: float = 120) -> None:
        """Wait until nothing is owed and no webhook is on its way."""
        until = time.monotonic() + seconds
        quiet = 0
        while time.monotonic() < until:
            owed = self._owed()
            pending = self._vendors.get("/_jira/webhooks").json()["pending"]
            quiet = quiet + 1 if not owed and not pending else 0
            if quiet >= 3:
                return
            time.sleep(0.1)
        pending = self._vendors.get("/_jira/webhooks").json()["pending"]
        log = self.log.read_text(errors="replace")[-1500:]
        now = datetime.now(UTC)
        raise AssertionError(f"{now}: still owed {seconds} s after the storm: {self._owed()} {pending=}\n{log}")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What the storm's database says."""
        with contextlib.closing(sqlite3.connect(self.folder / "tickets.db", timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def _owed(self) -> list[Any]:
        return self.rows(
            "SELECT todos.*, (SELECT group_concat(kind || ' until ' || until || ' faults ' || faults) FROM holds) AS held"
            " FROM todos WHERE wanted_version > done_version ORDER BY kind LIMIT 5",
        )

    def _settle_differences(self) -> None:
        """Where news from Jira was lost for good, a person moves each card once more, and now it arrives."""
        self._vendors.put("/_state/jira", json={"webhook": {"drop": 0, "duplicate": 0, "delay": []}}).raise_for_status()
        if not self.drops:
            return
        for issue in self._vendors.get("/_jira/issues").json()["issues"]:
            now = issue["fields"]["status"]["name"]
            to = self._dice.choice([name for name in COLUMNS if name != now])
            self._vendors.post(f"/_jira/issues/{issue['id']}/status", json={"status": to}).raise_for_status()
        time.sleep(0.3)
        self._drain()
