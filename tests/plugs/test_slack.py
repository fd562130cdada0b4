"""Slack against the stand-in with a memory: one message, edited until it is green, its details in the thread."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from canned_server import CannedServer, answer
from notices import news, notice
from pipesleuth.destinations.slack import Slack, SlackSettings
from pipesleuth.destinations.slack_wire import SlackWire
from pipesleuth.model import Notice, Permanent, Receipt, Retryable, Status
from pipesleuth.sandbox import Sandbox


def settings(sandbox: Sandbox, **changes: Any) -> SlackSettings:
    names = ("SLACK_API_URL", "SLACK_BOT_TOKEN", "SLACK_ALERT_CHANNEL")
    values: dict[str, Any] = {name.lower(): sandbox.environment()[name] for name in names}
    return SlackSettings(_env_file=None, **({"slack_per_second": 1000} | values | changes))  # type: ignore[call-arg]


@pytest.fixture
async def slack(sandbox: Sandbox) -> AsyncIterator[Slack]:
    made = Slack(settings(sandbox))
    yield made
    await made.close()


def messages(sandbox: Sandbox) -> list[Any]:
    return sandbox.world.slack.messages


def roots(sandbox: Sandbox) -> list[Any]:
    return [message for message in messages(sandbox) if not message.is_reply]


def notes(sandbox: Sandbox) -> list[str]:
    replies = [message for message in messages(sandbox) if message.is_reply]
    return [reply.content["metadata"]["event_payload"]["audit_id"] for reply in replies]


def fault(sandbox: Sandbox, **rule: Any) -> None:
    sandbox.world.faults.put([{"service": "slack", **rule}])


async def told(slack: Slack, what: Notice, receipt: Receipt | None = None, *, in_doubt: bool = False) -> Receipt:
    return await slack.deliver(what, receipt, in_doubt=in_doubt)


async def test_a_ticket_becomes_one_message_with_its_mark_and_the_channel_s_id(slack: Slack, sandbox: Sandbox) -> None:
    receipt = await told(slack, notice())
    (message,) = messages(sandbox)
    assert receipt.key == message.ts
    assert receipt.more["channel"] == message.channel == "C0SANDBOX01"
    assert message.content["metadata"]["event_payload"]["run_mark"] == "rca-0123456789abcdef0123"
    assert [block["type"] for block in message.content["blocks"]] == [
        "header",
        "section",
        "section",
        "section",
        "actions",
        "context",
    ]
    assert message.content["blocks"][0]["text"]["text"] == "🔴 P2 DataIngestion_Pipeline failed"
    assert message.content["text"].startswith("🔴 P2 DataIngestion_Pipeline failed: The blob orders.csv")


async def test_the_button_leads_to_the_ticket_s_own_page(slack: Slack, sandbox: Sandbox) -> None:
    await told(slack, notice())
    (actions,) = [block for block in messages(sandbox)[0].content["blocks"] if block["type"] == "actions"]
    assert actions["elements"][0]["url"] == notice().fields["ticket_url"]


async def test_an_equal_digest_settles_without_a_call(slack: Slack, sandbox: Sandbox) -> None:
    same = notice()
    receipt = await told(slack, same)
    before = len(sandbox.world.journal.calls)
    assert await told(slack, same, receipt) is receipt
    assert len(sandbox.world.journal.calls) == before


async def test_a_change_edits_the_same_message_with_all_its_blocks(slack: Slack, sandbox: Sandbox) -> None:
    receipt = await told(slack, notice())
    closed = notice(
        {"ack_user": "Dana Ng", "itsm_ticket_id": "OPS-1", "jira_url": "https://x.example/browse/OPS-1"},
        status=Status.ACKNOWLEDGED,
    )
    receipt = await told(slack, closed, receipt)
    (message,) = messages(sandbox)
    assert message.edits == 1
    assert message.content["blocks"][0]["text"]["text"] == "✅ P2 DataIngestion_Pipeline closed"
    shown = json.dumps(message.content["blocks"], ensure_ascii=False)
    assert "Closed by Dana Ng" in shown
    assert "<https://x.example/browse/OPS-1|OPS-1>" in shown
    assert message.content["metadata"]["event_payload"]["run_mark"] == closed.run_mark


async def test_details_go_to_the_thread_once_and_in_order(slack: Slack, sandbox: Sandbox) -> None:
    same = notice()
    receipt = await told(slack, same)
    lines = (news(9, "<!channel> third"), news(2), news(4, "key", "Jira Created"))
    changed = notice(created_at=same.created_at, news=lines)
    receipt = await told(slack, changed, receipt)
    assert notes(sandbox) == ["2", "9"]
    assert "<!channel>" not in messages(sandbox)[-1].content["text"]
    assert await told(slack, changed, receipt) is receipt


@pytest.mark.parametrize("kind", ["timeout_after_success", "wrong_json", "truncate"])
async def test_after_an_ambiguous_post_the_message_is_found_by_its_metadata(
    slack: Slack, sandbox: Sandbox, kind: str
) -> None:
    fault(sandbox, kind=kind, route="chat.postMessage", count=1, seconds=0.2)
    same = notice()
    with pytest.raises(Retryable) as doubt:
        await told(slack, same)
    assert doubt.value.in_doubt
    receipt = await told(slack, same, in_doubt=True)
    assert [message.ts for message in roots(sandbox)] == [receipt.key]


async def test_in_doubt_the_message_is_found_behind_many_others(slack: Slack, sandbox: Sandbox) -> None:
    same = notice()
    first = await told(slack, same)
    for number in range(250):
        await told(slack, notice(run_mark=f"other-{number}"))
    assert (await told(slack, same, in_doubt=True)).key == first.key


async def test_in_doubt_with_nothing_there_it_is_posted(slack: Slack, sandbox: Sandbox) -> None:
    await told(slack, notice(), in_doubt=True)
    assert len(roots(sandbox)) == 1


async def test_where_looking_is_forbidden_it_is_posted_again_and_said(slack: Slack, sandbox: Sandbox) -> None:
    sandbox.world.slack.settings["scopes"] = ["chat:write"]
    receipt = await told(slack, notice(), in_doubt=True)
    assert "missing_scope" in receipt.more["unlooked"]
    assert len(roots(sandbox)) == 1


@pytest.mark.parametrize("kind", ["timeout_after_success", "429"])
async def test_a_fault_among_the_notes_repeats_none_of_them(slack: Slack, sandbox: Sandbox, kind: str) -> None:
    same = notice()
    receipt = await told(slack, same)
    lines = notice(created_at=same.created_at, news=tuple(news(number) for number in (1, 2, 3)))
    fault(sandbox, kind=kind, route="chat.postMessage", skip=1, count=1, seconds=0.2)
    with pytest.raises(Retryable) as problem:
        await told(slack, lines, receipt)
    assert problem.value.in_doubt
    await told(slack, lines, receipt, in_doubt=True)
    assert notes(sandbox) == ["1", "2", "3"]


async def test_429_holds_everyone_back_for_as_long_as_slack_says(slack: Slack, sandbox: Sandbox) -> None:
    fault(sandbox, kind="429", retry_after=30)
    with pytest.raises(Retryable) as problem:
        await told(slack, notice())
    assert (problem.value.after, problem.value.everyone, problem.value.in_doubt) == (30, True, False)


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ("platform", "not_in_channel. Invite the app to #platform, then retry."),
        ("#nowhere", "channel_not_found. Create #nowhere or correct SLACK_ALERT_CHANNEL"),
        ("old-alerts", "is_archived. Unarchive #old-alerts"),
    ],
)
async def test_a_channel_s_fault_is_said_with_what_to_do(sandbox: Sandbox, channel: str, reason: str) -> None:
    wrong = Slack(settings(sandbox, slack_alert_channel=channel))
    with pytest.raises(Permanent) as refusal:
        await told(wrong, notice())
    assert refusal.value.reason.startswith(reason)
    assert refusal.value.everyone, "there is only this channel"
    await wrong.close()


async def test_a_bad_token_stops_everyone_and_is_never_repeated(sandbox: Sandbox) -> None:
    wrong = Slack(settings(sandbox, slack_bot_token="xoxp-very-secret"))
    with pytest.raises(Permanent, match=r"invalid_auth. Check SLACK_BOT_TOKEN") as refusal:
        await told(wrong, notice())
    assert refusal.value.everyone
    assert "xoxp-very-secret" not in str(refusal.value)
    await wrong.close()


async def test_a_missing_scope_names_it(slack: Slack, sandbox: Sandbox) -> None:
    sandbox.world.slack.settings["scopes"] = ["channels:read"]
    with pytest.raises(Permanent, match="Give the app the scope chat:write"):
        await told(slack, notice())


async def test_a_deleted_message_is_said_so(slack: Slack, sandbox: Sandbox) -> None:
    receipt = await told(slack, notice())
    sandbox.world.slack.remove(messages(sandbox)[0])
    with pytest.raises(Permanent, match="deleted in Slack"):
        await told(slack, notice({"severity": "Low"}), receipt)


async def test_routes_send_a_team_s_tickets_to_its_channel_and_keep_them_there(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text("routes:\n  - {channel: finance-data, team: finance, severity: [critical, high]}\n")
    routed = Slack(settings(sandbox, slack_routes=file))
    receipt = await told(routed, notice({"finops_team": "Finance"}))
    assert messages(sandbox)[0].channel == "C0SANDBOX02"
    await told(routed, notice({"finops_team": "Finance", "severity": "Low"}), receipt)
    assert len(messages(sandbox)) == 1, "a message stays where it is"
    await told(routed, notice({"finops_team": "Sales"}))
    assert messages(sandbox)[-1].channel == "C0SANDBOX01"
    await routed.close()


async def test_the_token_follows_no_redirect(sandbox: Sandbox) -> None:
    async with CannedServer(answer(302, b"", location=f"{sandbox.url}/slack/api/chat.postMessage")) as elsewhere:
        lost = Slack(settings(sandbox, slack_api_url=elsewhere.url))
        with pytest.raises(Permanent, match=r"HTTP 302. Check SLACK_API_URL"):
            await told(lost, notice())
        await lost.close()
    assert messages(sandbox) == []


@pytest.mark.parametrize(
    "body", [b"[]", b"5", b"null", b"<html>", b"\xff\xfe", b'{"ok": true}', b"[" * 100_000], ids=len
)
async def test_an_answer_that_is_no_slack_answer_leaves_doubt(sandbox: Sandbox, body: bytes) -> None:
    async with CannedServer(answer(200, body)) as odd:
        slack = Slack(settings(sandbox, slack_api_url=odd.url))
        with pytest.raises(Retryable) as problem:
            await told(slack, notice())
        await slack.close()
    assert problem.value.in_doubt


async def test_a_server_that_accepts_and_hangs_up_leaves_doubt(sandbox: Sandbox) -> None:
    async with CannedServer(b"") as rude:
        slack = Slack(settings(sandbox, slack_api_url=rude.url))
        with pytest.raises(Retryable, match="broke off") as problem:
            await told(slack, notice())
        await slack.close()
    assert problem.value.in_doubt


async def test_a_server_error_leaves_doubt_and_is_waited_for_as_asked(sandbox: Sandbox) -> None:
    async with CannedServer(answer(503, b"busy", retry_after="9")) as busy:
        slack = Slack(settings(sandbox, slack_api_url=busy.url))
        with pytest.raises(Retryable, match="HTTP 503") as problem:
            await told(slack, notice())
        await slack.close()
    assert (problem.value.in_doubt, problem.value.after, problem.value.everyone) == (True, 9, True)


async def test_slack_s_passing_faults_are_tried_again_in_doubt(sandbox: Sandbox) -> None:
    async with CannedServer(answer(200, b'{"ok": false, "error": "fatal_error"}')) as failing:
        slack = Slack(settings(sandbox, slack_api_url=failing.url))
        with pytest.raises(Retryable, match="fatal_error") as problem:
            await told(slack, notice())
        await slack.close()
    assert problem.value.in_doubt


async def hanging(
    reply: bytes, calls: int, *, later: float = 0.5, **how: float
) -> tuple[list[BaseException | Any], int, float]:
    """What so many calls at once get from a slow Slack, how many were sent until `later`, and how long it took."""
    async with CannedServer(reply, **how) as slow:
        wire = SlackWire(slow.url, "xoxb-1", read=0.4, whole=0.6)
        started = time.monotonic()
        ends = await asyncio.gather(
            *(wire.write("chat.postMessage", {"n": 1}) for _ in range(calls)), return_exceptions=True
        )
        took = time.monotonic() - started
        await asyncio.sleep(later)
        await wire.close()
        return list(ends), len(slow.requests), took


async def test_a_slack_that_hangs_is_cut_in_doubt() -> None:
    ends, _, took = await hanging(answer(200, b'{"ok": true}'), 1, after=5.0)
    assert isinstance(ends[0], Retryable)
    assert ends[0].in_doubt
    assert took < 1


async def test_a_slack_that_drips_is_cut_in_doubt() -> None:
    ends, _, took = await hanging(answer(200, b'{"ok": true}' + b" " * 500), 1, drip=0.02)
    assert isinstance(ends[0], Retryable)
    assert ends[0].in_doubt
    assert took < 1


async def test_what_was_cut_before_it_was_sent_is_never_sent_later() -> None:
    ends, sent, took = await hanging(answer(200, b'{"ok": true}'), 40, later=1.5, after=5.0)
    assert all(isinstance(end, Retryable) for end in ends)
    assert sent <= 24, "eight threads had time for two calls each, and for a third at the very end; forty are too late"
    assert took < 1.5
