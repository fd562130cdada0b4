"""What people ask of the tickets: lists with filters, orders and searches, page by page or whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, literal, or_, select

from pipesleuth.db import orders
from pipesleuth.db.orders import BREACHED_FIRST, CLOSED_AT, SEVERITY_RANK
from pipesleuth.db.searched import has_words
from pipesleuth.db.tables import Ticket
from pipesleuth.model import Status, timestamp
from pipesleuth.tickets import lineage, pages, search
from pipesleuth.tickets.cards import CARD_COLUMNS, card, delivery_states
from pipesleuth.tickets.indexing import SEARCHED
from pipesleuth.tickets.links import Links
from pipesleuth.tickets.pages import Key, Order

EXACT_TOTAL = 1000
FEW = 8000  # tickets that are sorted faster than a list is walked in search of them
PIECE = 500


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
class _Way:
    """How a list is read: which rows, by which of SQLite's indexes, and how many there are (None: too many)."""

    where: Sequence[ColumnElement[bool]]
    index: str
    total: int | None


_T = Ticket.__table__.c
ORDERS: Mapping[str, Order] = {
    "urgency": Order(orders.URGENCY, Key(BREACHED_FIRST), (_T.sla_due_at, _T.priority, _T.id)),
    "newest": Order(orders.TIME, None, (_T.timestamp, _T.id), falls=True),
    "oldest": Order(orders.TIME, None, (_T.timestamp, _T.id)),
    "closed": Order(orders.CLOSED, Key(CLOSED_AT, falls=True), (_T.id,), falls=True),
    "pipeline": Order(orders.PIPELINE, Key(_T.pipeline), (_T.timestamp, _T.id), falls=True),
    "severity": Order(orders.SEVERITY, Key(SEVERITY_RANK), (_T.timestamp, _T.id), falls=True),
}


def conditions(status: Status, wanted: Filter) -> list[ColumnElement[bool]]:
    """A list's filter as SQL, all but its search."""
    found: list[ColumnElement[bool]] = [Ticket.status == str(status)]
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
    if not wanted.q.strip():
        # What only repeats another's failure stands folded under it; a search finds it all the same.
        found.append(Ticket.caused_by.is_(None))
    return found


def tickets(connection: Connection, status: Status, wanted: Filter, page: Page, links: Links) -> dict[str, Any]:
    """One page of a list, with where the next begins and how many there are (exact up to 1,000)."""
    order = ORDERS[page.sort]
    place = pages.place(page.cursor, page.sort, order) if page.cursor else None
    way = _way(connection, status, wanted, order)
    rows = pages.read(connection, select(*CARD_COLUMNS).where(*way.where), order, place, page.limit + 1, way.index)
    shown = rows[: page.limit]
    ids = [row["id"] for row in shown]
    states, folded = delivery_states(connection, ids), lineage.folded_counts(connection, ids)
    return {
        "tickets": [card(row, links, states.get(row["id"]), folded.get(row["id"], 0)) for row in shown],
        "next_cursor": pages.cursor(page.sort, shown[-1], order) if len(rows) > page.limit else None,
        "total": way.total,
        "more": way.total is None,
    }


def each(
    connection: Connection, status: Status, wanted: Filter, sort: str, columns: Sequence[str]
) -> Iterator[RowMapping]:
    """These columns of every ticket of a list, in its order, read in pieces so that memory stays flat."""
    way = _way(connection, status, wanted, ORDERS[sort])
    statement = select(*(_T[name] for name in columns)).where(*way.where)
    yield from pages.each(connection, statement, ORDERS[sort], way.index, PIECE)


def _way(connection: Connection, status: Status, wanted: Filter, order: Order) -> _Way:
    """The fastest way to a list: few tickets are gathered and sorted, of many the order's index is walked."""
    search.plan_anew(connection)
    where, index = conditions(status, wanted), _filtered(wanted)
    if wanted.q.strip() and not has_words(connection):
        where.append(or_(*(column.icontains(wanted.q.strip(), autoescape=True) for column in SEARCHED)))
    elif wanted.q.strip():
        hits = search.find(connection, search.TICKETS, wanted.q, Ticket.id)
        if hits.keys is None and _counted(connection, where, index, FEW) == FEW:
            # Many tickets, many hits: they are more than are counted.
            return _Way([*where, hits.fits], order.index, None)
        where.append(hits.fits)
        index = index if hits.keys is None else orders.ID
    count = _counted(connection, where, index, FEW)
    return _Way(where, index if count < FEW else order.index, count if count <= EXACT_TOTAL else None)


def _filtered(wanted: Filter) -> str:
    """The index by which the tickets of a filter are counted, and gathered where they are few."""
    if wanted.category:
        return orders.CATEGORY
    if wanted.team:
        return orders.TEAM
    return orders.TIME


def _counted(connection: Connection, where: Sequence[ColumnElement[bool]], index: str, most: int) -> int:
    """How many tickets there are, as far as `most`."""
    some = select(literal(1)).select_from(Ticket).where(*where).limit(most)
    some = some.with_hint(Ticket, f"INDEXED BY {index}", "sqlite")
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def one(connection: Connection, ticket_id: str) -> RowMapping | None:
    """A ticket's row, without a lock."""
    return connection.execute(select(Ticket).where(Ticket.id == ticket_id)).mappings().first()


def by_run(connection: Connection, run_id: str) -> RowMapping | None:
    """The ticket of a run."""
    return connection.execute(select(Ticket).where(Ticket.run_id == run_id)).mappings().first()
