"""Slack's blocks: within Slack's limits and escaped, whatever the failure says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from notices import FIELDS, news, notice
from pipesleuth.destinations import slack_blocks
from pipesleuth.model import News, Notice, Status

ODD = (
    "",
    "\n",
    "&" * 60_000,
    "<!channel> <@U123> <https://evil.example|click> & <script>",
    "x" * 60_000,
    "🎈" * 60_000,
    "\x00\x1b[31m\ud800",
    "שלום \u202eevil\u202c",
    "*bold* _it_ ```code``` >quote",
)
odd_text = st.one_of(st.sampled_from(ODD), st.text(st.characters(), max_size=200))


@st.composite
def odd_notices(draw: st.DrawFn) -> Notice:
    fields = {name: draw(st.one_of(st.none(), odd_text)) for name in FIELDS}
    return notice(
        fields,
        status=draw(st.sampled_from(list(Status))),
        recommendations=tuple(draw(st.lists(odd_text, max_size=12))),
    )


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def texts(part: Any) -> list[str]:
    if isinstance(part, dict):
        found = [part["text"]] if isinstance(part.get("text"), str) else []
        return found + [text for value in part.values() for text in texts(value)]
    return [text for value in part for text in texts(value)] if isinstance(part, list) else []


def checked(made: list[Any]) -> None:
    for block in Block.parse_all(made):
        block.validate_json()
    assert 0 < len(made) <= 50
    assert slack_blocks.size(made) <= slack_blocks.LONGEST_WHOLE
    for block in made:
        if block["type"] == "header":
            assert 0 < units(block["text"]["text"]) <= 150
        if block["type"] == "section":
            assert units(block.get("text", {}).get("text", "")) <= 3000
            assert len(block.get("fields", [])) <= 10
            assert all(0 < units(field["text"]) <= 2000 for field in block.get("fields", []))
        if block["type"] == "context":
            assert all(units(element["text"]) <= 2000 for element in block["elements"])
    json.dumps(made, ensure_ascii=False).encode("utf-8")


def test_a_usual_ticket_fits() -> None:
    checked(slack_blocks.blocks(notice()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(what=odd_notices())
def test_odd_tickets_fit(what: Notice) -> None:
    checked(slack_blocks.blocks(what))
    assert 0 < units(slack_blocks.fallback(what)) <= slack_blocks.LONGEST_TEXT


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_every_odd_text_everywhere_fits(text: str) -> None:
    for status in Status:
        what = notice(dict.fromkeys(FIELDS, text), status=status, recommendations=(text,) * 20)
        checked(slack_blocks.blocks(what))


@pytest.mark.parametrize("text", ODD[2:4], ids=["ampersands", "mentions"])
def test_no_text_from_outside_becomes_markup(text: str) -> None:
    fields = dict.fromkeys(FIELDS, text) | {"sla_due_at": None, "jira_url": None}
    what = notice(fields, recommendations=(text,), news=(news(1, text, text),))
    plain = slack_blocks.header(what)
    shown = [text for text in texts(slack_blocks.blocks(what)) if text != plain]
    for one in (*shown, slack_blocks.fallback(what), slack_blocks.note(what.news[0])):
        assert "<" not in one
        assert ">" not in one
        assert not re.sub(r"&(amp|lt|gt);", "", one).count("&"), "an entity is never cut in two"


def test_slack_links_nothing_by_itself() -> None:
    def objects(part: Any) -> list[Any]:
        if isinstance(part, dict):
            return [part, *(found for value in part.values() for found in objects(value))]
        return [found for value in part for found in objects(value)] if isinstance(part, list) else []

    marked = [part for part in objects(slack_blocks.blocks(notice())) if part.get("type") == "mrkdwn"]
    assert marked
    assert all(part["verbatim"] for part in marked)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///x", "", None, "https://a@b.example", "https://x y"])
def test_only_safe_addresses_become_buttons(url: str | None) -> None:
    made = slack_blocks.blocks(notice({"ticket_url": url, "run_url": url}))
    assert [block for block in made if block["type"] == "actions"] == []


def test_the_sla_stands_in_the_reader_s_own_time_zone_until_it_is_decided() -> None:
    assert "<!date^1737903922^due" in json.dumps(slack_blocks.blocks(notice()))
    assert "Breached" in json.dumps(slack_blocks.blocks(notice({"sla_status": "Breached"})))


def test_the_header_says_open_in_progress_or_closed() -> None:
    signs = [slack_blocks.header(notice(status=status))[0] for status in Status]
    assert signs == ["🔴", "🟡", "✅"]


@settings(max_examples=60, deadline=None)
@given(text=odd_text, action=odd_text)
def test_a_note_fits_into_one_section(text: str, action: str) -> None:
    line = News(audit_id=1, at=notice().created_at, action=action, text=text)
    checked(slack_blocks.note_blocks(line))
