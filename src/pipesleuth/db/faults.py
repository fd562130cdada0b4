"""What a driver's error means: a clash of keys, a passing fault of the database, or our own mistake."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError

# SQL Server: unique index and unique constraint. PostgreSQL says 23505; SQLite has its own extended codes.
_UNIQUE = re.compile(r"\b(?:2627|2601)\b|23505|duplicate key|UNIQUE constraint failed", re.IGNORECASE)
_SQLITE_UNIQUE = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})

# Numbers that Azure SQL documents as worth another try on a new connection; they stand in the text only,
# because mssql-python has no attribute for them and pyodbc shows the SQLSTATE.
_TRANSIENT_NUMBERS = re.compile(
    r"\b(?:4060|40197|40501|40613|49918|49919|49920|4221|615|10928|10929|10053|10054|10060|1205|1222)\b"
)
_TRANSIENT_WORDS = re.compile(
    r"server closed the connection|connection refused|could not connect|connection failed|connection timed? ?out|"
    r"connection reset|terminating connection|the database system is (?:starting up|shutting down|in recovery)|"
    r"too many clients|no space left|disk (?:is )?full|database is locked|database is busy|disk I/O error|"
    r"unable to open database file|readonly database|read-only file system|communication link failure|login timeout|"
    r"deadlock|serialization failure|is not currently available|connection is closed|the connection is lost",
    re.IGNORECASE,
)


def is_unique_violation(error: Exception) -> bool:
    """Whether a row with the same key exists, and nothing else is wrong."""
    if not isinstance(error, IntegrityError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code in _SQLITE_UNIQUE
    state = getattr(error.orig, "sqlstate", None)
    return state == "23505" if state else bool(_UNIQUE.search(str(error.orig)))


def is_unavailable(error: Exception) -> bool:
    """Whether the database cannot be reached or cannot write now, so that another try may succeed."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    text = str(error.orig)
    return bool(
        _TRANSIENT_WORDS.search(text)
        or ("SQL" in type(error.orig).__module__.upper() and _TRANSIENT_NUMBERS.search(text))
    )
