"""What people ask of the tickets: lists with filters, orders and searches, page by page or whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, literal, or_, select

from pipesleuth.db import orders
from pipesleuth.db.orders import BREACHED_FIRST, CLOSED_AT, SEVERITY_RANK
from pipesleuth.db.searched import contains, has_words
from pipesleuth.db.tables import Ticket
from pipesleuth.model import Status, timestamp
from pipesleuth.tickets import lineage, pages, search
from pipesleuth.tickets.cards import CARD_COLUMNS, card, delivery_states
from pipesleuth.tickets.indexing import SEARCHED
from pipesleuth.tickets.links import Links
from pipesleuth.tickets.pages import Key, Order

EXACT_TOTAL = 1000
PIECE = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """Up to how many tickets are sorted, because a list is not walked faster in search of them; and looked up.

    `spanned` is the same of tickets between two days.
    """

    few: int = 4000
    spanned: int = 25_000
    looked_up: int = search.MOST


USUAL = Bounds()


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
    """How a list is read: by which conditions, how many tickets there are (None: too many), and whether it is sorted.

    What is sorted is not walked by SQLite in the order's own index.
    """

    where: Sequence[ColumnElement[bool]]
    total: int | None
    sorts: bool = False


_T = Ticket.__table__.c
BEGINNINGS: Mapping[str, tuple[Any, ...]] = {
    orders.URGENCY: (_T.status,),
    orders.CLOSED: (_T.status,),
    orders.SEVERITY: (_T.status,),
    orders.PIPELINE: (_T.status,),
    orders.TIME: (_T.status, _T.timestamp),
    orders.TEAM: (_T.status, _T.finops_team),
    orders.CATEGORY: (_T.status, _T.category),
    orders.ID: (_T.id,),
}
ORDERS: Mapping[str, Order] = {
    "urgency": Order(orders.URGENCY, Key(BREACHED_FIRST), (_T.sla_due_at, _T.priority, _T.id)),
    "newest": Order(orders.TIME, None, (_T.timestamp, _T.id), falls=True),
    "oldest": Order(orders.TIME, None, (_T.timestamp, _T.id)),
    "closed": Order(orders.CLOSED, Key(CLOSED_AT, falls=True), (_T.id,), falls=True),
    "pipeline": Order(orders.PIPELINE, Key(_T.pipeline), (_T.timestamp, _T.id), falls=True),
    "severity": Order(orders.SEVERITY, Key(SEVERITY_RANK), (_T.timestamp, _T.id), falls=True),
}


def conditions(connection: Connection, status: Status, wanted: Filter, index: str) -> list[ColumnElement[bool]]:
    """A list's filter as SQL, all but its search; on SQLite only the columns that the index begins with are looked up.

    SQLite has no figures of what its columns hold and would choose any index; a plus before a column hides it.
    """
    hides = connection.dialect.name == "sqlite"

    def seen(column: Any) -> Any:
        return column if not hides or column in BEGINNINGS[index] else pages.hidden(column)

    found: list[ColumnElement[bool]] = [seen(_T.status) == str(status)]
    chosen = (
        (_T.severity, wanted.severity),
        (_T.priority, wanted.priority),
        (_T.source, wanted.source),
        (_T.finops_team, wanted.team),
        (_T.category, wanted.category),
    )
    found.extend(seen(column).in_(words) for column, words in chosen if words)
    if wanted.since is not None:
        found.append(seen(_T.timestamp) >= timestamp(wanted.since))
    if wanted.until is not None:
        found.append(seen(_T.timestamp) <= timestamp(wanted.until))
    if not wanted.q.strip():
        # What only repeats another's failure stands folded under it; a search finds it all the same.
        found.append(seen(_T.caused_by).is_(None))
    return found


def tickets(
    connection: Connection, status: Status, wanted: Filter, page: Page, links: Links, bounds: Bounds = USUAL
) -> dict[str, Any]:
    """One page of a list, with where the next begins and how many there are (exact up to 1,000)."""
    order = ORDERS[page.sort]
    place = pages.place(page.cursor, page.sort, order) if page.cursor else None
    way = _way(connection, status, wanted, order, bounds)
    rows = pages.read(
        connection, select(*CARD_COLUMNS).where(*way.where), order, place, page.limit + 1, sorts=way.sorts
    )
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
    way = _way(connection, status, wanted, ORDERS[sort], USUAL)
    statement = select(*(_T[name] for name in columns)).where(*way.where)
    yield from pages.each(connection, statement, ORDERS[sort], PIECE, sorts=way.sorts)


def _way(connection: Connection, status: Status, wanted: Filter, order: Order, bounds: Bounds) -> _Way:
    """The fastest way to a list: few tickets are gathered and sorted, of many the order's index is walked."""
    walked, index = conditions(connection, status, wanted, order.index), _filtered(wanted)
    if not has_words(connection):
        if wanted.q.strip():
            walked.append(or_(*(contains(column, wanted.q.strip()) for column in SEARCHED)))
        return _Way(walked, _total(connection, walked))
    search.plan_anew(connection)
    gathered = conditions(connection, status, wanted, index or orders.TIME)
    if wanted.q.strip():
        hits = search.find(connection, search.TICKETS, wanted.q, Ticket.id, most=bounds.looked_up)
        walked.append(hits.fits)
        if hits.keys is not None:
            gathered = conditions(connection, status, wanted, orders.ID)
        elif len(_keys(connection, gathered, bounds.few)) == bounds.few:
            return _Way(walked, None)  # many tickets, many hits: they are more than are counted
        gathered.append(hits.fits)
    elif not index:
        return _Way(walked, _total(connection, gathered))
    keys = _keys(connection, gathered, bounds.few)
    if len(keys) == bounds.few:
        spanned = index == orders.TIME != order.index and (wanted.since or wanted.until) and not wanted.q.strip()
        if spanned and len(_keys(connection, gathered, bounds.spanned)) < bounds.spanned:
            # Old tickets stand together in most orders: to walk there would take long.
            return _Way(gathered, None, sorts=True)
        return _Way(walked, None)
    same = conditions(connection, status, wanted, orders.ID)
    return _Way([search.among(connection, Ticket.id, keys), *same], len(keys) if len(keys) <= EXACT_TOTAL else None)


def _filtered(wanted: Filter) -> str:
    """The index by which the tickets of a filter are gathered; none where nothing is filtered."""
    if wanted.category:
        return orders.CATEGORY
    if wanted.team:
        return orders.TEAM
    if wanted.since is not None or wanted.until is not None:
        return orders.TIME
    return orders.TIME if wanted.severity or wanted.priority or wanted.source else ""


def _keys(connection: Connection, where: Sequence[ColumnElement[bool]], most: int) -> Sequence[str]:
    """The ids of a list's tickets, in no order, so many at most; read from the index alone where it has all columns."""
    return connection.execute(select(Ticket.id).where(*where).limit(most)).scalars().all()


def _total(connection: Connection, where: Sequence[ColumnElement[bool]]) -> int | None:
    """How many tickets there are, as far as people are told."""
    some = select(literal(1)).select_from(Ticket).where(*where).limit(EXACT_TOTAL + 1).subquery()
    found = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return found if found <= EXACT_TOTAL else None


def one(connection: Connection, ticket_id: str) -> RowMapping | None:
    """A ticket's row, without a lock."""
    return connection.execute(select(Ticket).where(Ticket.id == ticket_id)).mappings().first()


def by_run(connection: Connection, run_id: str) -> RowMapping | None:
    """The ticket of a run."""
    return connection.execute(select(Ticket).where(Ticket.run_id == run_id)).mappings().first()
