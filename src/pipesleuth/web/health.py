"""Whether the service is alive and ready, and its figures."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import structlog
from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from pipesleuth.model import StoreUnavailable
from pipesleuth.tickets import coverage, owed
from pipesleuth.web.answers import json_answer
from pipesleuth.web.deps import TheHouse

log = structlog.get_logger(__name__)
router = APIRouter(tags=["operations"])
BEAT = timedelta(seconds=30)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(house: TheHouse) -> Response:
    """The database answers and the worker of this process, if it has one, beats."""
    checks: dict[str, Any] = {"database": True}
    try:
        await house.database.read(lambda c: c.execute(text("SELECT 1")).scalar_one())
    except StoreUnavailable:
        checks["database"] = False
    beat = house.worker_beat()
    if beat is not None:
        checks["worker"] = house.now() - beat < BEAT
    ready = all(checks.values())
    return json_answer({"status": "ready" if ready else "not_ready", "checks": checks}, 200 if ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics(house: TheHouse) -> Response:
    """Figures for Prometheus."""
    now = house.now()
    try:
        house.gauges.owed(*await house.database.read(lambda c: (owed.figures(c, now), owed.held(c, now))))
    except StoreUnavailable as error:  # what this process counts by itself is shown all the same
        log.warning("metrics.without_todos", reason=str(error))
    for (kind, outcome), count in house.worker_counts().items():
        house.gauges.todos.labels(kind, outcome).set(count)
    # The process's own figures are shown even while the database is away.
    with contextlib.suppress(StoreUnavailable):
        house.gauges.coverage(await house.database.read(lambda c: coverage.coverage(c, house.now())))
    return Response(generate_latest(house.gauges.registry), media_type=CONTENT_TYPE_LATEST)
