"""How a failure becomes a ticket: once for each run, many in one commit, with everything it owes the outside."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from pipesleuth import traces
from pipesleuth.db.database import Database
from pipesleuth.db.rivals import did_first
from pipesleuth.db.tables import Payload, Ticket
from pipesleuth.model import (
    Confidence,
    Diagnosis,
    Failure,
    PipesleuthError,
    SlaStatus,
    Status,
    timestamp,
)
from pipesleuth.outbox import doubt, todos
from pipesleuth.tickets import identity, inbound, lifecycle, lineage, sla, trail
from pipesleuth.tickets.arrival import (
    DUPLICATE,
    RACE,
    SUCCESS,
    Admission,
    Arrival,
    first_lines,
    is_stored,
    told,
    told_row,
)
from pipesleuth.tickets.finops import FinOps
from pipesleuth.tickets.origin import stored
from pipesleuth.tickets.payloads import packed
from pipesleuth.tickets.recurrence import REPAIRED, ask_again, next_key

AGAIN = "Duplicate Run Detected"

DRAWS = 5  # of a ticket id, before we believe that something else is wrong
FLOOD, FLOOD_SECONDS = 25, 0.5
MODE = 32  # characters of `processing_mode`
KNOWN_COLUMNS = (Ticket.id, Ticket.run_id, Ticket.status, Ticket.seen_count, Ticket.confidence, Ticket.told_at)


class NoFreeId(PipesleuthError):
    """No id could be found for a ticket."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What every new ticket owes: the kinds of to-do, and how long the channels wait for a better diagnosis.

    `asks` are the sources whose platform can be asked about a failure; `again` those whose runs keep their id when
    they are repaired, so that what fails after its run's ticket was closed is another failure.
    """

    at_once: tuple[str, ...]
    channels: tuple[str, ...]
    channels_wait_seconds: float
    asks: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset({REPAIRED})


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
        draw: Callable[[str, datetime], str] = identity.ticket_id,
    ) -> None:
        self._draw = draw
        self._database = database
        self._finops = finops
        self._duties = duties
        self._register = inbound.Register(inbound_rows)
        self._warn_seconds = warn_seconds
        self._now = now
        self._uncounted: Counter[str] = Counter()
        self._lately: deque[float] = deque(maxlen=FLOOD)

    def flooded(self) -> bool:
        """Whether webhooks pour in just now, so that other work should step back."""
        return len(self._lately) == FLOOD and time.monotonic() - self._lately[0] < FLOOD_SECONDS

    async def admit(
        self,
        failure: Failure,
        diagnosis: Diagnosis,
        body: bytes,
        *,
        prefix: str,
        door: str,
        opening: str = "",
        missed: str = "",
    ) -> Admission:
        """A ticket for the run, committed on disk before this returns. Raises StoreUnavailable.

        `opening` is said in the audit line besides; `door` is where it came in. `missed` says in a line of its own
        that no webhook ever told of the run.
        """
        self._lately.append(time.monotonic())
        arrival = self.arrival(failure, diagnosis, body, prefix=prefix, door=door, opening=opening)
        arrival.missed = missed
        with traces.stretch("intake.admit", source=failure.source) as seen:
            arrival.traceparent = traces.traceparent()
            admission = await self._database.write_together(self._admit, arrival)
            seen.note("intake.outcome", admission.outcome)
            seen.note("ticket.id", admission.ticket_id)
        if not admission.counted:
            self._uncounted[admission.ticket_id] += 1
        return admission

    async def count(self) -> None:
        """Write down the duplicates that came in since the last call. Raises StoreUnavailable."""
        if not self._uncounted:
            return
        counts, self._uncounted = self._uncounted, Counter()
        try:
            await self._database.write(lambda c: _count(c, counts))
        except Exception:
            self._uncounted.update(counts)
            raise

    async def note(self, door: str, outcome: str, reason: str, body: bytes) -> None:
        """Remember a webhook that made no ticket, and why."""
        row = inbound.row(door, body, self._now()) | {"outcome": outcome, "reason": reason[:500]}
        await self._database.write_together(self._register.write, row)

    async def note_stranger(self, door: str, reason: str) -> None:
        """Remember somebody without a key, once a minute for each door, so that strangers fill nothing."""
        if self._register.is_rare(door, self._now()):
            await self.note(door, "unauthorized", reason, b"")

    def arrival(
        self, failure: Failure, diagnosis: Diagnosis, body: bytes, *, prefix: str, door: str, opening: str = ""
    ) -> Arrival:
        """The failure with all its rows, before the database is asked; the ticket id is drawn here."""
        now = self._now()
        row = self._ticket(failure, diagnosis, self._draw(prefix, now), now)
        return Arrival(failure, diagnosis, prefix, now, row, packed(body), inbound.row(door, body, now), opening)

    def _ticket(self, failure: Failure, diagnosis: Diagnosis, ticket_id: str, now: datetime) -> dict[str, Any]:
        tags = self._finops.extract_finops_tags(failure.pipeline, failure.resource_type, failure.tags)
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
            "processing_mode": _mode(failure),
            "source": failure.source,
            "error_message": failure.error_message,
            "error_code": failure.error_code,
            "activity": failure.activity,
            "run_url": failure.run_url,
            "failure": stored(failure),
            "fingerprint": identity.fingerprint_of(failure, diagnosis),
            "run_group": failure.run_group,
            "parent_run_id": failure.parent_run_id,
        }

    def _admit(self, connection: Connection, arrivals: list[Arrival]) -> list[Admission]:
        """Many at once; a clash fails them all, and then each is tried alone."""
        if len(arrivals) == 1:
            return [self._admit_alone(connection, arrivals[0])]
        known = self._known(connection, arrivals)
        fresh: dict[str, Arrival] = {}
        again: dict[str, list[Arrival]] = {}
        answers: list[Admission] = []
        for arrival in arrivals:
            run_id = arrival.failure.run_id
            before = known.get(run_id) if run_id else None
            rival = fresh.get(run_id) if run_id else None
            if before is not None and before["id"] == arrival.ticket["id"]:
                answers.append(Admission(SUCCESS, before["id"]))  # by an earlier try, whose answer was lost
            elif before is not None:
                again.setdefault(before["id"], []).append(arrival)
                answers.append(told(arrival, DUPLICATE, before["id"], before["status"]))
            elif rival is not None:
                again.setdefault(rival.ticket["id"], []).append(arrival)
                answers.append(told(arrival, RACE, rival.ticket["id"]))
            else:
                fresh[run_id or arrival.ticket["id"]] = arrival
                answers.append(told(arrival, SUCCESS, arrival.ticket["id"]))
        self._store(connection, list(fresh.values()))
        first = {ticket_id for ticket_id, some in again.items() if self._again(connection, ticket_id, some, known)}
        self._register.write(connection, [arrival.inbound for arrival in arrivals if arrival.inbound["ticket_id"]])
        return [replace(answer, counted=answer.outcome == SUCCESS or answer.ticket_id in first) for answer in answers]

    def _admit_alone(self, connection: Connection, arrival: Arrival) -> Admission:
        known = self._known(connection, [arrival])
        if known:
            return self._known_already(connection, arrival, known, DUPLICATE)
        for _ in range(DRAWS):
            if did_first(connection, lambda: self._store(connection, [arrival])):
                self._register.write(connection, [told_row(arrival, SUCCESS, arrival.ticket["id"])])
                return Admission(SUCCESS, arrival.ticket["id"])
            rival = self._known(connection, [arrival])
            if rival:
                return self._known_already(connection, arrival, rival, RACE)
            if is_stored(connection, arrival):
                return Admission(SUCCESS, arrival.ticket["id"])
            # Not the run but the ticket's id is taken: draw another.
            arrival.ticket["id"] = self._draw(arrival.prefix, arrival.at)
        raise NoFreeId(f"No ticket id was free in {DRAWS} draws.")

    def _known_already(
        self, connection: Connection, arrival: Arrival, known: Mapping[str, RowMapping], outcome: str
    ) -> Admission:
        (row,) = known.values()
        if row["id"] == arrival.ticket["id"]:
            return Admission(SUCCESS, row["id"])  # an earlier try was committed, and its answer lost
        answer = told(arrival, outcome, row["id"], row["status"] if outcome == DUPLICATE else None)
        counted = self._again(connection, row["id"], [arrival], known)
        self._register.write(connection, [arrival.inbound])
        return replace(answer, counted=counted)

    def _known(self, connection: Connection, arrivals: Sequence[Arrival]) -> dict[str, RowMapping]:
        runs = {arrival.failure.run_id for arrival in arrivals if arrival.failure.run_id}
        if not runs:
            return {}
        alerts = [run for run in runs if run.startswith("alert:")]
        became = lineage.runs_of_alerts(connection, alerts) if alerts else {}
        wanted = runs | set(became.values())
        rows = connection.execute(select(*KNOWN_COLUMNS).where(Ticket.run_id.in_(wanted))).mappings()
        found = {row["run_id"]: row for row in rows}
        known = {run: row for run, row in found.items() if run in runs}
        known |= {alert: found[run] for alert, run in became.items() if run in found}
        repaired = any(a.failure.source in self._duties.again and a.failure.run_id in known for a in arrivals)
        return self._known_again(connection, arrivals, known) if repaired else known

    def _known_again(
        self, connection: Connection, arrivals: Sequence[Arrival], known: dict[str, RowMapping]
    ) -> dict[str, RowMapping]:
        """Where a repaired run cannot be asked about: what fails after its ticket was closed is another failure."""
        for arrival in arrivals:
            before = known.get(arrival.failure.run_id or "")
            if arrival.failure.source not in self._duties.again or before is None:
                continue
            key = next_key(connection, before)
            if key is None:
                continue
            arrival.failure = replace(arrival.failure, run_id=key, run_group=before["run_id"])
            arrival.ticket |= {"run_id": key, "run_group": before["run_id"]}
            row = connection.execute(select(*KNOWN_COLUMNS).where(Ticket.run_id == key)).mappings().first()
            if row is not None:
                known[key] = row
        return {run: row for run, row in known.items() if any(run == a.failure.run_id for a in arrivals)}

    def _store(self, connection: Connection, arrivals: Sequence[Arrival]) -> None:
        if not arrivals:
            return
        connection.execute(insert(Ticket), [arrival.ticket for arrival in arrivals])
        todos.put(connection, [todo for arrival in arrivals for todo in self._todos(arrival)])
        doubt.on_a_standby(connection, [arrival.ticket["id"] for arrival in arrivals], self._duties.channels)
        connection.execute(insert(Payload), [{"ticket_id": a.ticket["id"], **a.payload} for a in arrivals])
        trail.write(connection, [line for arrival in arrivals for line in first_lines(arrival)])

    def _todos(self, arrival: Arrival) -> list[dict[str, Any]]:
        ticket_id, rank, duties = arrival.ticket["id"], arrival.diagnosis.priority.rank, self._duties
        trace = arrival.traceparent
        later = arrival.at + timedelta(seconds=duties.channels_wait_seconds)
        return [
            *(todos.row(ticket_id, kind, rank, arrival.at, arrival.at, traceparent=trace) for kind in duties.at_once),
            *(todos.row(ticket_id, kind, rank, arrival.at, later, traceparent=trace) for kind in duties.channels),
        ]

    def _again(
        self, connection: Connection, ticket_id: str, arrivals: Sequence[Arrival], known: Mapping[str, RowMapping]
    ) -> bool:
        """Learn from a surer verdict while nobody was told; say once that the run came again.

        Whether these were counted now: the first are, later ones all together once a second.
        """
        before = known.get(arrivals[0].failure.run_id or "")
        if arrivals[0].failure.source == REPAIRED and REPAIRED in self._duties.asks:
            ask_again(connection, (ticket_id,), arrivals[0].at)
        surest = max(arrivals, key=lambda arrival: arrival.diagnosis.confidence.rank)
        rank = surest.diagnosis.confidence.rank
        if before is None or (before["told_at"] is None and rank > Confidence(before["confidence"]).rank):
            row = lifecycle.fetch(connection, ticket_id)
            if row["told_at"] is None and rank > Confidence(row["confidence"]).rank:
                details = "A second alert for the same run says more."
                warn = self._warn_seconds
                lifecycle.rediagnose(connection, row, surest.diagnosis, surest.at, warn_seconds=warn, details=details)
        if before is not None and before["seen_count"] != 1:
            return False
        first = update(Ticket).where(Ticket.id == ticket_id, Ticket.seen_count == 1)
        if connection.execute(first.values(seen_count=1 + len(arrivals))).rowcount != 1:
            return False
        row = connection.execute(select(Ticket).where(Ticket.id == ticket_id)).mappings().one()
        details = "Another alert came in for this run; it changes nothing. Further ones are only counted."
        trail.write(connection, [trail.line(row, trail.Entry(action=AGAIN, details=details), surest.at)])
        return True


def _mode(failure: Failure) -> str:
    return (failure.processing_mode or ("databricks" if failure.source == "databricks" else "Single"))[:MODE]


# What is not named here is NULL: fewer values to bind for each webhook.
_UNTOUCHED: Mapping[str, Any] = {
    "status": Status.OPEN,
    "sla_status": SlaStatus.PENDING,
    "seen_count": 1,
    "version": 1,
    "jira_live": False,
}


def _count(connection: Connection, counts: Mapping[str, int]) -> None:
    more = update(Ticket).where(Ticket.id == bindparam("one")).values(seen_count=Ticket.seen_count + bindparam("more"))
    connection.execute(more, [{"one": ticket_id, "more": number} for ticket_id, number in sorted(counts.items())])
