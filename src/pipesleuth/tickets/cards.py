"""A ticket as people see it: the card of lists and live events, and the whole of one ticket."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from pipesleuth.db.tables import AuditLine, Payload, Ticket, Todo
from pipesleuth.model import Status
from pipesleuth.outbox.todos import read_receipt
from pipesleuth.tickets import lifecycle, lineage
from pipesleuth.tickets.links import Links

CARD_CAUSE = 300
CARD_ENTITY = 200
TIMELINE_LINES = 500

CARD_COLUMNS = (
    Ticket.id,
    Ticket.timestamp,
    Ticket.pipeline,
    Ticket.run_id,
    Ticket.rca_result,
    Ticket.severity,
    Ticket.priority,
    Ticket.confidence,
    Ticket.category,
    Ticket.error_type,
    Ticket.affected_entity,
    Ticket.status,
    Ticket.source,
    Ticket.finops_team,
    Ticket.finops_owner,
    Ticket.itsm_ticket_id,
    Ticket.sla_seconds,
    Ticket.sla_status,
    Ticket.sla_due_at,
    Ticket.ack_user,
    Ticket.ack_ts,
    Ticket.ack_seconds,
    Ticket.seen_count,
    Ticket.version,
    Ticket.run_url,
    Ticket.processing_mode,
    Ticket.caused_by,
)
_UNCUT = frozenset({"id"})
_LEFT_OUT = frozenset({"run_url"})
_INTERNAL = ("failure", "jira_live", "jira_issue_id", "jira_updated_at", "status_by", "told_at", "sla_warned_at")


def card(row: RowMapping, links: Links, deliveries: Mapping[str, str] | None = None, folded: int = 0) -> dict[str, Any]:
    """One row of CARD_COLUMNS as lists show it; `folded` is how many tickets only repeat its failure."""
    values: dict[str, Any] = {column.key: row[column.key] for column in CARD_COLUMNS}
    values["rca_result"] = (values["rca_result"] or "")[:CARD_CAUSE]
    values["affected_entity"] = values["affected_entity"] and values["affected_entity"][:CARD_ENTITY]
    values["jira_url"] = links.issue(row["itsm_ticket_id"])
    values["deliveries"] = dict(deliveries or {})
    values["folded"] = folded
    return values


def short(values: Mapping[str, Any], longest: int) -> dict[str, Any]:
    """A card for a live event: texts cut to so many bytes of JSON, what is empty or derived left out."""
    return {
        name: within(value, longest) if isinstance(value, str) and name not in _UNCUT else value
        for name, value in values.items()
        if value is not None and name not in _LEFT_OUT
    }


def within(text: str, longest: int) -> str:
    """As much of a text's beginning as fits into so many bytes of JSON."""
    while len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) > longest + 2:
        text = text[: min(len(text) - 1, max(len(text) * 3 // 4, longest // 6))]
    return text


def delivery_states(connection: Connection, ticket_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """For each ticket, how far each of its deliveries is: `pending`, `done` or `stopped`."""
    states: dict[str, dict[str, str]] = {}
    found = connection.execute(
        select(Todo.ticket_id, Todo.kind, Todo.wanted_version, Todo.done_version, Todo.stopped_at).where(
            Todo.ticket_id.in_(list(ticket_ids)), Todo.kind != "analyse"
        )
    )
    for row in found:
        state = _state(row.wanted_version, row.done_version, row.stopped_at)
        states.setdefault(row.ticket_id, {})[row.kind] = state
    return states


def whole(connection: Connection, row: RowMapping, links: Links) -> dict[str, Any]:
    """One ticket with its timeline and deliveries."""
    ticket = {name: value for name, value in row.items() if name not in _INTERNAL}
    ticket["recommendations"] = json.loads(row["recommendations"])
    ticket["evidence"] = json.loads(row["evidence"])
    ticket["jira_url"] = links.issue(row["itsm_ticket_id"])
    origin = json.loads(row["failure"])
    ticket["tags"], ticket["facts"] = origin.get("tags", {}), origin.get("facts", {})
    ticket["has_payload"] = bool(row["blob_log_url"]) or _payload_waits(connection, row["id"])
    ticket["lineage"] = lineage.shown(connection, row)
    reason = lifecycle.moved_elsewhere(connection, row)
    ticket["actions"] = [] if reason else _actions(row["status"])
    ticket["read_only_reason"] = reason
    return {
        "ticket": ticket,
        "timeline": timeline(connection, row["id"]),
        "deliveries": deliveries(connection, row["id"]),
    }


def only_looked_at(found: dict[str, Any]) -> dict[str, Any]:
    """A whole ticket for somebody who may not change it."""
    reason = "Your role may look at tickets but not change them."
    still = [delivery | {"can_retry": False} for delivery in found["deliveries"]]
    return found | {
        "ticket": found["ticket"] | {"actions": [], "read_only_reason": reason, "can_judge": False},
        "deliveries": still,
    }


def timeline(connection: Connection, ticket_id: str) -> list[dict[str, Any]]:
    """What happened to a ticket, oldest first."""
    found = connection.execute(
        select(AuditLine).where(AuditLine.ticket_id == ticket_id).order_by(AuditLine.id).limit(TIMELINE_LINES)
    )
    return [audit(row) for row in found.mappings()]


def audit(row: RowMapping) -> dict[str, Any]:
    """An audit line as people see it."""
    return {name: value for name, value in row.items() if name not in {"event", "ticket_version"}}


def deliveries(connection: Connection, ticket_id: str) -> list[dict[str, Any]]:
    """How each destination stands with a ticket, and why where it stands badly."""
    found = connection.execute(select(Todo).where(Todo.ticket_id == ticket_id).order_by(Todo.kind)).mappings()
    return [_delivery(row) for row in found]


def _delivery(row: RowMapping) -> dict[str, Any]:
    receipt = read_receipt(row["receipt"])
    state = _state(row["wanted_version"], row["done_version"], row["stopped_at"])
    return {
        "kind": row["kind"],
        "state": state,
        "attempts": row["attempts"],
        "last_error": row["last_error"],
        "next_try_at": row["next_try_at"] if state == "pending" else None,
        "stopped_at": row["stopped_at"],
        "key": receipt.key if receipt else None,
        "url": receipt.url if receipt else None,
        "sent_at": receipt.more.get("sent_at") if receipt else None,
        "bytes": _whole_number(receipt.more.get("all_bytes")) if receipt else None,
        "masked": _whole_number(receipt.more.get("masked")) if receipt else None,
        "can_retry": state == "stopped" or (state == "pending" and row["attempts"] > 0),
    }


def _whole_number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _state(wanted: int, done: int, stopped_at: str | None) -> str:
    if done >= wanted:
        return "done"
    return "stopped" if stopped_at else "pending"


def _actions(status: str) -> list[str]:
    return {Status.OPEN: ["take", "close"], Status.IN_PROGRESS: ["close"]}.get(Status(status), ["reopen"])


def _payload_waits(connection: Connection, ticket_id: str) -> bool:
    found = connection.execute(select(Payload.ticket_id).where(Payload.ticket_id == ticket_id))
    return found.first() is not None
