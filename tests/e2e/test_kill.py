"""Failures as fast as they go, and the process killed three times: what was answered is there, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from child_process import free_port
from served import KEY, Served

CONNECTIONS, KILLS = 24, 3
MESSAGES = ("Login failed for user 'etl'.", "The required Blob is missing.", "OutOfMemoryError: Java heap space")


class Sender:
    """Posts every body until it is answered, over connections that are opened anew when they break."""

    def __init__(self, port: int, bodies: list[tuple[str, bytes]]) -> None:
        self._port = port
        self._left = deque(bodies)
        self._most = len(bodies)
        self.answered: list[tuple[str, dict[str, object]]] = []

    @property
    def share(self) -> float:
        """How much of it was answered."""
        return len(self.answered) / self._most

    async def run(self) -> None:
        """Post them all."""
        await asyncio.gather(*(self._one() for _ in range(CONNECTIONS)))

    async def _one(self) -> None:
        while self._left:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._post_all(reader, writer)
            writer.close()

    async def _post_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._left:
            run, body = self._left.popleft()
            answered = False
            try:
                writer.write(
                    b"POST /azure-monitor HTTP/1.1\r\nhost: localhost\r\nx-api-key: %b\r\ncontent-length: %d\r\n\r\n"
                    % (KEY.encode(), len(body))
                    + body
                )
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
                text = await reader.readexactly(length)
                assert head[9:12] in {b"200", b"503"}, head  # senders come again after 503 alone
                if head[9:12] == b"200":
                    self.answered.append((run, json.loads(text)))
                    answered = True
            finally:
                if not answered:
                    self._left.append((run, body))  # no answer, or 503: senders come again


def bodies(chance: random.Random, failures: int) -> list[tuple[str, bytes]]:
    """The failures, one in twenty of them a second time, in no order."""
    runs = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(failures - failures // 20)]
    made = [
        (
            run,
            json.dumps(
                {"PipelineName": f"pl_{n % 40}", "PipelineRunId": run, "ErrorMessage": MESSAGES[n % 3]}
            ).encode(),
        )
        for n, run in enumerate(runs)
    ]
    made += chance.sample(made, failures // 20)
    chance.shuffle(made)
    return made


@pytest.fixture
def served(tmp_path: Path) -> Generator[Served]:
    service = Served(tmp_path, "serve", port=free_port())
    yield service
    service.end()


@pytest.mark.parametrize("failures", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_what_was_answered_survives_three_kills_once(served: Served, failures: int) -> None:
    chance = random.Random()  # noqa: S311  # no secret hangs on it
    seed = chance.getrandbits(32)
    print("seed", seed)  # noqa: T201  # shown when it fails
    chance.seed(seed)
    moments = sorted(chance.uniform(0.05, 0.95) for _ in range(KILLS))
    served.start()
    assert served.port is not None
    sender = Sender(served.port, bodies(chance, failures))
    sending = asyncio.create_task(sender.run())
    for moment in moments:
        while sender.share < moment and not sending.done():  # noqa: ASYNC110  # progress is looked at
            await asyncio.sleep(0.005)
        served.kill()
        await asyncio.to_thread(served.start)
    await sending
    assert len(sender.answered) == failures
    assert {said["status"] for _, said in sender.answered} <= {
        "success",
        "duplicate_ignored",
        "duplicate_race_condition",
    }
    await drained(served.folder)
    assert wrongs(served.folder, sender.answered, failures - failures // 20) == []


async def drained(folder: Path, seconds: float = 120) -> None:
    """Wait until nothing is owed any more."""
    until = time.monotonic() + seconds
    while ask(folder, "SELECT count(*) FROM todos WHERE wanted_version > done_version")[0][0]:
        assert time.monotonic() < until, "the archive is not drained"
        await asyncio.sleep(0.1)


def ask(folder: Path, statement: str) -> list[Any]:
    """What the database says."""
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'tickets.db'}?mode=ro", uri=True, timeout=30)) as raw:
        return raw.execute(statement).fetchall()


def wrongs(folder: Path, answered: list[tuple[str, dict[str, object]]], runs: int) -> list[str]:
    """Everything that is not as it was answered."""
    tickets = dict(ask(folder, "SELECT run_id, id FROM tickets"))
    created = dict(
        ask(folder, "SELECT ticket_id, count(*) FROM audit_trail WHERE action = 'Ticket Created' GROUP BY 1")
    )
    saved = dict(ask(folder, "SELECT ticket_id, count(*) FROM audit_trail WHERE action = 'Blob Saved' GROUP BY 1"))
    files = {path.name: path for path in (folder / "archive").rglob("*.json")}
    found: list[str] = []
    for run, said in answered:
        ticket = tickets.get(run)
        file = files.get(f"{ticket}-payload.json")
        if ticket is None or ticket != said["ticket_id"]:
            found.append(f"{run}: answered {said}, stored {ticket}")
        elif str(created.get(ticket)) != "1" or str(saved.get(ticket)) != "1":
            found.append(f"{ticket}: created {created.get(ticket)} times, saved {saved.get(ticket)} times")
        elif file is None or json.loads(file.read_bytes())["PipelineRunId"] != run:
            found.append(f"{ticket}: its archive file is {file}")
    count = ask(folder, "SELECT count(*), count(DISTINCT run_id) FROM tickets")[0]
    if tuple(map(int, count)) != (runs, runs):
        found.append(f"{count} tickets and runs")
    if len(files) != runs:
        found.append(f"{len(files)} files")
    return found
