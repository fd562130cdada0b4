"""Who may come in: people by password, invitation or sign-on, senders by API key or Azure's own token."""

from pipesleuth.accounts.attempts import TooMany
from pipesleuth.accounts.keys import ApiKeys, NotInScope
from pipesleuth.accounts.people import (
    ROLES,
    Person,
    Refused,
    Unknown,
    add_user,
    all_users,
    check_password,
    disable_user,
    enable_user,
    hashed,
    plain_email,
    set_password,
    set_role,
)
from pipesleuth.accounts.sessions import Accounts

__all__ = [
    "ROLES",
    "Accounts",
    "ApiKeys",
    "NotInScope",
    "Person",
    "Refused",
    "TooMany",
    "Unknown",
    "add_user",
    "all_users",
    "check_password",
    "disable_user",
    "enable_user",
    "hashed",
    "plain_email",
    "set_password",
    "set_role",
]
