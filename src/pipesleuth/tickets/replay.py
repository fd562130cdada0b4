"""What would be said differently today: verdicts that were given, beside those of another engine, in figures."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from pipesleuth.db.tables import Ticket
from pipesleuth.model import Diagnosis, Failure, Priority
from pipesleuth.tickets.origin import recalled

FIELDS = ("category", "error_type", "affected_entity", "severity", "priority", "confidence", "owner", "retryable")
KEPT_TIMES = 10_000
KEPT_REASONS = 20
_COLUMNS = (
    Ticket.id,
    Ticket.run_id,
    Ticket.pipeline,
    Ticket.source,
    Ticket.error_message,
    Ticket.failure,
    Ticket.category,
    Ticket.error_type,
    Ticket.affected_entity,
    Ticket.severity,
    Ticket.priority,
    Ticket.confidence,
    Ticket.responder.label("owner"),
    Ticket.retryable,
    Ticket.rca_source.label("said_by"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict in the words that are compared, and whose it is."""

    category: str
    error_type: str | None
    affected_entity: str | None
    severity: str
    priority: str
    confidence: str
    owner: str
    retryable: bool
    said_by: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A failure of which something else would be said."""

    ticket_id: str
    before: Said
    now: Said

    @property
    def fields(self) -> list[str]:
        """What differs."""
        return [name for name in FIELDS if getattr(self.before, name) != getattr(self.now, name)]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "ticket": self.ticket_id,
            "differs": self.fields,
            "before": asdict(self.before),
            "now": asdict(self.now),
        }


def of(diagnosis: Diagnosis) -> Said:
    """A diagnosis as it is compared."""
    return Said(
        category=str(diagnosis.category),
        error_type=diagnosis.error_type,
        affected_entity=diagnosis.affected_entity,
        severity=str(diagnosis.severity),
        priority=str(diagnosis.priority),
        confidence=str(diagnosis.confidence),
        owner=str(diagnosis.owner),
        retryable=diagnosis.retryable,
        said_by=diagnosis.said_by,
    )


def said_then(connection: Connection, ticket_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The rows of these tickets, with what was said in the end and the failure that it was said of."""
    found = connection.execute(select(*_COLUMNS).where(Ticket.id.in_(list(ticket_ids)))).mappings()
    return {row["id"]: dict(row) for row in found}


def then(row: Mapping[str, Any]) -> Said:
    """What a ticket says."""
    return Said(**{name: row[name] for name in Said.__dataclass_fields__})


def meant(failures: Sequence[Failure], row: Mapping[str, Any] | None) -> Failure:
    """Of a body's failures the one of this ticket; with what its platform told meanwhile, where the ticket has it."""
    if row is None:
        return failures[0]
    mine = [one for one in failures if one.run_id == row["run_id"]] or list(failures)
    known = recalled(row)
    return known if known.error_message and known.error_message != mine[0].error_message else mine[0]


@dataclass(slots=True)
class Report:
    """What a replay has found so far; its size does not grow with the archive's."""

    bodies: int = 0
    compared: int = 0
    different: int = 0
    fields: Counter[str] = field(default_factory=Counter[str])
    flips: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    urgency: Counter[str] = field(default_factory=Counter[str])
    now: Counter[str] = field(default_factory=Counter[str])
    examples: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    unread: Counter[str] = field(default_factory=Counter[str])
    reasons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    times: array[float] = field(default_factory=lambda: array("d"))
    timed: int = 0

    def compare(self, ticket_id: str, before: Said | None, now: Said, seconds: float) -> Difference | None:
        """Count one failure; the difference, where there is one."""
        self.now[now.category] += 1
        self._time(seconds)
        if before is None:
            return None
        self.compared += 1
        found = Difference(ticket_id, before, now)
        if not found.fields:
            return None
        self.different += 1
        self.fields.update(found.fields)
        if before.category != now.category:
            flip = (before.category, now.category)
            self.flips[flip] += 1
            self.examples.setdefault(flip, ticket_id)
        if before.priority != now.priority:
            more = Priority(now.priority).rank < Priority(before.priority).rank
            self.urgency["more urgent" if more else "less urgent"] += 1
        return found

    def leave(self, what: str, name: str, reason: str) -> None:
        """Count a body that could not be compared, and why; the first few are named."""
        self.unread[what] += 1
        if len(self.reasons) < KEPT_REASONS:
            self.reasons.append((name, reason))

    def took(self, share: float) -> float:
        """The time in milliseconds that this share of the verdicts took at most."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "bodies": self.bodies,
            "compared": self.compared,
            "different": self.different,
            "fields": dict(self.fields),
            "verdicts": [{"before": a, "now": b, "times": n} for (a, b), n in self.flips.most_common()],
            "priority": dict(self.urgency),
            "now": dict(self.now.most_common()),
            "not_compared": dict(self.unread),
            "reasons": [{"name": name, "reason": reason} for name, reason in self.reasons],
            "ms_p50": round(self.took(0.5), 3),
            "ms_p95": round(self.took(0.95), 3),
        }

    def _time(self, seconds: float) -> None:
        """A fair sample of the times: each has the same chance to stay."""
        self.timed += 1
        if len(self.times) < KEPT_TIMES:
            self.times.append(seconds)
        elif (place := random.randrange(self.timed)) < KEPT_TIMES:  # noqa: S311  # no secret hangs on it
            self.times[place] = seconds
