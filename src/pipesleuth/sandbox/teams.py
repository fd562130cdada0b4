"""Microsoft Teams behind Power Automate workflows: webhooks that take adaptive cards and show them in channels.

Sources: https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams (the trigger
answers 202 before the card is posted) and https://learn.microsoft.com/connectors/teams (28 KB for a message).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipesleuth.sandbox.refusals import workflow_refusal
from pipesleuth.sandbox.teams_cards import card_fault
from pipesleuth.sandbox.wire import Json, Refusal, object_of, objects_of, parsed, text_of

LARGEST_MESSAGE = 28 * 1024
CARD = "application/vnd.microsoft.card.adaptive"
INVOKE = "/teams/workflows/{workflow}/triggers/manual/paths/invoke"


@dataclass(frozen=True, slots=True)
class Posted:
    """A card that stands in a channel."""

    id: str
    channel: str
    card: Json
    tracking: str
    at: float


class TeamsTenant:
    """What the tenant knows; change it with `PUT /_state/teams`.

    Settings: `workflows` ({id: channel}), `disabled` (ids of workflows that are switched off), `signature` (what the
    address must carry as `sig`), `rate_per_second` (0 for no limit). A card that Teams would not show is answered 202
    all the same; what was wrong with it stands in `refused`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Two channels, and nothing posted."""
        self.settings: Json = {
            "workflows": {"alerts": "data-alerts", "finance": "finance-data"},
            "disabled": [],
            "signature": "sandbox-signature",
            "rate_per_second": 0,
        }
        self.posts: list[Posted] = []
        self.refused: list[str] = []
        self.taken_at: list[float] = []
        self.version += 1

    def put(self, state: Json) -> None:
        """Change settings."""
        self.settings |= state
        self.version += 1

    def address(self, base: str, workflow: str) -> str:
        """The address that a workflow's trigger shows."""
        path = INVOKE.format(workflow=workflow)
        return f"{base}{path}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={self.settings['signature']}"

    def post(self, channel: str, raw: bytes, message: Json, tracking: str) -> None:
        """What the flow does after the trigger has answered."""
        if len(raw) > LARGEST_MESSAGE:
            self.refused.append(f"Request Entity too large: {len(raw)} bytes")
            return
        for attachment in objects_of(message.get("attachments")):
            card = object_of(attachment.get("content"))
            fault = f"contentType must be {CARD}" if attachment.get("contentType") != CARD else card_fault(card)
            if fault:
                self.refused.append(fault)
            else:
                self.posts.append(Posted(uuid.uuid4().hex, channel, card, tracking, self.clock()))
        self.version += 1


class TeamsApi:
    """The workflows' triggers below `/teams`."""

    def __init__(self, tenant: TeamsTenant) -> None:
        self.tenant = tenant

    def routes(self) -> list[Route]:
        """One trigger for each workflow."""
        return [Route(INVOKE, self.invoke, methods=["POST"])]

    async def invoke(self, request: Request) -> Response:
        """Take a message: 202 and no body, whatever becomes of the card."""
        tenant, name = self.tenant, request.path_params["workflow"]
        channel = object_of(tenant.settings["workflows"]).get(name)
        if request.query_params.get("sig") != tenant.settings["signature"]:
            raise Refusal(401, workflow_refusal(401))
        if channel is None:
            raise Refusal(404, workflow_refusal(404))
        if name in tenant.settings["disabled"]:
            raise Refusal(400, workflow_refusal(400, "WorkflowTriggerIsNotEnabled", "The trigger is not enabled."))
        self.throttle()
        raw = await request.body()
        try:
            message = object_of(parsed(raw))
        except ValueError:
            message = {}
        if text_of(message.get("type")) != "message" or not objects_of(message.get("attachments")):
            text = "The input body for trigger 'manual' did not match its schema definition."
            raise Refusal(400, workflow_refusal(400, "TriggerInputSchemaMismatch", text))
        tracking = request.headers.get("x-ms-client-tracking-id", "")
        tenant.post(text_of(channel), raw, message, tracking)
        run = uuid.uuid4().hex.upper()
        return Response(status_code=202, headers={"x-ms-workflow-run-id": run, "x-ms-client-tracking-id": tracking})

    def throttle(self) -> None:
        """429 where more come in a second than the tenant allows."""
        now, most = self.tenant.clock(), self.tenant.settings["rate_per_second"]
        lately = [at for at in self.tenant.taken_at if now - at < 1]
        if most and len(lately) >= most:
            raise Refusal(429, workflow_refusal(429), {"Retry-After": "1"})
        self.tenant.taken_at = [*lately, now]


def seen(post: Posted) -> Json:
    """A post as the page and the tests see it."""
    size = len(json.dumps(post.card))
    return {"id": post.id, "channel": post.channel, "card": post.card, "tracking": post.tracking, "at": post.at,
            "size": size}  # fmt: skip
