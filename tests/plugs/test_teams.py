"""Teams: a card Teams shows for any input, markup of nobody, short cards for what changes, and no secret told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from notices import news, notice
from pipesleuth.destinations import teams_card
from pipesleuth.destinations.teams import Teams, TeamsSettings
from pipesleuth.doctor import Case, Finding, Mark, examine
from pipesleuth.model import Permanent, Retryable, Status
from pipesleuth.sandbox import Sandbox
from pipesleuth.settings import Settings

EVIL = "[Log in](https://evil.example) **now** <at>everyone</at> {{DATE(2026-11-20T02:00:00Z)}} {{{TIME(x)}}}"


def teams(sandbox: Sandbox, **changes: Any) -> Teams:
    values = {"teams_webhook_url": sandbox.environment()["TEAMS_WEBHOOK_URL"], "teams_per_second": 4}
    return Teams(TeamsSettings(_env_file=None, **(values | changes)))  # type: ignore[call-arg]


def texts(message: Any) -> list[str]:
    """Every text a card shows, wherever it stands."""
    if isinstance(message, dict):
        own = [message["text"]] if isinstance(message.get("text"), str) else []
        return own + [one for value in message.values() for one in texts(value)]
    return [one for value in message for one in texts(value)] if isinstance(message, list) else []


async def test_a_ticket_becomes_one_card_that_teams_shows(sandbox: Sandbox) -> None:
    told = teams(sandbox)
    receipt = await told.deliver(notice(), None, in_doubt=False)
    await told.close()
    (post,) = sandbox.world.teams.posts
    assert post.channel == "data-alerts"
    assert sandbox.world.teams.refused == []
    shown = "\n".join(texts(post.card))
    for word in ("P2 DataIngestion_Pipeline failed", "The blob orders.csv", "1. Check that", "datateam@example.com"):
        assert word in shown
    assert [action["title"] for action in post.card["actions"]] == ["Open ticket", "Open run"]
    assert post.tracking.startswith(notice().run_mark)
    assert len(receipt.key) == 32


async def test_no_text_from_outside_is_read_as_markup(sandbox: Sandbox) -> None:
    evil: dict[str, str | None] = dict.fromkeys(
        ("pipeline", "rca_result", "error_type", "affected_entity", "finops_team", "ack_user"), EVIL
    )
    told = teams(sandbox)
    message = teams_card.ticket(
        notice({**evil, "run_url": "javascript:alert(1)"}, recommendations=(EVIL,)), again=False
    )
    await told.deliver(notice(evil), None, in_doubt=False)
    await told.close()
    assert sandbox.world.teams.refused == []
    card = message["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert not any("{{" in text for text in texts(card))
    assert all(action["url"].startswith("https://") for action in card["actions"])


@pytest.mark.parametrize("filler", ["x", "é", "漢", "😀", '"', "\\", "\x00", "\u202e", "\ud800", "&<>", "\n"])
async def test_a_card_is_small_enough_for_any_input(filler: str, sandbox: Sandbox) -> None:
    long = filler * 5000
    names = ("pipeline", "rca_result", "error_type", "affected_entity", "finops_team", "finops_owner", "severity")
    what = notice(dict.fromkeys(names, long), recommendations=(long,) * 40, news=(news(1, long),) * 30)
    told = teams(sandbox)
    receipt = await told.deliver(what, None, in_doubt=False)
    later = replace(what, news=tuple(news(number, long) for number in range(31, 50)))
    await told.deliver(later, receipt, in_doubt=False)
    await told.close()
    assert sandbox.world.teams.refused == []
    assert len(sandbox.world.teams.posts) == 2
    assert all(len(json.dumps(post.card, ensure_ascii=False).encode()) <= 20_500 for post in sandbox.world.teams.posts)


async def test_what_people_must_know_later_comes_as_a_short_card_once(sandbox: Sandbox) -> None:
    told = teams(sandbox)
    first = await told.deliver(notice(news=(news(1),)), None, in_doubt=False)
    quiet = await told.deliver(notice(news=(news(2, action="Jira Created"),)), first, in_doubt=False)
    assert quiet is first
    closed = notice(
        status=Status.ACKNOWLEDGED, news=(news(2, action="Jira Created"), news(3, "by Dana", "Ticket Closed"))
    )
    after = await told.deliver(closed, first, in_doubt=False)
    assert await told.deliver(closed, after, in_doubt=False) is after
    await told.close()
    assert [post.channel for post in sandbox.world.teams.posts] == ["data-alerts"] * 2
    shown = "\n".join(texts(sandbox.world.teams.posts[1].card))
    assert "✅ P2 DataIngestion_Pipeline is closed" in shown
    assert "Ticket Closed: \nby Dana" in shown
    assert "Jira Created" not in shown
    assert after.more["notes"] == "1"


async def test_follow_ups_can_be_switched_off(sandbox: Sandbox) -> None:
    told = teams(sandbox, teams_follow_ups=False)
    first = await told.deliver(notice(), None, in_doubt=False)
    assert await told.deliver(notice(news=(news(3, action="Ticket Closed"),)), first, in_doubt=False) is first
    await told.close()


async def test_a_closed_ticket_that_was_never_told_makes_no_card(sandbox: Sandbox) -> None:
    told = teams(sandbox)
    assert (await told.deliver(notice(status=Status.ACKNOWLEDGED), None, in_doubt=False)).key == ""
    await told.close()
    assert sandbox.world.teams.posts == []


async def test_a_lost_answer_sends_the_card_again_and_says_so(sandbox: Sandbox) -> None:
    told = teams(sandbox)
    sandbox.world.faults.put([{"service": "teams", "kind": "timeout_after_success", "count": 1, "seconds": 0.1}])
    with pytest.raises(Retryable) as lost:
        await told.deliver(notice(), None, in_doubt=False)
    assert lost.value.in_doubt
    receipt = await told.deliver(notice(), None, in_doubt=True)
    await told.close()
    first, second = ("\n".join(texts(post.card)) for post in sandbox.world.teams.posts)
    assert "sent again" not in first
    assert "sent again" in second
    assert receipt.more["unlooked"].startswith("posted again")


async def test_teams_slows_us_down_and_is_obeyed(sandbox: Sandbox) -> None:
    told = teams(sandbox)
    sandbox.world.faults.put([{"service": "teams", "kind": "429", "retry_after": 7, "count": 1}])
    with pytest.raises(Retryable) as slowed:
        await told.deliver(notice(), None, in_doubt=False)
    await told.close()
    assert (slowed.value.after, slowed.value.in_doubt, slowed.value.everyone) == (7, False, True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"signature": "another"}, "TEAMS_WEBHOOK_URL"),
        ({"disabled": ["alerts"]}, "switched on"),
        ({"workflows": {}}, "switched on"),
    ],
)
async def test_a_refusal_says_what_a_person_must_do_and_no_secret(
    change: dict[str, Any], says: str, sandbox: Sandbox
) -> None:
    told = teams(sandbox)
    sandbox.world.teams.put(change)
    with pytest.raises(Permanent, match=says) as refused:
        await told.deliver(notice(), None, in_doubt=False)
    await told.close()
    assert "sandbox-signature" not in str(refused.value)


async def test_a_route_takes_a_ticket_to_its_own_workflow(sandbox: Sandbox, tmp_path: Path) -> None:
    routes = tmp_path / "teams.yaml"
    routes.write_text("routes:\n- {channel: finance, team: Finance}\n", encoding="utf-8")
    more = {
        "teams_webhook_urls": f"finance={sandbox.world.teams.address(sandbox.url, 'finance')}",
        "teams_routes": routes,
    }
    told = teams(sandbox, **more)
    ticket = notice({"finops_team": "finance"})
    receipt = await told.deliver(ticket, None, in_doubt=False)
    await told.deliver(notice(news=(news(9, action="Ticket Closed"),)), receipt, in_doubt=False)
    await told.close()
    assert [post.channel for post in sandbox.world.teams.posts] == ["finance-data"] * 2
    with pytest.raises(ValidationError, match="TEAMS_ROUTES names finance"):
        teams(sandbox, teams_routes=routes)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/workflows/1?sig=hidden",
        "https://example.com",
        "ftp://example.com/hidden",
        "https://acme.webhook.office.com/webhookb2/hidden",
        "https://user:hidden@example.com/x",
        "https://[hidden/x",
        "hidden",
    ],
)
def test_an_address_that_is_none_is_refused_at_start_without_telling_it(address: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        TeamsSettings(_env_file=None, teams_webhook_url=address)  # type: ignore[call-arg, arg-type]
    assert "hidden" not in str(wrong.value.errors(include_input=False, include_context=False))


async def examined(sandbox: Sandbox, patch: pytest.MonkeyPatch, *, send_test: bool) -> Finding:
    patch.setenv("TEAMS_WEBHOOK_URL", sandbox.environment()["TEAMS_WEBHOOK_URL"])
    case = Case(Settings(_env_file=None), lambda: datetime.now(UTC), send_test=send_test)  # type: ignore[call-arg]
    (found,) = await examine(case, ("teams",))
    return found


async def test_a_workflow_shows_what_it_is_worth_only_when_it_posts(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await examined(sandbox, monkeypatch, send_test=False)
    assert (found.mark, "--send-test" in found.seen) == (Mark.OK, True)
    assert sandbox.world.teams.posts == []
    assert (await examined(sandbox, monkeypatch, send_test=True)).mark is Mark.OK
    assert len(sandbox.world.teams.posts) == 1
    sandbox.world.teams.put({"disabled": ["alerts"]})
    found = await examined(sandbox, monkeypatch, send_test=True)
    assert (found.mark, "switched on" in found.repair) == (Mark.FAULT, True)
    assert "sandbox-signature" not in found.seen
