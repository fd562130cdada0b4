"""The addresses that people follow from a ticket; only ours and configured ones, never one from a payload's text."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links; `jira_base` is None where no Jira is configured."""

    public_base: str
    jira_base: str | None = None

    def ticket(self, ticket_id: str) -> str:
        """The ticket's own page on the dashboard."""
        return f"{self.public_base}/dashboard#/tickets/{quote(ticket_id, safe='')}"

    def issue(self, key: str | None) -> str | None:
        """The issue's page in Jira."""
        return f"{self.jira_base}/browse/{quote(key, safe='-')}" if key and self.jira_base else None
