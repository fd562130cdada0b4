"""Faults on demand happen to the requests they name, and everything asked is remembered without its secrets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from pipesleuth.sandbox import Sandbox, create_app, run_in_background

POST = {"channel": "C0SANDBOX01", "text": "x"}
Eventually = Callable[..., Awaitable[None]]
BOT = {"authorization": "Bearer xoxb-secret-token"}


async def order(http: httpx.AsyncClient, *faults: dict[str, Any]) -> None:
    answer = await http.put("/_faults", json=list(faults))
    assert answer.status_code == 200, answer.text


async def post(http: httpx.AsyncClient) -> httpx.Response:
    return await http.post("/slack/api/chat.postMessage", json=POST, headers=BOT)


async def test_a_fault_strikes_as_often_as_told_and_only_on_its_route(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await order(http, {"service": "slack", "route": "chat.postMessage", "kind": "429", "retry_after": 3, "count": 2})
    assert (await http.post("/slack/api/auth.test", headers=BOT)).status_code == 200
    first, second, third = [await post(http) for _ in range(3)]
    assert (first.status_code, first.headers["retry-after"]) == (429, "3")
    assert first.json() == {"ok": False, "error": "ratelimited"}
    assert (second.status_code, third.status_code) == (429, 200)
    assert len(sandbox.world.slack.messages) == 1
    assert (await http.get("/_faults")).json()["faults"][0]["hits"] == 2
    await http.delete("/_faults")
    assert (await http.get("/_faults")).json()["faults"] == []


@pytest.mark.parametrize(
    ("path", "service", "key"),
    [
        ("/jira/rest/api/3/myself", "jira", "errorMessages"),
        ("/gemini/v1beta/models", "gemini", "error"),
        ("/databricks/api/2.1/jobs/list", "databricks", "error_code"),
        ("/azure/subscriptions/x", "data_factory", "error"),
    ],
)
async def test_each_vendor_breaks_in_its_own_form(http: httpx.AsyncClient, path: str, service: str, key: str) -> None:
    for status in (429, 500, 503):
        await order(http, {"service": service, "kind": "status", "status": status})
        answer = await http.get(path)
        assert (answer.status_code, key in answer.json()) == (status, True)
        sends_delay = status == 429 and service in {"jira", "data_factory"}
        assert ("retry-after" in answer.headers) is sends_delay
    await order(http, {"service": "jira", "kind": "429", "retry_after": 2})
    limited = await http.get("/jira/rest/api/3/myself")
    assert {"retry-after", "x-ratelimit-reset", "ratelimit-reason"} <= set(limited.headers)


async def test_a_timeout_after_success_leaves_its_effect_and_no_answer(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await order(http, {"service": "slack", "kind": "timeout_after_success", "seconds": 0.1})
    with pytest.raises(httpx.RemoteProtocolError):
        await post(http)
    assert len(sandbox.world.slack.messages) == 1
    call = sandbox.world.journal.calls[-1]
    assert (call.status, call.fault, call.extra) == (None, "timeout_after_success", {"answer_kept_back": 200})


async def test_a_hanging_request_has_no_effect_and_ends_when_the_client_goes(
    http: httpx.AsyncClient, sandbox: Sandbox, eventually: Eventually
) -> None:
    await order(http, {"service": "slack", "kind": "hang", "seconds": 60})
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/slack/api/chat.postMessage", json=POST, headers=BOT, timeout=0.1)
    await eventually(lambda: sandbox.world.journal.calls[-1].finished)
    assert sandbox.world.slack.messages == []


@pytest.mark.parametrize(("kind", "effect"), [("refuse", 0), ("truncate", 1)])
async def test_a_cut_connection_is_no_answer(http: httpx.AsyncClient, sandbox: Sandbox, kind: str, effect: int) -> None:
    await order(http, {"service": "slack", "kind": kind})
    with pytest.raises(httpx.RemoteProtocolError):
        await post(http)
    assert len(sandbox.world.slack.messages) == effect


async def test_wrong_json_is_no_json_and_may_come_with_or_without_the_effect(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await order(http, {"kind": "wrong_json", "count": 1}, {"kind": "wrong_json", "effect": False})
    for messages in (1, 1):
        answer = await post(http)
        assert answer.status_code == 200
        with pytest.raises(ValueError, match=r"Expecting|Extra|delimiter"):
            answer.json()
        assert len(sandbox.world.slack.messages) == messages


async def test_a_slow_body_comes_whole_in_the_end(http: httpx.AsyncClient) -> None:
    await order(http, {"service": "slack", "kind": "slow_body", "seconds": 0.3})
    before = time.monotonic()
    assert (await post(http)).json()["ok"]
    assert time.monotonic() - before >= 0.3


async def test_dice_with_a_seed_fall_the_same_way(http: httpx.AsyncClient) -> None:
    async def throw() -> list[int]:
        await order(http, {"kind": "500", "probability": 0.5, "seed": 11})
        return [(await post(http)).status_code for _ in range(20)]

    first = await throw()
    assert first == await throw()
    assert set(first) == {200, 500}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "explode"},
        {"kind": "500", "service": "fax"},
        {"kind": "500", "probability": 2},
        {"kind": "500", "x": 1},
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(http: httpx.AsyncClient, fault: dict[str, Any]) -> None:
    await order(http, {"kind": "500", "count": 1})
    assert (await http.put("/_faults", json=[fault])).status_code == 400
    assert len((await http.get("/_faults")).json()["faults"]) == 1, "the old rules stay"


async def test_calls_are_remembered_in_order_without_their_secrets(http: httpx.AsyncClient) -> None:
    await post(http)
    await http.get("/jira/rest/api/3/myself", auth=("a@example.com", "geheim"))
    await http.get("/gemini/v1beta/models", params={"key": "geheim"})
    await http.get("/gemini/v1beta/models", headers={"x-goog-api-key": "geheim"})
    form = {"client_secret": "geheim", "grant_type": "x"}
    await http.post("/azure/t/oauth2/v2.0/token", data=form)
    answer = await http.get("/_calls")
    calls = answer.json()["calls"]
    assert [(call["service"], call["method"], call["status"]) for call in calls] == [
        ("slack", "POST", 200),
        ("jira", "GET", 200),
        ("gemini", "GET", 200),
        ("gemini", "GET", 200),
        ("azure", "POST", 400),
    ]
    assert calls[0]["body"] == POST
    assert calls[1]["headers"]["authorization"] == "Basic a@example.com:***"
    assert "geheim" not in answer.text
    assert "secret-token" not in answer.text
    late = (await http.get("/_calls", params={"since": calls[0]["seq"], "service": "gemini"})).json()
    assert [call["seq"] for call in late["calls"]] == [3, 4]


async def test_a_reset_forgets_everything(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await post(http)
    await order(http, {"kind": "500"})
    await http.post("/_generate/databricks", json={"count": 2})
    await http.post("/_reset")
    assert (await post(http)).status_code == 200
    assert len(sandbox.world.slack.messages) == 1
    assert sandbox.world.databricks.runs == {}
    assert len((await http.get("/_calls")).json()["calls"]) == 1


async def test_a_sandbox_that_went_away_refuses_connections_and_comes_back_with_its_memory(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    await post(http)
    await sandbox.go_away()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(sandbox.url)
    await sandbox.come_back()
    assert len((await http.get("/_slack/messages")).json()["messages"]) == 1


async def test_a_held_request_does_not_keep_the_sandbox_from_closing(eventually: Eventually) -> None:
    async with Sandbox() as sandbox:
        sandbox.world.faults.put([{"kind": "hang", "seconds": 60}])
        async with httpx.AsyncClient(base_url=sandbox.url, timeout=30) as client:
            held = asyncio.ensure_future(post(client))
            await eventually(lambda: sandbox.world.journal.calls)
            before = time.monotonic()
            await sandbox.go_away()
            assert time.monotonic() - before < 2
            with pytest.raises(httpx.HTTPError):
                await held


def test_a_sandbox_in_a_thread_answers_callers_without_a_loop() -> None:
    with run_in_background(webhook_secret="s") as sandbox:
        assert httpx.get(f"{sandbox.url}/_pulse").json()["slack"] >= 1
        settings = httpx.get(f"{sandbox.url}/_environment").json()
        assert settings == sandbox.environment()
        assert settings["SLACK_API_URL"] == f"{sandbox.url}/slack/api/"
        assert settings["JIRA_WEBHOOK_SECRET"] == "s"
    with pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.url)


async def test_the_app_also_runs_under_a_foreign_server() -> None:
    transport = httpx.ASGITransport(create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        assert (await post(client)).json()["ok"]


async def test_a_huge_body_is_not_read(http: httpx.AsyncClient) -> None:
    answer = await http.post("/slack/api/chat.postMessage", content=b"x" * (9 * 1024 * 1024), headers=BOT)
    assert answer.status_code == 413


async def test_unknown_state_and_bodies_that_are_no_objects_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.put("/_state/fax", json={})).status_code == 404
    assert (await http.put("/_state/slack", json=[])).status_code == 400
    assert (await http.put("/_state/slack", content=b"{")).status_code == 400
    assert (await http.post("/_generate/databricks", json={"count": 0})).status_code == 400


@pytest.mark.parametrize(
    ("service", "state"),
    [("jira", {"workflow": []}), ("jira", {"workflow": [{"id": "1"}]}), ("slack", {"channels": [{"name": "x"}]})],
)
async def test_a_state_that_would_break_a_stand_in_is_refused(
    http: httpx.AsyncClient, service: str, state: dict[str, Any]
) -> None:
    assert (await http.put(f"/_state/{service}", json=state)).status_code == 400
