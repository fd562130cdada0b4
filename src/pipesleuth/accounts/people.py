"""People and what may be typed about them: addresses, domains, passwords, names, roles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import bcrypt
from sqlalchemy import Connection, RowMapping, insert, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import User
from pipesleuth.model import PipesleuthError, timestamp

ROLES = ("viewer", "responder", "admin")
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD_BYTES = 72  # bcrypt looks at no more
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
    """Somebody who is signed in; `began` is when they came in, however often the token was renewed since.

    `token_version` is the one of their token: a later one in the table ends it.
    """

    email: str
    full_name: str | None
    role: str
    last_login: str | None
    token_id: str
    token_version: int
    expires_at: datetime
    began: datetime


def plain_email(text: str) -> str:
    """An address in the one form it is kept in. Raises Refused where it is none."""
    # Folding could turn a foreign letter into one of ours: what is not plain from the start is refused.
    folded = text.strip().lower()
    if not text.isascii() or len(folded) > LONGEST_EMAIL or not _EMAIL.fullmatch(folded):
        raise Refused("This is not an e-mail address we can use.", where="email", code="invalid_email")
    return folded


def of_our_domains(email: str, domains: tuple[str, ...]) -> str:
    """The address as it is kept, if it belongs to exactly one of the domains (a subdomain is another domain).

    Raises Refused. Every way to an account goes through here: registering, inviting, signing on.
    """
    address = plain_email(email)
    if address.rpartition("@")[2] not in domains:
        wanted = " or ".join(f"@{domain}" for domain in domains)
        raise Refused(f"Only {wanted} addresses may register.", where="email", code="domain_not_allowed")
    return address


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


def matches(password: str, secret: str | None) -> bool:
    """Whether the password is the one of this hash; without a hash it is not, after the same work."""
    known = (secret or NOBODY).encode("ascii")
    try:
        return bcrypt.checkpw(password.encode("utf-8", "surrogatepass"), known) and secret is not None
    except ValueError:
        # A password that bcrypt does not take (too long, NUL) is a wrong one, at the price of a right one.
        bcrypt.checkpw(b"x", known)
        return False


def plain_name(text: str | None) -> str | None:
    """A name of one line without what is invisible or cannot be stored; None where nothing is left."""
    visible = "".join(letter if letter.isprintable() else " " for letter in text or "")
    return " ".join(visible.split())[:300] or None


def add_user(  # all that one person is
    connection: Connection,
    email: str,
    password_hash: str | None,
    full_name: str | None,
    role: str,
    now: datetime,
    *,
    subject: str | None = None,
) -> None:
    """Store a person. Raises Refused when the address is taken."""
    row = {
        "email": email,
        "password_hash": password_hash,
        "full_name": plain_name(full_name),
        "created_at": timestamp(now),
        "last_login": None,
        "role": role,
        "disabled": False,
        "token_version": 1,
        "sign_on_subject": subject,
    }
    if not wrote_first(connection, insert(User).values(**row)):
        raise Refused("There is already an account with this address.", where="email", code="email_taken")


def set_password(connection: Connection, email: str, password_hash: str) -> bool:
    """Change a password and end all sessions of that person; False where nobody has the address."""
    return _changed(connection, email, password_hash=password_hash, token_version=User.token_version + 1)


def disable_user(connection: Connection, email: str) -> bool:
    """Shut a person out and end all sessions; False where nobody has the address."""
    return _changed(connection, email, disabled=True, token_version=User.token_version + 1)


def enable_user(connection: Connection, email: str) -> bool:
    """Let a person in again; False where nobody has the address."""
    return _changed(connection, email, disabled=False)


def set_role(connection: Connection, email: str, role: str) -> bool:
    """Give a person another role, which their sessions have within seconds; False where nobody has the address."""
    return _changed(connection, email, role=role)


def _changed(connection: Connection, email: str, **columns: object) -> bool:
    return connection.execute(update(User).where(User.email == email).values(**columns)).rowcount == 1


def all_users(connection: Connection) -> Sequence[RowMapping]:
    """Everybody, by address."""
    return connection.execute(select(User).order_by(User.email)).mappings().all()
