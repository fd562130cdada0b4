"""Signs of life: a row of `marks` for each process that takes webhooks in or works off to-dos, seen by all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Mark
from pipesleuth.model import timestamp

SERVER, WORKER = "server", "worker"
ROLES = (SERVER, WORKER)
LIVES = timedelta(seconds=30)
FORGOTTEN = timedelta(hours=1)
_BEGINNING = "beat:"


def beat(connection: Connection, who: str, roles: Collection[str], now: datetime) -> None:
    """Say that a process lives, in these roles and no other; what was not heard of for an hour is forgotten."""
    for role in ROLES:
        name = _name(role, who)
        if role in roles:
            _write(connection, name, now)
        else:
            connection.execute(delete(Mark).where(Mark.name == name))
    long_ago = timestamp(now - FORGOTTEN)
    connection.execute(delete(Mark).where(Mark.name.startswith(_BEGINNING), Mark.until < long_ago))


def alive(connection: Connection, now: datetime) -> Mapping[str, int]:
    """How many processes live, by role."""
    found = connection.execute(
        select(Mark.name).where(Mark.name.startswith(_BEGINNING), Mark.until > timestamp(now))
    ).scalars()
    counted = Counter(name.removeprefix(_BEGINNING).partition(":")[0] for name in found)
    return {role: counted[role] for role in ROLES}


def _name(role: str, who: str) -> str:
    return f"{_BEGINNING}{role}:{who}"


def _write(connection: Connection, name: str, now: datetime) -> None:
    values = {"value": timestamp(now), "until": timestamp(now + LIVES)}
    if not connection.execute(update(Mark).where(Mark.name == name).values(values)).rowcount:
        wrote_first(connection, insert(Mark).values(name=name, **values))
