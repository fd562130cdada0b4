"""A SQLite file of the earlier system becomes one of ours, in place: copied aside first, then all or nothing."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Table, insert, text

from pipesleuth.db import earlier
from pipesleuth.db.tables import AuditLine, Base, Ticket, Todo, User
from pipesleuth.model import Priority, WrongSetting

ROWS = 500  # in one statement
ASIDE = "earlier_"


@dataclass(slots=True)
class Adopted:
    """What was taken over, and where the file as it was is kept."""

    kept_at: Path
    rows: dict[str, int] = field(default_factory=dict[str, int])
    runs_twice: int = 0
    left_out: int = 0


def copy_aside(file: Path) -> Path:
    """Copy the file as it is now beside itself, and give the copy's path; an equal copy is made only once."""
    fresh = file.with_name(f"{file.name}.copying.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(fresh)) as copy,
    ):
        source.backup(copy)
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    for number in range(1, 1000):
        place = file.with_name(f"{file.name}.before-upgrade{'' if number == 1 else f'-{number}'}")
        if not place.exists():
            fresh.rename(place)
            return place
        if filecmp.cmp(fresh, place, shallow=False):  # an adoption before this one did not come to its end
            fresh.unlink()
            return place
    raise WrongSetting(f"There are too many copies of {file.name} beside it; move some away.")


def adopt(connection: Connection, kept_at: Path, make: Callable[[Connection], None], now: datetime) -> Adopted:
    """Replace the earlier tables by ours, which `make` makes, in the caller's transaction."""
    done = Adopted(kept_at)
    raw: Any = connection.connection.driver_connection
    raw.text_factory = _whatever
    there = [name for name in earlier.TABLES if _exists(connection, name)]
    highest = _sequence(connection, "audit_trail")
    _set_aside(connection, there)
    make(connection)
    told = _lines(connection, done, now) if "audit_trail" in there else 0
    _tickets(connection, done, now, told)
    if "users" in there:
        _users(connection, done, now)
    for name in there:
        connection.exec_driver_sql(f"DROP TABLE {ASIDE}{name}")
    connection.execute(
        text("UPDATE sqlite_sequence SET seq = max(seq, :highest) WHERE name = 'audit_trail'"), {"highest": highest}
    )
    return done


def _whatever(data: bytes) -> str:
    """Text as it is read there: not all of it is UTF-8."""
    return data.decode("utf-8", "replace")


def _exists(connection: Connection, name: str) -> bool:
    found = text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name")
    return connection.execute(found, {"name": name}).first() is not None


def _sequence(connection: Connection, name: str) -> int:
    if not _exists(connection, "sqlite_sequence"):
        return 0
    found = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return int(connection.execute(found, {"name": name}).scalar() or 0)


def _set_aside(connection: Connection, names: list[str]) -> None:
    """Rename the earlier tables, without the indexes, triggers and views that hang on them: the copy has them."""
    found = connection.execute(
        text(
            "SELECT type, name, tbl_name FROM sqlite_master "
            "WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL"
        )
    ).all()
    for kind, name, table in found:
        if kind == "view" or table in names:
            connection.exec_driver_sql(f"DROP {kind} IF EXISTS {_quoted(name)}")
    for name in names:
        connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {ASIDE}{name}")
    # Tables of ours that stand there already hold nothing of ours: this was no database of ours.
    for name in Base.metadata.tables.keys() - set(names):
        if _exists(connection, name):
            connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {ASIDE}{name}_{secrets.token_hex(3)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rows(connection: Connection, name: str, order: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    found = connection.exec_driver_sql(f"SELECT * FROM {ASIDE}{name} LIMIT 0").keys()  # noqa: S608  # a name of ours
    known = {column.lower(): column for column in found}
    by = ", ".join(_quoted(known[column]) for column in order if column in known) or "1"
    rows = connection.exec_driver_sql(f"SELECT * FROM {ASIDE}{name} ORDER BY {by}")  # noqa: S608  # its own columns
    for some in rows.partitions(ROWS):
        for row in some:
            yield dict(zip(known, row, strict=True))


class _Store:
    """Collects rows of one table and stores them many at a time; rows with other columns go apart."""

    def __init__(self, connection: Connection, table: Any) -> None:
        self._connection = connection
        self._table: Table = table.__table__
        self._some: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        some = self._some.setdefault(tuple(row), [])
        some.append(row)
        self.rows += 1
        if len(some) >= ROWS:
            self.flush()

    def flush(self) -> None:
        for some in self._some.values():
            self._connection.execute(insert(self._table), some)
        self._some = {}


def _lines(connection: Connection, done: Adopted, now: datetime) -> int:
    """Take over the audit trail; the highest number in it. Lines without a number of their own come last."""
    store, numbers, late = _Store(connection, AuditLine), set[int](), list[Mapping[str, Any]]()
    for row in _rows(connection, "audit_trail", ("id",)):
        line = earlier.line(row, now)
        if line["id"] is None or line["id"] in numbers:
            late.append({name: value for name, value in line.items() if name != "id"})
            continue
        numbers.add(line["id"])
        store.add(line)
    store.flush()
    for line in late:
        store.add(line)
    store.flush()
    done.rows["audit_trail"] = store.rows
    return connection.execute(text("SELECT coalesce(max(id), 0) FROM audit_trail")).scalar_one()


def _tickets(connection: Connection, done: Adopted, now: datetime, told: int) -> None:
    """Take over the tickets, the oldest first: of several of one run that one keeps it."""
    tickets, todos, lines = (_Store(connection, table) for table in (Ticket, Todo, AuditLine))
    runs: dict[str, str] = {}
    ids: set[str] = set()
    for number, row in enumerate(_rows(connection, "tickets", ("timestamp", "id"))):
        ticket = earlier.ticket(row, now)
        if not ticket["id"] or ticket["id"] in ids:
            # Not at random: a copy that goes on after a cut must find the same.
            ticket["id"] = f"{(ticket['id'] or 'OLD')[:50]}-again-{number}"
        ids.add(ticket["id"])
        run = ticket["run_id"]
        first = runs.setdefault(run, ticket["id"]) if run else ticket["id"]
        if first != ticket["id"]:
            ticket["run_id"] = None
            done.runs_twice += 1
            lines.add(_twice(ticket, run, first))
        tickets.add(ticket)
        for todo in _receipts(ticket, told):
            todos.add(todo)
    for store in (tickets, todos, lines):
        store.flush()
    done.rows["tickets"] = tickets.rows


def _twice(ticket: Mapping[str, Any], run: str, first: str) -> dict[str, Any]:
    return {
        "timestamp": ticket["timestamp"],
        "ticket_id": ticket["id"],
        "pipeline": ticket["pipeline"],
        "action": "Duplicate Run Detected",
        "details": f"The earlier system had several tickets of the run {run}; {first}, the first of them, keeps it.",
    }


def _receipts(ticket: Mapping[str, Any], told: int) -> Iterator[dict[str, Any]]:
    """What the earlier system created outside, so that it is brought up to date and not created again."""
    known: dict[str, tuple[str, dict[str, str]]] = {}
    if ticket.get("itsm_ticket_id"):
        known["jira"] = (ticket["itsm_ticket_id"], {})
    if ticket.get("slack_ts") and ticket.get("slack_channel"):
        known["slack"] = (ticket["slack_ts"], {"channel": ticket["slack_channel"]})
    for kind, (key, more) in known.items():
        receipt = {"key": key, "url": None, "told_digest": "", "told_audit_id": told, "more": more}
        yield {
            "ticket_id": ticket["id"],
            "kind": kind,
            "rank": Priority(ticket["priority"]).rank,
            "created_at": ticket["timestamp"],
            "wanted_version": 1,
            "done_version": 1,
            "attempts": 0,
            "next_try_at": ticket["timestamp"],
            "leased_until": "",
            "in_doubt": False,
            "receipt": json.dumps(receipt, ensure_ascii=False),
        }


def _users(connection: Connection, done: Adopted, now: datetime) -> None:
    store, known, numbers = _Store(connection, User), set[str](), set[int]()
    for row in _rows(connection, "users", ("id",)):
        person = earlier.user(row, now)
        if person is None or person["email"] in known:
            done.left_out += 1
            continue
        known.add(person["email"])
        if person["id"] is None or person["id"] in numbers:
            person.pop("id")
        else:
            numbers.add(person["id"])
        store.add(person)
    store.flush()
    done.rows["users"] = store.rows
