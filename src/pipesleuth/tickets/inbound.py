"""The register of webhooks: what came in of late, and what became of it; a ring of bounded length."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from pipesleuth.db.tables import Inbound
from pipesleuth.model import timestamp

PRUNE_EVERY = 256
NEVER, STRANGERS_EVERY = datetime.min.replace(tzinfo=UTC), timedelta(minutes=1)


def row(door: str, body: bytes, now: datetime) -> dict[str, Any]:
    """A webhook's row, its outcome still to be filled in."""
    return {
        "time": timestamp(now),
        "door": door,
        "outcome": "success",
        "reason": None,
        "size": len(body),
        "digest": hashlib.sha256(body).hexdigest(),
        "ticket_id": None,
    }


class Register:
    """Writes rows and keeps the table short."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._since_prune = PRUNE_EVERY
        self._strangers: dict[str, datetime] = {}

    def write(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> list[None]:
        """Store rows; the oldest go now and then, not at every webhook."""
        if not rows:
            return []
        connection.execute(insert(Inbound), list(rows))
        self._since_prune += len(rows)
        if self._since_prune >= PRUNE_EVERY:
            self._since_prune = 0
            newest = connection.execute(select(func.max(Inbound.id))).scalar_one() or 0
            connection.execute(delete(Inbound).where(Inbound.id <= newest - self._rows))
        return [None] * len(rows)

    def is_rare(self, door: str, now: datetime) -> bool:
        """Whether a stranger at this door is worth a row: one a minute is."""
        if now - self._strangers.get(door, NEVER) < STRANGERS_EVERY:
            return False
        self._strangers[door] = now
        return True
