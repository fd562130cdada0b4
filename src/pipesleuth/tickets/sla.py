"""The SLA clock: how long a priority gives, and whether a ticket was closed in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipesleuth.model import Priority, SlaStatus

SECONDS = {Priority.P1: 900, Priority.P2: 1800, Priority.P3: 7200, Priority.P4: 86400}


def due(created: datetime, priority: Priority) -> datetime:
    """When a ticket of this priority must be closed."""
    return created + timedelta(seconds=SECONDS[priority])


def verdict(closed_at: datetime, due_at: datetime) -> SlaStatus:
    """Whether a ticket closed at this moment was closed in time."""
    return SlaStatus.MET if closed_at <= due_at else SlaStatus.BREACHED


def moved(created: datetime, priority: Priority, now: datetime, warn_seconds: float) -> datetime:
    """The deadline after a change of priority: never so near that no warning could come before it."""
    return max(due(created, priority), now + timedelta(seconds=warn_seconds))
