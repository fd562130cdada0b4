"""Audit lines: what happened, written in the same transaction as the change itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert

from pipesleuth.db.tables import AuditLine
from pipesleuth.model import timestamp

SYSTEM = "Pipesleuth"
SUMMARY = 200

NEW_TICKET = "new_ticket"
STATUS_UPDATE = "status_update"
TICKET_UPDATED = "ticket_updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an audit line says besides the ticket's own facts; `event` is how dashboards are told of it, if at all."""

    action: str
    by: str = SYSTEM
    details: str | None = None
    event: str | None = None
    seconds: int | None = None


Row = Mapping[str, Any] | RowMapping


def line(ticket: Row, entry: Entry, now: datetime, *, version: int | None = None) -> dict[str, Any]:
    """One audit line about a ticket (its row, or as much of it as is at hand), with its version after a change."""
    return {
        "timestamp": timestamp(now),
        "ticket_id": ticket.get("id"),
        "pipeline": ticket.get("pipeline"),
        "run_id": ticket.get("run_id"),
        "action": entry.action[:100],
        "user_name": entry.by[:300],
        "time_taken_seconds": entry.seconds,
        "mttr_minutes": None if entry.seconds is None else round(entry.seconds / 60, 2),
        "sla_status": ticket.get("sla_status"),
        "rca_summary": (ticket.get("rca_result") or "")[:SUMMARY] or None,
        "finops_team": ticket.get("finops_team"),
        "finops_owner": ticket.get("finops_owner"),
        "details": entry.details,
        "itsm_ticket_id": ticket.get("itsm_ticket_id"),
        "event": entry.event,
        "ticket_version": version,
    }


def write(connection: Connection, lines: Sequence[Mapping[str, Any]]) -> None:
    """Append audit lines, in order."""
    if lines:
        connection.execute(insert(AuditLine), list(lines))
