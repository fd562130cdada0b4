"""How tests admit failures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipesleuth.model import Category, Confidence, Diagnosis, Failure, Priority, Responder, Severity
from pipesleuth.tickets import identity
from pipesleuth.tickets.finops import FinOps, load_rules
from pipesleuth.tickets.intake import Admission, Duties, Intake
from places import Place

RUN = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"


def verdict(confidence: Confidence, priority: Priority = Priority.P3, cause: str = "A cause.") -> Diagnosis:
    return Diagnosis(
        root_cause=cause,
        error_type="X",
        category=Category.UNKNOWN,
        affected_entity=None,
        severity=Severity.MEDIUM,
        priority=priority,
        confidence=confidence,
        recommendations=["Look."],
        auto_heal_possible=False,
        retryable=False,
        owner=Responder.DATA,
        said_by="knowledge:test",
    )


async def admitted(
    place: Place, run_id: str | None, diagnosis: Diagnosis | None = None, intake: Intake | None = None, **failure: Any
) -> Admission:
    found = Failure(source="data_factory", pipeline="pl", run_id=run_id, **failure)
    return await (intake or place.parts.house.intake).admit(
        found, diagnosis or verdict(Confidence.MEDIUM), b"{}", prefix="ADF", door="azure-monitor"
    )


async def seen_so_often(place: Place, ticket: str, times: int) -> bool:
    return (await place.row(ticket))["seen_count"] == times


def drawing(place: Place, digits: list[str]) -> Intake:
    """An intake whose ticket ids end in these digits, and then in random ones."""
    left = list(digits)

    def draw(prefix: str, now: datetime) -> str:
        fresh = identity.ticket_id(prefix, now)
        return fresh[:-6] + left.pop(0) if left else fresh

    duties = Duties(at_once=("archive", "analyse"), channels=(), channels_wait_seconds=0)
    return Intake(place.parts.database, FinOps(load_rules()), duties, now=place.clock, draw=draw)
