"""What everybody should know now: a destination that fails for all, in one sentence instead of a thousand errors."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from pipesleuth.db.tables import Todo
from pipesleuth.outbox import holds

SHOWN_FAULTS = 3


def current(connection: Connection) -> list[dict[str, Any]]:
    """The banners there are, each with its kind, its sentence and how many tickets wait."""
    found: list[dict[str, Any]] = []
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
