"""Several servers and workers as processes on one PostgreSQL, with the vendors' stand-ins; and what they hear and say."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from child_process import free_port
from pipesleuth.db.upgrade import upgrade
from pipesleuth.sandbox.server import BackgroundSandbox
from places import adf
from served import KEY, Served

SECRET = "the-secret-of-jira-s-webhooks"
LAG = 0.4  # of the vendors' searches: less than MARK_VISIBLE_SECONDS, as the promise demands
PER_SECOND, ANALYSES = 10, 3
SERVE, WORK = ("serve", "--no-worker", "--log-level", "warning"), ("worker", "--log-level", "warning")
VENDORS = ("SLACK", "JIRA", "ITSM", "GEMINI", "DATABRICKS")
SETTINGS = {
    "LEASE_SECONDS": "3",
    "CALL_SECONDS": "20",
    "MARK_VISIBLE_SECONDS": "1",
    "BACKOFF_FIRST_SECONDS": "0.1",
    "BACKOFF_MOST_SECONDS": "1",
    "RCA_DEADLINE_SECONDS": "2",
    "RECONCILE_SECONDS": "2",
    "RECONCILE_GRACE_SECONDS": "0",
    "SLACK_PER_SECOND": str(PER_SECOND),
    "AI_ANALYSES_PER_HOUR": str(ANALYSES),
    "JWT_SECRET_KEY": "k" * 40,
    "JIRA_WEBHOOK_SECRET": SECRET,
    "STANDBY": "off",
    "PRIMARY_TIMEOUT": "20",
}


class Ear:
    """A dashboard at one server: every event it was sent, and when."""

    def __init__(self, port: int, token: str) -> None:
        self.heard: dict[int, float] = {}
        self.twice: list[int] = []
        self.since = 0
        self._open = threading.Event()
        self._socket: ClientConnection | None = None
        self._thread = threading.Thread(target=self._listen, args=(port, token), daemon=True)
        self._thread.start()
        assert self._open.wait(60)

    def _listen(self, port: int, token: str) -> None:
        with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=60) as socket:
            socket.send(json.dumps({"token": token}))
            self.since = int(json.loads(socket.recv(60))["sequence"])
            self._socket = socket
            self._open.set()
            with contextlib.suppress(ConnectionClosed):  # as at a server that is killed
                for text in socket:
                    self._note(json.loads(text).get("sequence"))

    def _note(self, sequence: int | None) -> None:
        if sequence in self.heard:
            self.twice.append(sequence)
        elif sequence is not None:
            self.heard[sequence] = time.monotonic()

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            self._socket.close()
        self._thread.join(10)


class Fleet:
    """Servers that only answer and workers that only work, each with a folder of its own; in the end all is counted."""

    def __init__(self, folder: Path, url: str, *, servers: int = 3, workers: int = 3) -> None:
        self.folder, self.log = folder, folder / "log"
        self.accepted: dict[str, str] = {}
        self.bodies: dict[str, bytes] = {}
        upgrade(make_url(url))
        to = make_url(url)
        self._address = f"postgresql://{to.username}@{to.host}:{to.port}/{to.database}"
        ports = [free_port() for _ in range(servers)]
        hook = f"http://127.0.0.1:{ports[-1]}/webhook/jira"
        self.sandbox = BackgroundSandbox(webhook_url=hook, webhook_secret=SECRET, jira_search_lag=LAG)
        self.vendors = httpx.Client(base_url=self.sandbox.url, timeout=30)
        known = {name: value for name, value in self.sandbox.environment().items() if name.startswith(VENDORS)}
        more = {**known, **SETTINGS, "DATABASE_URL": url, "ARCHIVE_URL": f"file://{folder}/archive"}
        self.servers = [Served(self._room(f"server-{port}"), *SERVE, port=port, **more) for port in ports]
        self.workers = [Served(self._room(f"worker-{number}"), *WORK, port=None, **more) for number in range(workers)]

    def _room(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def start(self) -> None:
        """Start them all at once."""
        self.vendors.put("/_state/slack", json={"history_lag_seconds": LAG}).raise_for_status()
        everybody = [*self.servers, *self.workers]
        with ThreadPoolExecutor(len(everybody)) as pool:
            list(pool.map(lambda one: one.start(120), everybody))

    def end(self) -> None:
        """End them all."""
        everybody = [*self.servers, *self.workers]
        for one in everybody:
            if one.process is not None and one.process.poll() is None:
                one.process.send_signal(signal.SIGCONT)
        with ThreadPoolExecutor(len(everybody)) as pool:
            list(pool.map(lambda one: one.end(), everybody))
        self.vendors.close()
        self.sandbox.stop()

    @contextlib.contextmanager
    def asking(self) -> Generator[psycopg.Connection[dict[str, Any]]]:
        """A connection to the database they share."""
        with psycopg.Connection[dict[str, Any]].connect(self._address, row_factory=dict_row) as connection:
            yield connection

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What the database says."""
        with self.asking() as connection:
            return connection.execute(sql.SQL(query)).fetchall()  # pyright: ignore[reportArgumentType]  # a test's own text

    def ears(self) -> list[Ear]:
        """A dashboard at each server."""
        person = {"email": "fleet@sigmoidanalytics.com", "password": "correct horse"}
        answer = httpx.post(f"{self.servers[0].url}/api/register", json=person, timeout=30)
        token = answer.raise_for_status().json()["access_token"]
        return [Ear(server.port, token) for server in self.servers if server.port is not None]

    def failure(self, number: int) -> str:
        """A failure that nobody was told of yet; its run."""
        run = f"{number:08x}-54a1-4d53-9a36-2c0b7a6e91aa"
        body = adf(
            run, pipeline=f"pl_{number}", message=f"Something odd happened in the step of {chr(97 + number % 26)}."
        )
        self.bodies[run] = json.dumps(body).encode()
        return run

    def post(self, run: str, servers: Sequence[Served]) -> str:
        """Tell a failure to the first of these servers that answers; its ticket."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for server in servers:
                try:
                    answer = httpx.post(
                        f"{server.url}/azure-monitor", content=self.bodies[run], headers={"x-api-key": KEY}, timeout=20
                    )
                except httpx.HTTPError:
                    continue
                if answer.status_code == 200:
                    ticket = answer.json()["ticket_id"]
                    assert self.accepted.setdefault(run, ticket) == ticket, f"{run} has two tickets"
                    return ticket
            time.sleep(0.05)
        raise AssertionError(f"no server took {run}")

    def told_of(self, ticket: str) -> int:
        """The number of the line that says that there is a new ticket."""
        (line,) = [row for row in self.rows("SELECT id, ticket_id FROM audit_trail WHERE event = 'new_ticket'")
                   if row["ticket_id"] == ticket]  # fmt: skip
        return line["id"]

    def until(self, come: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until something has come about."""
        until = time.monotonic() + seconds
        while not come():
            assert time.monotonic() < until, f"{what}: not within {seconds:g} s; owed: {self.owed()}"
            time.sleep(0.05)

    def actions(self) -> Counter[str]:
        """How often each thing has happened to tickets."""
        return Counter(row["action"] for row in self.rows("SELECT action FROM audit_trail"))

    def owed(self) -> list[dict[str, Any]]:
        """To-dos that are not done."""
        return self.rows(
            "SELECT ticket_id, kind, attempts, in_doubt, leased_until, next_try_at, last_error FROM todos"
            " WHERE wanted_version > done_version AND stopped_at IS NULL LIMIT 5"
        )

    def gather(self) -> None:
        """Take down what the vendors have, and what everybody has logged."""
        logs = [one.log for one in (*self.servers, *self.workers)]
        self.log.write_text("".join(log.read_text(errors="replace") for log in logs))
        self.issues = self.vendors.get("/_jira/issues").json()["issues"]
        self.messages = self.vendors.get("/_slack/messages").json()["messages"]

    def calls(self, service: str, path: str) -> list[dict[str, Any]]:
        """The requests that reached a vendor."""
        return self.vendors.get("/_calls", params={"service": service, "path": path}).json()["calls"]


def pause(served: Served) -> None:
    """Let a process sleep as a machine under a hypervisor does."""
    assert served.process is not None
    served.process.send_signal(signal.SIGSTOP)


def wake(served: Served) -> None:
    """Let it go on as if nothing had been."""
    assert served.process is not None
    served.process.send_signal(signal.SIGCONT)
