"""What everybody should know now: a destination that fails for all, in one sentence instead of a thousand errors."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from sqlalchemy import Connection, func, select

from pipesleuth.db import standby_file
from pipesleuth.db.outage import Outage, stands_in
from pipesleuth.db.tables import Todo
from pipesleuth.model import timestamp
from pipesleuth.outbox import holds

SHOWN_FAULTS = 3


def current(connection: Connection, outage: Outage | None = None) -> list[dict[str, Any]]:
    """The banners there are, each with its kind, its sentence and how many tickets wait."""
    found = [_outage(connection, outage)] if outage is not None and stands_in(connection) else []
    for kind, pause in holds.current(connection).items():
        if pause.faults < SHOWN_FAULTS:
            continue
        waiting = connection.execute(
            select(func.count())
            .select_from(Todo)
            .where(Todo.kind == kind, Todo.wanted_version > Todo.done_version, Todo.stopped_at.is_(None))
        ).scalar_one()
        text = f"{kind.title()} does not answer well: {pause.reason}"
        found.append({"kind": kind, "text": text, "next_try_at": pause.until, "waiting": waiting})
    return found


def _outage(connection: Connection, outage: Outage) -> dict[str, Any]:
    """What people have to know while a standby is bound: since when, and that they see only what came since."""
    since = f"{outage.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    going = "; what came in is being brought to it" if outage.returning else ""
    text = (
        f"The database has not been reachable since {since}{going}. Failures are taken in and told as usual, and lists "
        "show what came since then."
    )
    return {
        "kind": "database",
        "text": text,
        "since": timestamp(outage.since),
        "next_try_at": None,
        "waiting": standby_file.waiting(connection),
    }
