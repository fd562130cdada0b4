"""What searches go by: the words of tickets and audit lines, and what still waits to be taken up.

Triggers put every new or changed row into `search_due`, whoever wrote it; a round (`tickets.indexing`) writes its
folded words into `ticket_words` or `line_words`, beside which the database keeps its own trigrams: SQLite in
`ticket_trigrams` and `line_trigrams` (FTS5), PostgreSQL in indexes of pg_trgm. All of it can be made anew from
the tickets, so it is no part of `db.tables`: nothing of it is copied from one database to another. SQL Server
has none of it; there the tickets' own columns are compared.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Table,
    Unicode,
    UnicodeText,
    func,
    text,
)

_SERIAL = BigInteger().with_variant(Integer, "sqlite")
METADATA = MetaData()

DUE = Table(
    "search_due",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("ticket_id", Unicode(64)),
    Column("line_id", _SERIAL),
)
TICKET_WORDS = Table(
    "ticket_words",
    METADATA,
    # A number of its own: FTS5 goes by whole numbers, and SQLite's hidden ones change when a file is vacuumed.
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("ticket_id", Unicode(64), unique=True, nullable=False),
    Column("words", UnicodeText, nullable=False),
)
LINE_WORDS = Table(
    "line_words",
    METADATA,
    Column("number", _SERIAL, primary_key=True, autoincrement=False),
    Column("words", UnicodeText, nullable=False),
)
KEPT = frozenset({"sqlite", "postgresql"})  # where words are kept at all
_TRIGRAMS = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE name = 'ticket_trigrams'",
    "postgresql": "SELECT 1 FROM pg_class WHERE oid = to_regclass('ix_ticket_words_words')",
}


def has_words(connection: Connection) -> bool:
    """Whether this kind of database keeps words beside its tickets."""
    return connection.dialect.name in KEPT


def has_trigrams(connection: Connection) -> bool:
    """Whether the database could be given trigrams: FTS5 since SQLite 3.34, pg_trgm where it may be created."""
    question = _TRIGRAMS.get(connection.dialect.name)
    return question is not None and connection.execute(text(question)).first() is not None


def contains(column: Any, wanted: str) -> ColumnElement[bool]:
    """Whether a column has these letters in it, case aside; none of them is a wildcard, also not SQL Server's `[`."""
    escaped = re.sub(r"([/%_\[])", r"/\1", wanted)
    return func.lower(column).like(func.lower(f"%{escaped}%"), escape="/")
