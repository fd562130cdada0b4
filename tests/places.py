"""A Pipesleuth of one's own for a test: what it knows, how it is asked, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import bcrypt
import httpx
from fastapi import FastAPI
from sqlalchemy import Connection, select, text

import elsewhere
from pipesleuth.accounts.people import add_user
from pipesleuth.app import build
from pipesleuth.assembly import load_triage
from pipesleuth.db.tables import AuditLine, Inbound, Payload, Ticket, Todo
from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.destinations.contract import Destination
from pipesleuth.lifetime import Parts, running
from pipesleuth.outbox.worker import Worker
from pipesleuth.settings import Settings
from pipesleuth.sources.contract import Source
from pipesleuth.triage.diagnose import Triage

T = TypeVar("T")

API_KEY = "a-key-that-senders-present-in-these-tests"
SIGNING_KEY = "a-key-that-signs-the-tokens-of-these-tests"
PASSWORD = "correct horse"
RESPONDER, ADMIN, VIEWER = "dana@sigmoidanalytics.com", "root@sigmoidanalytics.com", "eyes@sigmoidanalytics.com"
SENDER = {"x-api-key": API_KEY}
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)

_numbers = count(1)


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def turn(self, seconds: float) -> datetime:
        """Let time pass; the new time."""
        self.now += timedelta(seconds=seconds)
        return self.now


def settings_in(folder: Path, **changes: Any) -> Settings:
    """The settings of a service in a folder, independent of the environment's .env file."""
    values: dict[str, Any] = {"data_dir": folder, "rca_api_key": API_KEY, "jwt_secret_key": SIGNING_KEY}
    if elsewhere.URL is not None:
        values["database_url"] = elsewhere.URL
    return Settings(_env_file=None, **(values | changes))  # pyright: ignore[reportCallIssue]  # pydantic-settings' own argument


@cache
def knowledge() -> Triage:
    """The knowledge base, read once in each process: that takes a second."""
    return load_triage(Settings(_env_file=None))  # pyright: ignore[reportCallIssue]  # the same


@cache
def cheap_hash() -> str:
    """A bcrypt hash of the tests' password that takes a millisecond to compare, not a quarter of a second."""
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode("ascii")


def local_archive(folder: Path) -> Archive:
    """The archive in a folder, as it is with nothing configured."""
    return Archive(ArchiveSettings(_env_file=None, data_dir=folder))  # pyright: ignore[reportCallIssue]  # the same


@dataclass(slots=True)
class Place:
    """A service that runs in this process."""

    app: FastAPI
    parts: Parts
    client: httpx.AsyncClient
    clock: Clock
    folder: Path

    async def post(self, body: Any, path: str = "/azure-monitor", **how: Any) -> httpx.Response:
        """A webhook from a sender who has the key."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = SENDER | dict(how.pop("headers", {}))
        return await self.client.post(path, content=content, headers=headers, **how)

    async def ticket(self, body: Any | None = None, path: str = "/azure-monitor") -> str:
        """The id of a ticket just made of a webhook."""
        answer = await self.post(adf() if body is None else body, path)
        assert answer.json()["status"] == "success", answer.text
        return answer.json()["ticket_id"]

    async def signed_in(self, email: str = RESPONDER) -> dict[str, str]:
        """The headers of somebody who has logged in."""
        answer = await self.client.post("/api/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What a piece of work reads from the database."""
        return await self.parts.database.read(work)

    async def row(self, ticket_id: str) -> dict[str, Any]:
        """A ticket's row."""
        return dict(await self.read(lambda c: c.execute(select(Ticket).where(Ticket.id == ticket_id)).mappings().one()))

    async def rows(self) -> list[dict[str, Any]]:
        """All tickets' rows."""
        return [dict(r) for r in await self.read(lambda c: c.execute(select(Ticket)).mappings().all())]

    async def lines(self, ticket_id: str | None = None) -> list[dict[str, Any]]:
        """The audit lines, of one ticket or of all, in order."""
        which = select(AuditLine).order_by(AuditLine.id)
        if ticket_id is not None:
            which = which.where(AuditLine.ticket_id == ticket_id)
        return [dict(r) for r in await self.read(lambda c: c.execute(which).mappings().all())]

    async def actions(self, ticket_id: str) -> list[str]:
        """What happened to a ticket, in order."""
        return [line["action"] for line in await self.lines(ticket_id)]

    async def todo(self, ticket_id: str, kind: str) -> dict[str, Any]:
        """A to-do's row."""
        which = select(Todo).where(Todo.ticket_id == ticket_id, Todo.kind == kind)
        return dict(await self.read(lambda c: c.execute(which).mappings().one()))

    async def inbound(self) -> list[dict[str, Any]]:
        """The webhooks that are remembered, oldest first."""
        return [dict(r) for r in await self.read(lambda c: c.execute(select(Inbound).order_by(Inbound.id)).mappings())]

    async def payload(self, ticket_id: str) -> Any:
        """The row of a body that waits to be archived."""
        which = select(Payload).where(Payload.ticket_id == ticket_id)
        return await self.read(lambda c: c.execute(which).mappings().first())

    async def work_off(self) -> None:
        """Do every to-do that is due now, until none is."""
        await work_off(self.worker)

    async def until(self, come: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
        """Wait until something has come about; fails after so many seconds."""
        async with asyncio.timeout(seconds):
            while not await come():  # noqa: ASYNC110  # what is waited for lies in the database
                await asyncio.sleep(0.02)

    @property
    def worker(self) -> Worker:
        """The worker of this place."""
        assert self.parts.worker is not None
        return self.parts.worker


async def work_off(worker: Worker) -> None:
    """Claim and do what is due, until nothing is."""
    while await worker._round():
        await finished(worker)


async def finished(worker: Worker) -> None:
    """Wait until the worker's running calls have ended."""
    for lane in worker._lanes.values():
        for task in list(lane.running):
            with contextlib.suppress(BaseException):
                await task


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    clock: Clock,
    triage: Triage,
    password_hash: str,
    *,
    told: Mapping[str, Destination] | None = None,
    at_work: bool = False,
    asked: tuple[Source, ...] | None = None,
    **settings: Any,
) -> AsyncGenerator[Place]:
    """A running service; its worker runs by itself only `at_work`, else when the test says so.

    `asked` are the sources with the platforms that may be asked; by default none is.
    """
    known = settings_in(folder, **settings)
    shelf = {"archive": local_archive(folder), **(told or {})}
    app = build(known, clock=clock, work=True, told=shelf, triage=triage, asked=asked)
    parts: Parts = app.state.parts
    worker = parts.worker
    if not at_work:
        parts.worker = None
        parts.house.worker_beat = clock  # the test itself is the worker
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with running(parts), httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        parts.worker = worker
        await parts.database.write(lambda c: add_people(c, password_hash, clock()))
        try:
            yield Place(app, parts, client, clock, folder)
        finally:
            if not at_work:
                parts.worker = None


def add_people(connection: Connection, password_hash: str, now: datetime) -> None:
    """A responder, an admin and a viewer, where nobody is yet."""
    if connection.execute(text("SELECT count(*) FROM users")).scalar():
        return
    for email, role in ((RESPONDER, "responder"), (ADMIN, "admin"), (VIEWER, "viewer")):
        add_user(connection, email, password_hash, email.partition("@")[0].title(), role, now)


def adf(
    run_id: str | None = "fresh",
    *,
    pipeline: str = "pl_orders",
    message: str = "Something nobody has heard of went wrong.",
    **properties: Any,
) -> dict[str, Any]:
    """A Logic App's forward of a failed pipeline run; every call another run unless one is named."""
    run = f"0{next(_numbers):07x}-54a1-4d53-9a36-2c0b7a6e91aa" if run_id == "fresh" else run_id
    found = {"PipelineName": pipeline, "PipelineRunId": run, "ErrorMessage": message, **properties}
    return {"data": {"context": {"properties": {key: value for key, value in found.items() if value is not None}}}}


def dbx(run_id: int | str, *, job: str = "nightly-etl", message: str = "It broke.") -> dict[str, Any]:
    """A flat Databricks body."""
    return {"job_name": job, "run_id": run_id, "error_message": message}


def alert(runs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """An Azure Monitor log alert that reports several runs at once."""
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertRule": "adf-pipeline-failed",
                "monitorCondition": "Fired",
                "monitoringService": "Log Alerts V2",
                "originAlertId": "5b1d7c4e-0d7a-4c13-9d5a-1f2e3d4c5b6a",
                "firedDateTime": "2026-11-20T02:16:31.4410000Z",
            },
            "alertContext": {
                "condition": {
                    "allOf": [
                        {
                            "dimensions": [
                                {"name": "PipelineName", "value": pipeline},
                                {"name": "RunId", "value": run},
                                {"name": "ErrorMessage", "value": "It broke."},
                            ]
                        }
                        for pipeline, run in runs
                    ]
                }
            },
        },
    }
