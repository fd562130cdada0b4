"""Reading tickets and acting on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from sqlalchemy import Connection

from pipesleuth.model import BadPayload, Failure, NotAFailure, Permanent, Retryable, Status, timestamp
from pipesleuth.outbox import todos
from pipesleuth.tickets import audits, cards, coverage, feedback, lifecycle, merging, queries, related
from pipesleuth.tickets.audits import AuditFilter
from pipesleuth.tickets.chain import layers
from pipesleuth.tickets.origin import recalled
from pipesleuth.tickets.queries import Filter, Page
from pipesleuth.web.answers import json_answer
from pipesleuth.web.body import parse
from pipesleuth.web.deps import Administrator, House, Responder, SignedIn, TheHouse, may_act
from pipesleuth.web.errors import RETRY_SECONDS, Problem
from pipesleuth.web.schemas import (
    AuditList,
    InboundList,
    Judgement,
    Note,
    PastedText,
    RelatedTickets,
    Storable,
    Summary,
    TicketList,
    Triaged,
    WholeTicket,
    a_file,
    refusals,
)

MOST = 200
MOST_PASTED = 20

router = APIRouter(prefix="/api", tags=["tickets"])

Word = Annotated[list[Storable], Query(max_length=50)]
Sort = Literal["urgency", "newest", "oldest", "closed", "pipeline", "severity"]
Limit = Annotated[int, Query(ge=1, le=MOST)]
Cursor = Annotated[str | None, Query(max_length=4000)]
Text = Annotated[Storable, Query(max_length=300)]


def wanted(
    *,
    q: Text = "",
    severity: Word = [],  # noqa: B006  # FastAPI copies the default
    priority: Word = [],  # noqa: B006  # the same
    source: Word = [],  # noqa: B006  # the same
    team: Word = [],  # noqa: B006  # the same
    category: Word = [],  # noqa: B006  # the same
    since: Annotated[datetime | None, Query(alias="from")] = None,
    until: Annotated[datetime | None, Query(alias="to")] = None,
) -> Filter:
    """The filter that a list's parameters name; times without a zone are UTC."""
    return Filter(
        q,
        severity=_words(severity),
        priority=_words(priority),
        source=_words(source),
        team=_words(team),
        category=_words(category),
        since=in_utc(since, "from"),
        until=in_utc(until, "to"),
    )


def _words(chosen: list[str]) -> tuple[str, ...]:
    return tuple(word[:300] for word in chosen)


def in_utc(moment: datetime | None, where: str) -> datetime | None:
    """The moment that the parameter `where` names; without a zone it is meant as UTC. Raises Problem."""
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) if moment else None
    except OverflowError as error:
        raise Problem(400, "That moment lies outside the calendar.", "invalid", where=where) from error


Wanted = Annotated[Filter, Depends(wanted)]


def page(sort: Sort = "urgency", limit: Limit = 50, cursor: Cursor = None) -> Page:
    """The piece of a list that its parameters name."""
    return Page(sort, limit, cursor)


ThePage = Annotated[Page, Depends(page)]
_LIST: dict[str, Any] = {"response_model": TicketList, "responses": refusals(400, 401, 503)}


@router.get("/open-tickets", **_LIST)
async def open_tickets(_who: SignedIn, house: TheHouse, which: Wanted, piece: ThePage) -> Response:
    """Tickets that nobody has taken yet."""
    return await _list(house, Status.OPEN, which, piece)


@router.get("/in-progress-tickets", **_LIST)
async def in_progress_tickets(_who: SignedIn, house: TheHouse, which: Wanted, piece: ThePage) -> Response:
    """Tickets that somebody works on."""
    return await _list(house, Status.IN_PROGRESS, which, piece)


@router.get("/closed-tickets", **_LIST)
async def closed_tickets(_who: SignedIn, house: TheHouse, which: Wanted, piece: ThePage) -> Response:
    """Tickets that are done."""
    return await _list(house, Status.ACKNOWLEDGED, which, piece)


async def _list(house: House, status: Status, which: Filter, piece: Page) -> Response:
    found = await house.database.read(lambda c: queries.tickets(c, status, which, piece, house.links))
    return json_answer(found | {"server_time": timestamp(house.now())})


@router.get("/tickets/{ticket_id}", response_model=WholeTicket, responses=refusals(401, 404, 503))
async def ticket(ticket_id: Storable, who: SignedIn, house: TheHouse) -> Response:
    """One ticket with its timeline, its deliveries and the layers of its error."""
    found, failure = await house.database.read(lambda c: _whole(c, ticket_id, house))
    chain = await asyncio.to_thread(lambda: layers(house.triage.explain(failure).peeled))
    return json_answer((found if may_act(who) else cards.only_looked_at(found)) | {"chain": chain})


def _whole(connection: Connection, ticket_id: str, house: House) -> tuple[dict[str, Any], Failure]:
    row = queries.one(connection, ticket_id) or queries.one(connection, merging.became(connection, ticket_id))
    if row is None:
        raise lifecycle.NoSuchTicket(f"There is no ticket {ticket_id[:64]}.")
    return cards.whole(connection, row, house.links), recalled(row)


@router.get(
    "/tickets/{ticket_id}/payload",
    responses=refusals(401, 404, 503) | a_file("application/octet-stream", "The body, as it came."),
    response_class=Response,
)
async def payload(ticket_id: Storable, _who: SignedIn, house: TheHouse) -> Response:
    """The webhook's complete body, as a file."""
    waiting = await house.database.read(lambda c: related.payload(c, ticket_id))
    if waiting is None:
        raise lifecycle.NoSuchTicket(f"There is no ticket {ticket_id[:64]}.")
    body, name = waiting
    if body is None:
        try:
            body = await house.read_archived(name)
        except (Retryable, Permanent) as away:
            raise Problem(503, away.reason, "archive_unavailable", headers={"Retry-After": RETRY_SECONDS}) from away
    if body is None:
        raise Problem(404, "The payload is no longer there.", "payload_gone")
    headers = {"Content-Disposition": f'attachment; filename="{ticket_id}-payload.json"'}
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.get("/tickets/{ticket_id}/related", response_model=RelatedTickets, responses=refusals(401, 404, 503))
async def related_tickets(ticket_id: Storable, _who: SignedIn, house: TheHouse) -> Response:
    """Other tickets of the same fingerprint, and how the failure ended before."""
    found = await house.database.read(lambda c: related.same_failure(c, ticket_id, house.links, house.now()))
    return json_answer(found)


_ACT: dict[str, Any] = {"response_model": WholeTicket, "responses": refusals(400, 401, 403, 404, 409, 503)}
_Act = Callable[[Connection, str, str, str | None, datetime], None]


@router.post("/tickets/{ticket_id}/take", **_ACT)
async def take(ticket_id: Storable, who: Responder, house: TheHouse, said: Note | None = None) -> Response:
    """Say that one works on it."""
    return await _act(house, lifecycle.take, ticket_id, who.full_name or who.email, said)


@router.post("/tickets/{ticket_id}/close", **_ACT)
async def close(ticket_id: Storable, who: Responder, house: TheHouse, said: Note | None = None) -> Response:
    """Say that it is done."""
    return await _act(house, lifecycle.close, ticket_id, who.full_name or who.email, said)


@router.post("/tickets/{ticket_id}/reopen", **_ACT)
async def reopen(ticket_id: Storable, who: Responder, house: TheHouse, said: Note | None = None) -> Response:
    """Say that it is not done after all."""
    return await _act(house, lifecycle.reopen, ticket_id, who.full_name or who.email, said)


async def _act(house: House, act: _Act, ticket_id: str, by: str, said: Note | None) -> Response:
    def change(connection: Connection) -> dict[str, Any]:
        act(connection, ticket_id, by, (said.note if said else None) or None, house.now())
        found, _ = _whole(connection, ticket_id, house)
        return found

    return json_answer(await house.database.write(change))


@router.post("/tickets/{ticket_id}/feedback", responses=refusals(400, 401, 403, 404, 503))
async def judge(ticket_id: Storable, judgement: Judgement, who: Responder, house: TheHouse) -> dict[str, str]:
    """Say whether the diagnosis was right, and what it really was."""
    said = feedback.Verdict(judgement.right, judgement.category, judgement.error_type, judgement.note)
    by = who.full_name or who.email
    await house.database.write(lambda c: feedback.record(c, ticket_id, by, said, house.now()))
    return {"status": "recorded"}


@router.post(
    "/tickets/{ticket_id}/deliveries/{kind}/retry", status_code=202, responses=refusals(401, 403, 404, 409, 503)
)
async def retry(ticket_id: Storable, kind: Storable, who: Responder, house: TheHouse) -> dict[str, str]:
    """Try a delivery again that had stopped or waits."""
    by = who.full_name or who.email
    await house.database.write(lambda c: _retry(c, ticket_id, kind, by, house.now()))
    return {"status": "due"}


def _retry(connection: Connection, ticket_id: str, kind: str, by: str, now: datetime) -> None:
    row = lifecycle.fetch(connection, ticket_id)
    if not todos.exists(connection, ticket_id, kind):
        raise Problem(404, "This ticket has no such delivery.", "not_found", where="kind")
    if not todos.retry(connection, ticket_id, kind, now):
        raise Problem(409, "Nothing is owed there: it is up to date.", "not_now", where="kind")
    lifecycle.said(connection, row, f"{kind.title()} Retried", by, now)


@router.get("/summary", response_model=Summary, responses=refusals(401, 503))
async def summary(_who: SignedIn, house: TheHouse) -> Response:
    """The sums on top of the dashboard, with what there is to filter by."""
    now = house.now()
    known = await house.database.read(lambda c: coverage.coverage(c, now))
    return json_answer(await house.figures.summary() | {"coverage": known})


@router.get("/audit-trail", response_model=AuditList, responses=refusals(400, 401, 503))
async def audit_trail(
    _who: SignedIn,
    house: TheHouse,
    action: Annotated[Storable | None, Query(max_length=100)] = None,
    ticket_id: Annotated[Storable | None, Query(max_length=64)] = None,
    q: Text = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What happened, newest first."""
    which = AuditFilter(action, ticket_id, q)

    def read(connection: Connection) -> dict[str, Any]:
        found = audits.page(connection, which, limit, cursor)
        return found | {"actions": audits.actions(connection)}

    return json_answer(await house.database.read(read))


@router.get("/inbound", response_model=InboundList, responses=refusals(400, 401, 403, 503))
async def inbound(_who: Administrator, house: TheHouse, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The webhooks of late, with what they were answered and why."""
    return json_answer(await house.database.read(lambda c: audits.inbound(c, limit, cursor)))


@router.post("/triage", response_model=Triaged, responses=refusals(400, 401, 503))
async def triage(pasted: PastedText, _who: SignedIn, house: TheHouse) -> Response:
    """What the knowledge base says of an error text, or of the failures in a webhook's body; nothing is stored."""
    try:
        failures = _pasted(pasted, house)
    except NotAFailure as ignored:
        return json_answer({"status": "ignored", "reason": ignored.reason})
    return json_answer(await asyncio.to_thread(lambda: {"failures": [_said(house, failure) for failure in failures]}))


def _pasted(pasted: PastedText, house: House) -> list[Failure]:
    """The failures that a pasted body reports; a text that is no body is an error itself.

    Raises NotAFailure, Problem where no source is called so.
    """
    source = pasted.source
    if source not in house.sources:
        raise Problem(400, f"There is no such source; there are {', '.join(house.sources)}.", "invalid", where="source")
    if pasted.text.lstrip().startswith("{"):
        try:
            body = parse(pasted.text.encode("utf-8", "replace"), house.settings.max_json_depth)
            return house.sources[source].read(body)[:MOST_PASTED]
        except BadPayload:
            pass  # many error texts begin like JSON
    return [Failure(source=source, pipeline="pasted", error_message=pasted.text)]


def _said(house: House, failure: Failure) -> dict[str, Any]:
    why = house.triage.explain(failure)
    return {
        "pipeline": failure.pipeline,
        "run_id": failure.run_id,
        "diagnosis": asdict(why.diagnosis),
        "chain": layers(why.peeled),
    }
