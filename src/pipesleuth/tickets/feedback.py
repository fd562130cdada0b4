"""What people say of a diagnosis, kept so that the engine can be scored on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from pipesleuth.db.tables import Feedback
from pipesleuth.model import Category, timestamp
from pipesleuth.tickets import lifecycle


@dataclass(frozen=True, slots=True)
class Verdict:
    """Right or wrong, and what it really was."""

    right: bool
    category: Category | None
    error_type: str | None
    note: str | None


def record(connection: Connection, ticket_id: str, by: str, verdict: Verdict, now: datetime) -> None:
    """Store a person's verdict with an audit line. Raises NoSuchTicket."""
    row = lifecycle.fetch(connection, ticket_id)
    connection.execute(
        insert(Feedback).values(
            time=timestamp(now),
            ticket_id=ticket_id,
            user_name=by,
            correct=verdict.right,
            said_category=row["category"],
            true_category=verdict.category or (row["category"] if verdict.right else None),
            true_error_type=verdict.error_type,
            note=verdict.note,
        )
    )
    word = "right" if verdict.right else f"wrong; it was {verdict.category or 'something else'}"
    note = f" {verdict.note}" if verdict.note else ""
    details = f"{row['rca_source']} said {row['category']}: {word}.{note}"
    lifecycle.said(connection, row, "RCA Feedback", by, now, details)
