"""Takes up the words of new and changed tickets and audit lines, in the background, so that searches find them fast.

Triggers name in `search_due` what has changed. Until a row's words are taken up, a second later or when a flood of
webhooks is over, searches look at the row itself (`tickets.search`): nothing is found late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from pipesleuth.db import searched
from pipesleuth.db.database import Database
from pipesleuth.db.searched import DUE, LINE_WORDS, TICKET_WORDS
from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.model import StoreUnavailable

MARK = "\x1f\x1f"  # before every text: what begins with it begins a text; two, so that they and a letter are a trigram
CAUSE, SAID = 200, 500  # characters of a cause and of an audit line's details
AT_ONCE = 100  # webhooks wait so long
EVERY_SECONDS = 1.0
PATIENCE = 2000  # due rows that wait for the end of a flood
_LOCK = 7_205_759_403  # PostgreSQL's number for whoever takes up words at this moment

SEARCHED = (
    Ticket.id,
    Ticket.run_id,
    Ticket.pipeline,
    Ticket.itsm_ticket_id,
    Ticket.error_type,
    Ticket.affected_entity,
    Ticket.finops_team,
    Ticket.rca_result,
)
SAYING = (AuditLine.action, AuditLine.user_name, AuditLine.details)

log = structlog.get_logger(__name__)
Row = Mapping[str, Any] | RowMapping


def folded(text: str) -> str:
    """A text as it is compared: without case, in every script."""
    return text.replace("\x1f", " ").replace("\x00", " ").casefold()


def ticket_words(row: Row) -> str:
    """What a ticket is found by."""
    texts = [row[column.key] for column in SEARCHED]
    return _joined([*texts[:-1], (texts[-1] or "")[:CAUSE]])


def line_words(row: Row) -> str:
    """What an audit line says itself; the ticket that it is about is found by its own words."""
    return _joined([row["action"], row["user_name"], (row["details"] or "")[:SAID]])


def _joined(texts: Iterable[str | None]) -> str:
    return "".join(MARK + folded(text) for text in texts if text)


async def keep_words(database: Database, flooded: Callable[[], bool]) -> None:
    """Take up what is due, until cancelled. A loop's own edge: a fault is logged, and tried again."""
    while await asyncio.sleep(EVERY_SECONDS, result=True):
        try:
            while await database.read(lambda c: _is_time(c, busy=flooded())):
                await database.write(lambda c: take_up(c, AT_ONCE))
        except StoreUnavailable as error:
            log.warning("search.wait", reason=str(error))
        except Exception:
            log.exception("search.failed")


def _is_time(connection: Connection, *, busy: bool) -> bool:
    if not searched.has_words(connection):
        return False
    least = select(DUE.c.number).order_by(DUE.c.number).offset(PATIENCE if busy else 0).limit(1)
    return connection.execute(least).first() is not None


def take_up(connection: Connection, most: int) -> int:
    """Write the words of so many due rows, the newest first; how many there were. One process at a time does it."""
    alone = select(func.pg_try_advisory_xact_lock(_LOCK))
    if connection.dialect.name == "postgresql" and not connection.execute(alone).scalar():
        return 0
    due = connection.execute(select(DUE).order_by(DUE.c.number.desc()).limit(most)).all()
    if due:
        connection.execute(delete(DUE).where(DUE.c.number.in_([row.number for row in due])))
        _take_tickets(connection, {row.ticket_id for row in due if row.ticket_id is not None})
        _take_lines(connection, {row.line_id for row in due if row.line_id is not None})
    return len(due)


def _take_tickets(connection: Connection, ids: Collection[str]) -> None:
    if not ids:
        return
    rows = connection.execute(select(*SEARCHED).where(Ticket.id.in_(ids))).mappings()
    wanted = {row["id"]: ticket_words(row) for row in rows}
    known = connection.execute(
        select(TICKET_WORDS.c.ticket_id, TICKET_WORDS.c.words).where(TICKET_WORDS.c.ticket_id.in_(ids))
    )
    kept = {row.ticket_id: row.words for row in known}
    stale = [each for each, words in kept.items() if wanted.get(each) != words]
    if stale:
        connection.execute(delete(TICKET_WORDS).where(TICKET_WORDS.c.ticket_id.in_(stale)))
    fresh = [{"ticket_id": each, "words": words} for each, words in wanted.items() if kept.get(each) != words]
    if fresh:
        connection.execute(insert(TICKET_WORDS), fresh)


def _take_lines(connection: Connection, ids: Collection[int]) -> None:
    if not ids:
        return
    connection.execute(delete(LINE_WORDS).where(LINE_WORDS.c.number.in_(ids)))
    rows = connection.execute(select(AuditLine.id, *SAYING).where(AuditLine.id.in_(ids)).order_by(AuditLine.id))
    fresh = [{"number": row["id"], "words": line_words(row)} for row in rows.mappings()]
    if fresh:
        connection.execute(insert(LINE_WORDS), fresh)
