"""Finds tickets and audit lines by words: each database by its own trigrams, the same answer on all of them.

A search is a text that one of a row's texts contains, or begins with where it has less than three characters;
case does not count, and nothing in it is a sign of a query language. Rare words are looked up and give all that
they find. What thousands of rows have is not: then a list is walked in its own order and the words of each row
are compared, which finds a page just as fast.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    Table,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
)

from pipesleuth.db.searched import DUE, LINE_WORDS, TICKET_WORDS, has_trigrams
from pipesleuth.db.tables import AuditLine
from pipesleuth.tickets.indexing import MARK, SAYING, SEARCHED, folded, line_words, ticket_words

MOST = 5000  # rows that a search looks up; of what more have, lists are walked
WAITING = 1000  # newest rows whose words are not taken up yet, which are looked at themselves
TRIGRAMS = 24  # of a long text, so many are weighed
RAREST = 4  # and so many of these looked up: what all rows have costs most and says nothing
DEPTH = 200  # rows: how far into the table the first so many of a trigram reach tells how rare it is
SHORT = 3
LARGEST = 2**63  # no row has such a number


@dataclass(frozen=True, slots=True)
class Hits:
    """What a text finds: all the keys, or None where they are too many; and how to tell whether a row is one."""

    keys: Sequence[Any] | None
    fits: ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the words of one kind of row are kept, and how those are read that are not there yet."""

    words: Table
    key: ColumnElement[Any]
    trigrams: str
    due: ColumnElement[Any]
    rows: Select[*tuple[Any, ...]]
    said: Callable[[Any], str]


TICKETS = Shelf(
    TICKET_WORDS, TICKET_WORDS.c.ticket_id, "ticket_trigrams", DUE.c.ticket_id, select(*SEARCHED), ticket_words
)
LINES = Shelf(
    LINE_WORDS, LINE_WORDS.c.number, "line_trigrams", DUE.c.line_id, select(AuditLine.id, *SAYING), line_words
)


def needle(q: str) -> str:
    """What a row's words contain if the row is found."""
    wanted = folded(q.strip())
    return MARK + wanted if len(wanted) < SHORT else wanted


def find(connection: Connection, shelf: Shelf, q: str, key: Any, *, most: int = MOST) -> Hits:
    """What a text finds on a shelf; `key` is the column by which the rows that are asked for name the shelf's."""
    wanted = needle(q)
    waiting = _waiting(connection, shelf, wanted)
    known = _looked_up(connection, shelf, wanted, most)
    fresh = [each for each, found in waiting.items() if found]
    if len(known) < most:
        keys = [*fresh, *(each for each in known if each not in waiting)]
        return Hits(keys, among(connection, key, keys))
    fits = exists().where(shelf.key == key, _contains(connection, shelf.words.c.words, wanted))
    return Hits(None, or_(fits, key.in_(fresh)) if fresh else fits)


def among(connection: Connection, column: Any, keys: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column has one of many values; they are one parameter, however many."""
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(keys), ARRAY(column.type), unique=True))
    given = func.json_each(bindparam(None, json.dumps(list(keys)), String, unique=True)).table_valued("value")
    return column.in_(select(given.c.value))


def plan_anew(connection: Connection) -> None:
    """Have PostgreSQL plan this transaction's statements for their own values: the same one finds 3 rows or all."""
    if connection.dialect.name == "postgresql":
        # Nor does it translate a short question into machine code first.
        for setting in ("plan_cache_mode = force_custom_plan", "jit = off"):
            connection.execute(text(f"SET LOCAL {setting}"))


def _waiting(connection: Connection, shelf: Shelf, wanted: str) -> dict[Any, bool]:
    """The newest rows whose words are not taken up yet, and whether each of them is found."""
    newest = select(shelf.due).where(shelf.due.is_not(None)).order_by(DUE.c.number.desc()).limit(WAITING)
    ids = set(connection.execute(newest).scalars())
    if not ids:
        return {}
    id_column = shelf.rows.selected_columns["id"]
    found = connection.execute(shelf.rows.where(among(connection, id_column, ids))).mappings()
    return {row["id"]: wanted in shelf.said(row) for row in found}


def _looked_up(connection: Connection, shelf: Shelf, wanted: str, most: int) -> Sequence[Any]:
    """The keys of rows whose words contain a text, so many at most."""
    source: Any = shelf.words
    contains = _contains(connection, shelf.words.c.words, wanted)
    if connection.dialect.name == "sqlite" and has_trigrams(connection):
        index = table(shelf.trigrams)
        source = index.join(shelf.words, shelf.words.c.number == literal_column(f"{shelf.trigrams}.rowid"))
        rarest = _rarest(connection, shelf.trigrams, _trigrams(wanted))
        contains = literal_column(shelf.trigrams).op("MATCH")(" AND ".join(rarest)) & contains
    return connection.execute(select(shelf.key).select_from(source).where(contains).limit(most)).scalars().all()


def _trigrams(wanted: str) -> list[str]:
    """The trigrams of a text as FTS5 is asked for them: each is quoted, so that none is a sign of its language."""
    places = range(len(wanted) - SHORT + 1)
    step = -(-len(places) // TRIGRAMS)
    parts = dict.fromkeys(wanted[place : place + SHORT] for place in places[::step])
    return ['"' + part.replace('"', '""') + '"' for part in parts]


def _rarest(connection: Connection, index: str, trigrams: Sequence[str]) -> Sequence[str]:
    """The trigrams that the fewest rows have, as far as a short look tells."""
    if len(trigrams) <= RAREST:
        return trigrams
    row: ColumnElement[int] = literal_column("rowid", Integer)
    has = literal_column(index).op("MATCH")
    looks = [
        select(row).select_from(table(index)).where(has(part)).limit(1).offset(DEPTH).scalar_subquery()
        for part in trigrams
    ]
    reached = connection.execute(select(*looks)).one()
    weighed = sorted(zip(reached, trigrams, strict=True), key=lambda each: -(each[0] or LARGEST))
    return [trigram for _, trigram in weighed[:RAREST]]


def _contains(connection: Connection, words: Any, wanted: str) -> ColumnElement[bool]:
    if connection.dialect.name == "sqlite":
        return func.instr(words, wanted) > 0
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return words.like(f"%{escaped}%")
