"""Counting what is tried with passwords and codes, for each account and each address, over all servers together."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from pipesleuth.db.database import Database
from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Attempts as Row
from pipesleuth.model import PipesleuthError, timestamp


class TooMany(PipesleuthError):
    """Too much was tried; `after` says in how many seconds it may be tried again."""

    def __init__(self, after: float) -> None:
        super().__init__("Too many attempts. Please wait a while.")
        self.after = after


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many tries of one kind within so many seconds."""

    kind: str
    most: int
    seconds: float

    def of(self, whose: str) -> tuple[Allowance, str]:
        """The allowance of one account or address, under a name that tells neither."""
        return self, f"{self.kind}:{hashlib.sha256(whose.encode('utf-8', 'replace')).hexdigest()[:40]}"


class Attempts:
    """The counts, in the database, because a second server must not double what may be guessed."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def take(self, *wanted: tuple[Allowance, str]) -> None:
        """Count one try against every allowance, before the try is made. Raises TooMany, and counts nothing then."""
        await self._database.write(lambda c: self._take(c, wanted))

    async def give_back(self, *taken: tuple[Allowance, str]) -> None:
        """The try was a good one: it does not count."""
        names = [name for _, name in taken]
        await self._database.write(
            lambda c: c.execute(update(Row).where(Row.name.in_(names), Row.count > 0).values(count=Row.count - 1))
        )

    def _take(self, connection: Connection, wanted: Iterable[tuple[Allowance, str]]) -> None:
        now = self._now()
        connection.execute(delete(Row).where(Row.until <= timestamp(now)))
        for allowance, name in sorted(wanted, key=lambda one: one[1]):  # one order, so that servers do not deadlock
            ends = timestamp(now + timedelta(seconds=allowance.seconds))
            first = insert(Row).values(name=name, count=1, until=ends)
            if not _counted(connection, name) and not wrote_first(connection, first):
                _counted(connection, name)  # another server has begun meanwhile
            tried, until = connection.execute(select(Row.count, Row.until).where(Row.name == name)).one()
            if tried > allowance.most:
                raise TooMany(max(1.0, (datetime.fromisoformat(until) - now).total_seconds()))


def _counted(connection: Connection, name: str) -> bool:
    return connection.execute(update(Row).where(Row.name == name).values(count=Row.count + 1)).rowcount == 1


def network_of(address: str) -> str:
    """The address whose tries are counted: IPv4 as it is, of IPv6 the /64 that one household or machine has."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(known, ipaddress.IPv6Address):
        mapped = known.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((known, 64), strict=False).network_address)
    return str(known)
