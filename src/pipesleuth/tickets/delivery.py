"""The to-dos that tell the outside: a ticket as a notice, handed to a destination, and the receipt written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, delete, select

from pipesleuth.db.database import Database
from pipesleuth.db.tables import AuditLine, Payload, Ticket, Todo
from pipesleuth.destinations.contract import Destination
from pipesleuth.model import NOTHING, News, Notice, Receipt, Status, moment, timestamp
from pipesleuth.outbox.kinds import ClaimLost, Done
from pipesleuth.outbox.todos import Claim
from pipesleuth.tickets import identity, lifecycle, payloads, trail
from pipesleuth.tickets.links import Links
from pipesleuth.triage.redact import Masked

ROUTED_AT_ONCE = 100  # tickets whose ways are read by one statement
NEWS_LINES = 15  # told one a second, so that a call ends before it is cut; what is left follows at once
EVIDENCE = 2000

# What people are told step by step, in a thread or as comments; each destination leaves out its own doings.
TOLD = (
    "RCA Updated",
    "Run Succeeded Later",
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


# What a route may go by.
_ROUTED = (Ticket.finops_team, Ticket.severity, Ticket.priority, Ticket.source, Ticket.pipeline)

Mask = Callable[[str], Masked]


# Made once: putting a statement together takes longer than running it.


@lru_cache(maxsize=1)
def _claimed() -> Select[Any]:
    """The ticket of a to-do whose claim holds at this moment."""
    mine = (Todo.kind == bindparam("what"), Todo.claim == bindparam("mine"), Todo.leased_until > bindparam("at"))
    return select(Ticket).join(Todo, Todo.ticket_id == Ticket.id).where(Ticket.id == bindparam("one"), *mine)


@lru_cache(maxsize=1)
def _news() -> Select[Any]:
    of_it = (AuditLine.ticket_id == bindparam("one"), AuditLine.id > bindparam("told"), AuditLine.action.in_(TOLD))
    return select(AuditLine).where(*of_it).order_by(AuditLine.id).limit(NEWS_LINES)


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
        """Create or bring up to date what stands for the ticket there. Raises Retryable, Permanent, ClaimLost."""
        reading = await self._database.read(lambda c: self._read(c, claim))
        row = reading.row
        # While there is more to tell than fits into one call, the to-do stays due.
        version = int(row["version"]) - (len(reading.news) == NEWS_LINES)
        never_told = claim.receipt is None and not claim.in_doubt
        nothing_owed = row["status"] == Status.ACKNOWLEDGED or row["caused_by"] is not None
        if self.kind in lifecycle.CHANNELS and nothing_owed and never_told:
            return Done(version, called=False)
        notice, masked = self._notice(reading)
        known = _known(claim)
        receipt = await self._destination.deliver(notice, known, in_doubt=claim.in_doubt)
        if not receipt.key:
            return Done(version)  # nothing was created there, and nothing has to be
        if receipt is known and claim.receipt is not None:
            # Nothing of this was to be told there; what comes after it is looked at next.
            newest = reading.news[-1]["id"] if reading.news else claim.receipt.told_audit_id
            return Done(version, replace(claim.receipt, told_audit_id=newest), called=False)
        sent = self._sent(receipt, claim, notice, masked)
        left = self._left_the_house(sent)
        notes = int(sent.more.get("notes", 0)) if claim.receipt is not None else 0
        return Done(version, sent, effects=lambda c: self._record(c, claim, sent, left), messages=notes)

    def ways(self, connection: Connection, ticket_ids: Sequence[str]) -> Mapping[str, str]:
        """Which way each ticket goes, where the destination has several (Slack's channels)."""
        way = getattr(self._destination, "way", None)
        if way is None:
            return {}
        ways: dict[str, str] = {}
        for start in range(0, len(ticket_ids), ROUTED_AT_ONCE):
            # Always as many, the last one repeated: drivers keep each length of a list as a statement of its own.
            some = list(ticket_ids[start : start + ROUTED_AT_ONCE])
            some += some[-1:] * (ROUTED_AT_ONCE - len(some))
            found = connection.execute(select(Ticket.id, *_ROUTED).where(Ticket.id.in_(some))).mappings()
            ways |= {row["id"]: way(row) for row in found}
        return ways

    def stopped(self, connection: Connection, claim: Claim, reason: str) -> None:
        """Say on the ticket why this destination is tried no more."""
        row = lifecycle.fetch(connection, claim.ticket_id)
        entry = trail.Entry(action=f"{self.kind.title()} Stopped", details=reason)
        lifecycle.change(connection, row, {}, entry, self._now(), silent=lifecycle.CHANNELS)

    def _read(self, connection: Connection, claim: Claim) -> _Reading:
        # The last look before the call: a process that slept through its lease must not create what another did.
        held = {"one": claim.ticket_id, "what": claim.kind, "mine": claim.token, "at": timestamp(self._now())}
        row = connection.execute(_claimed(), held).mappings().first()
        if row is None:
            raise ClaimLost
        if self.kind not in lifecycle.CHANNELS:
            return _Reading(row, (), payloads.waiting(connection, claim.ticket_id))
        told = claim.receipt.told_audit_id if claim.receipt else 0
        news = connection.execute(_news(), {"one": claim.ticket_id, "told": told}).mappings().all()
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

    def _sent(self, receipt: Receipt, claim: Claim, notice: Notice, masked: int) -> Receipt:
        """The receipt with what left the house: now, and in all that was sent for this ticket."""
        bytes_now = _number(receipt.more, "bytes") or len(notice.payload or b"")
        before = claim.receipt.more if claim.receipt is not None else NOTHING
        totals = {
            "bytes": str(bytes_now),
            "masked": str(masked),
            "all_bytes": str(_number(before, "all_bytes") + bytes_now),
            "sent_at": timestamp(self._now()),
        }
        return replace(receipt, more={**receipt.more, **totals})

    def _left_the_house(self, receipt: Receipt) -> str:
        """What went out, in one sentence for the audit trail."""
        notes = [receipt.more[name] for name in ("unlooked",) if receipt.more.get(name)]
        if receipt.more.get("left_out"):
            notes.append(f"left out, as the project refuses it: {receipt.more['left_out']}")
        said = f"{receipt.more['bytes']} bytes to {self.kind}, {receipt.more['masked']} secrets masked"
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


def _known(claim: Claim) -> Receipt | None:
    """The receipt; without the digest of what was told last where a try since then may have told something else.

    A ticket that came back to an earlier state would otherwise be settled against what that try overwrote.
    """
    if claim.receipt is not None and (claim.in_doubt or claim.attempts > 1):
        return replace(claim.receipt, told_digest="")
    return claim.receipt


def _sentence(line: RowMapping) -> str:
    return line["details"] or f"{line['action']} by {line['user_name']} at {timestamp(moment(line['timestamp']))}"


def _number(more: Mapping[str, str], name: str) -> int:
    text = str(more.get(name) or "")
    return int(text) if text.isascii() and text.isdigit() else 0
