"""The storm: 500 failed runs, webhooks dropped, delayed and doubled, the service killed twice, and no run missed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from child_process import answers, free_port, stop, wait_until_ready
from pipesleuth.sandbox import Sandbox
from platforms import SUBSCRIPTION

KEY = "a-key-that-senders-present-in-the-storm"
RUNS = 500
ROUND_SECONDS, GRACE_SECONDS, LEASE_SECONDS = 3.0, 1.0, 2.0


class Service:
    """The program as its own process, which may be killed."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "service.log"
        self.process: subprocess.Popen[bytes] | None = None
        quiet = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
        self.environment = quiet | {
            "DATA_DIR": str(folder),
            "RCA_API_KEY": KEY,
            "DATABRICKS_HOST": f"{sandbox.url}/databricks",
            "DATABRICKS_TOKEN": "dapi-sandbox",
            "AZURE_MANAGEMENT_URL": f"{sandbox.url}/azure",
            "AZURE_LOGIN_URL": f"{sandbox.url}/azure",
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": "rg-data-prod",
            "AZURE_DATA_FACTORY_NAME": "adf-sales-prod",
            "AZURE_TENANT_ID": "contoso",
            "AZURE_CLIENT_ID": "pipesleuth",
            "AZURE_CLIENT_SECRET": "sandbox",
            "RECONCILE_SECONDS": str(ROUND_SECONDS),
            "RECONCILE_GRACE_SECONDS": str(GRACE_SECONDS),
            "LEASE_SECONDS": str(LEASE_SECONDS),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            program = [sys.executable, "-m", "pipesleuth", "serve", "--port", str(self.port), "--log-level", "warning"]
            self.process = subprocess.Popen(program, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
        wait_until_ready(self.process, lambda: answers(self.port), log=self.log)

    def kill(self) -> None:
        assert self.process is not None
        stop(self.process, signal=signal.SIGKILL)

    def end(self) -> None:
        if self.process is not None:
            stop(self.process)

    def runs(self) -> list[str]:
        """The run of every ticket, as the database has it."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'tickets.db'}?mode=ro", uri=True)) as database:
            return [row[0] for row in database.execute("SELECT run_id FROM tickets")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def failed_runs(sandbox: Sandbox) -> set[str]:
    """Every failed run in both platforms' histories."""
    jobs = {str(number) for number in sandbox.world.databricks.runs}
    return jobs | {
        run for run, shown in sandbox.world.data_factory.pipeline_runs.items() if shown["status"] == "Failed"
    }


async def broken(sandbox: Sandbox, outside: httpx.AsyncClient) -> list[tuple[str, dict[str, Any]]]:
    """Fail 500 runs (child pipelines count as what they are: runs); the webhooks that would come for them."""
    found: list[tuple[str, dict[str, Any]]] = []
    state = sandbox.world.data_factory
    seed = 0
    while len(state.pipeline_runs) < RUNS // 2:
        seed += 1
        given = {"count": 25 if len(state.pipeline_runs) < 200 else 1, "spread_seconds": 60, "seed": f"adf{seed}"}
        lines = (await outside.post(f"{sandbox.url}/_generate/data_factory", json=given)).json()["runs"]
        found += [("/azure-monitor", line["webhook"]) for line in lines]
    given = {"count": RUNS - len(failed_runs(sandbox)), "spread_seconds": 60, "seed": "dbx"}
    lines = (await outside.post(f"{sandbox.url}/_generate/databricks", json=given)).json()["runs"]
    return found + [("/databricks-monitor", line["webhook"]) for line in lines]


async def send(service: Service, outside: httpx.AsyncClient, door: str, body: dict[str, Any]) -> None:
    """One webhook; a sender that finds nobody gives up, as Databricks does."""
    with contextlib.suppress(httpx.HTTPError):
        await outside.post(f"{service.url}{door}", json=body, headers={"x-api-key": KEY})


async def test_a_storm_of_500_runs_with_lost_webhooks_and_two_kills_leaves_500_tickets(folder: Path) -> None:
    dice = random.Random(20)  # noqa: S311  # dice, not a secret
    async with Sandbox(port=0) as sandbox, httpx.AsyncClient(timeout=10) as outside:
        webhooks = await broken(sandbox, outside)
        wanted = failed_runs(sandbox)
        assert len(wanted) == RUNS
        service = Service(folder, sandbox)
        await asyncio.to_thread(service.start)
        try:
            delayed: list[tuple[str, dict[str, Any]]] = []
            kills = {len(webhooks) // 3, 2 * len(webhooks) // 3}
            for number, (door, body) in enumerate(webhooks):
                if number in kills:
                    await asyncio.to_thread(service.kill)
                    await asyncio.to_thread(service.start)
                fate = dice.choice(("dropped", "delayed", "doubled")) if dice.random() < 0.4 else "sent"
                if fate in {"sent", "doubled"}:
                    await asyncio.gather(*(send(service, outside, door, body) for _ in range(1 + (fate == "doubled"))))
                elif fate == "delayed":
                    delayed.append((door, body))
            began = time.monotonic()
            late = asyncio.create_task(_later(service, outside, delayed))
            # Two rounds, the first of which may wait for the lease that the killed process held.
            patience = LEASE_SECONDS + GRACE_SECONDS + 2 * ROUND_SECONDS + 10
            while set(service.runs()) != wanted and time.monotonic() - began < patience:  # noqa: ASYNC110  # another process writes
                await asyncio.sleep(0.1)
            await late
            runs = service.runs()
            assert set(runs) == wanted
            assert len(runs) == RUNS
        finally:
            await asyncio.to_thread(service.end)


async def _later(service: Service, outside: httpx.AsyncClient, delayed: list[tuple[str, dict[str, Any]]]) -> None:
    await asyncio.sleep(1.0)
    for door, body in delayed:
        await send(service, outside, door, body)
