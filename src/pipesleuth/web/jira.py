"""The door that Jira's webhook comes in by."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pipesleuth.accounts import Unknown
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.jira_news import secret_valid, signature_valid
from pipesleuth.model import BadPayload
from pipesleuth.tickets import jira_sync
from pipesleuth.web.answers import json_answer
from pipesleuth.web.body import read_body
from pipesleuth.web.deps import House, address_of
from pipesleuth.web.schemas import JiraAnswer, refusals

DOOR = "webhook/jira"

router = APIRouter(tags=["webhooks"])


@router.post(
    "/webhook/jira",
    response_model=JiraAnswer,
    responses=refusals(400, 401, 413, 429, 503),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "parameters": [
            {"name": "secret", "in": "query", "required": False, "schema": {"type": "string"}},
            {"name": "X-Hub-Signature", "in": "header", "required": False, "schema": {"type": "string"}},
        ],
    },
)
async def webhook_jira(request: Request) -> Response:
    """An issue was changed or deleted in Jira: ticket, Slack and dashboards follow."""
    house: House = request.app.state.house
    try:
        body = await _authentic(request, house)
    except Unknown as stranger:
        house.traffic.wrong(address_of(request))
        await house.intake.note_stranger(DOOR, str(stranger))
        raise
    arrived = InboundRequest(dict(request.headers.items()), {}, body)
    try:
        change = house.jira.read_update(arrived) if house.jira is not None else None
    except BadPayload as bad:
        await house.intake.note(DOOR, "rejected", bad.reason, body)
        raise
    if change is None:
        unchanged = "No status of an issue changed, or we changed it ourselves."
        reason = unchanged if house.jira is not None else "ITSM_TOOL is not jira."
        await house.intake.note(DOOR, jira_sync.IGNORED, reason, body)
        return json_answer({"status": jira_sync.IGNORED})
    if house.keep_news is not None and await house.keep_news(arrived.headers, body):
        return json_answer({"status": jira_sync.OK})
    outcome, reason = await house.database.write(lambda c: jira_sync.apply(c, change, house.now()))
    await house.intake.note(DOOR, outcome, reason, body)
    return json_answer({"status": outcome})


async def _authentic(request: Request, house: House) -> bytes:
    """The body of somebody who knows the secret, or has signed with it. Raises Unknown, Problem."""
    secret = house.jira_secret
    given = request.query_params.get("secret")
    signature = request.headers.get("x-hub-signature")
    if not secret or (given is None and signature is None) or (given is not None and not secret_valid(secret, given)):
        raise Unknown("The webhook's secret is missing or wrong.")
    body = await read_body(request, house.settings.max_body_bytes)
    if given is None and not signature_valid(secret, body, signature or ""):
        raise Unknown("The webhook's signature is wrong.")
    return body
