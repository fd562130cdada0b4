"""A service on a real PostgreSQL that may go away at any moment, and what must be true when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from pipesleuth.assembly import now_utc
from pipesleuth.db.standby import Standby
from pipesleuth.tickets.failover import PRIMARY, STANDBY, Failover
from pipesleuth.triage.diagnose import Triage
from places import Place, adf, opened
from postgres_server import PostgresServer

# Short enough for a test; a pause of the machine is not taken for one of the database.
HASTE: dict[str, Any] = {"standby": "on", "primary_timeout": 0.6, "standby_healthy_seconds": 0.2}
FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON tickets EXECUTE FUNCTION full_disk()"""
ROOM_AGAIN = "DROP FUNCTION full_disk CASCADE"
SLOW_COMMIT = """CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON tickets DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION slowly()"""


@dataclass
class Served:
    """A place whose database may go away."""

    place: Place
    url: str
    answered: dict[str, str] = field(default_factory=dict[str, str])
    took: list[float] = field(default_factory=list[float])

    @property
    def failover(self) -> Failover:
        """What drives its standby."""
        assert self.place.parts.failover is not None
        return self.place.parts.failover

    @property
    def database(self) -> Standby:
        """Its database with the file that stands in."""
        assert isinstance(self.place.parts.database, Standby)
        return self.place.parts.database

    async def send(self, run: str) -> int:
        """A webhook of this run; what was answered is remembered. The status."""
        began = time.monotonic()
        answer = await self.place.post(adf(run))
        self.took.append(time.monotonic() - began)
        if answer.status_code == 200:
            self.answered.setdefault(run, answer.json()["ticket_id"])
        return answer.status_code

    async def storm(self, name: str, count: int, *, at_once: int = 8) -> Counter[int]:
        """So many webhooks, a few at a time; how often each status was answered."""
        statuses: Counter[int] = Counter()
        numbers = iter(range(count))

        async def one() -> None:
            for number in numbers:
                statuses[await self.send(f"{name}-{number}")] += 1

        await asyncio.gather(*(one() for _ in range(at_once)))
        return statuses

    async def until(self, state: str, seconds: float = 60) -> None:
        """Wait until this database is written."""
        await until(lambda: self.failover.state == state, seconds)

    async def away(self) -> None:
        """Wait until the file stands in."""
        await self.until(STANDBY)

    async def back(self) -> None:
        """Wait until the primary is bound again and all is brought home."""
        await self.until(PRIMARY)
        async with asyncio.timeout(60):
            while await self.database.local.read(_left):  # noqa: ASYNC110  # what is waited for lies in a file
                await asyncio.sleep(0.02)

    def ask(self, statement: str, *values: Any) -> list[Any]:
        """What the primary itself says."""
        with psycopg.connect(plain(self.url), autocommit=True) as connection:
            found = connection.execute(statement.encode(), values or None)
            return found.fetchall() if found.description else []

    def wrongs(self) -> list[str]:
        """Everything that is not as promised: each answered run has one ticket, the one that was answered."""
        rows = self.ask("SELECT id, run_id FROM tickets")
        by_run = {run: ticket for ticket, run in rows}
        merged = {
            name[7:]: value for name, value in self.ask("SELECT name, value FROM marks WHERE name LIKE 'merged:%'")
        }
        found = [f"{run} has several tickets" for run, n in Counter(run for _, run in rows if run).items() if n > 1]
        for run, ticket in self.answered.items():
            if by_run.get(run) != ticket and f'"{by_run.get(run)}"' not in merged.get(ticket, ""):
                found.append(f"{run} was answered {ticket} but is {by_run.get(run)}")
        lines = self.ask(
            "SELECT ticket_id, count(*) FROM audit_trail WHERE action = 'Ticket Created' GROUP BY ticket_id"
        )
        found += [f"{ticket} has {n} × Ticket Created" for ticket, n in lines if n != 1]
        todos = self.ask("SELECT ticket_id FROM todos WHERE kind = 'archive'")
        found += [f"{ticket} has no to-do" for ticket, _ in rows if (ticket,) not in todos]
        inbound = self.ask("SELECT ticket_id, count(*) FROM inbound WHERE outcome = 'success' GROUP BY ticket_id")
        found += [f"{ticket} came in {n} times" for ticket, n in inbound if n != 1]
        return found


@contextlib.asynccontextmanager
async def stopped(server: PostgresServer) -> AsyncGenerator[None]:
    """The server is stopped meanwhile."""
    await asyncio.to_thread(server.stop)
    yield
    await asyncio.to_thread(server.start)


@contextlib.asynccontextmanager
async def paused(server: PostgresServer) -> AsyncGenerator[None]:
    """The server is held still meanwhile: connections stay, and nobody answers."""
    await asyncio.to_thread(server.pause)
    yield
    await asyncio.to_thread(server.resume)


def _left(connection: Any) -> int:
    return connection.exec_driver_sql("SELECT count(*) FROM tickets").scalar() or 0


def plain(url: str) -> str:
    """A SQLAlchemy URL as psycopg reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def through(url: str, port: int) -> str:
    """The same database by another port."""
    return make_url(url).set(port=port).render_as_string(hide_password=False)


async def until(come: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something has come about; fails after so many seconds."""
    async with asyncio.timeout(seconds):
        while not come():  # noqa: ASYNC110  # what is waited for is nobody's event
            await asyncio.sleep(0.02)


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Served]]


@contextlib.asynccontextmanager
async def served(
    folder: Path, url: str, triage: Triage, password_hash: str, *, own_url: str | None = None, **how: Any
) -> AsyncGenerator[Served]:
    """A running service with a standby; `own_url` is the way on which the test itself asks the database."""
    clock = how.pop("clock", now_utc)
    async with opened(folder, clock, triage, password_hash, database_url=url, **(HASTE | how)) as place:
        service = Served(place, own_url or url)
        if place.parts.failover is not None and service.failover.state == PRIMARY:
            await service.failover._copy_people()
        yield service
