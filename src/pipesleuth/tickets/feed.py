"""The audit trail as live events: followed line by line, of this server and of others."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from pipesleuth.db.database import Database, epoch
from pipesleuth.db.outage import stands_in
from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.live import LiveEvent
from pipesleuth.model import Status
from pipesleuth.tickets import lineage, trail
from pipesleuth.tickets.cards import CARD_COLUMNS, card, delivery_states, short, within
from pipesleuth.tickets.links import Links

T = TypeVar("T")

MOST = 1000
GAP_SECONDS = 60.0
MOST_GAPS = 200
RECENT = 10_000  # numbers before the end: what has drawn an earlier one was committed or given up long ago
LARGEST = 2000  # bytes of an event
CUTS = (300, 160, 100, 64, 40)  # bytes of each text in it, the first that fits


@dataclass(frozen=True, slots=True)
class _Gap:
    """Ids that were passed over: their transaction may still be on its way, or was rolled back."""

    first: int
    last: int
    until: float


RESYNC = LiveEvent(0, json.dumps({"event": "resync"}))


class Feed:
    """Reads what is new in the trail. Ids may commit out of order, so gaps are looked at again for a minute."""

    def __init__(self, database: Database, links: Links) -> None:
        self._database = database
        self._links = links
        self._last: int | None = None
        self._gaps: list[_Gap] = []
        self._here: bool | None = None  # whether a standby was bound at the last look
        self._moving = threading.Lock()

    async def newer(self) -> Sequence[LiveEvent]:
        """Every change committed since the last call, or a single `resync` where there are too many."""
        return await self._database.read(lambda c: self._alone(self._newer, c))

    async def skip(self) -> None:
        """Nobody listens: pass over what is there; what is still on its way to a lower number is not forgotten."""
        await self._database.read(lambda c: self._alone(self._pass_over, c))

    async def position(self) -> int:
        """The newest number of the trail."""
        return await self._database.read(_end)

    async def place(self) -> tuple[str, int]:
        """Which history the trail has now, and its newest number."""
        return await self._database.read(lambda c: (epoch(c), _end(c)))

    async def since(self, sequence: int) -> Sequence[LiveEvent]:
        """What a socket would have said after this number, or a single `resync`."""
        return await self._database.read(lambda c: self._read(c, AuditLine.id > sequence))

    def _alone(self, work: Callable[[Connection], T], connection: Connection) -> T:
        """One thread at a time moves the place."""
        with self._moving:
            return work(connection)

    def _newer(self, connection: Connection) -> list[LiveEvent]:
        if (moved := self._moved(connection)) is not None:
            return [moved]
        if self._last is None:
            self._begin(connection)
            return []
        looked, numbers = time.monotonic(), _numbers(connection, self._unseen())
        if len(numbers) > MOST:
            # Too many to tell; whoever is told to load everything anew needs none of them.
            self._begin(connection)
            return [RESYNC]
        events = self._read(connection, AuditLine.id.in_(numbers)) if numbers else []
        self._note(numbers, looked)
        return events

    def _begin(self, connection: Connection) -> None:
        """Follow from the end on; what is on its way to a number shortly before it is waited for as well."""
        self._last = end = _end(connection)
        first = max(1, end - RECENT + 1)
        there = connection.execute(select(AuditLine.id).where(AuditLine.id >= first).order_by(AuditLine.id)).scalars()
        seen = [number for number in there if number <= end]
        self._gaps = _holes(first, end, seen, time.monotonic() + GAP_SECONDS)[-MOST_GAPS:]

    def _moved(self, connection: Connection) -> LiveEvent | None:
        """What to tell where another database is bound than at the last look: its numbers are of another history."""
        before, self._here = self._here, stands_in(connection)
        if before is None or before is self._here:
            return None
        self._begin(connection)
        return LiveEvent(0, json.dumps({"event": "resync", "epoch": epoch(connection)}))

    def _pass_over(self, connection: Connection) -> None:
        if self._moved(connection) is not None:
            return
        looked, numbers = time.monotonic(), _numbers(connection, self._unseen()) if self._last is not None else []
        if self._last is None or len(numbers) > MOST:
            self._begin(connection)
        else:
            self._note(numbers, looked)

    def _unseen(self) -> ColumnElement[bool]:
        """Lines behind the last one, and those that may have come into a gap since."""
        late = [and_(AuditLine.id >= gap.first, AuditLine.id <= gap.last) for gap in self._gaps]
        return or_(AuditLine.id > self._last, *late)

    def _note(self, ids: list[int], looked: float) -> None:
        """Remember which numbers were seen when it was looked, and which were passed over.

        A gap is given up by a look after its time only: a process that slept has not looked meanwhile.
        """
        seen = set(ids)
        gaps: list[_Gap] = []
        for gap in self._gaps:
            if gap.until > looked:
                inside = sorted(number for number in seen if gap.first <= number <= gap.last)
                gaps.extend(_holes(gap.first, gap.last, inside, gap.until))
        last = self._last or 0
        fresh = [number for number in ids if number > last]
        if fresh:
            gaps.extend(_holes(last + 1, fresh[-1], fresh, looked + GAP_SECONDS))
            self._last = fresh[-1]
        self._gaps = gaps[-MOST_GAPS:]

    def _read(self, connection: Connection, wanted: ColumnElement[bool]) -> list[LiveEvent]:
        lines = (
            connection.execute(
                select(
                    AuditLine.id, AuditLine.ticket_id, AuditLine.event, AuditLine.user_name, AuditLine.ticket_version
                )
                .where(wanted, AuditLine.event.is_not(None))
                .order_by(AuditLine.id)
                .limit(MOST + 1)
            )
            .mappings()
            .all()
        )
        if len(lines) > MOST:
            return [RESYNC]
        cards = self._cards(connection, {line["ticket_id"] for line in lines})
        return [
            LiveEvent(line["id"], _text(line, cards[line["ticket_id"]])) for line in lines if line["ticket_id"] in cards
        ]

    def _cards(self, connection: Connection, ids: set[str]) -> dict[str, dict[str, Any]]:
        if not ids:
            return {}
        states = delivery_states(connection, ids)
        folded = lineage.folded_counts(connection, list(ids))
        rows = connection.execute(select(*CARD_COLUMNS).where(Ticket.id.in_(ids))).mappings()
        return {row["id"]: card(row, self._links, states.get(row["id"]), folded.get(row["id"], 0)) for row in rows}


def _end(connection: Connection) -> int:
    return connection.execute(select(func.max(AuditLine.id))).scalar_one() or 0


def _holes(first: int, last: int, seen: Sequence[int], until: float) -> list[_Gap]:
    """The stretches between `first` and `last` that `seen` (sorted) leaves out."""
    holes: list[_Gap] = []
    expected = first
    for number in [*seen, last + 1]:
        if number > expected:
            holes.append(_Gap(expected, number - 1, until))
        expected = number + 1
    return holes


def _numbers(connection: Connection, wanted: ColumnElement[bool]) -> list[int]:
    """The numbers of these lines, in order; one more than is told at once says that there are too many."""
    found = connection.execute(select(AuditLine.id).where(wanted).order_by(AuditLine.id).limit(MOST + 1))
    return list(found.scalars())


def _text(line: Mapping[str, Any] | Any, shown: dict[str, Any]) -> str:
    """The event as it is sent: its texts are cut as far as is needed to stay within 2 kB."""
    text = ""
    for longest in CUTS:
        text = json.dumps(_event(line, shown, longest), ensure_ascii=False, separators=(",", ":"))
        if len(text.encode("utf-8", "replace")) <= LARGEST:
            break
    return text


def _event(line: Mapping[str, Any] | Any, shown: dict[str, Any], longest: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event": line["event"],
        "ticket_id": line["ticket_id"],
        "sequence": line["id"],
        "version": shown["version"],
        "card": short(shown, longest),
    }
    if line["event"] == trail.STATUS_UPDATE:
        event["new_status"] = Status(shown["status"])
        event["user"] = within(line["user_name"] or "", longest)
    return event
