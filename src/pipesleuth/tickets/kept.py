"""A ticket on a standby with everything that belongs to it, and how its parts are numbered anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from pipesleuth.db.tables import AuditLine, Feedback, Payload, Ticket, Todo
from pipesleuth.outbox.todos import read_receipt, write_receipt

Row = Mapping[str, Any] | RowMapping


@dataclass(frozen=True, slots=True)
class Kept:
    """A ticket on the standby with everything that belongs to it."""

    ticket: Row
    lines: Sequence[Row]
    todos: Sequence[Row]
    payloads: Sequence[Row]
    verdicts: Sequence[Row]

    @property
    def newest(self) -> int:
        """The number of its last audit line."""
        return self.lines[-1]["id"] if self.lines else 0


def kept(connection: Connection, ids: Sequence[str]) -> list[Kept]:
    """The tickets as the standby has them, in this order."""
    tickets = {row["id"]: dict(row) for row in connection.execute(select(Ticket).where(Ticket.id.in_(ids))).mappings()}
    lines, todos = _by_ticket(connection, AuditLine, ids), _by_ticket(connection, Todo, ids)
    payloads, verdicts = _by_ticket(connection, Payload, ids), _by_ticket(connection, Feedback, ids)
    return [
        Kept(tickets[one], lines.get(one, []), todos.get(one, []), payloads.get(one, []), verdicts.get(one, []))
        for one in ids
        if one in tickets
    ]


def _by_ticket(connection: Connection, table: Any, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    rows = connection.execute(select(table).where(table.ticket_id.in_(ids)).order_by(*table.__table__.primary_key))
    for row in rows.mappings():
        found.setdefault(row["ticket_id"], []).append(dict(row))
    return found


def unnumbered(row: Row) -> dict[str, Any]:
    """A row without its number, which the primary gives."""
    return {name: value for name, value in row.items() if name != "id"}


def append(connection: Connection, lines: Sequence[Row]) -> dict[int, int]:
    """Append lines with their own times, in their own order; the primary's number of each."""
    if not lines:
        return {}
    statement = insert(AuditLine).returning(AuditLine.id, sort_by_parameter_order=True)
    numbers = connection.execute(statement, [unnumbered(line) for line in lines]).scalars().all()
    return {line["id"]: number for line, number in zip(lines, numbers, strict=True)}


def renumbered(receipt: str | None, numbers: Mapping[int, int], least: int = 0) -> str | None:
    """A receipt that says by the primary's numbers, `least` at least, what was told."""
    known = read_receipt(receipt)
    if known is None:
        return None
    told = max((new for old, new in numbers.items() if old <= known.told_audit_id), default=least)
    return write_receipt(replace(known, told_audit_id=max(told, least)))
