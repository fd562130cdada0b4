"""How a failure becomes a ticket: once for each run, many in one commit, with everything it owes the outside."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from pipesleuth.db.database import Database
from pipesleuth.db.faults import is_unique_violation
from pipesleuth.db.tables import Inbound, Payload, Ticket
from pipesleuth.model import Confidence, Diagnosis, Failure, SlaStatus, Status, timestamp
from pipesleuth.outbox import todos
from pipesleuth.tickets import identity, lifecycle, sla, trail
from pipesleuth.tickets.finops import FinOps
from pipesleuth.tickets.origin import stored
from pipesleuth.tickets.payloads import packed
from pipesleuth.triage.fingerprint import fingerprint

SUCCESS = "success"
DUPLICATE = "duplicate_ignored"
RACE = "duplicate_race_condition"

_fingerprint = lru_cache(maxsize=4096)(fingerprint)  # failures come in crowds
DRAWS = 5  # of a ticket id, before we believe that something else is wrong
PRUNE_EVERY = 256
FLOOD, FLOOD_SECONDS = 25, 0.5
COUNT_EVERY = timedelta(seconds=1)
KNOWN_COLUMNS = (Ticket.id, Ticket.run_id, Ticket.status, Ticket.seen_count, Ticket.confidence, Ticket.told_at)


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a failure: a new ticket, or the one that its run has already."""

    outcome: str
    ticket_id: str
    existing_status: str | None = None


@dataclass(slots=True)
class Arrival:
    """A failure on its way in, with its rows ready to be written."""

    failure: Failure
    diagnosis: Diagnosis
    prefix: str
    at: datetime
    ticket: dict[str, Any]
    payload: dict[str, Any]
    inbound: dict[str, Any]
    opening: str


@dataclass(slots=True)
class _Count:
    """Duplicates of one ticket that are not written down yet."""

    unwritten: int = 0
    written_at: datetime = field(default_factory=lambda: datetime.min.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Duties:
    """What every new ticket owes: the kinds of to-do, and how long the channels wait for a better diagnosis."""

    at_once: tuple[str, ...]
    channels: tuple[str, ...]
    channels_wait_seconds: float


class Intake:
    """Admits failures; one for each server."""

    def __init__(
        self,
        database: Database,
        finops: FinOps,
        duties: Duties,
        *,
        inbound_rows: int = 10_000,
        warn_seconds: float = 300,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._finops = finops
        self._duties = duties
        self._inbound_rows = inbound_rows
        self._warn_seconds = warn_seconds
        self._now = now
        self._counts: dict[str, _Count] = {}
        self._since_prune = PRUNE_EVERY
        self._lately: deque[float] = deque(maxlen=FLOOD)

    def flooded(self) -> bool:
        """Whether webhooks pour in just now, so that other work should step back."""
        return len(self._lately) == FLOOD and time.monotonic() - self._lately[0] < FLOOD_SECONDS

    async def admit(
        self, failure: Failure, diagnosis: Diagnosis, body: bytes, *, prefix: str, door: str, opening: str = ""
    ) -> Admission:
        """A ticket for the run, committed on disk before this returns. Raises StoreUnavailable.

        `opening` is said in the audit line besides; `door` is where it came in.
        """
        self._lately.append(time.monotonic())
        arrival = self.arrival(failure, diagnosis, body, prefix=prefix, door=door, opening=opening)
        return await self._database.write_together(self._admit, arrival)

    async def note(self, door: str, outcome: str, reason: str, body: bytes) -> None:
        """Remember a webhook that made no ticket, and why."""
        row = self._inbound(door, body, self._now()) | {"outcome": outcome, "reason": reason[:500]}
        await self._database.write_together(self._note, row)

    def arrival(
        self, failure: Failure, diagnosis: Diagnosis, body: bytes, *, prefix: str, door: str, opening: str = ""
    ) -> Arrival:
        """The failure with all its rows, before the database is asked; the ticket id is drawn here."""
        now = self._now()
        row = self._ticket(failure, diagnosis, identity.ticket_id(prefix, now), now)
        return Arrival(failure, diagnosis, prefix, now, row, packed(body), self._inbound(door, body, now), opening)

    def _ticket(self, failure: Failure, diagnosis: Diagnosis, ticket_id: str, now: datetime) -> dict[str, Any]:
        tags = self._finops.extract_finops_tags(failure.pipeline, failure.resource_type, failure.tags)
        innermost = diagnosis.evidence[-1] if diagnosis.evidence else failure.error_message
        return {
            "id": ticket_id,
            "timestamp": timestamp(now),
            "pipeline": failure.pipeline,
            "run_id": failure.run_id,
            **lifecycle.diagnosis_columns(diagnosis),
            **_UNTOUCHED,
            "sla_seconds": sla.SECONDS[diagnosis.priority],
            "sla_due_at": timestamp(sla.due(now, diagnosis.priority)),
            "finops_team": tags.team,
            "finops_owner": tags.owner,
            "finops_cost_center": tags.cost_center,
            "logic_app_run_id": failure.logic_app_run_id,
            "processing_mode": failure.processing_mode
            or ("databricks" if failure.source == "databricks" else "Single"),
            "source": failure.source,
            "error_message": failure.error_message,
            "error_code": failure.error_code,
            "activity": failure.activity,
            "run_url": failure.run_url,
            "failure": stored(failure),
            "fingerprint": _fingerprint(failure.source, failure.pipeline, diagnosis.error_type, innermost),
            "run_group": failure.run_group,
            "parent_run_id": failure.parent_run_id,
        }

    def _inbound(self, door: str, body: bytes, now: datetime) -> dict[str, Any]:
        return {
            "time": timestamp(now),
            "door": door,
            "outcome": SUCCESS,
            "reason": None,
            "size": len(body),
            "digest": hashlib.sha256(body).hexdigest(),
            "ticket_id": None,
        }

    def _note(self, connection: Connection, rows: list[dict[str, Any]]) -> list[None]:
        connection.execute(insert(Inbound), rows)
        self._prune(connection, len(rows))
        return [None] * len(rows)

    def _admit(self, connection: Connection, arrivals: list[Arrival]) -> list[Admission]:
        """Many at once; a clash fails them all, and then each is tried alone."""
        if len(arrivals) == 1:
            return [self._admit_alone(connection, arrivals[0])]
        known = self._known(connection, arrivals)
        fresh: dict[str, Arrival] = {}
        answers: list[Admission] = []
        for arrival in arrivals:
            run_id = arrival.failure.run_id
            before = known.get(run_id) if run_id else None
            rival = fresh.get(run_id) if run_id else None
            if before is not None:
                answers.append(self._duplicate(connection, arrival, before))
            elif rival is not None:
                answers.append(_told(arrival, RACE, rival.ticket["id"]))
            else:
                fresh[run_id or arrival.ticket["id"]] = arrival
                answers.append(_told(arrival, SUCCESS, arrival.ticket["id"]))
        self._store(connection, list(fresh.values()))
        self._note(connection, [arrival.inbound for arrival in arrivals])
        return answers

    def _admit_alone(self, connection: Connection, arrival: Arrival) -> Admission:
        for _ in range(DRAWS):
            before = self._known(connection, [arrival])
            if before:
                (row,) = before.values()
                # It was not there when the group was read, or nobody looked: known now is known.
                answer = self._duplicate(connection, arrival, row)
                self._note(connection, [arrival.inbound])
                return answer
            try:
                with connection.begin_nested():
                    self._store(connection, [arrival])
            except Exception as error:
                if not is_unique_violation(error):
                    raise
                rival = self._known(connection, [arrival])
                if rival:
                    (row,) = rival.values()
                    self._note(connection, [_told_row(arrival, RACE, row["id"])])
                    return Admission(RACE, row["id"])
                # Not the run but the ticket's id is taken: draw another.
                arrival.ticket["id"] = identity.ticket_id(arrival.prefix, arrival.at)
            else:
                self._note(connection, [_told_row(arrival, SUCCESS, arrival.ticket["id"])])
                return Admission(SUCCESS, arrival.ticket["id"])
        raise RuntimeError(f"No free ticket id after {DRAWS} draws")

    def _known(self, connection: Connection, arrivals: Sequence[Arrival]) -> dict[str, RowMapping]:
        runs = {arrival.failure.run_id for arrival in arrivals if arrival.failure.run_id}
        if not runs:
            return {}
        rows = connection.execute(select(*KNOWN_COLUMNS).where(Ticket.run_id.in_(runs))).mappings()
        return {row["run_id"]: row for row in rows}

    def _store(self, connection: Connection, arrivals: Sequence[Arrival]) -> None:
        if not arrivals:
            return
        connection.execute(insert(Ticket), [arrival.ticket for arrival in arrivals])
        todos.put(connection, [todo for arrival in arrivals for todo in self._todos(arrival)])
        connection.execute(insert(Payload), [{"ticket_id": a.ticket["id"], **a.payload} for a in arrivals])
        trail.write(connection, [_created(arrival) for arrival in arrivals])

    def _todos(self, arrival: Arrival) -> list[dict[str, Any]]:
        ticket_id, rank, duties = arrival.ticket["id"], arrival.diagnosis.priority.rank, self._duties
        later = arrival.at + timedelta(seconds=duties.channels_wait_seconds)
        return [
            *(todos.row(ticket_id, kind, rank, arrival.at, arrival.at) for kind in duties.at_once),
            *(todos.row(ticket_id, kind, rank, arrival.at, later) for kind in duties.channels),
        ]

    def _duplicate(self, connection: Connection, arrival: Arrival, before: RowMapping) -> Admission:
        """The run has its ticket: count it, say so once, and learn from a surer verdict while nobody was told."""
        ticket_id = before["id"]
        answer = _told(arrival, DUPLICATE, ticket_id, before["status"])
        surer = arrival.diagnosis.confidence.rank > Confidence(before["confidence"]).rank
        if surer and before["told_at"] is None:
            row = lifecycle.fetch(connection, ticket_id)
            details = "A second alert for the same run says more."
            warn = self._warn_seconds
            lifecycle.rediagnose(connection, row, arrival.diagnosis, arrival.at, warn_seconds=warn, details=details)
        count = self._counts.setdefault(ticket_id, _Count())
        count.unwritten += 1
        first = before["seen_count"] == 1 and count.unwritten == 1
        if first or arrival.at - count.written_at >= COUNT_EVERY:
            more = Ticket.seen_count + count.unwritten
            connection.execute(update(Ticket).where(Ticket.id == ticket_id).values(seen_count=more))
            self._counts[ticket_id] = _Count(0, arrival.at)
        if first:
            row = connection.execute(select(Ticket).where(Ticket.id == ticket_id)).mappings().one()
            details = "Another alert came in for this run; it changes nothing. Further ones are only counted."
            entry = trail.Entry(action="Duplicate Run Detected", details=details)
            trail.write(connection, [trail.line(row, entry, arrival.at)])
        if len(self._counts) > 10_000:
            self._counts.clear()
        return answer

    def _prune(self, connection: Connection, added: int) -> None:
        """Keep `inbound` a ring: looked at now and then, not at every webhook."""
        self._since_prune += added
        if self._since_prune >= PRUNE_EVERY:
            self._since_prune = 0
            newest = connection.execute(select(func.max(Inbound.id))).scalar_one() or 0
            connection.execute(delete(Inbound).where(Inbound.id <= newest - self._inbound_rows))


# What is not named here is NULL: fewer values to bind for each webhook.
_UNTOUCHED: Mapping[str, Any] = {
    "status": Status.OPEN,
    "sla_status": SlaStatus.PENDING,
    "seen_count": 1,
    "version": 1,
    "jira_live": False,
}


def _told(arrival: Arrival, outcome: str, ticket_id: str, status: str | None = None) -> Admission:
    _told_row(arrival, outcome, ticket_id)
    return Admission(outcome, ticket_id, status)


def _told_row(arrival: Arrival, outcome: str, ticket_id: str) -> dict[str, Any]:
    arrival.inbound.update(outcome=outcome, ticket_id=ticket_id)
    return arrival.inbound


def _created(arrival: Arrival) -> dict[str, Any]:
    said = (
        f"{arrival.ticket['rca_source']} says {arrival.ticket['category']}, {arrival.ticket['confidence']} confidence."
    )
    details = f"{arrival.opening} {said}".strip()
    entry = trail.Entry(action="Ticket Created", details=details, event=trail.NEW_TICKET)
    return trail.line(arrival.ticket, entry, arrival.at, version=1)
