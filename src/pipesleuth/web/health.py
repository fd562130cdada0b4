"""Whether the service is alive and ready, and its figures."""

from __future__ import annotations

import hmac
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection, text

from pipesleuth.accounts import Unknown
from pipesleuth.db import upgrade as schema
from pipesleuth.model import StoreUnavailable
from pipesleuth.outbox import beats
from pipesleuth.tickets import coverage, owed, standing
from pipesleuth.web.answers import json_answer
from pipesleuth.web.deps import House, TheHouse, address_of
from pipesleuth.web.schemas import Ready, refusals

log = structlog.get_logger(__name__)
router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    response_model=Ready,
    responses=refusals(400) | {503: {"model": Ready, "description": "Not ready; `checks` says why."}},
)
async def readyz(house: TheHouse, what: Annotated[Literal["intake"] | None, Query(alias="for")] = None) -> Response:
    """The database answers with this version's schema and a worker beats, here or in another process.

    `for=intake` leaves the worker out: webhooks are taken in, and kept, without one. A load balancer asks so.
    """
    checks: dict[str, Any] = {"database": True}
    try:
        checks |= await house.database.read(lambda c: _checks(c, house))
    except StoreUnavailable:
        checks["database"] = False
    if what == "intake":
        checks.pop("worker", None)
    ready = all(checks.values()) and not house.draining
    status = "ready" if ready else "draining" if house.draining else "not_ready"
    return json_answer({"status": status, "checks": checks}, 200 if ready else 503)


@router.get("/metrics", response_class=Response, responses=refusals(401, 429))
async def metrics(request: Request, house: TheHouse) -> Response:
    """Figures for Prometheus: counts and times by words from short lists, never a name of yours."""
    _let_look(request, house)
    house.gauges.process(house.worker_counts(), house.database.waiting, house.failover())
    try:
        await house.database.read(lambda c: _show(c, house))
    except StoreUnavailable as error:  # what this process counts by itself is shown all the same
        log.warning("metrics.without_database", reason=str(error))
    return Response(generate_latest(house.gauges.registry), media_type=CONTENT_TYPE_LATEST)


def _checks(connection: Connection, house: House) -> dict[str, bool]:
    connection.execute(text("SELECT 1")).scalar_one()
    now, own = house.now(), house.worker_beat()
    works = now - own < beats.LIVES if own is not None else bool(beats.alive(connection, now)[beats.WORKER])
    return {"migrations": (schema.revision(connection) or "") >= schema.HEAD, "worker": works}


def _show(connection: Connection, house: House) -> None:
    now, gauges = house.now(), house.gauges
    gauges.owed(owed.figures(connection, now), owed.held(connection, now))
    gauges.coverage(coverage.coverage(connection, now))
    gauges.standing(standing.standing(connection))
    gauges.alive(beats.alive(connection, now))


def _let_look(request: Request, house: House) -> None:
    """Raise Unknown for somebody without METRICS_KEY, and for everybody where a public address has none.

    Raises TooMany from an address that presents too many wrong ones.
    """
    key = house.settings.metrics_key
    if key is None:
        if house.settings.on_loopback:
            return
        raise Unknown("Set METRICS_KEY, and send it as a bearer token: figures are not for the public.")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), key.get_secret_value().encode()):
        house.traffic.wrong(address_of(request))
        raise Unknown("Send METRICS_KEY as a bearer token.")
