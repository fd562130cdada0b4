"""What happens when an SLA deadline comes near or passes, once for each ticket, whoever looks first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from pipesleuth.db.tables import Ticket
from pipesleuth.model import SlaStatus, Status, moment, timestamp
from pipesleuth.tickets import lifecycle, trail

SWEEP_ROWS = 500


def sweep(connection: Connection, now: datetime, *, warn_seconds: float) -> int:
    """Mark every ticket whose time is up as breached, warn about those whose time is short; how many were told.

    Once per ticket, whoever runs it: rows are locked, and skipped where another server holds them.
    """
    return len(_breach(connection, now)) + len(_warn(connection, now, warn_seconds))


def any_near(connection: Connection, now: datetime, *, warn_seconds: float) -> bool:
    """Whether there is anything to sweep; a cheap look, without a lock."""
    soon = now + timedelta(seconds=warn_seconds)
    late = select(Ticket.id).where(*_pending(now)).limit(1)
    near = select(Ticket.id).where(*_pending(soon), Ticket.sla_warned_at.is_(None)).limit(1)
    return any(connection.execute(statement).first() is not None for statement in (late, near))


def _pending(before: datetime) -> Sequence[ColumnElement[Any]]:
    return (
        Ticket.sla_status == SlaStatus.PENDING,
        Ticket.status != Status.ACKNOWLEDGED,
        Ticket.caused_by.is_(None),
        Ticket.sla_due_at <= timestamp(before),
    )


def _breach(connection: Connection, now: datetime) -> list[str]:
    found = (
        connection.execute(lifecycle.locked(select(Ticket.id).where(*_pending(now)).limit(SWEEP_ROWS), skip=True))
        .scalars()
        .all()
    )
    for ticket_id in found:
        row = lifecycle.fetch(connection, ticket_id)
        late = round((now - moment(row["sla_due_at"])).total_seconds())
        text = f"The {row['priority']} deadline passed {late} s ago and the ticket is {row['status']}."
        entry = trail.Entry(action="SLA Breached", details=text)
        lifecycle.change(connection, row, {"sla_status": SlaStatus.BREACHED}, entry, now)
    return list(found)


def _warn(connection: Connection, now: datetime, warn_seconds: float) -> list[str]:
    soon = now + timedelta(seconds=warn_seconds)
    found = (
        connection.execute(
            lifecycle.locked(
                select(Ticket.id).where(*_pending(soon), Ticket.sla_warned_at.is_(None)).limit(SWEEP_ROWS),
                skip=True,
            )
        )
        .scalars()
        .all()
    )
    for ticket_id in found:
        row = lifecycle.fetch(connection, ticket_id)
        left = max(0, round((moment(row["sla_due_at"]) - now).total_seconds()))
        entry = trail.Entry(action="SLA Warning", details=f"{left} s are left of the {row['priority']} SLA.")
        # A new version, because the channels are to be told while there is time.
        lifecycle.change(connection, row, {"sla_warned_at": timestamp(now)}, entry, now)
    return list(found)
