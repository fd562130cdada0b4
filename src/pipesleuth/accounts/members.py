"""People whom the single sign-on vouches for, and the accounts they have here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from pipesleuth.accounts.people import Refused, add_user, plain_name
from pipesleuth.db.tables import User


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody as the issuer knows them; `subject` is a digest of issuer and subject, which never change."""

    email: str
    subject: str
    full_name: str | None


def member(connection: Connection, who: Member, mapped: str | None, first: str, now: datetime) -> str:
    """The address of the account of somebody who signed on; made where there is none.

    `mapped` is the role that groups give each time, `first` the one of a new account. Raises Refused.
    An account that was made here with a password becomes the member's own at the first sign-on: its password and its
    sessions end, because nobody has proved that whoever chose them owns the address.
    """
    row = connection.execute(select(User).where(User.sign_on_subject == who.subject)).first()
    if row is None:
        row = connection.execute(select(User).where(User.email == who.email)).first()
    if row is None:
        add_user(connection, who.email, None, who.full_name, mapped or first, now, subject=who.subject)
        return who.email
    if row.disabled:
        raise Refused("This account is shut out.", where=None, code="disabled")
    if row.sign_on_subject not in {None, who.subject}:
        raise Refused("This address belongs to another person of the issuer.", where=None, code="another_person")
    changes: dict[str, Any] = {}
    if row.sign_on_subject is None:
        changes |= {"sign_on_subject": who.subject, "password_hash": None, "token_version": User.token_version + 1}
    if mapped is not None and mapped != row.role:
        changes["role"] = mapped
    if not row.full_name and plain_name(who.full_name):
        changes["full_name"] = plain_name(who.full_name)
    if changes:
        connection.execute(update(User).where(User.id == row.id).values(**changes))
    return str(row.email)
