"""A process's own SQLite file that stands in for the primary: its lock, its copy of people, what it still owes."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Unicode,
    UnicodeText,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL

from pipesleuth.db.database import Database
from pipesleuth.db.tables import REVOKED, ApiKey, AuditLine, Base, Inbound, Mark, Ticket, User
from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import StoreUnavailable

MOST_FILES = 64  # processes on one folder
# Audit lines of a standby have numbers that no primary reaches, each file's in a stretch of its own, so that a
# note that was told of one is never taken for another's. All of them are exact in JavaScript, below 2**53.
FIRST_LINE, STRETCH, STRETCHES = 2**52, 2**31, 2**20

_tables = MetaData()
# Which tickets the primary has by now, and how much of each.
BROUGHT = Table(
    "standby_brought",
    _tables,
    Column("ticket_id", Unicode(64), primary_key=True),
    Column("audit_id", Integer, nullable=False),
    Column("seen_count", Integer, nullable=False),
)
# Webhooks of vendors about tickets that are not here, kept raw until the primary is back.
NEWS = Table(
    "standby_news",
    _tables,
    Column("id", Integer, primary_key=True),
    Column("time", Unicode(32), nullable=False),
    Column("headers", UnicodeText, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
# What comes to a standby's tables and is of no use once it was brought home.
_EMPTIED = ("feedback", "payloads", "todos", "audit_trail", "tickets", "inbound", "holds")


@dataclass(slots=True)
class StandbyFile:
    """One file, ours as long as this process lives: the lock on the file beside it ends with us, however we end."""

    path: Path
    lock: IO[bytes]
    database: Database

    def prepare(self) -> None:
        """Bring its schema up to date. Raises StoreUnavailable."""
        upgrade(self.database.url)
        with self.database.engine.connect().execution_options(writing=True) as connection, connection.begin():
            _tables.create_all(connection)
            first = FIRST_LINE + secrets.randbelow(STRETCHES) * STRETCH
            connection.execute(
                text(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT 'audit_trail', :first "
                    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'audit_trail')"
                ),
                {"first": first},
            )

    def close(self, *, remove: bool = False) -> None:
        """Let go of it, so that others may bring home what it holds; or delete it, which holds nothing."""
        self.database.close()
        for ending in ("", "-wal", "-shm") if remove else ():
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        self.lock.close()


def claimed(folder: Path, *, after_commit: Callable[[], None] = lambda: None) -> StandbyFile:
    """The first file that no living process has. Raises StoreUnavailable where the folder cannot be written."""
    for file in _free(folder, after_commit):
        return file
    raise StoreUnavailable(f"{folder} has no free standby file among {MOST_FILES}.")


def orphans(folder: Path) -> Iterator[StandbyFile]:
    """Files that a process has left behind; each is ours until it is closed."""
    yield from _free(folder, lambda: None, only_existing=True)


def _free(folder: Path, after_commit: Callable[[], None], *, only_existing: bool = False) -> Iterator[StandbyFile]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(1, MOST_FILES + 1):
            path = folder / f"standby-{number}.db"
            if only_existing and not path.exists():
                continue
            lock = (folder / f"standby-{number}.lock").open("ab")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            database = Database(URL.create("sqlite", database=str(path)), after_commit=after_commit)
            database.engine.update_execution_options(stands_in=True)
            yield StandbyFile(path, lock, database)
    except OSError as error:
        raise StoreUnavailable(f"{folder} cannot be used for a standby: {error.strerror}") from error


# --- what it still owes to the primary ---


def waiting(connection: Connection) -> int:
    """How many tickets the primary does not have, or not in full."""
    return connection.execute(select(func.count()).select_from(_owed().subquery())).scalar_one()


def owed(connection: Connection, most: int) -> list[str]:
    """Some of the tickets that the primary does not have, or not in full: the oldest first, heads before followers."""
    followers = Ticket.caused_by.is_not(None)
    return list(connection.execute(_owed().order_by(followers, Ticket.timestamp, Ticket.id).limit(most)).scalars())


def _owed() -> Any:
    news = exists(select(AuditLine.id).where(AuditLine.ticket_id == Ticket.id, AuditLine.id > BROUGHT.c.audit_id))
    return (
        select(Ticket.id)
        .outerjoin(BROUGHT, BROUGHT.c.ticket_id == Ticket.id)
        .where(or_(BROUGHT.c.ticket_id.is_(None), Ticket.seen_count > BROUGHT.c.seen_count, news))
    )


def note_brought(connection: Connection, ticket_id: str, audit_id: int, seen_count: int) -> None:
    """The primary has this ticket up to this audit line."""
    connection.execute(delete(BROUGHT).where(BROUGHT.c.ticket_id == ticket_id))
    connection.execute(insert(BROUGHT).values(ticket_id=ticket_id, audit_id=audit_id, seen_count=seen_count))


def register_end(connection: Connection) -> int:
    """The last row of its register of webhooks."""
    return connection.execute(select(func.max(Inbound.id))).scalar_one() or 0


def is_empty(connection: Connection) -> bool:
    """Whether there is nothing in it that anybody would miss."""
    return all(connection.execute(select(func.count()).select_from(table)).scalar_one() == 0 for table in _KEPT)


_KEPT = (Ticket.__table__, Inbound.__table__, NEWS)


def empty(connection: Connection, register_done: int) -> None:
    """Forget what was brought home, the register up to this row; where all of it was.

    The numbers of audit lines go on, and what comes next is another history.
    """
    if waiting(connection) or register_end(connection) > register_done:
        return
    connection.execute(update(Mark).where(Mark.name == "epoch").values(value=secrets.token_hex(8)))
    for name in _EMPTIED:
        connection.execute(delete(Base.metadata.tables[name]))
    connection.execute(delete(Mark).where(Mark.name != "epoch", Mark.name.not_like(f"{REVOKED}%")))
    connection.execute(delete(BROUGHT))


def keep_news(connection: Connection, time: str, headers: str, body: bytes) -> None:
    """Keep a vendor's webhook as it came."""
    connection.execute(insert(NEWS).values(time=time, headers=headers, body=body))


def oldest_news(connection: Connection) -> Any:
    """The oldest webhook that was kept: id, time, headers, body; None where none is."""
    return connection.execute(select(NEWS).order_by(NEWS.c.id).limit(1)).first()


def forget_news(connection: Connection, number: int) -> None:
    """A kept webhook has had its effect."""
    connection.execute(delete(NEWS).where(NEWS.c.id == number))


# --- the copy of people ---

People = Mapping[str, Sequence[Mapping[str, Any]]]


def people(connection: Connection) -> People:
    """Who may come in: people, senders' keys, sessions that were ended; of the primary."""
    ended = select(Mark).where(Mark.name.startswith(REVOKED))
    return {
        "users": [dict(row) for row in connection.execute(select(User)).mappings()],
        "api_keys": [dict(row) for row in connection.execute(select(ApiKey)).mappings()],
        "marks": [dict(row) for row in connection.execute(ended).mappings()],
    }


def copy_people(connection: Connection, known: People) -> None:
    """Let the same come in here."""
    connection.execute(delete(Mark).where(Mark.name.startswith(REVOKED)))
    for name in ("users", "api_keys"):
        connection.execute(delete(Base.metadata.tables[name]))
    for name, rows in known.items():
        if rows:
            connection.execute(insert(Base.metadata.tables[name]), list(rows))
