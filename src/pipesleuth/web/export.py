"""Lists as files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from pipesleuth.model import Status
from pipesleuth.tickets import audits, export, queries
from pipesleuth.tickets.audits import AuditFilter
from pipesleuth.tickets.queries import Filter
from pipesleuth.web.deps import House, SignedIn, TheHouse
from pipesleuth.web.insights import Stretch, figures
from pipesleuth.web.schemas import Storable, a_file, refusals
from pipesleuth.web.tickets import Sort, Text, Wanted

router = APIRouter(
    prefix="/api/export",
    tags=["export"],
    default_response_class=StreamingResponse,
    responses=refusals(400, 401, 503) | a_file("text/csv", "The filtered view, as a file."),
)


@router.get("/open-tickets")
async def open_tickets(_who: SignedIn, house: TheHouse, which: Wanted, sort: Sort = "urgency") -> StreamingResponse:
    """The open tickets of a filter, as CSV."""
    return await _tickets(house, Status.OPEN, which, sort)


@router.get("/in-progress-tickets")
async def in_progress_tickets(
    _who: SignedIn, house: TheHouse, which: Wanted, sort: Sort = "urgency"
) -> StreamingResponse:
    """The tickets in progress of a filter, as CSV."""
    return await _tickets(house, Status.IN_PROGRESS, which, sort)


@router.get("/closed-tickets")
async def closed_tickets(_who: SignedIn, house: TheHouse, which: Wanted, sort: Sort = "urgency") -> StreamingResponse:
    """The closed tickets of a filter, as CSV."""
    return await _tickets(house, Status.ACKNOWLEDGED, which, sort)


@router.get("/audit-trail")
async def audit_trail(
    _who: SignedIn,
    house: TheHouse,
    action: Annotated[Storable | None, Query(max_length=100)] = None,
    ticket_id: Annotated[Storable | None, Query(max_length=64)] = None,
    q: Text = "",
) -> StreamingResponse:
    """The audit lines of a filter, as CSV."""
    which = AuditFilter(action, ticket_id, q)
    rows = house.database.pieces(lambda c: audits.each(c, which))
    return await _file(export.rows_as_csv(rows, export.AUDIT_COLUMNS), "audit-trail", house)


@router.get("/insights")
async def insights(_who: SignedIn, house: TheHouse, asked: Stretch) -> StreamingResponse:
    """The figures behind the charts, as CSV."""
    rows = export.figures(await figures(house, asked))
    return await _file(export.rows_as_csv(rows, export.FIGURE_COLUMNS), "insights", house)


async def _tickets(house: House, status: Status, which: Filter, sort: str) -> StreamingResponse:
    rows = house.database.pieces(lambda c: queries.each(c, status, which, sort, export.TICKET_COLUMNS))
    name = {Status.OPEN: "open", Status.IN_PROGRESS: "in-progress", Status.ACKNOWLEDGED: "closed"}[status]
    return await _file(export.rows_as_csv(rows, export.TICKET_COLUMNS), f"{name}-tickets", house)


async def _file(pieces: Iterator[bytes], name: str, house: House) -> StreamingResponse:
    # The first piece is read before the answer begins, so that a database that is away can still be said.
    first = await asyncio.to_thread(next, pieces)
    headers = {"Content-Disposition": f'attachment; filename="pipesleuth-{name}-{house.now():%Y%m%d-%H%M}.csv"'}
    return StreamingResponse(chain((first,), pieces), media_type="text/csv; charset=utf-8", headers=headers)
