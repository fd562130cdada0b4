"""The audit trail as people read and search it, newest first; and the webhooks of late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select

from pipesleuth.db.searched import contains, has_words
from pipesleuth.db.tables import AuditLine, Inbound
from pipesleuth.tickets import pages, search
from pipesleuth.tickets.cards import audit
from pipesleuth.tickets.search import Hits

PIECE = 500
MOST_ACTIONS = 200
# What is compared where the database keeps no words.
COMPARED = (
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


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit lines; `q` finds those that say it, and those of the tickets that it finds."""

    action: str | None = None
    ticket_id: str | None = None
    q: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A filter made ready: its plain conditions, and what its words find among tickets and among lines."""

    where: Sequence[ColumnElement[bool]]
    tickets: Hits | None
    lines: Hits | None


def page(connection: Connection, wanted: AuditFilter, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of the trail, newest first; `count` is how many lines are on it. Raises BadCursor."""
    rows = _before(connection, _prepared(connection, wanted), pages.number(cursor) if cursor else None, limit + 1)
    shown = [audit(row) for row in rows[:limit]]
    return {"audits": shown, "count": len(shown), "next_cursor": str(shown[-1]["id"]) if len(rows) > limit else None}


def each(connection: Connection, wanted: AuditFilter) -> Iterator[RowMapping]:
    """Every line of a filter, newest first, read in pieces so that memory stays flat."""
    prepared, before = _prepared(connection, wanted), None
    while True:
        rows = _before(connection, prepared, before, PIECE)
        yield from rows
        if len(rows) < PIECE:
            return
        before = rows[-1]["id"]


def actions(connection: Connection) -> list[str]:
    """Every action there is in the trail, for the filter; each is a step in the index, however many lines have it."""
    found: list[str] = []
    after: str | None = ""
    while len(found) < MOST_ACTIONS:
        after = connection.execute(select(func.min(AuditLine.action)).where(AuditLine.action > after)).scalar()
        if after is None:
            break
        found.append(after)
    return found


def _prepared(connection: Connection, wanted: AuditFilter) -> _Wanted:
    search.plan_anew(connection)
    where: list[ColumnElement[bool]] = []
    if wanted.action:
        where.append(AuditLine.action == wanted.action)
    if wanted.ticket_id:
        where.append(AuditLine.ticket_id == wanted.ticket_id)
    if not wanted.q.strip():
        return _Wanted(where, None, None)
    if not has_words(connection):
        where.append(or_(*(contains(column, wanted.q.strip()) for column in COMPARED)))
        return _Wanted(where, None, None)
    found = search.find(connection, search.TICKETS, wanted.q, AuditLine.ticket_id)
    return _Wanted(where, found, search.find(connection, search.LINES, wanted.q, AuditLine.id))


def _before(connection: Connection, wanted: _Wanted, before: int | None, limit: int) -> Sequence[RowMapping]:
    where = list(wanted.where)
    if before is not None:
        where.append(AuditLine.id < before)
    newest = select(AuditLine).order_by(AuditLine.id.desc()).limit(limit)
    found, said = wanted.tickets, wanted.lines
    if found is None or said is None:
        return connection.execute(newest.where(*where)).mappings().all()
    if found.keys is None or said.keys is None:
        return connection.execute(newest.where(*where, or_(said.fits, found.fits))).mappings().all()
    ids = newest.with_only_columns(AuditLine.id)
    theirs, ours = (connection.execute(ids.where(*where, hits.fits)) for hits in (found, said))
    numbers = sorted({*theirs.scalars(), *ours.scalars()}, reverse=True)[:limit]
    rows = newest.where(search.among(connection, AuditLine.id, numbers))
    return connection.execute(rows).mappings().all()


def inbound(connection: Connection, limit: int, cursor: str | None) -> dict[str, Any]:
    """The webhooks of late with their answers, newest first. Raises BadCursor."""
    statement = select(Inbound).order_by(Inbound.id.desc()).limit(limit + 1)
    if cursor:
        statement = statement.where(Inbound.id < pages.number(cursor))
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    return {"inbound": rows[:limit], "next_cursor": str(rows[limit - 1]["id"]) if len(rows) > limit else None}
