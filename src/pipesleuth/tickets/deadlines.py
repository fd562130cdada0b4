"""What happens when an SLA deadline comes near or passes, once for each ticket, whoever looks first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from pipesleuth.db.tables import Ticket
from pipesleuth.model import SlaStatus, Status, moment, timestamp
from pipesleuth.tickets import lifecycle, trail

SWEEP_ROWS = 500


def sweep(connection: Connection, now: datetime, *, warn_seconds: float) -> int:
    """Mark every ticket whose time is up as breached, warn about those whose time is short; how many were told.

    Once per ticket, whoever runs it: rows are locked, and skipped where another server holds them.
    """
    return _breach(connection, now) + _warn(connection, now, warn_seconds)


def any_near(connection: Connection, now: datetime, *, warn_seconds: float) -> bool:
    """Whether there is anything to sweep; a cheap look, without a lock."""
    either = (_pending(now), _unwarned(now, warn_seconds))
    return any(connection.execute(select(Ticket.id).where(*which).limit(1)).first() is not None for which in either)


def _pending(before: datetime) -> Sequence[ColumnElement[bool]]:
    return (
        Ticket.sla_status == SlaStatus.PENDING,
        Ticket.status != Status.ACKNOWLEDGED,
        Ticket.caused_by.is_(None),
        Ticket.sla_due_at <= timestamp(before),
    )


def _unwarned(now: datetime, warn_seconds: float) -> Sequence[ColumnElement[bool]]:
    return (*_pending(now + timedelta(seconds=warn_seconds)), Ticket.sla_warned_at.is_(None))


def _held(connection: Connection, *which: ColumnElement[bool]) -> Sequence[RowMapping]:
    """Some of these tickets, ours until the transaction ends."""
    some = lifecycle.locked(select(Ticket).where(*which).limit(SWEEP_ROWS), skip=True)
    return connection.execute(some).mappings().all()


def _breach(connection: Connection, now: datetime) -> int:
    found = _held(connection, *_pending(now))
    for row in found:
        late = round((now - moment(row["sla_due_at"])).total_seconds())
        text = f"The {row['priority']} deadline passed {late} s ago and the ticket is {row['status']}."
        entry = trail.Entry(action="SLA Breached", details=text)
        lifecycle.change(connection, row, {"sla_status": SlaStatus.BREACHED}, entry, now)
    return len(found)


def _warn(connection: Connection, now: datetime, warn_seconds: float) -> int:
    found = _held(connection, *_unwarned(now, warn_seconds))
    for row in found:
        left = max(0, round((moment(row["sla_due_at"]) - now).total_seconds()))
        entry = trail.Entry(action="SLA Warning", details=f"{left} s are left of the {row['priority']} SLA.")
        # A new version, because the channels are to be told while there is time.
        lifecycle.change(connection, row, {"sla_warned_at": timestamp(now)}, entry, now)
    return len(found)
