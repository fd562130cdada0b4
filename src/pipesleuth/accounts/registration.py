"""Making an account: at once, by a mailed code, or by an administrator's invitation."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from pipesleuth.accounts.keys import digest_of
from pipesleuth.accounts.mail import Letter, Post
from pipesleuth.accounts.people import ROLES, Refused, add_user, of_our_domains, plain_email, plain_name
from pipesleuth.accounts.sessions import Accounts
from pipesleuth.db.database import Database
from pipesleuth.db.tables import Invitation, User, Verification
from pipesleuth.model import PipesleuthError, timestamp

Policy = Literal["open", "verify", "invite", "closed"]

CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is taken for another
CODE_LENGTH = 8  # 40 bits, and ten tries in a quarter of an hour
CODE_MINUTES = 30
INVITATION_DAYS = 7

_COMMAND_LINE = "Nobody makes accounts here but the command line."
_WELCOME = """Somebody, hopefully you, wants to make an account at Pipesleuth with this address.

Your code: {code}

Type it where you registered, with the password that you chose there:
{link}

It is good for {minutes} minutes. If it was not you, do nothing: without your code there will be no account.
"""
_KNOWN = """Somebody, hopefully you, wants to make an account at Pipesleuth with this address.

There is one already. Log in here:
{link}

If it was not you, do nothing.
"""
_INVITED = """{by} invites you to Pipesleuth. Choose your password here:

{link}

The invitation is for this address alone and good for {days} days.
"""


class Closed(PipesleuthError):
    """Accounts are not made this way here."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Somebody who wants an account, and what they typed."""

    email: str
    password: str
    full_name: str | None = None
    invitation: str | None = None


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation with its code, which is shown this once."""

    id: int
    email: str
    role: str
    code: str
    link: str
    expires_at: str


class Registrations:
    """The four policies; the rule of the domains holds in all of them."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        post: Post | None,
        *,
        policy: Policy,
        public_base_url: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._post = post
        self.policy = policy
        self._login = f"{public_base_url}/login"
        self._now = now

    async def register(self, who: Applicant, client: str) -> str | None:
        """The token of a new account's first session, or None where a code was mailed instead.

        Where a code is mailed, the answer and the work are the same whether or not the address has an account.
        Raises Refused, Closed, TooMany.
        """
        if self.policy == "closed":
            raise Closed(_COMMAND_LINE)
        if self.policy == "invite" and not who.invitation:
            raise Closed("New accounts are made by an administrator's invitation.")
        address = of_our_domains(who.email, self._accounts.allowed_domains)
        await self._accounts.guess("register", address, client)
        secret = await self._accounts.hash(who.password)
        if who.invitation:
            await self._database.write(lambda c: self._accept(c, who, address, secret))
        elif self.policy == "verify":
            await self._send_code(who, address, secret)
            return None
        else:
            await self._database.write(lambda c: add_user(c, address, secret, who.full_name, "responder", self._now()))
        return await self._accounts.opened(address)

    async def verify(self, email: str, code: str, password: str, client: str) -> str:
        """The token of the account that the mailed code and the password chosen with it make together.

        The password is asked again, because a code alone would open an account with the password of whoever typed
        somebody else's address. Raises Refused, Closed, TooMany.
        """
        if self.policy != "verify":
            raise Closed("No codes are mailed here.")
        address = plain_email(email)
        forgive = await self._accounts.guess("verify", address, client)
        digest = _digest(address, code)
        rows = await self._database.read(lambda c: _waiting(c, address, timestamp(self._now())))
        row = next((row for row in rows if secrets.compare_digest(row["code_hash"], digest)), None)
        fits = await self._accounts.fits(password, row["password_hash"] if row else None)
        if row is None or not fits:
            raise Refused("The code or the password is wrong, or the code is too old.", where="code", code="wrong_code")
        await self._database.write(lambda c: self._become(c, row))
        await forgive()
        return await self._accounts.opened(address)

    async def invite(self, email: str, role: str, by: str) -> Invited:
        """Invite somebody of our domains, and mail the link where mail is set up. Raises Refused, Closed."""
        if self.policy == "closed":
            raise Closed(_COMMAND_LINE)
        address = of_our_domains(email, self._accounts.allowed_domains)
        made = await self._database.write(lambda c: new_invitation(c, address, role, by, self._login, self._now()))
        if self._post is not None:
            text = _INVITED.format(by=by, link=made.link, days=INVITATION_DAYS)
            self._post.send(Letter(address, "You are invited to Pipesleuth", text))
        return made

    async def invitations(self) -> Sequence[RowMapping]:
        """The invitations that wait, without their codes."""
        now = timestamp(self._now())
        waiting = Invitation.used_at.is_(None) & (Invitation.expires_at > now)
        columns = (Invitation.id, Invitation.email, Invitation.role, Invitation.invited_by, Invitation.expires_at)
        return await self._database.read(
            lambda c: c.execute(select(*columns).where(waiting).order_by(Invitation.id)).mappings().all()
        )

    async def withdraw(self, invitation: int) -> bool:
        """Take an invitation back; False where there is none of this number."""
        gone = await self._database.write(
            lambda c: c.execute(delete(Invitation).where(Invitation.id == invitation, Invitation.used_at.is_(None)))
        )
        return gone.rowcount == 1

    def _accept(self, connection: Connection, who: Applicant, address: str, secret: str) -> None:
        now = self._now()
        good = (
            (Invitation.code_hash == digest_of(who.invitation or ""))
            & (Invitation.email == address)
            & Invitation.used_at.is_(None)
            & (Invitation.expires_at > timestamp(now))
        )
        role = connection.execute(select(Invitation.role).where(good)).scalar()
        # The update decides: of two who come at once, one finds it used.
        used = connection.execute(update(Invitation).where(good).values(used_at=timestamp(now)))
        if role is None or used.rowcount != 1:
            raise Closed("This invitation is not, or no longer, valid for this address.")
        add_user(connection, address, secret, who.full_name, role, now)

    async def _send_code(self, who: Applicant, address: str, secret: str) -> None:
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
        now = self._now()
        row = {
            "email": address,
            "code_hash": _digest(address, code),
            "password_hash": secret,
            "full_name": plain_name(who.full_name),
            "created_at": timestamp(now),
            "expires_at": timestamp(now + timedelta(minutes=CODE_MINUTES)),
        }

        def keep(connection: Connection) -> bool:
            connection.execute(delete(Verification).where(Verification.expires_at <= timestamp(now)))
            connection.execute(insert(Verification).values(**row))
            return connection.execute(select(User.id).where(User.email == address)).first() is not None

        known = await self._database.write(keep)
        link = f"{self._login}#email={quote(address)}"
        text = (
            _KNOWN.format(link=self._login)
            if known
            else _WELCOME.format(code=code, link=f"{link}&code={code}", minutes=CODE_MINUTES)
        )
        if self._post is not None:
            self._post.send(Letter(address, "Your code for Pipesleuth" if not known else "Your account", text))

    def _become(self, connection: Connection, row: RowMapping) -> None:
        gone = connection.execute(delete(Verification).where(Verification.id == row["id"]))
        if gone.rowcount != 1:
            raise Refused("The code was used already.", where="code", code="wrong_code")
        connection.execute(delete(Verification).where(Verification.email == row["email"]))
        add_user(connection, row["email"], row["password_hash"], row["full_name"], "responder", self._now())


def new_invitation(connection: Connection, email: str, role: str, by: str, login: str, now: datetime) -> Invited:
    """Store an invitation; an older one of the same address ends. Raises Refused."""
    if role not in ROLES:
        raise Refused(f"A role is one of {', '.join(ROLES)}.", where="role", code="invalid")
    if connection.execute(select(User.id).where(User.email == email)).first() is not None:
        raise Refused("There is already an account with this address.", where="email", code="email_taken")
    connection.execute(delete(Invitation).where(Invitation.email == email, Invitation.used_at.is_(None)))
    code, expires = secrets.token_urlsafe(24), timestamp(now + timedelta(days=INVITATION_DAYS))
    row = {"email": email, "role": role, "code_hash": digest_of(code), "invited_by": by}
    made = connection.execute(
        insert(Invitation).values(**row, created_at=timestamp(now), expires_at=expires).returning(Invitation.id)
    ).scalar_one()
    link = f"{login}#email={quote(email)}&invitation={code}"
    return Invited(made, email, role, code, link, expires)


def _waiting(connection: Connection, email: str, now: str) -> Sequence[RowMapping]:
    living = (Verification.email == email) & (Verification.expires_at > now)
    return connection.execute(select(Verification.__table__).where(living)).mappings().all()


def _digest(email: str, code: str) -> str:
    return digest_of(f"{email} {code.strip().upper()}")
