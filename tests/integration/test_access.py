"""Every route has a rule that says who may use it; a new one without a rule fails here, and so does one that lies."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.routing import Mount, Route, WebSocketRoute

from places import ADMIN, PASSWORD, RESPONDER, SENDER, VIEWER, Place

# Who may use a route: anybody (`public`), a sender's key (`intake`, `read`), a shared secret, or who is signed in.
RULES: dict[str, str] = {
    "GET /": "public",
    "GET /login": "public",
    "GET /dashboard": "public",
    "MOUNT /static": "public",
    "GET /docs": "public",
    "GET /docs.css": "public",
    "GET /openapi.json": "public",
    "GET /healthz": "public",
    "GET /readyz": "public",
    "GET /metrics": "metrics",
    "GET /api/config": "public",
    "POST /api/login": "public",
    "POST /api/register": "public",
    "POST /api/register/verify": "public",
    "GET /auth/login": "public",
    "GET /auth/callback": "public",
    "POST /auth/token": "public",
    "POST /auth/renew": "viewer",
    "POST /azure-monitor": "intake",
    "POST /databricks-monitor": "intake",
    "POST /hooks/{source}": "intake",
    "GET /api/check-ticket-exists/{run_id:path}": "read",
    "POST /webhook/jira": "secret",
    "WS /ws": "first message",
    "POST /api/logout": "viewer",
    "GET /api/me": "viewer",
    "GET /api/open-tickets": "viewer",
    "GET /api/in-progress-tickets": "viewer",
    "GET /api/closed-tickets": "viewer",
    "GET /api/tickets/{ticket_id}": "viewer",
    "GET /api/tickets/{ticket_id}/payload": "viewer",
    "GET /api/tickets/{ticket_id}/related": "viewer",
    "GET /api/summary": "viewer",
    "GET /api/insights": "viewer",
    "GET /api/handover": "viewer",
    "GET /api/audit-trail": "viewer",
    "GET /api/events": "viewer",
    "GET /api/export/open-tickets": "viewer",
    "GET /api/export/in-progress-tickets": "viewer",
    "GET /api/export/closed-tickets": "viewer",
    "GET /api/export/audit-trail": "viewer",
    "GET /api/export/insights": "viewer",
    "POST /api/triage": "viewer",
    "POST /api/tickets/{ticket_id}/take": "responder",
    "POST /api/tickets/{ticket_id}/close": "responder",
    "POST /api/tickets/{ticket_id}/reopen": "responder",
    "POST /api/tickets/{ticket_id}/feedback": "responder",
    "POST /api/tickets/{ticket_id}/deliveries/{kind}/retry": "responder",
    "GET /api/inbound": "admin",
    "GET /api/register/invitations": "admin",
    "POST /api/register/invitations": "admin",
    "DELETE /api/register/invitations/{invitation}": "admin",
}
SIGNED_IN = ("viewer", "responder", "admin")
PEOPLE = {"viewer": VIEWER, "responder": RESPONDER, "admin": ADMIN}


def routes(app: Any) -> set[str]:
    """Every way into the app, as method and path."""
    found: set[str] = set()
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, WebSocketRoute):
            found.add(f"WS {route.path}")
        elif isinstance(route, Mount):
            found.add(f"MOUNT {route.path}")
        elif isinstance(route, Route):
            found |= {f"{method} {route.path}" for method in route.methods or () if method != "HEAD"}
        else:
            inner = getattr(route, "original_router", None) or getattr(route, "router", None)
            assert inner is not None, f"a way in that this test does not know: {route!r}"
            waiting += inner.routes
    return found


async def test_every_route_has_a_rule_and_every_rule_a_route(place: Place) -> None:
    assert routes(place.app) == set(RULES)


async def asked(place: Place, way: str, headers: dict[str, str]) -> int:
    method, path = way.split(" ", 1)
    path = re.sub(r"\{invitation\}", "1", path)
    path = re.sub(r"\{\w+(:path)?\}", "data_factory", path)
    body = {"right": True, "text": "x", "email": "x", "role": "viewer"}
    answer = await place.client.request(method, path, headers=headers, json=body if method == "POST" else None)
    assert answer.status_code < 500, (way, answer.text)
    return answer.status_code


async def test_strangers_get_nowhere_but_where_everybody_may(place: Place) -> None:
    token = (await place.client.post("/api/login", json={"email": ADMIN, "password": PASSWORD})).json()["access_token"]
    strangers = [
        {},
        {"x-api-key": "wrong"},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {token}"},
        {"cookie": f"authToken={token}; pipesleuth_sign_on={token}"},
    ]
    for way, rule in RULES.items():
        if rule in {*SIGNED_IN, "intake", "read", "secret"}:
            for headers in strangers:
                assert await asked(place, way, headers) == 401, (way, headers)


async def test_a_senders_key_opens_doors_only_and_a_session_none(place: Place) -> None:
    session = await place.signed_in(ADMIN)
    for way, rule in RULES.items():
        if rule in SIGNED_IN:
            assert await asked(place, way, SENDER) == 401, way
        elif rule in {"intake", "read"}:
            assert await asked(place, way, session) == 401, way
            assert await asked(place, way, SENDER) not in {401, 403}, way


@pytest.mark.parametrize("role", SIGNED_IN)
async def test_each_role_may_do_what_its_rule_says(place: Place, role: str) -> None:
    headers = await place.signed_in(PEOPLE[role])
    for way, rule in RULES.items():
        if rule not in SIGNED_IN or way == "POST /api/logout":
            continue
        status = await asked(place, way, headers)
        if SIGNED_IN.index(role) < SIGNED_IN.index(rule):
            assert status == 403, (way, status)
        else:
            assert status not in {401, 403}, (way, status)


async def test_the_description_names_what_a_route_wants(place: Place) -> None:
    document = (await place.client.get("/openapi.json")).json()
    for way, rule in RULES.items():
        method, path = way.split(" ", 1)
        described = document["paths"].get(path.replace(":path", ""), {}).get(method.lower())
        if described is None:
            continue
        wants = {name for one in described.get("security", ()) for name in one}
        if rule in SIGNED_IN:
            assert wants == {"HTTPBearer"}, way
        elif rule in {"intake", "read"}:
            assert "APIKeyHeader" in wants, way
