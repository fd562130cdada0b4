"""Sessions: logging in with a password, the tokens that carry a session, and how it ends."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import jwt
from sqlalchemy import Connection, delete, insert, select, update

from pipesleuth.accounts.attempts import Allowance, Attempts, TooMany, network_of
from pipesleuth.accounts.people import (
    Person,
    Refused,
    Unknown,
    add_user,
    check_password,
    hashed,
    matches,
    of_our_domains,
    plain_email,
)
from pipesleuth.db.database import Database
from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import REVOKED, Mark, User
from pipesleuth.model import timestamp

ALGORITHM = "HS256"
CACHE_SECONDS = 5.0
HASHING_THREADS = 2  # of their own: the default pool also serves webhooks
MOST_HASHING = 64  # who would wait for longer than some seconds is asked to come again

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long a token lasts, and how long it may be renewed without coming in anew."""

    token: timedelta
    session: timedelta


@dataclass(frozen=True, slots=True)
class Guessing:
    """How often passwords and codes may be tried."""

    account: Allowance
    address: Allowance


@dataclass(frozen=True, slots=True)
class _Known:
    """A user's row as it was read a moment ago."""

    full_name: str | None
    role: str
    last_login: str | None
    disabled: bool
    token_version: int


class Accounts:
    """People and their sessions; slow work runs in threads of its own, off the event loop."""

    def __init__(
        self,
        database: Database,
        signing_key: str,
        *,
        lasting: Lasting,
        guessing: Guessing,
        allowed_domains: tuple[str, ...],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._key = signing_key
        self._lasting = lasting
        self._guessing = guessing
        self.allowed_domains = allowed_domains
        self.attempts = Attempts(database, now)
        self._now = now
        self._known: dict[str, tuple[float, _Known | None]] = {}
        self._revoked: tuple[float, frozenset[str]] = (0.0, frozenset())
        self._hashers = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="hashing")
        self._hashing = 0

    async def register(self, email: str, password: str, full_name: str | None, *, role: str = "responder") -> str:
        """Add a person of an allowed domain; the address as it is kept. Raises Refused, TooMany."""
        address = of_our_domains(email, self.allowed_domains)
        secret = await self.hash(password)
        await self._database.write(lambda c: add_user(c, address, secret, full_name, role, self._now()))
        return address

    async def hash(self, password: str) -> str:
        """The hash of a new password, made off the event loop. Raises Refused, TooMany."""
        check_password(password)
        return await self._slowly(lambda: hashed(password))

    async def fits(self, password: str, secret: str | None) -> bool:
        """Whether a password is the one of a hash, compared off the event loop. Raises TooMany."""
        return await self._slowly(lambda: matches(password, secret))

    async def guess(self, kind: str, account: str, client: str) -> Callable[[], Any]:
        """Count a try at an account from a client's address; what is returned takes the count back. Raises TooMany."""
        rules = self._guessing
        taken = (rules.account.of(f"{kind} {account}"), rules.address.of(f"{kind} {network_of(client)}"))
        await self.attempts.take(*taken)
        return lambda: self.attempts.give_back(*taken)

    async def login(self, email: str, password: str, client: str = "") -> str:
        """A fresh token. Raises Unknown, after the same work, whether or not the person exists; and TooMany."""
        try:
            address = plain_email(email)
        except Refused:
            address = ""
        forgive = await self.guess("login", address or email, client)
        row = await self._database.read(lambda c: c.execute(select(User).where(User.email == address)).first())
        fits = await self.fits(password, row.password_hash if row else None)
        if row is None or not fits or row.disabled:
            raise Unknown("E-mail or password is wrong.")
        await forgive()
        return await self.opened(address)

    async def opened(self, email: str) -> str:
        """The token of a new session of somebody whose identity is established. Raises Unknown."""
        now = self._now()

        def seen(connection: Connection) -> int | None:
            connection.execute(update(User).where(User.email == email).values(last_login=timestamp(now)))
            living = (User.email == email) & User.disabled.is_(False)
            return connection.execute(select(User.token_version).where(living)).scalar()

        version = await self._database.write(seen)
        if version is None:
            raise Unknown("This account may not come in.")
        self._known.pop(email, None)
        return self._token(email, version, secrets.token_urlsafe(12), began=now)

    def renewed(self, person: Person) -> str:
        """A token of the same session with a later end, but no later than the session may last.

        It ends with its session: a password that was changed meanwhile has ended both.
        """
        return self._token(person.email, person.token_version, person.token_id, began=person.began)

    def _token(self, email: str, version: int, token_id: str, *, began: datetime) -> str:
        now = self._now()
        ends = min(now + self._lasting.token, began + max(self._lasting.session, self._lasting.token))
        claims = {"sub": email, "ver": version, "jti": token_id, "iat": now, "exp": ends, "beg": int(began.timestamp())}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    async def person(self, token: str) -> Person:
        """Who the token belongs to. Raises Unknown when it is malformed, expired or ended."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                options={"require": ["exp", "iat", "sub", "jti"], "verify_exp": False, "verify_iat": False},
            )
            email, token_id, version = _storable(claims["sub"]), _storable(claims["jti"]), int(claims["ver"])
            expires_at = datetime.fromtimestamp(float(claims["exp"]), UTC)
            began = datetime.fromtimestamp(float(claims.get("beg", claims["iat"])), UTC)
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            raise Unknown("Please log in again.") from error
        if expires_at <= self._now():
            raise Unknown("Your session has expired. Please log in again.")
        known = await self._lookup(email)
        if known is None or known.disabled or known.token_version != version or token_id in await self._ended():
            raise Unknown("Your session has ended. Please log in again.")
        return Person(email, known.full_name, known.role, known.last_login, token_id, version, expires_at, began)

    async def logout(self, person: Person) -> None:
        """End this one session with all its renewals, on all servers within seconds and here at once."""
        until = person.began + self._lasting.session + self._lasting.token
        await self.first_use(person.token_id, until)
        self._revoked = (0.0, self._revoked[1])

    async def first_use(self, token_id: str, until: datetime) -> bool:
        """Whether this id is ended now and was not before; it is remembered until its token is over anyhow."""
        row = insert(Mark).values(name=REVOKED + token_id, value="ended", until=timestamp(until))

        def end(connection: Connection) -> bool:
            connection.execute(delete(Mark).where(Mark.name.startswith(REVOKED), Mark.until < timestamp(self._now())))
            return wrote_first(connection, row)

        return await self._database.write(end)

    def forget(self) -> None:
        """Read people anew at the next request: their rows were changed."""
        self._known.clear()

    def close(self) -> None:
        """Let the threads go."""
        self._hashers.shutdown(wait=False, cancel_futures=True)

    async def _slowly(self, work: Callable[[], T]) -> T:
        if self._hashing >= MOST_HASHING:
            raise TooMany(5.0)
        self._hashing += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashers, work)
        finally:
            self._hashing -= 1

    async def _lookup(self, email: str) -> _Known | None:
        cached = self._known.get(email)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        row = await self._database.read(lambda c: c.execute(select(User).where(User.email == email)).first())
        known = _Known(row.full_name, row.role, row.last_login, bool(row.disabled), row.token_version) if row else None
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[email] = (time.monotonic() + CACHE_SECONDS, known)
        return known

    async def _ended(self) -> frozenset[str]:
        until, ended = self._revoked
        if until <= time.monotonic():
            names = await self._database.read(
                lambda c: c.execute(select(Mark.name).where(Mark.name.startswith(REVOKED))).scalars().all()
            )
            ended = frozenset(name.removeprefix(REVOKED) for name in names)
            self._revoked = (time.monotonic() + CACHE_SECONDS, ended)
        return ended


def _storable(claim: object) -> str:
    """A claim as a database can be asked for it. Raises ValueError for NUL, lone surrogates and the like."""
    text = str(claim)
    if not text.isprintable():
        raise ValueError("This claim is no plain text.")
    return text
