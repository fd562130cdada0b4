"""The Insights tab: charts over time and the shift's handover."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from pipesleuth.tickets import insights
from pipesleuth.web.answers import json_answer
from pipesleuth.web.deps import SignedIn, TheHouse
from pipesleuth.web.errors import Problem
from pipesleuth.web.schemas import Handover, Insights, refusals

LONGEST = timedelta(days=400)
USUAL = timedelta(days=7)

router = APIRouter(prefix="/api", tags=["insights"])


@router.get("/insights", response_model=Insights, responses=refusals(400, 401, 503))
async def read_insights(
    _who: SignedIn,
    house: TheHouse,
    since: Annotated[datetime | None, Query(alias="from", description="Start; a week ago where not said.")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="End; now where not said.")] = None,
) -> Response:
    """Failures, repair times and SLA by day, and who was hit most."""
    try:
        end = _zoned(until) or house.now()
        start = _zoned(since) or end - USUAL
    except OverflowError as error:
        raise Problem(400, "That moment lies outside the calendar.", "invalid", where="from") from error
    if start > end:
        raise Problem(400, "The start is after the end.", "invalid", where="from")
    if end - start > LONGEST:
        raise Problem(400, f"At most {LONGEST.days} days at once.", "invalid", where="from")
    series = await house.figures.series(start, end)
    return json_answer({"series": series | {"latency": house.gauges.latencies()}})


@router.get("/handover", response_model=Handover, responses=refusals(400, 401, 503))
async def handover(_who: SignedIn, house: TheHouse, hours: Annotated[int, Query(ge=1, le=168)] = 12) -> Response:
    """What the next shift has to know, also as Markdown to copy."""
    return json_answer(await house.database.read(lambda c: insights.handover(c, hours, house.now(), house.links)))


def _zoned(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) if moment else None
