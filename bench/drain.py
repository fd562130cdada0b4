"""How fast to-dos are worked off over PostgreSQL, by one worker and by three, where each call waits for its vendor."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Generator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import delete
from sqlalchemy.engine import make_url

from measured import Vendor
from pipesleuth.assembly import assemble
from pipesleuth.cli import logs
from pipesleuth.cli.serve import prepare
from pipesleuth.cli.tuning import tune_for_running
from pipesleuth.db.tables import Todo
from pipesleuth.lifetime import running
from pipesleuth.settings import Settings, load
from pipesleuth.sources.data_factory import DataFactory
from pipesleuth.triage.diagnose import Triage
from postgres_server import postgres_running

GOAL = 2.2
VENDOR_SECONDS = 0.1
CALLS = 16  # at once in each worker: WORKER_CALLS' default
OWED = "SELECT count(*) FROM todos WHERE kind = 'jira' AND wanted_version > done_version"


@contextlib.contextmanager
def asking(url: str) -> Generator[psycopg.Connection]:
    """A plain connection to the database of this SQLAlchemy URL."""
    to = make_url(url)
    plain = make_conninfo(host=to.host, port=to.port, user=to.username, dbname=to.database)
    with psycopg.connect(plain, autocommit=True) as connection:
        yield connection


async def fill(url: str, folder: Path, count: int) -> None:
    """So many tickets, each with one to-do for the vendor; made by the service's own intake."""
    settings = Settings(_env_file=None, database_url=url, data_dir=folder, standby="off")  # pyright: ignore[reportCallIssue]  # pydantic-settings' own argument
    prepare(settings)
    triage = Triage.load(None)
    parts = assemble(settings, work=False, told={"jira": Vendor("jira", 0)}, triage=triage, asked=())
    intake = parts.house.intake
    source = DataFactory()
    for start in range(0, count, 256):
        bodies = [
            {"PipelineName": f"pl_{n % 40}", "PipelineRunId": str(uuid.uuid4()), "ErrorMessage": "It broke."}
            for n in range(start, min(start + 256, count))
        ]
        failures = [source.read(body)[0] for body in bodies]
        await asyncio.gather(
            *(
                intake.admit(
                    failure, triage.provisional(failure), json.dumps(body).encode(), prefix="ADF", door="bench"
                )
                for failure, body in zip(failures, bodies, strict=True)
            )
        )
    # What is measured is what waits for somebody else; reading an error anew is this machine's own work.
    await parts.database.write(lambda c: c.execute(delete(Todo).where(Todo.kind == "analyse")))
    await asyncio.to_thread(parts.database.close)


async def work(seconds: float) -> None:
    """One worker, as the `worker` command runs it, with a vendor that answers after so many seconds."""
    settings = load()
    parts = assemble(settings, told={"jira": Vendor("jira", seconds)}, asked=())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running(parts, serves=False):
        tune_for_running()
        await stop.wait()


def drained(url: str, folder: Path, workers: int, calls: int) -> tuple[float, float]:
    """To-dos a second from the first one done to the last, and the workers' processor seconds for each."""
    environment = {**os.environ, "DATABASE_URL": url, "STANDBY": "off", "WORKER_CALLS": str(calls)}
    with asking(url) as database:
        whole = _owed(database)
        processes = [
            subprocess.Popen(
                [sys.executable, __file__, "--work"], env={**environment, "DATA_DIR": str(folder / f"{workers}-{n}")}
            )
            for n in range(workers)
        ]
        try:
            began, before = _started(database, processes, whole)
            used = sum(_processor(process.pid) for process in processes)
            while (left := _owed(database)) > calls:
                time.sleep(0.05)
                assert all(process.poll() is None for process in processes)
            took = time.monotonic() - began
            used = sum(_processor(process.pid) for process in processes) - used
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(40)
    return (before - left) / took, used / (before - left)


def _started(database: psycopg.Connection, processes: list[subprocess.Popen[bytes]], whole: int) -> tuple[float, int]:
    """When all of them are at work, and how much is owed then."""
    until = time.monotonic() + 120
    while _workers(database) < len(processes) or _owed(database) == whole:
        assert time.monotonic() < until, "the workers do not start"
        time.sleep(0.02)
    return time.monotonic(), _owed(database)


def _owed(database: psycopg.Connection) -> int:
    row = database.execute(OWED).fetchone()
    return row[0] if row else 0


def _workers(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM marks WHERE name LIKE 'beat:worker:%'").fetchone()
    return row[0] if row else 0


def _processor(pid: int) -> float:
    """Seconds of processor time a process has used, in its own code and in the system's."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--todos", type=int, default=3000, help="how many to-dos each side works off")
    options.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--calls", type=int, default=CALLS, help="calls at once in each worker: WORKER_CALLS")
    given = options.parse_args()
    if given.work:
        logs.configure("warning")
        asyncio.run(work(VENDOR_SECONDS))
        return
    possible = given.calls / VENDOR_SECONDS
    rates: list[float] = []
    with postgres_running(durable=True) as server, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        for workers in (1, 3):
            url = server.new_database()
            asyncio.run(fill(url, Path(name), given.todos))
            rate, processor = drained(url, Path(name), workers, given.calls)
            rates.append(rate)
            allowed = f"of what {given.calls} calls at {VENDOR_SECONDS * 1000:.0f} ms allow"
            print(
                f"drain of {given.todos} to-dos  {workers} worker(s)  {rate:>6.0f}/s  "
                f"{rate / (possible * workers):>5.0%} {allowed}  "
                f"{processor * 1000:.1f} ms of processor each",
                flush=True,
            )
    print(f"three workers drain {rates[1] / rates[0]:.2f} × one  goal {GOAL} ×")


if __name__ == "__main__":
    main()
