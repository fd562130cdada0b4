"""Jira's webhooks: shape, signature, retries, and what a person does on the board."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from pipesleuth.sandbox import Sandbox
from pipesleuth.sandbox.jira_webhooks import signature

Sample = Callable[[str], Any]


class Listener:
    """A door that remembers what came in and answers as told."""

    def __init__(self) -> None:
        self.heads: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        self.port = 0
        self.news = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(": ") for line in head.split("\r\n")[1:])
        headers = {name.lower(): value for name, _, value in lines if name}
        self.bodies.append(await reader.readexactly(int(headers["content-length"])))
        self.heads.append(headers)
        async with self.news:
            self.news.notify_all()
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(5), self.news:
            await self.news.wait_for(lambda: len(self.bodies) >= count)

    def events(self) -> list[str]:
        return [json.loads(body)["webhookEvent"] for body in self.bodies]


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    door = Listener()
    server = await asyncio.start_server(door.serve, "127.0.0.1", 0)
    door.port = server.sockets[0].getsockname()[1]
    yield door
    server.close()
    await server.wait_closed()


@pytest.fixture
async def key(sandbox: Sandbox, jira: httpx.AsyncClient, listener: Listener, sample: Sample) -> str:
    """An issue whose further changes are told to the listener."""
    answer = await jira.post("issue", json=sample("jira_create_issue_request"))
    settings = {
        "url": f"http://127.0.0.1:{listener.port}/webhook/jira?secret=s3",
        "secret": "S",
        "retry_delays": [0, 0],
    }
    sandbox.world.jira.put({"webhook": settings})
    return str(answer.json()["key"])


def test_the_signature_is_that_of_the_published_vector(sample: Sample) -> None:
    vector = sample("jira_webhook_signature_vector")
    assert signature(vector["secret"], vector["body"].encode()) == vector["header"]


async def test_a_card_moved_on_the_board_is_told_in_jiras_own_form(
    key: str, http: httpx.AsyncClient, listener: Listener, sample: Sample
) -> None:
    answer = await http.post(f"/_jira/issues/{key}/status", json={"status": "Done"})
    assert answer.json()["fields"]["status"]["name"] == "Done"
    await listener.wait_for(1)
    body = json.loads(listener.bodies[0])
    example = sample("jira_webhook_issue_updated")
    assert set(body) == set(example)
    assert set(example["issue"]["fields"]) <= set(body["issue"]["fields"])
    assert body["issue"]["fields"]["description"].startswith("h3. ")
    assert "/rest/api/2/" in body["issue"]["self"]
    assert body["user"]["displayName"] == "Dana Ng"
    item = body["changelog"]["items"][-1]
    assert set(item) == set(example["changelog"]["items"][-1])
    assert (item["field"], item["fromString"], item["toString"]) == ("status", "To Do", "Done")


async def test_the_raw_body_is_signed_and_the_delivery_has_an_identifier(
    key: str, http: httpx.AsyncClient, listener: Listener, sample: Sample
) -> None:
    await http.post(f"/_jira/issues/{key}/comment", json={"text": "schön"})
    await listener.wait_for(1)
    head = listener.heads[0]
    expected = hmac.new(b"S", listener.bodies[0], hashlib.sha256).hexdigest()
    assert head["x-hub-signature"] == f"sha256={expected}"
    assert set(sample("jira_webhook_headers")) - {"x-atlassian-webhook-retry"} <= set(head)
    assert "x-atlassian-webhook-retry" not in head
    body = json.loads(listener.bodies[0])
    assert set(body) == set(sample("jira_webhook_comment_created"))
    assert body["comment"]["body"] == "schön"
    assert "description" not in body["issue"]["fields"], "comments carry a thin issue"


async def test_a_failed_delivery_is_repeated_with_the_same_identifier(
    key: str, http: httpx.AsyncClient, listener: Listener
) -> None:
    listener.statuses = [503, 429, 200]
    await http.post(f"/_jira/issues/{key}/status", json={"status": "In Progress"})
    await listener.wait_for(3)
    assert [head.get("x-atlassian-webhook-retry") for head in listener.heads] == [None, "1", "2"]
    assert len({head["x-atlassian-webhook-identifier"] for head in listener.heads}) == 1
    assert len(set(listener.bodies)) == 1


async def test_a_refusal_is_final(key: str, http: httpx.AsyncClient, listener: Listener) -> None:
    listener.statuses = [401]
    await http.post(f"/_jira/issues/{key}/status", json={"status": "In Progress"})
    await listener.wait_for(1)
    await asyncio.sleep(0.05)
    hooks = (await http.get("/_jira/webhooks")).json()
    assert [(entry["statuses"], entry["done"]) for entry in hooks["deliveries"]] == [([401], True)]
    assert "s3" not in hooks["url"]


async def test_deletions_moves_and_api_changes_are_told(
    key: str, http: httpx.AsyncClient, jira: httpx.AsyncClient, listener: Listener, sample: Sample
) -> None:
    await jira.post(f"issue/{key}/transitions", json={"transition": {"id": "21"}})
    await listener.wait_for(1)
    me = (await jira.get("myself")).json()["accountId"]
    assert json.loads(listener.bodies[0])["user"]["accountId"] == me, "a client must know its own echo"
    moved = (await http.post(f"/_jira/issues/{key}/move", json={"project": "OPS"})).json()
    await listener.wait_for(2)
    assert moved["key"] == "OPS-1"
    assert (await jira.get(f"issue/{key}")).json()["key"] == "OPS-1"
    await jira.delete("issue/OPS-1")
    await listener.wait_for(3)
    assert listener.events() == ["jira:issue_updated", "jira:issue_updated", "jira:issue_deleted"]
    assert set(json.loads(listener.bodies[2])) == set(sample("jira_webhook_issue_deleted"))
    assert (await jira.get("issue/OPS-1")).status_code == 404


async def test_deliveries_are_doubled_and_dropped_on_demand(
    key: str, http: httpx.AsyncClient, sandbox: Sandbox, listener: Listener
) -> None:
    sandbox.world.jira.put({"webhook": {"duplicate": 1.0, "seed": 7}})
    await http.post(f"/_jira/issues/{key}/status", json={"status": "In Review"})
    await listener.wait_for(2)
    assert listener.bodies[0] == listener.bodies[1]
    sandbox.world.jira.put({"webhook": {"drop": 1.0}})
    await http.post(f"/_jira/issues/{key}/status", json={"status": "Done"})
    await asyncio.sleep(0.05)
    assert len(listener.bodies) == 2


async def test_moving_a_card_to_its_own_column_tells_nobody(
    key: str, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await http.post(f"/_jira/issues/{key}/status", json={"status": "To Do"})
    assert not sandbox.world.jira.webhooks.deliveries


async def test_only_json_can_move_a_card(key: str, http: httpx.AsyncClient) -> None:
    assert (await http.post(f"/_jira/issues/{key}/status", content=b"status=Done")).status_code == 415
    assert (await http.post(f"/_jira/issues/{key}/status", json={"status": "Heaven"})).status_code == 400
