"""The to-dos that tell the outside: a ticket as a notice, handed to a destination, and the receipt written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select

from pipesleuth.db.database import Database
from pipesleuth.db.tables import AuditLine, Payload, Ticket
from pipesleuth.destinations.contract import Destination
from pipesleuth.model import News, Notice, Receipt, Status, moment, timestamp
from pipesleuth.outbox.todos import Claim
from pipesleuth.outbox.worker import Done
from pipesleuth.tickets import identity, lifecycle, payloads, trail
from pipesleuth.tickets.links import Links
from pipesleuth.triage.redact import Masked

NEWS_LINES = 50
EVIDENCE = 2000

# What people are told step by step, in a thread or as comments; each destination leaves out its own doings.
TOLD = (
    "RCA Updated",
    "SLA Warning",
    "SLA Breached",
    "SLA Corrected",
    "Ticket Taken",
    "Ticket Closed",
    "Ticket Reopened",
    "Ticket Put Back",
    "Jira Created",
    "Jira Deleted",
)

# The columns a destination may see, as text.
_SHOWN = (
    "pipeline",
    "run_id",
    "rca_result",
    "confidence",
    "severity",
    "priority",
    "error_type",
    "affected_entity",
    "category",
    "rca_source",
    "source",
    "activity",
    "error_code",
    "timestamp",
    "ack_user",
    "ack_ts",
    "sla_status",
    "sla_due_at",
    "finops_team",
    "finops_owner",
    "finops_cost_center",
    "itsm_ticket_id",
    "blob_log_url",
    "run_url",
    "responder",
    "processing_mode",
    "logic_app_run_id",
    "status_by",
)


Mask = Callable[[str], Masked]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A ticket as it stood when it was read for a destination."""

    row: RowMapping
    news: Sequence[RowMapping]
    payload: bytes | None


class Delivery:
    """Handles the to-dos of one destination."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        links: Links,
        mask: Mask,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._destination = destination
        self._links = links
        self._mask = mask
        self._now = now
        self.kind = destination.name

    async def __call__(self, claim: Claim) -> Done:
        """Create or bring up to date what stands for the ticket there."""
        reading = await self._database.read(lambda c: self._read(c, claim))
        row = reading.row
        version = int(row["version"])
        never_told = claim.receipt is None and not claim.in_doubt
        if self.kind in lifecycle.CHANNELS and row["status"] == Status.ACKNOWLEDGED and never_told:
            return Done(version)
        notice, masked = self._notice(reading)
        receipt = await self._destination.deliver(notice, claim.receipt, in_doubt=claim.in_doubt)
        if not receipt.key:
            return Done(version)  # nothing was created there, and nothing has to be
        left = self._left_the_house(receipt, notice, masked)
        return Done(version, receipt, effects=lambda c: self._record(c, claim, receipt, left))

    def stopped(self, connection: Connection, claim: Claim, reason: str) -> None:
        """Say on the ticket why this destination is tried no more."""
        row = lifecycle.fetch(connection, claim.ticket_id)
        entry = trail.Entry(action=f"{self.kind.title()} Stopped", details=reason)
        lifecycle.change(connection, row, {}, entry, self._now(), silent=lifecycle.CHANNELS)

    def _read(self, connection: Connection, claim: Claim) -> _Reading:
        row = connection.execute(select(Ticket).where(Ticket.id == claim.ticket_id)).mappings().one()
        if self.kind not in lifecycle.CHANNELS:
            return _Reading(row, (), payloads.waiting(connection, claim.ticket_id))
        told = claim.receipt.told_audit_id if claim.receipt else 0
        news = (
            connection.execute(
                select(AuditLine)
                .where(AuditLine.ticket_id == claim.ticket_id, AuditLine.id > told, AuditLine.action.in_(TOLD))
                .order_by(AuditLine.id)
                .limit(NEWS_LINES)
            )
            .mappings()
            .all()
        )
        return _Reading(row, news, None)

    def _notice(self, reading: _Reading) -> tuple[Notice, int]:
        """The ticket as the destination may see it, and how many secrets were masked on the way."""
        row, count = reading.row, 0

        def clean(text: str) -> str:
            nonlocal count
            masked = self._mask(text)
            count += masked.count
            return masked.text

        bare = Notice(
            ticket_id=row["id"],
            version=row["version"],
            run_mark=identity.run_mark(row["source"], row["run_id"], row["id"]),
            created_at=moment(row["timestamp"]),
            status=Status(row["status"]),
            fields={},
            payload=reading.payload,
        )
        if self.kind not in lifecycle.CHANNELS:
            return bare, 0
        fields = {name: clean(str(row[name])) if row[name] else None for name in _SHOWN}
        fields["ticket_url"] = self._links.ticket(row["id"])
        fields["jira_url"] = self._links.issue(row["itsm_ticket_id"])
        fields["error_message"] = clean(row["error_message"][:EVIDENCE]) or None
        notice = replace(
            bare,
            fields=fields,
            recommendations=[clean(step) for step in json.loads(row["recommendations"])],
            evidence=[clean(span) for span in json.loads(row["evidence"])],
            news=[
                News(
                    audit_id=line["id"],
                    at=moment(line["timestamp"]),
                    action=line["action"],
                    text=clean(_sentence(line)),
                )
                for line in reading.news
            ],
        )
        return notice, count

    def _left_the_house(self, receipt: Receipt, notice: Notice, masked: int) -> str:
        """What went out, in one sentence for the audit trail."""
        sent = int(receipt.more.get("bytes") or 0) or len(notice.payload or b"") or _size(notice)
        notes = [receipt.more[name] for name in ("unlooked",) if receipt.more.get(name)]
        if receipt.more.get("left_out"):
            notes.append(f"left out, as the project refuses it: {receipt.more['left_out']}")
        said = f"{sent} bytes to {self.kind}, {masked} secrets masked"
        return "; ".join([said, *notes]) + "."

    def _record(self, connection: Connection, claim: Claim, receipt: Receipt, left: str) -> None:
        now = self._now()
        if claim.receipt is None:
            lifecycle.record_receipt(connection, claim.ticket_id, self.kind, receipt, now, left)
        elif receipt.told_digest != claim.receipt.told_digest or receipt.told_audit_id != claim.receipt.told_audit_id:
            row = lifecycle.fetch(connection, claim.ticket_id)
            entry = trail.Entry(action=f"{self.kind.title()} Updated", details=left)
            trail.write(connection, [trail.line(row, entry, now)])
        if self.kind == "archive":
            connection.execute(delete(Payload).where(Payload.ticket_id == claim.ticket_id))


def _sentence(line: RowMapping) -> str:
    return line["details"] or f"{line['action']} by {line['user_name']} at {timestamp(moment(line['timestamp']))}"


def _size(notice: Notice) -> int:
    texts: list[Any] = [*notice.fields.values(), *notice.recommendations, *(news.text for news in notice.news)]
    return sum(len(text.encode("utf-8", "replace")) for text in texts if text)
