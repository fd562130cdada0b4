"""What every chat shows of a ticket, whatever it is made of there: signs, facts, steps, what is due, and a footer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipesleuth.destinations.legible import clean, clean_line, cut
from pipesleuth.model import Notice, Status

SIGNS: Mapping[Status, str] = {Status.OPEN: "🔴", Status.IN_PROGRESS: "🟡", Status.ACKNOWLEDGED: "✅"}
WORDS: Mapping[Status, str] = {
    Status.OPEN: "Open",
    Status.IN_PROGRESS: "In progress",
    Status.ACKNOWLEDGED: "Closed",
}
_FACTS: Sequence[tuple[str, str]] = (
    ("Severity", "severity"),
    ("Priority", "priority"),
    ("Error type", "error_type"),
    ("Affected", "affected_entity"),
    ("Confidence", "confidence"),
    ("Team", "finops_team"),
    ("Owner", "finops_owner"),
)
_STEPS, _STEP, _FOOTNOTE = 8, 450, 120


def standing(notice: Notice) -> str:
    """Where the ticket stands, and by whose hand."""
    by = clean_line(notice.fields.get("ack_user"))
    return f"{WORDS[notice.status]} by {by}" if by and notice.status is not Status.OPEN else WORDS[notice.status]


def facts(notice: Notice) -> list[tuple[str, str]]:
    """The names and values of what is known, on a line each; uncut."""
    rows = [("Status", standing(notice))]
    rows += [(name, clean_line(notice.fields.get(column))) for name, column in _FACTS]
    return [(name, value) for name, value in rows if value]


def cause(notice: Notice) -> str:
    """The root cause, uncut."""
    return clean(notice.fields.get("rca_result")).strip() or "Not known yet."


def steps(notice: Notice, longest: int = _STEP) -> list[str]:
    """At most eight numbered recommendations, each cut to `longest`."""
    lines = [cut(clean_line(step), longest) for step in notice.recommendations[:_STEPS] if clean_line(step)]
    return [f"{number}. {line}" for number, line in enumerate(lines, 1)]


def decided(notice: Notice) -> str:
    """How the SLA came out; empty while that is open."""
    state = clean_line(notice.fields.get("sla_status"))
    return "" if state == "Pending" else state


def due(notice: Notice) -> datetime | None:
    """When the SLA's time is up, while it is open."""
    try:
        return None if decided(notice) else datetime.fromisoformat(notice.fields.get("sla_due_at") or "")
    except ValueError:
        return None


def footer(notice: Notice) -> str:
    """Ticket, run, source and who found the cause, on one line."""
    fields = notice.fields
    values = (notice.ticket_id, fields.get("run_id"), fields.get("source"), fields.get("rca_source"))
    return " · ".join(cut(clean_line(value), _FOOTNOTE) for value in values if clean_line(value))
