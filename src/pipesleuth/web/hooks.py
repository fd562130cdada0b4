"""The inbound doors: a platform's webhook becomes tickets before the answer leaves."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from pipesleuth.accounts import NotInScope, Unknown
from pipesleuth.accounts.tokens import Away
from pipesleuth.model import BadPayload, Diagnosis, Failure, NotAFailure, StoreUnavailable, timestamp
from pipesleuth.sources.contract import Source
from pipesleuth.sources.text import clean, run_identity
from pipesleuth.tickets import queries, recovery
from pipesleuth.tickets.intake import DUPLICATE, SUCCESS, Admission
from pipesleuth.web import errors
from pipesleuth.web.answers import json_answer
from pipesleuth.web.body import parse, read_body
from pipesleuth.web.deps import House, Reader, TheHouse, sender
from pipesleuth.web.errors import RETRY_SECONDS, Problem
from pipesleuth.web.schemas import TicketExists, WebhookAnswer, refusals

MOST_FAILURES = 200

log = structlog.get_logger(__name__)
router = APIRouter(tags=["webhooks"])

# Parameters and credentials are read by hand and described here: these three routes take every storm.
_DESCRIBED: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": WebhookAnswer}, **refusals(400, 401, 403, 413, 429, 503)},
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "security": [{"APIKeyHeader": []}],
        "parameters": [
            {
                "name": "dry_run",
                "in": "query",
                "required": False,
                "description": "Only say what would happen, and store nothing.",
                "schema": {"type": "boolean", "default": False},
            }
        ],
    },
}


@router.post("/azure-monitor", **_DESCRIBED)
async def azure_monitor(request: Request) -> Response:
    """A failure of Data Factory, as Azure Monitor, a Logic App or a Web activity sends it."""
    return await _receive(request, "azure-monitor", "data_factory")


@router.post("/databricks-monitor", **_DESCRIBED)
async def databricks_monitor(request: Request) -> Response:
    """A failure of a Databricks job, task or cluster, as a notification destination sends it."""
    return await _receive(request, "databricks-monitor", "databricks")


@router.post("/hooks/{source}", **_DESCRIBED | {"responses": _DESCRIBED["responses"] | refusals(404)})
async def hook(request: Request, source: str) -> Response:
    """A failure of any registered source."""
    house: House = request.app.state.house
    known = house.sources
    if source not in known:
        await _let_in(request, house, "hooks")
        names = ", ".join(sorted({one.name for one in known.values()}))
        said = f"There is no source of this name. Known are: {names}."
        await house.intake.note("hooks", "rejected", f"{clean(source)[:64]}: {said}", b"")
        raise Problem(404, said, "unknown_source", where="source")
    return await _receive(request, f"hooks/{known[source].name}", known[source].name)


@router.get(
    "/api/check-ticket-exists/{run_id:path}", response_model=TicketExists, responses=refusals(401, 403, 404, 429, 503)
)
async def check_ticket_exists(run_id: str, _sender: Reader, house: TheHouse) -> Response:
    """Whether a run has its ticket already; the run id is read as at intake."""
    identity = run_identity(run_id)
    row = await house.database.read(lambda c: queries.by_run(c, identity)) if identity else None
    if row is None:
        return json_answer({"exists": False, "ticket_id": None})
    return json_answer({"exists": True, "ticket_id": row["id"], "status": row["status"], "timestamp": row["timestamp"]})


async def _receive(request: Request, door: str, source: str) -> Response:
    """One webhook from body to answer; what is authenticated and unreadable is kept, whatever is wrong with it."""
    house: House = request.app.state.house
    await _let_in(request, house, door)
    dry_run = _asked(request.query_params.get("dry_run")) if request.scope["query_string"] else False
    try:
        body = await read_body(request, house.settings.max_body_bytes)
    except Problem as refused:
        house.gauges.intake(door, "rejected")
        await house.intake.note(door, "rejected", refused.detail, b"")
        raise
    payload: dict[str, Any] = {}
    try:
        payload = parse(body, house.settings.max_json_depth)
        failures = house.sources[source].read(payload)
    except NotAFailure as ignored:
        house.gauges.intake(door, "ignored")
        await house.intake.note(door, "ignored", ignored.reason, body)
        if not dry_run:
            await _tell_of_success(house, house.sources[source], payload)
        return json_answer({"status": "ignored", "reason": ignored.reason})
    except BadPayload as bad:
        house.gauges.intake(door, "rejected")
        await _keep(house, door, body)
        await house.intake.note(door, "rejected", bad.reason, body)
        raise
    except Exception as error:  # noqa: BLE001  # a door's own edge: senders retry 503 and not 500
        return await _our_mistake(house, door, body, error)
    if dry_run:
        await house.intake.note(door, "dry_run", f"{len(failures)} failures", body)
        return json_answer(await asyncio.to_thread(_would, house, failures, await _known(house, failures)))
    try:
        return await _admit(house, door, failures, body)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  # the same
        return await _our_mistake(house, door, body, error)


async def _tell_of_success(house: House, source: Source, payload: dict[str, Any]) -> None:
    """Good news makes no ticket; an open one of the same run hears of it."""
    success = source.good_news(payload)
    if success is None:
        return
    found = await house.database.read(lambda c: recovery.reported(c, source.name, success))
    if found:
        await house.database.write(lambda c: recovery.tell(c, found, house.now()))


async def _let_in(request: Request, house: House, door: str) -> None:
    """Let a sender in whose key is for this; who is refused is remembered once a minute for each door.

    "Why is there no ticket?" often has this answer. Raises Unknown, NotInScope, Away, TooMany.
    """
    try:
        await sender(request)
    except (Unknown, NotInScope, Away) as stranger:
        house.gauges.intake(door, "unauthorized")
        await house.intake.note_stranger(door, str(stranger))
        raise


async def _our_mistake(house: House, door: str, body: bytes, error: Exception) -> Response:
    """What went wrong is logged with its place, the body kept, and the sender asked to come again."""
    log.error("hook.failed", door=door, exc_info=error)
    await _keep(house, door, body)
    return errors.answer(
        503, "This could not be taken in; the body was kept.", "failed_here", headers={"Retry-After": RETRY_SECONDS}
    )


def _asked(word: str | None) -> bool:
    if word is None or word.lower() in {"0", "false", "no", "off", ""}:
        return False
    if word.lower() in {"1", "true", "yes", "on"}:
        return True
    raise Problem(400, "dry_run is 1 or 0.", "invalid", where="dry_run")


async def _admit(house: House, door: str, failures: list[Failure], body: bytes) -> Response:
    arrivals = [(failure, house.triage.provisional(failure)) for failure in failures[:MOST_FAILURES]]
    opening = f"Came in at /{door}."
    going = [
        house.intake.admit(
            failure, diagnosis, body, prefix=house.sources[failure.source].prefix, door=door, opening=opening
        )
        for failure, diagnosis in arrivals
    ]
    # The usual webhook carries one failure and needs no task of its own for it.
    admissions = [await going[0]] if len(going) == 1 else await asyncio.gather(*going)
    answers = [_said(*arrival, admission) for arrival, admission in zip(arrivals, admissions, strict=True)]
    for admission in admissions:
        house.gauges.intake(door, admission.outcome)
    return json_answer(answers[0] if len(answers) == 1 else {"status": SUCCESS, "tickets": answers})


def _said(failure: Failure, diagnosis: Diagnosis, admission: Admission) -> dict[str, Any]:
    if admission.outcome == DUPLICATE:
        existing = admission.existing_status
        return {"status": DUPLICATE, "ticket_id": admission.ticket_id, "existing_status": existing}
    if admission.outcome != SUCCESS:
        return {"status": admission.outcome, "ticket_id": admission.ticket_id}
    return {
        "status": SUCCESS,
        "ticket_id": admission.ticket_id,
        "run_id": failure.run_id,
        "pipeline": failure.pipeline,
        "severity": diagnosis.severity,
        "priority": diagnosis.priority,
        "message": f"{admission.ticket_id}: {diagnosis.root_cause}"[:500],
    }


async def _known(house: House, failures: list[Failure]) -> dict[str, str]:
    """The tickets that the failures' runs have already."""
    runs = {failure.run_id for failure in failures[:MOST_FAILURES] if failure.run_id}
    rows = await house.database.read(lambda c: {run: queries.by_run(c, run) for run in runs})
    return {run: row["id"] for run, row in rows.items() if row is not None}


def _would(house: House, failures: list[Failure], known: dict[str, str]) -> dict[str, Any]:
    """What would have happened to each failure, in full."""
    shown: list[dict[str, Any]] = []
    for failure in failures[:MOST_FAILURES]:
        before = known.get(failure.run_id) if failure.run_id else None
        tags = house.finops.extract_finops_tags(failure.pipeline, failure.resource_type, failure.tags)
        shown.append(
            {
                "would": DUPLICATE if before is not None else SUCCESS,
                "ticket_id": before,
                "failure": _plain(failure),
                "diagnosis": asdict(house.triage.full(failure)),
                "finops": asdict(tags),
            }
        )
    return {"status": "dry_run", "failures": shown}


def _plain(failure: Failure) -> dict[str, Any]:
    values = {name: getattr(failure, name) for name in Failure.__dataclass_fields__}
    if failure.occurred_at is not None:
        values["occurred_at"] = timestamp(failure.occurred_at)
    return values | {"tags": dict(failure.tags), "facts": dict(failure.facts)}


async def _keep(house: House, door: str, body: bytes) -> None:
    try:
        await asyncio.to_thread(house.rejected.keep, door.replace("/", "-"), body, house.now())
    except OSError as error:
        log.warning("rejected.not_kept", door=door, reason=str(error))
        raise StoreUnavailable("The folder of rejected bodies cannot be written.") from error
