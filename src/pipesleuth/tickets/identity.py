"""What a ticket and its run are called."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime


def ticket_id(prefix: str, now: datetime) -> str:
    """A fresh id such as `ADF-20250126T143522-abc123`; six hex digits a second do clash, so the index decides."""
    return f"{prefix}-{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def run_mark(source: str, run_id: str | None, ticket: str) -> str:
    """The mark we put on what we create elsewhere: a digest of the run's key, the ticket's where there is no run.

    It is of the run and not of the ticket, so that two tickets of one run, made on two databases during an
    outage, find each other's issue.
    """
    key = f"{source}\x00{run_id}" if run_id else ticket
    return "rca-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]
