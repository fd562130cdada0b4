"""The Slack stand-in says and refuses what Slack does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient

from pipesleuth.sandbox import Sandbox

ROOM = "C0SANDBOX01"
Sample = Callable[[str], Any]


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


async def said(slack: httpx.AsyncClient, method: str, **arguments: Any) -> Any:
    answer = await slack.post(method, json=arguments)
    assert answer.status_code == 200
    return answer.json()


async def posted(slack: httpx.AsyncClient, **arguments: Any) -> str:
    body = await said(slack, "chat.postMessage", **{"channel": ROOM, "text": "x", **arguments})
    assert body["ok"], body
    return str(body["ts"])


async def refused(slack: httpx.AsyncClient, method: str, **arguments: Any) -> str:
    body = await said(slack, method, **arguments)
    assert body["ok"] is False
    return str(body["error"])


async def test_a_posted_message_comes_back_with_channel_id_and_time_stamp(
    slack: httpx.AsyncClient, sample: Sample
) -> None:
    body = await said(slack, "chat.postMessage", **{**sample("slack_post_message_request"), "channel": "#data-alerts"})
    example = sample("slack_post_message_ok")
    assert set(example) <= set(body)
    assert set(example["message"]) <= set(body["message"])
    assert body["channel"] == ROOM
    assert body["message"]["ts"] == body["ts"]


async def test_time_stamps_grow_although_the_clock_stands(slack: httpx.AsyncClient) -> None:
    stamps = [await posted(slack) for _ in range(3)]
    assert stamps == sorted(set(stamps))


async def test_an_update_replaces_blocks_keeps_metadata_and_is_marked_as_edited(
    slack: httpx.AsyncClient, sample: Sample
) -> None:
    ts = await posted(slack, **{**sample("slack_post_message_request"), "channel": ROOM})
    update = {**sample("slack_update_request"), "channel": ROOM, "ts": ts}
    assert (await said(slack, "chat.update", **update))["text"] == update["text"]
    found = (await said(slack, "conversations.history", channel=ROOM, include_all_metadata=True))["messages"][0]
    assert found["blocks"] == update["blocks"]
    assert found["metadata"]["event_type"] == "rca_ticket"
    assert found["edited"]
    await said(slack, "chat.update", channel=ROOM, ts=ts, text="only text")
    assert (await said(slack, "conversations.history", channel=ROOM))["messages"][0]["blocks"] == []


async def test_an_update_needs_the_channels_id_and_a_known_message(slack: httpx.AsyncClient) -> None:
    ts = await posted(slack)
    assert await refused(slack, "chat.update", channel="data-alerts", ts=ts, text="x") == "channel_not_found"
    assert await refused(slack, "chat.update", channel=ROOM, ts="1.0", text="x") == "message_not_found"


async def test_metadata_is_in_the_history_only_when_asked_for(slack: httpx.AsyncClient) -> None:
    await posted(slack, metadata={"event_type": "t", "event_payload": {"id": "A"}})
    plain = (await said(slack, "conversations.history", channel=ROOM))["messages"][0]
    full = (await slack.get("conversations.history", params={"channel": ROOM, "include_all_metadata": "true"})).json()
    assert "metadata" not in plain
    assert full["messages"][0]["metadata"]["event_payload"] == {"id": "A"}


async def test_the_history_is_newest_first_in_pages_and_between_bounds(slack: httpx.AsyncClient) -> None:
    stamps = [await posted(slack) for _ in range(5)]
    page = await said(slack, "conversations.history", channel=ROOM, limit=2)
    assert [entry["ts"] for entry in page["messages"]] == [stamps[4], stamps[3]]
    cursor = page["response_metadata"]["next_cursor"]
    following = await said(slack, "conversations.history", channel=ROOM, limit=2, cursor=cursor)
    assert [entry["ts"] for entry in following["messages"]] == [stamps[2], stamps[1]]
    late = await said(slack, "conversations.history", channel=ROOM, oldest=stamps[3])
    assert [entry["ts"] for entry in late["messages"]] == [stamps[4]]
    also = await said(slack, "conversations.history", channel=ROOM, oldest=stamps[3], inclusive=True)
    assert len(also["messages"]) == 2


async def test_replies_stand_in_the_thread_and_not_in_the_history(slack: httpx.AsyncClient) -> None:
    root = await posted(slack)
    reply = await posted(slack, thread_ts=root)
    roots = (await said(slack, "conversations.history", channel=ROOM))["messages"]
    thread = (await said(slack, "conversations.replies", channel=ROOM, ts=root))["messages"]
    assert [entry["ts"] for entry in roots] == [root]
    assert roots[0]["reply_count"] == 1
    assert [entry["ts"] for entry in thread] == [root, reply]
    nowhere = await refused(slack, "chat.postMessage", channel=ROOM, text="x", thread_ts="9.9")
    assert nowhere == "cannot_reply_to_message"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "nowhere", "text": "x"}, "channel_not_found"),
        ({"channel": "platform", "text": "x"}, "not_in_channel"),
        ({"channel": "old-alerts", "text": "x"}, "is_archived"),
        ({"channel": ROOM}, "no_text"),
        ({"channel": ROOM, "text": "x", "blocks": "soup"}, "invalid_blocks_format"),
        ({"channel": ROOM, "text": "x", "blocks": [section("y" * 2900)] * 5}, "msg_blocks_too_long"),
        ({"channel": ROOM, "text": "x", "metadata": {"event_type": "t"}}, "invalid_metadata_format"),
        (
            {"channel": ROOM, "text": "x", "metadata": {"event_type": "t", "event_payload": {"a": "b" * 20_000}}},
            "metadata_too_large",
        ),
    ],
)
async def test_a_message_is_refused_with_slacks_own_word(
    slack: httpx.AsyncClient, arguments: dict[str, Any], error: str
) -> None:
    assert await refused(slack, "chat.postMessage", **arguments) == error


@pytest.mark.parametrize(
    ("block", "pointer"),
    [
        (section("y" * 3001), "/blocks/0/text/text"),
        (section(""), "/blocks/0/text/text"),
        ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "/blocks/0/text/type"),
        ({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}, "/blocks/0/text/text"),
        ({"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}, "/blocks/0/fields"),
        ({"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}, "/blocks/0/fields/0/text"),
        ({"type": "context", "elements": []}, "/blocks/0/elements"),
        (
            {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x" * 76}}]},
            "/blocks/0/elements/0/text/text",
        ),
        (
            {
                "type": "actions",
                "elements": [
                    {"type": "button", "text": {"type": "plain_text", "text": "x"}, "url": "javascript:alert(1)"}
                ],
            },
            "/blocks/0/elements/0/url",
        ),
        ({"type": "marquee"}, "/blocks/0/type"),
    ],
)
async def test_a_block_beyond_slacks_limits_is_refused_with_its_place(
    slack: httpx.AsyncClient, block: dict[str, Any], pointer: str, sample: Sample
) -> None:
    body = await said(slack, "chat.postMessage", channel=ROOM, text="x", blocks=[block])
    assert body["error"] == "invalid_blocks"
    assert set(body) == set(sample("slack_error_200"))
    assert any(fault.endswith(f"[json-pointer:{pointer}]") for fault in body["errors"]), body


async def test_no_more_than_fifty_blocks_are_taken(slack: httpx.AsyncClient) -> None:
    assert await posted(slack, blocks=[{"type": "divider"}] * 50)
    error = await refused(slack, "chat.postMessage", channel=ROOM, text="x", blocks=[{"type": "divider"}] * 51)
    assert error == "invalid_blocks"


async def test_tokens_and_scopes_are_checked(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    async def error(token: str | None, method: str) -> Any:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = (await http.post(f"/slack/api/{method}", headers=headers, json={"channel": ROOM, "text": "x"})).json()
        return body.get("error"), body.get("needed")

    tokens = {"xoxb-full": ["chat:write", "channels:history"], "xoxb-mute": [], "xoxb-gone": None}
    await http.put("/_state/slack", json={"tokens": tokens})
    assert await error(None, "auth.test") == ("not_authed", None)
    assert await error("xoxb-other", "auth.test") == ("invalid_auth", None)
    assert await error("xoxb-gone", "auth.test") == ("token_revoked", None)
    assert await error("xoxb-mute", "chat.postMessage") == ("missing_scope", "chat:write")
    assert await error("xoxb-full", "conversations.history") == (None, None)
    assert await error("xoxb-full", "chat.explode") == ("unknown_method", None)


async def test_a_bot_joins_a_public_channel_and_may_then_post(slack: httpx.AsyncClient) -> None:
    listed = await said(slack, "conversations.list", exclude_archived=True)
    assert [channel["name"] for channel in listed["channels"]] == ["data-alerts", "finance-data", "platform"]
    assert (await said(slack, "conversations.join", channel="C0SANDBOX03"))["channel"]["is_member"]
    assert (await said(slack, "conversations.info", channel="C0SANDBOX03"))["channel"]["name"] == "platform"
    assert await posted(slack, channel="platform")


async def test_one_message_a_second_is_allowed_where_the_limit_is_kept(
    slack: httpx.AsyncClient, http: httpx.AsyncClient, clock: Any, sample: Sample
) -> None:
    await http.put("/_state/slack", json={"rate_per_second": 1})
    await posted(slack)
    answer = await slack.post("chat.postMessage", json={"channel": ROOM, "text": "x"})
    example = sample("slack_429")
    assert (answer.status_code, answer.json()) == (example["status"], example["body"])
    assert answer.headers["retry-after"] == "1"
    clock.now += 1
    await posted(slack)


async def test_forms_are_read_like_json(slack: httpx.AsyncClient) -> None:
    form = {"channel": ROOM, "text": "x", "blocks": '[{"type": "divider"}]'}
    assert (await slack.post("chat.postMessage", data=form)).json()["ok"]
    assert (await slack.post("chat.postMessage", data={**form, "blocks": "["})).json()["ok"] is False


async def test_slacks_own_client_is_content(sandbox: Sandbox) -> None:
    def talk() -> str:
        client = WebClient("xoxb-1", base_url=f"{sandbox.url}/slack/api/")
        metadata = {"event_type": "t", "event_payload": {"id": "A"}}
        answer = client.chat_postMessage(channel="data-alerts", text="x", metadata=metadata)
        client.chat_update(channel=str(answer["channel"]), ts=str(answer["ts"]), text="y")
        history = client.conversations_history(channel=str(answer["channel"]), include_all_metadata=True)
        messages: Any = history["messages"]
        return str(messages[0]["text"])

    assert await asyncio.to_thread(talk) == "y"
