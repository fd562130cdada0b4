"""How far the reconciler has read each platform's history, whose turn it is, and how much the webhooks told us."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import AuditLine, Mark, Ticket
from pipesleuth.model import moment, timestamp
from pipesleuth.tickets.arrival import MISSED

_TURN, _PROGRESS = "reconciler.turn", "reconciler:"


@dataclass(frozen=True, slots=True)
class Progress:
    """Up to when a platform's history was read, what went on then, and how many failed runs it has shown."""

    until: datetime
    running: tuple[str, ...] = ()
    failed_runs: int = 0
    began: datetime | None = None
    trouble: str | None = None


def take_turn(connection: Connection, who: str, now: datetime, lease: timedelta) -> bool:
    """Whether it is this server's turn for the next `lease`; atomic for all servers."""
    until = timestamp(now + lease)
    mine = or_(Mark.value == who, Mark.until <= timestamp(now))
    if connection.execute(update(Mark).where(Mark.name == _TURN, mine).values(value=who, until=until)).rowcount:
        return True
    if connection.execute(select(Mark.name).where(Mark.name == _TURN)).first() is not None:
        return False
    return wrote_first(connection, insert(Mark).values(name=_TURN, value=who, until=until))


def end_turn(connection: Connection, who: str, until: datetime) -> None:
    """Let the next one have it from then on."""
    connection.execute(update(Mark).where(Mark.name == _TURN, Mark.value == who).values(until=timestamp(until)))


def progress(connection: Connection, source: str) -> Progress | None:
    """How far this platform's history was read; None where it never was."""
    value = connection.execute(select(Mark.value).where(Mark.name == _PROGRESS + source)).scalar()
    known: dict[str, Any] = json.loads(value) if value else {}
    if "until" not in known:
        return None
    return Progress(
        moment(known["until"]),
        tuple(known["running"]),
        known["failed_runs"],
        moment(known["began"]),
        known.get("trouble"),
    )


def advance(
    connection: Connection, source: str, *, since: datetime, until: datetime, running: Sequence[str], failed_runs: int
) -> None:
    """Remember up to when it was read, what went on then, and how many more failed runs that showed.

    `since` counts where it is the first reading.
    """
    _change(
        connection,
        source,
        lambda known: {
            "until": timestamp(until),
            "running": list(running),
            "failed_runs": known.get("failed_runs", 0) + failed_runs,
            "began": known.get("began") or timestamp(since),
            "trouble": None,
        },
    )


def trouble(connection: Connection, source: str, reason: str, now: datetime) -> None:
    """Remember why it could not be read; how far it was read stays."""
    said = {"trouble": reason[:500], "trouble_at": timestamp(now)}
    _change(connection, source, lambda known: {**known, **said})


def add(connection: Connection, source: str, made: int) -> None:
    """Count runs that a person's command found, where the history was read before."""
    if made and progress(connection, source) is not None:
        _change(connection, source, lambda known: {**known, "failed_runs": known["failed_runs"] + made})


def _change(connection: Connection, source: str, changed: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Write what is known anew; a command and a server may do it at the same moment, so it is held from the look on."""
    name = _PROGRESS + source
    held = select(Mark.value).where(Mark.name == name).with_for_update()
    held = held.with_hint(Mark, "WITH (UPDLOCK, ROWLOCK)", "mssql")
    before = connection.execute(held).scalar()
    if before is None and wrote_first(connection, insert(Mark).values(name=name, value=json.dumps(changed({})))):
        return
    known = before if before is not None else connection.execute(held).scalar_one()
    connection.execute(update(Mark).where(Mark.name == name).values(value=json.dumps(changed(json.loads(known)))))


def made_before(connection: Connection, ended: Mapping[str, str]) -> list[str]:
    """Of tickets with their run's newest end, those that were made before it."""
    ids = list(ended)
    found: list[str] = []
    for start in range(0, len(ids), 500):
        some = select(Ticket.id, Ticket.timestamp).where(Ticket.id.in_(ids[start : start + 500]))
        found += [row.id for row in connection.execute(some) if moment(row.timestamp) < moment(ended[row.id])]
    return found


def coverage(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """For each platform: failed runs in its history, by whom we knew of them, and how far behind the reading is."""
    marks = connection.execute(select(Mark.name, Mark.value).where(Mark.name.startswith(_PROGRESS))).all()
    if not marks:
        return []
    counted = connection.execute(
        select(Ticket.source, func.count())
        .select_from(AuditLine)
        .join(Ticket, Ticket.id == AuditLine.ticket_id)
        .where(AuditLine.action == MISSED)
        .group_by(Ticket.source)
    )
    by_reconciler = {str(source): int(count) for source, count in counted}
    return [_line(mark.name.removeprefix(_PROGRESS), json.loads(mark.value), by_reconciler, now) for mark in marks]


def _line(source: str, known: Mapping[str, Any], by_reconciler: Mapping[str, int], now: datetime) -> dict[str, Any]:
    found = by_reconciler.get(source, 0)
    failed = max(int(known.get("failed_runs", 0)), found)
    until = known.get("until")
    return {
        "source": source,
        "failed_runs": failed,
        "by_webhook": failed - found,
        "by_reconciler": found,
        "lag_seconds": round((now - moment(until)).total_seconds(), 1) if until else None,
        "since": known.get("began"),
        "problem": known.get("trouble"),
    }
