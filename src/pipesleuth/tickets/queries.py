"""What people ask of the tickets: lists with filters and keyset cursors, searches, sums."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from pipesleuth.db.tables import AuditLine, Inbound, Ticket
from pipesleuth.model import PipesleuthError, SlaStatus, Status, timestamp
from pipesleuth.tickets import lineage
from pipesleuth.tickets.cards import CARD_COLUMNS, audit, card, delivery_states
from pipesleuth.tickets.links import Links

EXACT_TOTAL = 1000
LARGEST = 2**31  # of a number that a column of whole numbers is compared with
SEARCHED = (
    Ticket.id,
    Ticket.pipeline,
    Ticket.run_id,
    Ticket.rca_result,
    Ticket.itsm_ticket_id,
    Ticket.error_type,
    Ticket.affected_entity,
    Ticket.finops_team,
)
AUDIT_SEARCHED = (
    AuditLine.ticket_id,
    AuditLine.pipeline,
    AuditLine.run_id,
    AuditLine.action,
    AuditLine.user_name,
    AuditLine.rca_summary,
    AuditLine.finops_team,
    AuditLine.details,
    AuditLine.itsm_ticket_id,
)


class BadCursor(PipesleuthError):
    """The cursor is not one that this list has given."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tickets; an empty tuple or None does not filter."""

    q: str = ""
    severity: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a list: how it is sorted, how long, and from where."""

    sort: str = "urgency"
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Order:
    """The columns a list goes by, each with its direction; the id makes the order total."""

    keys: tuple[ColumnElement[Any], ...]
    falling: tuple[bool, ...] = field(default=())

    def directed(self) -> list[ColumnElement[Any]]:
        return [key.desc() if falls else key.asc() for key, falls in zip(self.keys, self.falling, strict=True)]

    def after(self, place: Sequence[Any]) -> ColumnElement[bool]:
        """Rows behind this place; written out, because SQL Server compares no rows."""
        alternatives: list[ColumnElement[bool]] = []
        for index, (key, falls) in enumerate(zip(self.keys, self.falling, strict=True)):
            same = [self.keys[i] == place[i] for i in range(index)]
            alternatives.append(and_(*same, key < place[index] if falls else key > place[index]))
        return or_(*alternatives)


def _ranked(column: Any, words: Sequence[str]) -> ColumnElement[int]:
    return case({word: index for index, word in enumerate(words)}, value=column, else_=len(words))


_BREACHED_FIRST = case((Ticket.sla_status == SlaStatus.BREACHED, 0), else_=1)
_SEVERITY = _ranked(Ticket.severity, ("Critical", "High", "Medium", "Low"))
_ID = Ticket.__table__.c.id
ORDERS: Mapping[str, _Order] = {
    "urgency": _Order((_BREACHED_FIRST, Ticket.__table__.c.sla_due_at, Ticket.__table__.c.priority, _ID), (False,) * 4),
    "newest": _Order((Ticket.__table__.c.timestamp, _ID), (True, True)),
    "oldest": _Order((Ticket.__table__.c.timestamp, _ID), (False, False)),
    "closed": _Order((func.coalesce(Ticket.ack_ts, ""), _ID), (True, True)),
    "pipeline": _Order((Ticket.__table__.c.pipeline, Ticket.__table__.c.timestamp, _ID), (False, True, True)),
    "severity": _Order((_SEVERITY, Ticket.__table__.c.timestamp, _ID), (False, True, True)),
}


def conditions(status: Status | None, wanted: Filter) -> list[ColumnElement[bool]]:
    """A filter as SQL; texts are parameters, wildcards in them are escaped."""
    found: list[ColumnElement[bool]] = [] if status is None else [Ticket.status == status]
    chosen = (
        (Ticket.severity, wanted.severity),
        (Ticket.priority, wanted.priority),
        (Ticket.source, wanted.source),
        (Ticket.finops_team, wanted.team),
        (Ticket.category, wanted.category),
    )
    found.extend(column.in_(words) for column, words in chosen if words)
    if wanted.since is not None:
        found.append(Ticket.timestamp >= timestamp(wanted.since))
    if wanted.until is not None:
        found.append(Ticket.timestamp <= timestamp(wanted.until))
    if wanted.q.strip():
        found.append(or_(*(column.icontains(wanted.q.strip(), autoescape=True) for column in SEARCHED)))
    else:
        # What only repeats another's failure stands folded under it; a search finds it all the same.
        found.append(Ticket.caused_by.is_(None))
    return found


def tickets(connection: Connection, status: Status | None, wanted: Filter, page: Page, links: Links) -> dict[str, Any]:
    """One page of a list, with where the next begins and how many there are (exact up to 1,000)."""
    order, where = ORDERS[page.sort], conditions(status, wanted)
    statement = select(*CARD_COLUMNS, *_labelled(order)).where(*where).order_by(*order.directed()).limit(page.limit + 1)
    if page.cursor:
        statement = statement.where(order.after(_place(page.cursor, page.sort, order.keys)))
    rows = connection.execute(statement).mappings().all()
    shown = rows[: page.limit]
    ids = [row["id"] for row in shown]
    states, folded = delivery_states(connection, ids), lineage.folded_counts(connection, ids)
    counted = connection.execute(
        select(func.count()).select_from(
            select(literal(1)).select_from(Ticket).where(*where).limit(EXACT_TOTAL + 1).subquery()
        )
    ).scalar_one()
    return {
        "tickets": [card(row, links, states.get(row["id"]), folded.get(row["id"], 0)) for row in shown],
        "next_cursor": _cursor(page.sort, shown[-1], order) if len(rows) > page.limit else None,
        "total": counted if counted <= EXACT_TOTAL else None,
        "more": counted > EXACT_TOTAL,
    }


def each(connection: Connection, status: Status, wanted: Filter, sort: str) -> Iterator[RowMapping]:
    """Every ticket of a list, in its order, read in pieces so that memory stays flat."""
    order = ORDERS[sort]
    statement: Select[Any] = select(Ticket).where(*conditions(status, wanted)).order_by(*order.directed())
    yield from connection.execution_options(yield_per=500).execute(statement).mappings()


def one(connection: Connection, ticket_id: str) -> RowMapping | None:
    """A ticket's row, without a lock."""
    return connection.execute(select(Ticket).where(Ticket.id == ticket_id)).mappings().first()


def by_run(connection: Connection, run_id: str) -> RowMapping | None:
    """The ticket of a run."""
    return connection.execute(select(Ticket).where(Ticket.run_id == run_id)).mappings().first()


def summary(connection: Connection, now: datetime) -> dict[str, Any]:
    """The sums on top of the dashboard; breaches count open tickets too.

    What stands folded under another ticket is counted apart: it has no clock and asks nobody for anything.
    """
    is_status = {status: func.sum(case((Ticket.status == status, 1), else_=0)) for status in Status}
    row = connection.execute(
        select(
            func.count(),
            is_status[Status.OPEN],
            is_status[Status.IN_PROGRESS],
            is_status[Status.ACKNOWLEDGED],
            func.sum(case((Ticket.sla_status == SlaStatus.BREACHED, 1), else_=0)),
            func.avg(case((Ticket.status == Status.ACKNOWLEDGED, Ticket.ack_seconds * 1.0))),
        ).where(Ticket.caused_by.is_(None))
    ).one()
    folded = connection.execute(
        select(func.count()).select_from(Ticket).where(Ticket.caused_by.is_not(None))
    ).scalar_one()
    audits = connection.execute(select(func.count()).select_from(AuditLine)).scalar_one()
    average = float(row[5]) if row[5] is not None else 0.0
    return {
        "total_tickets": row[0],
        "open_tickets": int(row[1] or 0),
        "in_progress_tickets": int(row[2] or 0),
        "acknowledged_tickets": int(row[3] or 0),
        "sla_breached": int(row[4] or 0),
        "folded_tickets": folded,
        "avg_ack_time_sec": round(average, 1),
        "mttr_min": round(average / 60, 2),
        "total_audits": audits,
        "timestamp": timestamp(now),
        "as_of": timestamp(now),
    }


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit lines."""

    action: str | None = None
    ticket_id: str | None = None
    q: str = ""


def audit_conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    """An audit filter as SQL."""
    found: list[ColumnElement[bool]] = []
    if wanted.action:
        found.append(AuditLine.action == wanted.action)
    if wanted.ticket_id:
        found.append(AuditLine.ticket_id == wanted.ticket_id)
    if wanted.q.strip():
        found.append(or_(*(column.icontains(wanted.q.strip(), autoescape=True) for column in AUDIT_SEARCHED)))
    return found


def audits(connection: Connection, wanted: AuditFilter, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of the audit trail, newest first; `count` is how many are on it."""
    statement = select(AuditLine).where(*audit_conditions(wanted)).order_by(AuditLine.id.desc()).limit(limit + 1)
    if cursor:
        statement = statement.where(AuditLine.id < _number(cursor))
    rows = connection.execute(statement).mappings().all()
    shown = [audit(row) for row in rows[:limit]]
    return {"audits": shown, "count": len(shown), "next_cursor": str(shown[-1]["id"]) if len(rows) > limit else None}


def audit_actions(connection: Connection) -> list[str]:
    """Every action there is in the trail, for the filter."""
    return list(connection.execute(select(AuditLine.action).distinct().order_by(AuditLine.action)).scalars())


def each_audit(connection: Connection, wanted: AuditFilter) -> Iterator[RowMapping]:
    """Every audit line of a filter, newest first, read in pieces."""
    statement = select(AuditLine).where(*audit_conditions(wanted)).order_by(AuditLine.id.desc())
    yield from connection.execution_options(yield_per=500).execute(statement).mappings()


def inbound(connection: Connection, limit: int, cursor: str | None) -> dict[str, Any]:
    """The webhooks of late with their answers, newest first."""
    statement = select(Inbound).order_by(Inbound.id.desc()).limit(limit + 1)
    if cursor:
        statement = statement.where(Inbound.id < _number(cursor))
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    return {"inbound": rows[:limit], "next_cursor": str(rows[limit - 1]["id"]) if len(rows) > limit else None}


def _labelled(order: _Order) -> list[ColumnElement[Any]]:
    return [key.label(f"place_{index}") for index, key in enumerate(order.keys)]


def _cursor(sort: str, row: RowMapping, order: _Order) -> str:
    place = [row[f"place_{index}"] for index in range(len(order.keys))]
    return base64.urlsafe_b64encode(json.dumps([sort, *place], ensure_ascii=False).encode()).decode("ascii")


def _place(cursor: str, sort: str, keys: Sequence[ColumnElement[Any]]) -> list[Any]:
    try:
        said, *place = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadCursor("The cursor is not one that this list has given.") from error
    if said != sort or len(place) != len(keys) or not all(map(_fits, place, keys)):
        raise BadCursor("The cursor belongs to another list or order; start from the beginning.")
    return place


def _fits(value: Any, key: ColumnElement[Any]) -> bool:
    """Whether a value from outside may be compared with a column: its type, and nothing a database cannot hold."""
    if isinstance(key.type, Integer):
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST
    return isinstance(value, str) and "\x00" not in value and value.encode("utf-8", "ignore").decode() == value


def _number(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise BadCursor("The cursor is not one that this list has given.")
    return int(cursor)
