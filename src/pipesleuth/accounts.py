"""Who may come in: people with a password and a token, senders with an API key."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
import jwt
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from pipesleuth.db.database import Database
from pipesleuth.db.faults import is_unique_violation
from pipesleuth.db.tables import ApiKey, Mark, User
from pipesleuth.model import PipesleuthError, timestamp

ALGORITHM = "HS256"
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD_BYTES = 72  # bcrypt looks at no more
ROLES = ("viewer", "responder", "admin")
CACHE_SECONDS = 5.0
_REVOKED = "revoked:"
LONGEST_EMAIL = 254
# Compared for unknown people, so that their answer takes as long: the hash of random bytes that nobody kept.
NOBODY = "$2b$12$21m85hgv9Nicrx5DL59L7upOFP5MZgIEuyOy5f.TTyJCeyf2DTLaS"
# The local part is kept narrow on purpose: what is refused here could only look like somebody else.
_EMAIL = re.compile(r"[a-z0-9][a-z0-9._%+'-]{0,63}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9-]{1,63}){1,8}")


class Refused(PipesleuthError):
    """What a person typed cannot be taken; `where` names the field, `code` the reason."""

    def __init__(self, reason: str, *, where: str | None, code: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
        self.code = code


class Unknown(PipesleuthError):
    """The credentials are missing, wrong or no longer valid."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    email: str
    full_name: str | None
    role: str
    last_login: str | None
    token_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Known:
    """A user's row as it was read a moment ago."""

    full_name: str | None
    role: str
    last_login: str | None
    disabled: bool
    token_version: int


def plain_email(text: str) -> str:
    """An address in the one form it is kept in. Raises Refused where it is none."""
    # Folding could turn a foreign letter into one of ours: what is not plain from the start is refused.
    folded = text.strip().lower()
    if not text.isascii() or len(folded) > LONGEST_EMAIL or not _EMAIL.fullmatch(folded):
        raise Refused("This is not an e-mail address we can use.", where="email", code="invalid_email")
    return folded


def allowed_domain(email: str, domains: tuple[str, ...]) -> bool:
    """Whether the address belongs to exactly one of the domains; a subdomain is another domain."""
    return email.rpartition("@")[2] in domains


def check_password(password: str) -> None:
    """Raise Refused for a password that is too short, or longer than bcrypt looks at."""
    if len(password) < SHORTEST_PASSWORD:
        raise Refused(
            f"A password needs at least {SHORTEST_PASSWORD} characters.", where="password", code="password_too_short"
        )
    if len(password.encode("utf-8", "surrogatepass")) > LONGEST_PASSWORD_BYTES:
        raise Refused(
            f"A password may have at most {LONGEST_PASSWORD_BYTES} bytes (umlauts and emoji count more than one).",
            where="password",
            code="password_too_long",
        )
    if "\x00" in password:
        raise Refused("A password may not contain a NUL character.", where="password", code="password_invalid")


def hashed(password: str) -> str:
    """The bcrypt hash of a password that `check_password` let pass; takes a quarter of a second."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode("ascii")


class Accounts:
    """People and their sign-ins; slow work runs in threads, off the event loop."""

    def __init__(
        self,
        database: Database,
        signing_key: str,
        *,
        token_hours: float,
        allowed_domains: tuple[str, ...],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._key = signing_key
        self._lifetime = timedelta(hours=token_hours)
        self.allowed_domains = allowed_domains
        self._now = now
        self._known: dict[str, tuple[float, _Known | None]] = {}
        self._revoked: tuple[float, frozenset[str]] = (0.0, frozenset())

    async def register(self, email: str, password: str, full_name: str | None, *, role: str = "responder") -> str:
        """Add a person of an allowed domain; the address as it is kept. Raises Refused."""
        address = plain_email(email)
        if not allowed_domain(address, self.allowed_domains):
            wanted = " or ".join(f"@{domain}" for domain in self.allowed_domains)
            raise Refused(f"Only {wanted} addresses may register.", where="email", code="domain_not_allowed")
        check_password(password)
        secret = await asyncio.to_thread(hashed, password)
        await self._database.write(lambda c: add_user(c, address, secret, full_name, role, self._now()))
        return address

    async def login(self, email: str, password: str) -> str:
        """A fresh token. Raises Unknown, after the same work, whether or not the person exists."""
        try:
            address = plain_email(email)
        except Refused:
            address = ""
        row = await self._database.read(lambda c: c.execute(select(User).where(User.email == address)).first())
        fits = await asyncio.to_thread(_matches, password, (row.password_hash if row else None) or NOBODY)
        if row is None or not fits or row.disabled or not row.password_hash:
            raise Unknown("E-mail or password is wrong.")
        now = self._now()
        await self._database.write(
            lambda c: c.execute(update(User).where(User.email == address).values(last_login=timestamp(now)))
        )
        return self.issue(address, row.token_version)

    def issue(self, email: str, token_version: int) -> str:
        """A signed token for a person whose identity is established."""
        now = self._now()
        claims = {
            "sub": email,
            "ver": token_version,
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "exp": now + self._lifetime,
        }
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
            email, token_id, version = str(claims["sub"]), str(claims["jti"]), int(claims["ver"])
            expires_at = datetime.fromtimestamp(float(claims["exp"]), UTC)
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            raise Unknown("Please log in again.") from error
        if expires_at <= self._now():
            raise Unknown("Your session has expired. Please log in again.")
        known = await self._lookup(email)
        if known is None or known.disabled or known.token_version != version or token_id in await self._ended():
            raise Unknown("Your session has ended. Please log in again.")
        return Person(email, known.full_name, known.role, known.last_login, token_id, expires_at)

    async def logout(self, person: Person) -> None:
        """End this one session, on all servers within seconds and here at once."""
        row = {"name": _REVOKED + person.token_id, "value": person.email, "until": timestamp(person.expires_at)}

        def end(connection: Connection) -> None:
            connection.execute(delete(Mark).where(Mark.name.startswith(_REVOKED), Mark.until < timestamp(self._now())))
            if connection.execute(select(Mark.name).where(Mark.name == row["name"])).first() is None:
                connection.execute(insert(Mark).values(**row))

        await self._database.write(end)
        self._revoked = (0.0, self._revoked[1])

    def forget(self) -> None:
        """Read people anew at the next request: their rows were changed."""
        self._known.clear()

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
                lambda c: c.execute(select(Mark.name).where(Mark.name.startswith(_REVOKED))).scalars().all()
            )
            ended = frozenset(name.removeprefix(_REVOKED) for name in names)
            self._revoked = (time.monotonic() + CACHE_SECONDS, ended)
        return ended


def _matches(password: str, secret: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode("utf-8", "surrogatepass"), secret.encode("ascii"))
    except ValueError:
        # A password that bcrypt does not take (too long, NUL) is a wrong one, at the price of a right one.
        bcrypt.checkpw(b"x", secret.encode("ascii"))
        return False


def _plain_name(text: str) -> str:
    """A name of one line without what is invisible or cannot be stored."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:300]


def add_user(
    connection: Connection, email: str, password_hash: str | None, full_name: str | None, role: str, now: datetime
) -> None:
    """Store a person. Raises Refused when the address is taken."""
    row = {
        "email": email,
        "password_hash": password_hash,
        "full_name": _plain_name(full_name or "") or None,
        "created_at": timestamp(now),
        "last_login": None,
        "role": role,
        "disabled": False,
        "token_version": 1,
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(User).values(**row))
    except Exception as error:
        if is_unique_violation(error):
            raise Refused(
                "There is already an account with this address.", where="email", code="email_taken"
            ) from error
        raise


def set_password(connection: Connection, email: str, password_hash: str) -> bool:
    """Change a password and end all sessions of that person; False where nobody has the address."""
    changed = connection.execute(
        update(User)
        .where(User.email == email)
        .values(password_hash=password_hash, token_version=User.token_version + 1)
    )
    return changed.rowcount == 1


def disable_user(connection: Connection, email: str) -> bool:
    """Shut a person out and end all sessions; False where nobody has the address."""
    changed = connection.execute(
        update(User).where(User.email == email).values(disabled=True, token_version=User.token_version + 1)
    )
    return changed.rowcount == 1


def all_users(connection: Connection) -> Sequence[RowMapping]:
    """Everybody, by address."""
    return connection.execute(select(User).order_by(User.email)).mappings().all()


class ApiKeys:
    """The keys that senders present: the one from the settings, and those in the table."""

    def __init__(self, database: Database, configured: str) -> None:
        self._database = database
        self._configured = _digest(configured)
        self._cache: tuple[float, dict[str, str]] = (0.0, {})

    async def sender(self, presented: str) -> str:
        """The name of the key that was presented. Raises Unknown. Compared in constant time."""
        digest = _digest(presented)
        if hmac.compare_digest(digest, self._configured):
            return "default"
        for known, name in (await self._stored()).items():
            if hmac.compare_digest(digest, known):
                return name
        raise Unknown("The API key is missing or wrong.")

    async def _stored(self) -> dict[str, str]:
        until, keys = self._cache
        if until <= time.monotonic():
            rows = await self._database.read(
                lambda c: c.execute(select(ApiKey.key_hash, ApiKey.name).where(ApiKey.revoked_at.is_(None))).all()
            )
            keys = {row.key_hash: row.name for row in rows}
            self._cache = (time.monotonic() + CACHE_SECONDS, keys)
        return keys


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
