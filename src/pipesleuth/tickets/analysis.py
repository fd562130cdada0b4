"""The to-do `analyse`: ask the platform, read the whole error, ask the AI, and take over what is better."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from pipesleuth.db.database import Database
from pipesleuth.db.tables import Ticket, Todo
from pipesleuth.model import Diagnosis, Failure, Permanent, Retryable, moment
from pipesleuth.outbox import todos
from pipesleuth.outbox.kinds import ClaimLost, Done
from pipesleuth.outbox.todos import Claim
from pipesleuth.tickets import identity, lifecycle, related, trail
from pipesleuth.tickets.enrichment import FACT
from pipesleuth.tickets.opinions import Heard, Opinions
from pipesleuth.tickets.origin import recalled
from pipesleuth.triage.diagnose import Triage

# What a call leaves of the worker's time for writing down what came of it, and the least that a call is worth.
_MARGIN_SECONDS, _LEAST_SECONDS = 3.0, 1.0
_AI_AT_TRY = 2  # of a to-do whose platform cannot be asked yet
_MOST_LOOKS = 6  # at a run that was told of again, before its platform is left alone
_COMPARED = ("category", "severity", "priority", "error_type", "affected_entity")
_LONGEST_VALUE = 120

Enrich = Callable[[RowMapping, Failure], Awaitable[tuple[Failure, Retryable | None]]]
"""Asks a ticket's platform: the failure with what it told, and why a later try may tell more."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take, in seconds: `give_up` from the failure on, `call` for one try of the to-do."""

    give_up: float
    warn: float
    call: float = 30


@dataclass(frozen=True, slots=True)
class _Case:
    """A ticket's failure as it was read at first, as the platform tells it, and the knowledge base's verdict."""

    claim: Claim
    read: Failure
    failure: Failure
    verdict: Diagnosis


class Analysis:
    """Handles `analyse`; `enrich` asks a source's platform, `opinions` are the AI's where one is configured."""

    def __init__(
        self,
        database: Database,
        triage: Triage,
        enrich: Mapping[str, Enrich],
        opinions: Opinions | None,
        patience: Patience,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._triage = triage
        self._enrich = enrich
        self._opinions = opinions
        self._patience = patience
        self._now = now

    async def __call__(self, claim: Claim) -> Done:
        """Make the diagnosis better, or say why it stays; then the channels wait no longer. Raises Retryable."""
        began = asyncio.get_running_loop().time()
        row, seen = await self._database.read(lambda c: self._read(c, claim))
        read = recalled(row)
        # Wanted once more: only the platform is asked, whether something has happened to the run since.
        again = claim.wanted_version > 1
        if not again and self._now() - moment(row["timestamp"]) > timedelta(seconds=self._patience.give_up):
            minutes = round(self._patience.give_up / 60)
            reason = f"It could not be analysed within {minutes} minutes."
            case = _Case(claim, read, read, self._triage.full(read))
            return self._done(claim, lambda c: self._keep(c, case, reason, action="RCA Skipped"))
        failure, hindrance = await self._enriched(row, read)
        case = _Case(claim, read, failure, self._triage.full(failure))
        # The AI hears of it at the second try, so that a platform's outage does not keep it silent.
        alone = self._opinions is None or again or claim.attempts != _AI_AT_TRY
        if isinstance(hindrance, Retryable) and alone and not (again and claim.attempts >= _MOST_LOOKS):
            raise await self._postponed(case, hindrance)
        if self._opinions is None or again:
            return self._done(claim, lambda c: self._settle(c, case, hindrance))
        # Before the AI is asked: should it be slow, people are told this much at the deadline.
        await self._database.write(lambda c: self._stand(c, case))
        left = self._patience.call - _MARGIN_SECONDS - (asyncio.get_running_loop().time() - began)
        try:
            heard = await self._opinions.on(
                failure, case.verdict, row["fingerprint"], seen, seconds=max(left, _LEAST_SECONDS)
            )
        except Retryable as error:
            raise await self._postponed(case, error) from error
        except Permanent as error:
            reason = error.reason
            return self._done(claim, lambda c: self._keep(c, case, reason))
        if isinstance(hindrance, Retryable):
            await self._database.write(lambda c: self._take_over_meanwhile(c, case, heard))
            raise hindrance
        return self._done(claim, lambda c: self._take_over(c, case, heard))

    def _read(self, connection: Connection, claim: Claim) -> tuple[RowMapping, str]:
        row = connection.execute(select(Ticket).where(Ticket.id == claim.ticket_id)).mappings().first()
        if row is None:
            raise ClaimLost  # it was claimed in the database that has just gone away
        if self._opinions is None:
            return row, ""
        return row, _before(related.seen(connection, row["fingerprint"], claim.ticket_id, self._now()))

    async def _enriched(self, row: RowMapping, read: Failure) -> tuple[Failure, Retryable | Permanent | None]:
        """What the platform tells of the failure, or what was read and why there is no more."""
        if read.source not in self._enrich:
            return read, None
        try:
            return await self._enrich[read.source](row, read)
        except (Retryable, Permanent) as hindrance:
            return read, hindrance

    def _done(self, claim: Claim, effects: Callable[[Connection], None]) -> Done:
        def write(connection: Connection) -> None:
            effects(connection)
            todos.hasten(connection, claim.ticket_id, lifecycle.CHANNELS, self._now())

        return Done(claim.wanted_version, effects=write)

    async def _postponed(self, case: _Case, error: Retryable) -> Retryable:
        """Write what is known so far, and once why there is no more yet; the channels keep their deadline."""
        await self._database.write(lambda c: self._wait(c, case, error.reason))
        return error

    def _wait(self, connection: Connection, case: _Case, reason: str) -> None:
        if self._stand(connection, case) and case.claim.attempts <= 1:
            row = lifecycle.fetch(connection, case.claim.ticket_id)
            said = f"{reason} {case.verdict.said_by}'s verdict stands until it works; it is tried again."
            self._say(connection, row, "RCA Waits", said)

    def _take_over_meanwhile(self, connection: Connection, case: _Case, heard: Heard) -> None:
        """The AI's answer while the platform is still to be asked; people wait no longer."""
        if self._stand(connection, case):
            self._take_over(connection, case, heard)
            todos.hasten(connection, case.claim.ticket_id, lifecycle.CHANNELS, self._now())

    def _stand(self, connection: Connection, case: _Case) -> bool:
        """Write what the platform told and the knowledge base's verdict, while the to-do is ours; whether it was."""
        claim = case.claim
        holder = connection.execute(
            select(Todo.claim).where(Todo.ticket_id == claim.ticket_id, Todo.kind == claim.kind)
        ).scalar_one_or_none()
        if holder != claim.token:
            return False
        self._write_verdict(connection, case)
        return True

    def _settle(self, connection: Connection, case: _Case, hindrance: Exception | None) -> None:
        """The end without an AI."""
        self._write_verdict(connection, case)
        if hindrance is not None:
            row = lifecycle.fetch(connection, case.claim.ticket_id)
            self._say(connection, row, "RCA Kept", f"{hindrance} What the alert itself said has to do.")

    def _keep(self, connection: Connection, case: _Case, reason: str, *, action: str = "RCA Kept") -> None:
        """The end without an answer of the AI: its reason, and whose verdict stands."""
        self._write_verdict(connection, case)
        row = lifecycle.fetch(connection, case.claim.ticket_id)
        self._say(connection, row, action, f"{reason} The verdict of {row['rca_source']} stands.")

    def _write_verdict(self, connection: Connection, case: _Case) -> None:
        """The knowledge base's verdict, but never over an AI's answer to the very same facts."""
        row = lifecycle.fetch(connection, case.claim.ticket_id)
        if case.failure != case.read:
            lifecycle.learn(connection, row, case.failure, identity.fingerprint_of(case.failure, case.verdict))
            row = lifecycle.fetch(connection, case.claim.ticket_id)
        news = _substance(case.failure) != _substance(case.read)
        if news or _by_rules(row["rca_source"]):
            source = "The platform was asked and the" if news else "The"
            said = f"{source} whole error was read; {case.verdict.said_by} says {case.verdict.category}."
            self._rediagnose(connection, row, case.verdict, said)

    def _take_over(self, connection: Connection, case: _Case, heard: Heard) -> None:
        """The end with an answer of the AI."""
        row = lifecycle.fetch(connection, case.claim.ticket_id)
        opinion, model = heard.answer.opinion, heard.answer.model
        said = f"{model} says {opinion.category}, {opinion.confidence} confidence."
        remarks = "; ".join(heard.weighed.remarks)
        if heard.weighed.diagnosis is None:
            self._keep(connection, case, f"{said} {remarks[:1].upper()}{remarks[1:]}. {heard.price}")
            return
        rules = f"{case.verdict.said_by} had said {case.verdict.category}, {case.verdict.confidence}."
        told = " ".join(filter(None, (said, rules, f"Weighed: {remarks}." if remarks else "", heard.price)))
        if not self._rediagnose(connection, row, heard.weighed.diagnosis, told):
            self._say(connection, row, "RCA Confirmed", told, by=model)

    def _rediagnose(self, connection: Connection, row: RowMapping, diagnosis: Diagnosis, said: str) -> bool:
        final = lifecycle.allowed(row, diagnosis)
        details = " ".join(filter(None, (_changes(row, final), said)))
        if final.priority is not diagnosis.priority:
            details += f" Priority {diagnosis.priority} comes too late: people were told {final.priority}."
        return lifecycle.rediagnose(
            connection, row, diagnosis, self._now(), warn_seconds=self._patience.warn, details=details
        )

    def _say(self, connection: Connection, row: RowMapping, action: str, said: str, *, by: str = trail.SYSTEM) -> None:
        lifecycle.said(connection, row, action, by, self._now(), said)


def _substance(failure: Failure) -> Failure:
    """The failure without what was missing of it: another hindrance is no news of the failure itself."""
    return replace(failure, facts={name: value for name, value in failure.facts.items() if name != FACT})


def _by_rules(said_by: str) -> bool:
    return said_by in {"general", "unknown"} or said_by.startswith("knowledge")


def _changes(row: RowMapping, diagnosis: Diagnosis) -> str:
    """What becomes of what people look at first, as in `category unknown → firewall, priority P3 → P2`."""
    new = lifecycle.diagnosis_columns(diagnosis)
    pairs = [
        f"{name.replace('_', ' ')} {_short(row[name])} → {_short(new[name])}"
        for name in _COMPARED
        if row[name] != new[name]
    ]
    return f"Changed: {', '.join(pairs)}." if pairs else ""


def _short(value: str | None) -> str:
    return (value or "none")[:_LONGEST_VALUE]


def _before(seen: Mapping[str, Any]) -> str:
    """What was seen before, in a sentence for the AI; names of people stay here."""
    if not seen["count"]:
        return ""
    told = f"The same failure was seen {seen['count']} times in the last {seen['days']} days."
    if seen["last_closed_seconds"] is not None:
        told += f" The last was closed after {round(seen['last_closed_seconds'] / 60)} minutes."
    if seen["last_note"]:
        told += f" The closing note: {seen['last_note']}"
    return told
