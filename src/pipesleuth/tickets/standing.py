"""How the tickets that are not closed stand with their SLA, in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from pipesleuth.db.tables import Ticket
from pipesleuth.model import Status


def standing(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """For each status, priority and SLA state of tickets that are not closed: `count`."""
    words = (Ticket.status, Ticket.priority, Ticket.sla_status)
    counted = select(*words, func.count().label("count")).where(Ticket.status.in_([Status.OPEN, Status.IN_PROGRESS]))
    return [dict(row) for row in connection.execute(counted.group_by(*words)).mappings()]
