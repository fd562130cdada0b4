"""A webhook's body as it is kept until it is archived."""

from __future__ import annotations

import zlib
from typing import Any

from sqlalchemy import Connection, select

from pipesleuth.db.tables import Payload

WORTH_PACKING = 8192  # below, packing costs a webhook more time than it saves room


def packed(body: bytes) -> dict[str, Any]:
    """The body as columns of `payloads`."""
    if len(body) < WORTH_PACKING:
        return {"body": body, "compressed": False}
    return {"body": zlib.compress(body, 1), "compressed": True}


def waiting(connection: Connection, ticket_id: str) -> bytes | None:
    """The body of a ticket, while it is not archived."""
    row = connection.execute(select(Payload.body, Payload.compressed).where(Payload.ticket_id == ticket_id)).first()
    if row is None:
        return None
    return zlib.decompress(row.body) if row.compressed else row.body
