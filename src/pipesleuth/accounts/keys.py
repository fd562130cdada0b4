"""The keys that senders present: the one from the settings, and named ones in the table."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, RowMapping, insert, select, update

from pipesleuth.accounts.people import Unknown
from pipesleuth.db.database import Database
from pipesleuth.db.tables import ApiKey
from pipesleuth.model import PipesleuthError, StoreUnavailable, timestamp

INTAKE, READ = "intake", "read"
SCOPES = (INTAKE, READ)
CACHE_SECONDS = 5.0
USED_SECONDS = 60.0  # how exact "last used" is: a write for every webhook would be none of its use

log = structlog.get_logger(__name__)


class NotInScope(PipesleuthError):
    """The key is good, but not for this."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A key of the table as it was read a moment ago."""

    id: int
    name: str
    digest: str
    scopes: frozenset[str]
    expires_at: str | None


class ApiKeys:
    """Tells senders by their keys."""

    def __init__(
        self, database: Database, configured: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._configured = digest_of(configured)
        self._now = now
        self._cache: tuple[float, tuple[_Stored, ...]] = (0.0, ())
        self._used: dict[int, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def sender(self, presented: str, scope: str) -> str:
        """The name of the key that was presented. Raises Unknown, NotInScope. Compared in constant time."""
        digest = digest_of(presented)
        if hmac.compare_digest(digest, self._configured):
            return "default"
        for known in await self._stored():
            if hmac.compare_digest(digest, known.digest):
                return self._let_in(known, scope)
        raise Unknown("The API key is missing or wrong.")

    def _let_in(self, known: _Stored, scope: str) -> str:
        if known.expires_at is not None and known.expires_at <= timestamp(self._now()):
            raise Unknown("The API key has ended.")
        if scope not in known.scopes:
            raise NotInScope(f"This key is not for {scope}.")
        clock = time.monotonic()
        if self._used.get(known.id, 0.0) <= clock:
            self._used[known.id] = clock + USED_SECONDS
            note = asyncio.create_task(self._note(known.id, timestamp(self._now())))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)
        return known.name

    async def _note(self, key: int, moment: str) -> None:
        """Write down when a key was used; nobody waits for it."""
        try:
            await self._database.write(
                lambda c: c.execute(update(ApiKey).where(ApiKey.id == key).values(last_used_at=moment))
            )
        except StoreUnavailable as error:
            log.warning("key.use_not_noted", reason=str(error))

    async def _stored(self) -> tuple[_Stored, ...]:
        until, keys = self._cache
        if until <= time.monotonic():
            rows = await self._database.read(
                lambda c: c.execute(select(ApiKey).where(ApiKey.revoked_at.is_(None))).mappings().all()
            )
            keys = tuple(
                _Stored(row["id"], row["name"], row["key_hash"], frozenset(row["scopes"].split(",")), row["expires_at"])
                for row in rows
            )
            self._cache = (time.monotonic() + CACHE_SECONDS, keys)
        return keys


def add_key(connection: Connection, name: str, scopes: Sequence[str], now: datetime, *, old_hours: float | None) -> str:
    """Make a key and store its digest; the key itself is returned this once.

    Older keys of the same name stay valid beside it, so that a sender can change over without a gap: until they are
    revoked, or for `old_hours` more.
    """
    if old_hours is not None:
        ends = timestamp(now + timedelta(hours=old_hours))
        living = (ApiKey.name == name) & ApiKey.revoked_at.is_(None)
        connection.execute(
            update(ApiKey)
            .where(living, ApiKey.expires_at.is_(None) | (ApiKey.expires_at > ends))
            .values(expires_at=ends)
        )
    key = f"psk_{secrets.token_urlsafe(32)}"
    connection.execute(
        insert(ApiKey).values(
            name=name, key_hash=digest_of(key), scopes=",".join(scopes), created_at=timestamp(now), last_used_at=None
        )
    )
    return key


def all_keys(connection: Connection) -> Sequence[RowMapping]:
    """Every key that was ever made, without the keys themselves."""
    return connection.execute(select(ApiKey).order_by(ApiKey.name, ApiKey.id)).mappings().all()


def revoke_keys(connection: Connection, which: str, now: datetime) -> int:
    """End a key by its number, or all of a name; how many ended."""
    wanted = ApiKey.name == which
    if which.isascii() and which.isdigit() and len(which) < 18:
        wanted |= ApiKey.id == int(which)
    return connection.execute(
        update(ApiKey).where(wanted, ApiKey.revoked_at.is_(None)).values(revoked_at=timestamp(now))
    ).rowcount


def digest_of(key: str) -> str:
    """What is kept of a key or of a long random code: its SHA-256 in hex."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
