"""What a driver's error means: a clash of keys, contention, a lost or closed database, or our own mistake.

Each driver says it in its own way: psycopg by SQLSTATE, sqlite3 by its result code, pyodbc by SQL Server's number in
the text, mssql-python by the text alone. What a text repeats of somebody's data is cut off before it is read.
"""

from __future__ import annotations

import re
import sqlite3
from enum import StrEnum

from sqlalchemy.exc import DBAPIError


class Fault(StrEnum):
    """What can be done about a driver's error."""

    CLASH = "clash"  # a row with the same key exists
    CONTENTION = "contention"  # others were in the way: the same again, at once
    LOST = "lost"  # the connection or the server is gone, or refuses for a moment: again, on a new connection
    CLOSED = "closed"  # nothing can be stored until a person or the provider has done something
    OURS = "ours"  # the statement or its values are wrong


def kind(error: BaseException) -> Fault:
    """What an error of SQLAlchemy's or of a driver's own means."""
    if not isinstance(error, DBAPIError):
        return _of_driver(error)
    found = _of_driver(error.orig) if error.orig is not None else Fault.OURS
    if found is Fault.OURS and error.connection_invalidated:
        return Fault.LOST
    if found is Fault.OURS and error.statement is None and _names(error.orig) & _OUTSIDE:
        return Fault.CLOSED  # no statement was at work: it could not connect, or not commit
    return found


def is_unique_violation(error: BaseException) -> bool:
    """Whether a row with the same key exists, and nothing else is wrong."""
    return kind(error) is Fault.CLASH


def is_passing(error: BaseException) -> bool:
    """Whether the same is worth another try at once, on a new connection where this one is lost."""
    return kind(error) in {Fault.CONTENTION, Fault.LOST}


def is_unavailable(error: BaseException) -> bool:
    """Whether the database cannot be reached, or cannot do its work now: somebody else's matter, not our mistake."""
    return kind(error) in {Fault.CONTENTION, Fault.LOST, Fault.CLOSED}


# The names that PEP 249 gives to errors of the world outside; drivers raise them for a login that failed.
_OUTSIDE = frozenset({"OperationalError", "InterfaceError", "InternalError"})


def _names(error: BaseException | None) -> frozenset[str]:
    return frozenset(each.__name__ for each in type(error).__mro__)


def _of_driver(error: BaseException) -> Fault:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return _of_sqlite(int(code))
    if isinstance(error, sqlite3.Error):
        return Fault.CLOSED if isinstance(error, sqlite3.OperationalError) else Fault.OURS
    module = type(error).__module__
    if module.startswith("psycopg"):
        return _of_postgresql(getattr(error, "sqlstate", None), str(error), _names(error))
    if module.startswith(("pyodbc", "mssql_python")):
        return _of_sql_server(error)
    return Fault.OURS


# --- SQLite: https://www.sqlite.org/rescode.html ---

_SQLITE_UNIQUE = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
)
_SQLITE = {
    sqlite3.SQLITE_BUSY: Fault.CONTENTION,
    sqlite3.SQLITE_LOCKED: Fault.CONTENTION,
    sqlite3.SQLITE_PROTOCOL: Fault.CONTENTION,
    sqlite3.SQLITE_FULL: Fault.CLOSED,
    sqlite3.SQLITE_READONLY: Fault.CLOSED,
    sqlite3.SQLITE_IOERR: Fault.CLOSED,
    sqlite3.SQLITE_CANTOPEN: Fault.CLOSED,
    sqlite3.SQLITE_PERM: Fault.CLOSED,
    sqlite3.SQLITE_NOMEM: Fault.CLOSED,
    sqlite3.SQLITE_CORRUPT: Fault.CLOSED,
    sqlite3.SQLITE_NOTADB: Fault.CLOSED,
}


def _of_sqlite(code: int) -> Fault:
    # An extended code has the plain one in its lowest byte.
    return Fault.CLASH if code in _SQLITE_UNIQUE else _SQLITE.get(code & 0xFF, Fault.OURS)


# --- PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html ---

_POSTGRESQL = {
    "23505": Fault.CLASH,
    "40001": Fault.CONTENTION,
    "40P01": Fault.CONTENTION,
    "55P03": Fault.CONTENTION,  # a lock was not to be had in time
    "57014": Fault.CONTENTION,  # cancelled, as after a statement's time is up
    "40003": Fault.LOST,  # nobody knows whether it was done
    "25006": Fault.LOST,  # read-only: we talk to a server that is the primary no more
    "25P03": Fault.LOST,  # it was idle in a transaction for too long
    "53100": Fault.CLOSED,  # disk full
    "53300": Fault.LOST,  # too many connections
}
_POSTGRESQL_CLASSES = {
    "08": Fault.LOST,  # connection
    "53": Fault.LOST,  # resources
    "57": Fault.LOST,  # an operator, or the server starting or stopping
    "58": Fault.CLOSED,  # the system below it
    "28": Fault.CLOSED,  # who are you
    "3D": Fault.CLOSED,  # no such database
    "F0": Fault.CLOSED,  # its configuration
    "XX": Fault.CLOSED,  # its insides
}
# libpq has no SQLSTATE for what happens before the server answers, nor for some of its refusals.
_REFUSED = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|does not exist|"
    r"certificate|SSL|GSS|could not translate host name|Name or service not known|invalid ",
)


def _of_postgresql(state: str | None, text: str, names: frozenset[str]) -> Fault:
    if state:
        return _POSTGRESQL.get(state) or _POSTGRESQL_CLASSES.get(state[:2], Fault.OURS)
    if not names & _OUTSIDE:
        return Fault.OURS
    return Fault.CLOSED if _REFUSED.search(text) and "closed the connection" not in text else Fault.LOST


# --- SQL Server and Azure SQL:
# https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues ---

_NUMBERS = {
    **dict.fromkeys((2627, 2601), Fault.CLASH),
    **dict.fromkeys((1205, 1222, 3960), Fault.CONTENTION),  # deadlock, lock timeout, snapshot conflict
    # Failover, throttling, scaling, too many sessions; a transport that broke; read-only after a failover.
    **dict.fromkeys((615, 926, 4060, 4221, 40143, 40166, 40197, 40501, 40540, 40613), Fault.LOST),
    **dict.fromkeys((10928, 10929, 10936, 42108, 42109, 49918, 49919, 49920), Fault.LOST),
    **dict.fromkeys((20, 64, 121, 233, 997, 10053, 10054, 10060, 10061, 11001, 3906, 3908), Fault.LOST),
    # Login, firewall, a disabled database; full, over its quota, a log that cannot grow.
    **dict.fromkeys((18456, 18452, 18470, 40532, 40615, 40914, 40925), Fault.CLOSED),
    **dict.fromkeys((1105, 9002, 40544, 40549, 40550, 40551, 40552, 40553), Fault.CLOSED),
}
# pyodbc ends each of its messages with the number: Violation of … (2627) (SQLExecDirectW); [23000] … (3621)
_NUMBER = re.compile(r"\((\d{1,5})\)(?= \(SQL|;|\s*['\")]*$)")
# What such texts quote of a row: what stands there is not SQL Server's word.
_QUOTED = re.compile(r"The duplicate key value is \(.*?\)\.|Truncated value: '.*", re.DOTALL)
_WORDS = (
    (Fault.CLASH, re.compile(r"Cannot insert duplicate key (?:row )?in object")),
    (Fault.CONTENTION, re.compile(r"deadlock|Lock request time out|Serialization failure|update conflict")),
    (Fault.CLOSED, re.compile(r"Login failed for user|is not allowed to access the server|reached its size quota")),
    (Fault.CLOSED, re.compile(r"transaction log for database .* is full|Could not allocate space for object")),
    (Fault.CLOSED, re.compile(r"Failed to load the driver|[Cc]ertificate|SSL Provider")),
    (
        Fault.LOST,
        re.compile(
            r"is not currently available|service is currently busy|encountered an error processing your request|"
            r"Not enough resources to process|[Tt]oo many (?:create or update )?operations|"
            r"limit for the database is .* and has been reached|too busy to support requests|Cannot open database|"
            r"database is read-only|[Tt]ransport-level error|[Cc]ommunication link failure|[Ll]ogin timeout|"
            r"TCP Provider|[Cc]onnection (?:timed out|was closed|is broken|not open|does not exist)|"
            r"closed connection|[Cc]lient unable to establish|Timeout expired|network-related",
        ),
    ),
)
_LOST_STATES = frozenset({"08001", "08003", "08004", "08007", "08S01", "08S02", "HYT00", "HYT01", "IMC06"})


def _of_sql_server(error: BaseException) -> Fault:
    text = _QUOTED.sub("", str(error))
    for number in _NUMBER.findall(text):
        if int(number) in _NUMBERS:
            return _NUMBERS[int(number)]
    for fault, words in _WORDS:
        if words.search(text):
            return fault
    state = str(error.args[0]) if error.args else ""
    if state == "40001":
        return Fault.CONTENTION
    return Fault.LOST if state in _LOST_STATES else Fault.CLOSED if state in {"28000", "IM002"} else Fault.OURS
