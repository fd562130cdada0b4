"""Rows of the earlier system, which had the mission's columns only, as rows of ours.

Years of hands have been at them: what can be read is kept, what is missing gets the value that says so, and nothing
here raises for what a cell holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, inspect

from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.model import Category, Confidence, Priority, Responder, Severity, SlaStatus, Status, timestamp

Row = Mapping[str, Any]

TABLES = ("tickets", "audit_trail", "users")
RCA_SOURCE = "earlier system"
NO_RUN = frozenset({"", "n/a", "na", "n.a.", "null", "none", "nil", "undefined", "unknown", "nan", "-", "--", "?"})
SLA_SECONDS = {Priority.P1: 900, Priority.P2: 1800, Priority.P3: 7200, Priority.P4: 86400}
LARGEST = 2**31 - 1

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ID_TIME = re.compile(r"(\d{8})T(\d{6})")
_BCRYPT = re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_CLOSED = frozenset(
    {"acknowledged", "ack", "acked", "closed", "close", "done", "resolved", "fixed", "complete", "completed"}
)
_WORKED_ON = frozenset({"in_progress", "inprogress", "progress", "in_review", "review", "wip", "assigned", "started"})
_PRIORITY = {"1": "P1", "2": "P2", "3": "P3", "4": "P4", "critical": "P1", "high": "P2", "medium": "P3", "low": "P4"}
_SEVERITY = {"p1": "Critical", "p2": "High", "p3": "Medium", "p4": "Low", "1": "Critical", "2": "High"} | {
    "3": "Medium",
    "4": "Low",
    "moderate": "Medium",
    "minor": "Low",
    "major": "High",
    "blocker": "Critical",
}


# What that system did not keep of a ticket.
_NOT_KEPT: Mapping[str, Any] = {
    "category": Category.UNKNOWN,
    "error_message": "",
    "rca_source": RCA_SOURCE,
    "auto_heal_possible": False,
    "retryable": False,
    "responder": Responder.PLATFORM,
    "evidence": "[]",
    "failure": '{"tags":{},"facts":{}}',
    "seen_count": 1,
    "version": 1,
}


def is_earlier(connection: Connection) -> bool:
    """Whether the tickets in this database are the earlier system's."""
    known = inspect(connection)
    if not known.has_table("tickets") or known.has_table("alembic_version"):
        return False
    columns = {column["name"].lower() for column in known.get_columns("tickets")}
    return {"id", "run_id"} <= columns and "fingerprint" not in columns


def ticket(row: Row, now: datetime) -> dict[str, Any]:
    """A ticket of ours; `run_id` is as it was read, which another ticket may have as well."""
    made = _moment(row.get("timestamp")) or _of_id(row.get("id")) or now
    closed = _moment(row.get("ack_ts"))
    status, priority = _status(row), _priority(row)
    seconds = _number(row.get("sla_seconds")) or SLA_SECONDS[priority]
    due = made + timedelta(seconds=seconds)
    source = "databricks" if _is_databricks(row) else "data_factory"
    pipeline = _text(row.get("pipeline"), 300) or "unknown pipeline"
    cause = _text(row.get("rca_result")) or "The earlier system kept no root cause."
    error_type = _text(row.get("error_type"), 300)
    known = {"pipeline": pipeline, "rca_result": cause, "error_type": error_type}
    digest = hashlib.sha256("\0".join((source, pipeline, error_type or "", cause[:200])).encode()).hexdigest()
    is_closed = status is Status.ACKNOWLEDGED
    told = _text(row.get("slack_ts"), 64) or _text(row.get("itsm_ticket_id"), 100)
    return {
        **_copied(Ticket, row),
        **_NOT_KEPT,
        **known,
        "id": _text(row.get("id"), 64),
        "timestamp": timestamp(made),
        "run_id": run_id(row.get("run_id")),
        "recommendations": json.dumps(recommendations(row.get("recommendations")), ensure_ascii=False),
        "confidence": _confidence(row.get("confidence")),
        "severity": _severity(row, priority),
        "priority": priority,
        "status": status,
        "ack_ts": timestamp(closed) if is_closed and closed else None,
        "ack_seconds": _taken(row.get("ack_seconds"), made, closed) if is_closed else None,
        "sla_seconds": seconds,
        "sla_status": _sla(row.get("sla_status"), closed or made if is_closed else None, due),
        "sla_due_at": timestamp(due),
        "processing_mode": _text(row.get("processing_mode"), 32)
        or ("databricks" if source == "databricks" else "Single"),
        "source": source,
        "fingerprint": digest[:32],
        "told_at": timestamp(made) if told else None,
        "jira_live": bool(_text(row.get("itsm_ticket_id"), 100)),
    }


def line(row: Row, now: datetime) -> dict[str, Any]:
    """An audit line of ours, without its number where it had none."""
    minutes = row.get("mttr_minutes")
    return {
        **_copied(AuditLine, row),
        "id": _number(row.get("id")),
        "timestamp": timestamp(_moment(row.get("timestamp")) or now),
        "action": _text(row.get("action"), 100) or "Note",
        "time_taken_seconds": _number(row.get("time_taken_seconds")),
        "mttr_minutes": _decimal(minutes),
        "event": None,
        "ticket_version": None,
    }


def user(row: Row, now: datetime) -> dict[str, Any] | None:
    """A person of ours; None where there is no address. A hash that is not bcrypt's is left out."""
    email = (_text(row.get("email"), 254) or "").lower()
    if "@" not in email:
        return None
    secret = _text(row.get("password_hash"), 100) or ""
    last = _moment(row.get("last_login"))
    return {
        "id": _number(row.get("id")),
        "email": email,
        "password_hash": secret if _BCRYPT.fullmatch(secret) else None,
        "full_name": _text(row.get("full_name"), 300),
        "created_at": timestamp(_moment(row.get("created_at")) or now),
        "last_login": timestamp(last) if last else None,
        "role": "responder",
        "disabled": False,
        "token_version": 1,
    }


def run_id(value: Any) -> str | None:
    """A run's id as intake stores it, None for all the words that mean there is none."""
    text = _text(value, 300) or ""
    if text.lower() in NO_RUN:
        return None
    return text.lower() if _GUID.fullmatch(text) else text


def recommendations(value: Any) -> list[str]:
    """Steps out of a JSON list, a Python list or lines of text."""
    text = _text(value) or ""
    try:
        found: Any = json.loads(text) if text[:1] in {"[", "{", '"'} else text
    except (ValueError, RecursionError):
        found = text
    if isinstance(found, str):
        lines = (_BULLET.sub("", each).strip() for each in found.strip("[]").splitlines())
        return [each[:2000] for each in lines if each]
    values = cast(
        "list[Any]", [*found.values()] if isinstance(found, dict) else found if isinstance(found, list) else []
    )
    steps = (_text(each if isinstance(each, str) else json.dumps(each), 2000) for each in values)
    return [step for step in steps if step]


def _copied(table: Any, row: Row) -> dict[str, Any]:
    """The columns that both have and that hold text, cut to what ours hold."""
    return {
        column.name: _text(row.get(column.name), getattr(column.type, "length", None))
        for column in table.__table__.columns
        if column.name in row and column.type.python_type is str
    }


def _text(value: Any, most: int | None = None) -> str | None:
    """A cell as text that every database can hold; None where nothing is in it."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode().strip()
    return text[:most] or None


def _number(value: Any) -> int | None:
    found = _decimal(value)
    return int(found) if found is not None and 0 <= found <= LARGEST else None


def _decimal(value: Any) -> float | None:
    try:
        found = float(_text(value) or "nan")
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < 1e15 else None  # False for what is no number


def _moment(value: Any) -> datetime | None:
    """A time in any of the forms that were written: with or without a zone (then UTC), or seconds since 1970."""
    if isinstance(value, datetime):
        return _utc(value)
    seconds = _decimal(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC) if seconds > 1e8 else None
        text = re.sub(r"\s*(?:UTC|GMT|Z)$", "+00:00", _text(value) or "", flags=re.IGNORECASE)
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        return None


def _utc(moment: datetime) -> datetime | None:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def _of_id(value: Any) -> datetime | None:
    found = _ID_TIME.search(_text(value) or "")
    return _moment(f"{found[1]}T{found[2]}") if found else None


def _word(value: Any) -> str:
    return re.sub(r"[\s\-]+", "_", (_text(value, 100) or "").lower())


def _status(row: Row) -> Status:
    word = _word(row.get("status"))
    if word in _CLOSED:
        return Status.ACKNOWLEDGED
    return Status.IN_PROGRESS if word in _WORKED_ON else Status.OPEN


def _priority(row: Row) -> Priority:
    for value in (row.get("priority"), row.get("severity")):
        word = _word(value)
        found = _PRIORITY.get(word, word.upper()[:2])
        if found in set(Priority):
            return Priority(found)
    return Priority.P3


def _severity(row: Row, priority: Priority) -> Severity:
    word = _word(row.get("severity"))
    found = _SEVERITY.get(word, word.title())
    return Severity(found) if found in set(Severity) else Severity(_SEVERITY[priority.lower()])


def _confidence(value: Any) -> Confidence:
    found = _word(value).replace("_", " ").title()
    if found in set(Confidence):
        return Confidence(found)
    share = _decimal(found.rstrip("%"))
    if share is None:
        return Confidence.LOW
    share = share / 100 if share > 1 else share
    steps = ((0.9, Confidence.VERY_HIGH), (0.7, Confidence.HIGH), (0.4, Confidence.MEDIUM))
    return next((word for least, word in steps if share >= least), Confidence.LOW)


def _sla(value: Any, closed: datetime | None, due: datetime) -> SlaStatus:
    found = _word(value).title()
    if found in {SlaStatus.MET, SlaStatus.BREACHED}:
        return SlaStatus(found)
    if closed is None:
        return SlaStatus.PENDING
    return SlaStatus.MET if closed <= due else SlaStatus.BREACHED


def _taken(value: Any, made: datetime, closed: datetime | None) -> int | None:
    known = _number(value)
    return (
        known if known is not None or closed is None else max(0, min(LARGEST, round((closed - made).total_seconds())))
    )


def _is_databricks(row: Row) -> bool:
    said: Callable[[str], str] = lambda name: _word(row.get(name))  # noqa: E731  # shorter than a function for two words
    return said("id").startswith("dbx") or "databricks" in said("processing_mode")
