"""The sums on top of the dashboard: counted at once of little, kept for some seconds of much."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, select

from pipesleuth.db.database import Database
from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.model import SlaStatus, Status, timestamp
from pipesleuth.tickets import insights

MUCH = 20_000  # tickets and audit lines, from which on sums are kept
KEPT_SECONDS, RENEWED_SECONDS = 30.0, 20.0  # how old sums may be told, and how old they are counted anew meanwhile
SOON, SERIES_SECONDS, SERIES = timedelta(days=31), 300.0, 8  # charts of more days are kept so long, and so many


@dataclass(frozen=True, slots=True)
class Sums:
    """What was counted, and when."""

    told: dict[str, Any]
    rows: int
    at: float


class Figures:
    """The sums of one process; each server counts for itself. Small ones are never old."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._now = now
        self._clock = clock
        self._sums: Sums | None = None
        self._counting: asyncio.Task[Sums] | None = None
        self._series: dict[tuple[date, date], tuple[float, dict[str, Any]]] = {}

    async def summary(self) -> dict[str, Any]:
        """The sums, at most 30 s old: `as_of` says when they were counted. Raises StoreUnavailable."""
        sums = self._sums
        age = self._clock() - sums.at if sums else KEPT_SECONDS
        if sums is None or sums.rows < MUCH or age >= KEPT_SECONDS:
            sums = await asyncio.shield(self._counted())
        elif age >= RENEWED_SECONDS:
            # Told as they are: nobody waits while they are counted again.
            self._counted()
        return sums.told | {"timestamp": timestamp(self._now())}

    async def series(self, since: datetime, until: datetime) -> dict[str, Any]:
        """The charts' figures; of many tickets over many days they may be five minutes old. Raises StoreUnavailable."""
        key, kept = (since.date(), until.date()), self._series
        much = self._sums is not None and self._sums.rows >= MUCH and until - since > SOON
        if much and key in kept and self._clock() - kept[key][0] < SERIES_SECONDS:
            return kept[key][1]
        at = self._clock()
        found = await self._database.read(lambda c: insights.series(c, since, until))
        if much:
            self._series = dict([*kept.items(), (key, (at, found))][-SERIES:])
        return found

    def _counted(self) -> asyncio.Task[Sums]:
        """The count that is under way, or a new one: many who ask at once wait for the same."""
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count(), name="figures")
            self._counting.add_done_callback(_heard)
        return self._counting

    async def _count(self) -> Sums:
        at, now = self._clock(), self._now()
        told = await self._database.read(lambda c: count(c, now))
        self._sums = Sums(told, told["total_tickets"] + told["total_audits"], at)
        return self._sums


def _heard(counting: asyncio.Task[Sums]) -> None:
    """Whoever asked first may be gone: what went wrong is asked for, so that nobody is told of it at the end."""
    if not counting.cancelled():
        counting.exception()


def count(connection: Connection, now: datetime) -> dict[str, Any]:
    """The sums at this moment; breaches count open tickets too, and `facets` says what there is to filter by.

    What stands folded under another ticket is counted apart: it has no clock and asks nobody for anything.
    """
    breached = func.sum(case((Ticket.sla_status == SlaStatus.BREACHED, 1), else_=0))
    closed = case((Ticket.status == Status.ACKNOWLEDGED, Ticket.ack_seconds))
    by_category = connection.execute(
        select(Ticket.status, Ticket.category, func.count(), breached, func.sum(closed * 1.0), func.count(closed))
        .where(Ticket.caused_by.is_(None))
        .group_by(Ticket.status, Ticket.category)
    ).all()
    by_team = connection.execute(
        select(Ticket.finops_team, func.count())
        .where(Ticket.caused_by.is_(None))
        .group_by(Ticket.status, Ticket.finops_team)
    )
    statuses, categories, teams = Counter[str](), Counter[str](), Counter[str]()
    for status, category, number, *_ in by_category:
        statuses[status] += number
        categories[category] += number
    for team, number in by_team:
        teams[team or ""] += number
    seconds, ended = (sum(float(row[place] or 0) for row in by_category) for place in (4, 5))
    average = seconds / ended if ended else 0.0
    folded = select(func.count()).select_from(Ticket).where(Ticket.caused_by.is_not(None))
    return {
        "total_tickets": statuses.total(),
        "open_tickets": statuses[Status.OPEN],
        "in_progress_tickets": statuses[Status.IN_PROGRESS],
        "acknowledged_tickets": statuses[Status.ACKNOWLEDGED],
        "sla_breached": sum(int(row[3]) for row in by_category),
        "folded_tickets": connection.execute(folded).scalar_one(),
        "avg_ack_time_sec": round(average, 1),
        "mttr_min": round(average / 60, 2),
        "total_audits": connection.execute(select(func.count()).select_from(AuditLine)).scalar_one(),
        "facets": {"category": _names(categories), "team": _names(teams)},
        "as_of": timestamp(now),
    }


def _names(counted: Counter[str]) -> list[str]:
    """What there is, the most frequent first, as far as a filter bar can show it."""
    return [name for name, _ in counted.most_common(50) if name]
