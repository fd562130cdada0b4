"""The Insights tab: charts over time and the shift's handover."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from pipesleuth.tickets import insights
from pipesleuth.web.answers import json_answer
from pipesleuth.web.deps import House, SignedIn, TheHouse
from pipesleuth.web.errors import Problem
from pipesleuth.web.schemas import Handover, Insights, refusals
from pipesleuth.web.tickets import in_utc

LONGEST = timedelta(days=400)
USUAL = timedelta(days=7)
FIRST = datetime.min.replace(tzinfo=UTC)

router = APIRouter(prefix="/api", tags=["insights"])


def stretch(
    house: TheHouse,
    since: Annotated[datetime | None, Query(alias="from", description="Start; a week ago where not said.")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="End; now where not said.")] = None,
) -> tuple[datetime, datetime]:
    """The start and the end that are asked for, in UTC."""
    end = in_utc(until, "to") or house.now()
    start = in_utc(since, "from") or max(end, FIRST + USUAL) - USUAL
    if start > end:
        raise Problem(400, "The start is after the end.", "invalid", where="from")
    if end - start > LONGEST:
        raise Problem(400, f"At most {LONGEST.days} days at once.", "invalid", where="from")
    return start, end


Stretch = Annotated[tuple[datetime, datetime], Depends(stretch)]


async def figures(house: House, asked: tuple[datetime, datetime]) -> dict[str, Any]:
    """Every chart's figures."""
    return await house.figures.series(*asked) | {"latency": house.gauges.latencies()}


@router.get("/insights", response_model=Insights, responses=refusals(400, 401, 503))
async def read_insights(_who: SignedIn, house: TheHouse, asked: Stretch) -> Response:
    """Failures, repair times and SLA by day, and who was hit most."""
    return json_answer({"series": await figures(house, asked)})


@router.get("/handover", response_model=Handover, responses=refusals(400, 401, 503))
async def handover(_who: SignedIn, house: TheHouse, hours: Annotated[int, Query(ge=1, le=168)] = 12) -> Response:
    """What the next shift has to know, also as Markdown to copy."""
    return json_answer(await house.database.read(lambda c: insights.handover(c, hours, house.now(), house.links)))
