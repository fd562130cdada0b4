"""Who may come in: people by password, invitation or sign-on, senders by API key or Azure's own token."""

from pipesleuth.accounts.attempts import TooMany
from pipesleuth.accounts.keys import ApiKeys, NotInScope
from pipesleuth.accounts.people import Person, Refused, Unknown
from pipesleuth.accounts.sessions import Accounts

__all__ = ["Accounts", "ApiKeys", "NotInScope", "Person", "Refused", "TooMany", "Unknown"]
