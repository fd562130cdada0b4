"""What others saw before: tickets of the same fingerprint, how they ended, and a ticket's payload."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from pipesleuth.db.tables import AuditLine, Ticket, Todo
from pipesleuth.model import Status, timestamp
from pipesleuth.outbox.todos import read_receipt
from pipesleuth.tickets import payloads
from pipesleuth.tickets.cards import CARD_COLUMNS, card
from pipesleuth.tickets.lifecycle import NoSuchTicket
from pipesleuth.tickets.links import Links

DAYS = 30
SHOWN = 10
LATEST = 200


def same_failure(connection: Connection, ticket_id: str, links: Links, now: datetime) -> dict[str, Any]:
    """Other tickets of this failure, newest first, and in a few words how it went before. Raises NoSuchTicket."""
    fingerprint = connection.execute(select(Ticket.fingerprint).where(Ticket.id == ticket_id)).scalar()
    if fingerprint is None:
        raise NoSuchTicket(f"There is no ticket {ticket_id[:64]}.")
    others = (Ticket.fingerprint == fingerprint, Ticket.id != ticket_id)
    rows = (
        connection.execute(select(*CARD_COLUMNS).where(*others).order_by(Ticket.timestamp.desc()).limit(SHOWN))
        .mappings()
        .all()
    )
    return {
        "tickets": [card(row, links) for row in rows],
        "seen": seen(connection, fingerprint, ticket_id, now),
    }


def seen(connection: Connection, fingerprint: str, ticket_id: str, now: datetime) -> dict[str, Any]:
    """How often in the last 30 days, and who closed it last, how fast and with which words."""
    since = timestamp(now - timedelta(days=DAYS))
    others = (Ticket.fingerprint == fingerprint, Ticket.id != ticket_id)
    # Counted in the index alone, this one too.
    counted = select(func.count()).select_from(Ticket).where(Ticket.timestamp >= since)
    count = connection.execute(counted.where(Ticket.fingerprint == fingerprint)).scalar_one()
    count -= connection.execute(counted.where(Ticket.fingerprint == fingerprint, Ticket.id == ticket_id)).scalar_one()
    # Of a failure that comes a thousand times a day, only the latest are looked through.
    latest = (
        select(Ticket.id, Ticket.status, Ticket.ack_ts, Ticket.ack_user, Ticket.ack_seconds)
        .where(*others)
        .order_by(Ticket.timestamp.desc())
        .limit(LATEST)
    )
    closed = [row for row in connection.execute(latest).mappings() if row["status"] == Status.ACKNOWLEDGED]
    last = max(closed, key=lambda row: row["ack_ts"] or "", default=None)
    found: dict[str, Any] = {
        "count": count,
        "days": DAYS,
        "last_closed_by": None,
        "last_closed_seconds": None,
        "last_note": None,
    }
    if last is not None:
        note = connection.execute(
            select(AuditLine.details)
            .where(AuditLine.ticket_id == last["id"], AuditLine.action == "Ticket Closed")
            .order_by(AuditLine.id.desc())
            .limit(1)
        ).scalar()
        found |= {
            "last_closed_by": last["ack_user"],
            "last_closed_seconds": last["ack_seconds"],
            "last_note": note,
        }
    return found


def payload(connection: Connection, ticket_id: str) -> tuple[bytes | None, str] | None:
    """The body that waits to be archived, or the name it was archived under; None where there is no such ticket."""
    if connection.execute(select(Ticket.id).where(Ticket.id == ticket_id)).first() is None:
        return None
    body = payloads.waiting(connection, ticket_id)
    receipt = connection.execute(
        select(Todo.receipt).where(Todo.ticket_id == ticket_id, Todo.kind == "archive")
    ).scalar()
    known = read_receipt(receipt)
    return body, (known.key if known else "")
