"""What ended well after it had failed: an open ticket is told of it, and stays open until a person decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, or_, select

from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.model import Failure, Status, moment, timestamp
from pipesleuth.sources.recovery import Recovery, Success
from pipesleuth.tickets import lifecycle, lineage, trail
from pipesleuth.tickets.origin import recalled

ACTION = "Run Succeeded Later"
MOST = 100  # tickets of one platform that are asked about in one round, the newest first
# How a line begins: that the failed run itself was run again is the stronger news, and is told after the other too.
AGAIN, OTHER = "Run again with success", "Another run succeeded later"


def waiting(connection: Connection, source: str) -> list[Failure]:
    """The failed runs of a platform whose tickets are not closed and were not told yet of a rerun that went well."""
    told = select(AuditLine.id).where(
        AuditLine.ticket_id == Ticket.id, AuditLine.action == ACTION, AuditLine.details.startswith(AGAIN)
    )
    which = (Ticket.source == source, Ticket.status != Status.ACKNOWLEDGED, Ticket.run_id.is_not(None), ~told.exists())
    newest = select(Ticket).where(*which).order_by(Ticket.timestamp.desc(), Ticket.id).limit(MOST)
    rows = connection.execute(newest).mappings().all()
    found = [(recalled(row), moment(row["timestamp"])) for row in rows]
    return [replace(failure, occurred_at=failure.occurred_at or made) for failure, made in found]


def reported(connection: Connection, source: str, success: Success) -> list[Recovery]:
    """The failed runs with open tickets that a run reported as ended well belongs to."""
    group = or_(Ticket.run_id == success.group, Ticket.run_group == success.group)
    theirs = select(Ticket.run_id).where(Ticket.source == source, Ticket.status != Status.ACKNOWLEDGED, group)
    runs = connection.execute(theirs.order_by(Ticket.id).limit(MOST)).scalars()
    return [Recovery(failed=run, succeeded=success, again=True, how=success.how) for run in runs if run is not None]


def tell(connection: Connection, recoveries: Iterable[Recovery], now: datetime) -> int:
    """Say it on the tickets that are not closed, of each kind once; how many times something was said."""
    found = list(recoveries)
    tickets = lineage.ticketed(connection, list(dict.fromkeys(recovery.failed for recovery in found)))
    there = [recovery for recovery in found if recovery.failed in tickets]
    # Locked in the order of their ids, whoever comes first; a ticket's rerun is told before its other news.
    there.sort(key=lambda recovery: (tickets[recovery.failed], not recovery.again))
    return sum(_said(connection, tickets[recovery.failed], recovery, now) for recovery in there)


def _said(connection: Connection, ticket_id: str, recovery: Recovery, now: datetime) -> bool:
    row = lifecycle.fetch(connection, ticket_id)
    lines = select(AuditLine.details).where(AuditLine.ticket_id == ticket_id, AuditLine.action == ACTION)
    told = [str(details) for details in connection.execute(lines).scalars()]
    known = any(line.startswith(AGAIN) or f" {recovery.succeeded.run} " in line for line in told)
    if row["status"] == Status.ACKNOWLEDGED or known or (told and not recovery.again):
        return False
    entry = trail.Entry(action=ACTION, details=_sentence(recovery))
    lifecycle.change(connection, row, {}, entry, now)
    return True


def _sentence(recovery: Recovery) -> str:
    success = recovery.succeeded
    opening = AGAIN if recovery.again else OTHER
    when = f" at {timestamp(success.ended)}" if success.ended is not None else ""
    link = f" {success.url}" if success.url else ""
    return f"{opening} ({recovery.how}): run {success.run} ended well{when}.{link}"
