"""A failure on its way into the house, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from pipesleuth.db.tables import Ticket
from pipesleuth.model import Diagnosis, Failure
from pipesleuth.tickets import trail

SUCCESS = "success"
DUPLICATE = "duplicate_ignored"
RACE = "duplicate_race_condition"
MISSED = "Webhook Missed"


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a failure: a new ticket, or the one that its run has already.

    `counted` says that the ticket's row counts this one already; else it is counted within a second.
    """

    outcome: str
    ticket_id: str
    existing_status: str | None = None
    counted: bool = True


@dataclass(slots=True)
class Arrival:
    """A failure on its way in, with its rows ready to be written."""

    failure: Failure
    diagnosis: Diagnosis
    prefix: str
    at: datetime
    ticket: dict[str, Any]
    payload: dict[str, Any]
    inbound: dict[str, Any]
    opening: str
    missed: str = ""
    traceparent: str | None = None


def told(arrival: Arrival, outcome: str, ticket_id: str, status: str | None = None) -> Admission:
    """What its sender is told, with the same on the row of its webhook."""
    told_row(arrival, outcome, ticket_id)
    return Admission(outcome, ticket_id, status)


def told_row(arrival: Arrival, outcome: str, ticket_id: str) -> dict[str, Any]:
    """The row of its webhook, with what became of it."""
    arrival.inbound.update(outcome=outcome, ticket_id=ticket_id)
    return arrival.inbound


def is_stored(connection: Connection, arrival: Arrival) -> bool:
    """Whether the ticket of this id is this very arrival, committed by an earlier try whose answer was lost."""
    if arrival.failure.run_id is not None:
        return False  # it would have been found by its run
    mine = [getattr(Ticket, name) == arrival.ticket[name] for name in ("id", "timestamp", "pipeline", "failure")]
    return connection.execute(select(Ticket.id).where(*mine)).first() is not None


def first_lines(arrival: Arrival) -> list[dict[str, Any]]:
    """The audit lines of a fresh ticket."""
    created = _created(arrival)
    if not arrival.missed:
        return [created]
    entry = trail.Entry(action=MISSED, details=arrival.missed)
    return [created, trail.line(arrival.ticket, entry, arrival.at)]


def _created(arrival: Arrival) -> dict[str, Any]:
    said = (
        f"{arrival.ticket['rca_source']} says {arrival.ticket['category']}, {arrival.ticket['confidence']} confidence."
    )
    details = f"{arrival.opening} {said}".strip()
    entry = trail.Entry(action="Ticket Created", details=details, event=trail.NEW_TICKET)
    return trail.line(arrival.ticket, entry, arrival.at, version=1)
