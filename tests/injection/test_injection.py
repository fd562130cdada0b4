"""An error text changes nothing but the text it is, even where the model obeys it word by word."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from payloads import EVIL, PAYLOADS
from pipesleuth.destinations import jira_document, slack_blocks
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.model import Notice, Receipt, StatusChange
from pipesleuth.sandbox.server import Sandbox
from pipesleuth.triage.neutral import occurs
from places import Clock, Place, adf, knowledge, opened

# Two P1 failures, one of which the knowledge base is very sure of and one where a model is listened to; and nothing.
SURE = (
    "Cannot connect to SQL Database 'sql-prod'. Client with IP address '20.1.2.3' is not allowed to access the server."
)
UNSURE = "Access denied for the thing"
HOSTS = {"sure": SURE, "unsure": UNSURE, "alone": ""}
PIPELINE = "finance_prod_close"

KEPT = (
    "responder", "finops_team", "finops_owner", "finops_cost_center", "status", "ack_user", "ack_ts", "run_id",
    "run_url", "itsm_ticket_id", "jira_live", "pipeline", "source", "processing_mode", "status_by", "told_at",
)  # fmt: skip
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
DATE = re.compile(r"<!date\^\d+\^due \{date_short_pretty\} \{time\}\|due [0-9: -]+UTC>")
NODES = {
    "doc",
    "paragraph",
    "text",
    "heading",
    "orderedList",
    "listItem",
    "table",
    "tableRow",
    "tableHeader",
    "tableCell",
    "codeBlock",
}


class Recorder:
    """A channel that keeps what it would have been told, and creates nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: dict[str, Notice] = {}

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:  # noqa: ARG002  # the contract's
        self.told[notice.ticket_id] = notice
        return Receipt(key="")

    def read_update(self, request: InboundRequest) -> StatusChange | None:  # noqa: ARG002  # the same
        return None

    async def close(self) -> None:
        pass


@dataclass(slots=True)
class Attack:
    """One payload in one host: the ticket before and after the model obeyed, and what channels were told."""

    before: dict[str, Any]
    after: dict[str, Any]
    notice: Notice
    lines: list[dict[str, Any]]


@dataclass(slots=True)
class Campaign:
    """All attacks on one service."""

    attacks: dict[tuple[str, str], Attack] = field(default_factory=dict[tuple[str, str], Attack])
    calls: int = 0


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """Every payload in every host, through one service whose model obeys."""
    patch = pytest.MonkeyPatch()
    try:
        yield asyncio.run(_campaign(tmp_path_factory.mktemp("injection"), patch))
    finally:
        patch.undo()


async def _campaign(folder: Path, patch: pytest.MonkeyPatch) -> Campaign:
    found = Campaign()
    recorder = Recorder("jira")
    async with Sandbox() as sandbox:
        for name, value in sandbox.environment().items():
            if name.startswith("GEMINI"):
                patch.setenv(name, value)
        patch.setenv("AI_ANALYSES_PER_HOUR", "100000")
        sandbox.world.gemini.mode = "obey"
        async with opened(folder, Clock(), knowledge(), "no password is needed here", told={"jira": recorder}) as place:
            keys = [(name, host) for name in PAYLOADS for host in hosts_of(name)]
            made = dict(zip(keys, await asyncio.gather(*(_attack(place, *key) for key in keys)), strict=True))
            before = {row["id"]: row for row in await place.rows()}
            await place.work_off()
            lines: dict[str, list[dict[str, Any]]] = {}
            for line in await place.lines():
                lines.setdefault(line["ticket_id"], []).append(line)
            for row in await place.rows():
                ticket_id = row["id"]
                found.attacks[made_of(made, ticket_id)] = Attack(
                    before[ticket_id], row, recorder.told[ticket_id], lines[ticket_id]
                )
        found.calls = sandbox.world.gemini.calls
    return found


def made_of(made: dict[tuple[str, str], str], ticket_id: str) -> tuple[str, str]:
    """Which attack a ticket came of."""
    return next(key for key, value in made.items() if value == ticket_id)


async def _attack(place: Place, name: str, host: str) -> str:
    """A failed run whose message, and now and then activity, carries the payload."""
    text = PAYLOADS[name]
    number = list(PAYLOADS).index(name)
    more = {"ActivityName": text[:200]} if number % 3 == 0 else {}
    return await place.ticket(adf(pipeline=PIPELINE, message=f"{HOSTS[host]} {text}".strip(), **more))


def hosts_of(name: str) -> list[str]:
    """A payload attacks both P1 failures; every third one also stands alone."""
    return [host for host in HOSTS if host != "alone" or list(PAYLOADS).index(name) % 3 == 0]


every = pytest.mark.parametrize("name", PAYLOADS)


def of(campaign: Campaign, name: str) -> list[Attack]:
    return [campaign.attacks[name, host] for host in hosts_of(name)]


def test_there_are_a_hundred_payloads_and_the_model_did_obey(campaign: Campaign) -> None:
    assert len(PAYLOADS) >= 100
    assert campaign.calls >= 100
    remarks = [line["details"] or "" for attack in campaign.attacks.values() for line in attack.lines]
    assert sum("a P1 is not lowered" in remark for remark in remarks) >= 30
    assert sum("not in the message dropped" in remark for remark in remarks) >= 10
    assert sum(attack.before["priority"] == "P1" for attack in campaign.attacks.values()) >= 200
    assert sum(attack.after["rca_source"] == "gemini-2.5-flash" for attack in campaign.attacks.values()) >= 100


@every
def test_nobody_becomes_responsible_and_nothing_moves(campaign: Campaign, name: str) -> None:
    for attack in of(campaign, name):
        assert {column: attack.after[column] for column in KEPT} == {column: attack.before[column] for column in KEPT}


@every
def test_a_p1_is_not_lowered(campaign: Campaign, name: str) -> None:
    for host in ("sure", "unsure"):
        attack = campaign.attacks[name, host]
        assert attack.before["priority"] == "P1"
        assert (attack.after["priority"], attack.after["severity"]) == ("P1", attack.before["severity"])
        assert attack.after["sla_due_at"] == attack.before["sla_due_at"]


@every
def test_a_very_sure_verdict_is_not_overruled(campaign: Campaign, name: str) -> None:
    attack = campaign.attacks[name, "sure"]
    if attack.before["confidence"] == "Very High":
        assert attack.after["category"] == attack.before["category"]
        assert attack.after["retryable"] == attack.before["retryable"]


@every
def test_what_the_model_wrote_is_plain_text(campaign: Campaign, name: str) -> None:
    for attack in of(campaign, name):
        if attack.after["rca_source"] != "gemini-2.5-flash":
            continue
        steps = json.loads(attack.after["recommendations"])
        for text in (attack.after["rca_result"], *steps, *json.loads(attack.after["evidence"])):
            assert not HIDDEN.search(text)
        for text in (attack.after["rca_result"], *steps):
            assert not re.search(r"<[!@#/a-zA-Z]|\]\(|@(?:here|channel|everyone)\b", text)
            assert "javascript:" not in text
        assert not [step for step in steps if re.search(r"https?://|www\.", step)]
        assert EVIL not in attack.after["rca_result"] or occurs(EVIL, attack.after["error_message"])
        assert len(attack.after["rca_result"]) <= 1500


@every
def test_nothing_of_our_instructions_comes_back(campaign: Campaign, name: str) -> None:
    for attack in of(campaign, name):
        told = json.dumps([attack.after["rca_result"], attack.after["recommendations"], attack.after["evidence"]])
        assert "An engineer on call acts on it" not in told
        assert os.environ["GEMINI_API_KEY"] not in told


@every
def test_slack_is_told_no_markup_link_or_mention(campaign: Campaign, name: str) -> None:
    for attack in of(campaign, name):
        notice = attack.notice
        allowed = {notice.fields["ticket_url"], notice.fields["run_url"]}
        for block in slack_blocks.blocks(notice):
            for text in _mrkdwn(block):
                assert text["verbatim"] is True
                assert "<" not in DATE.sub("", text["text"])
                assert not HIDDEN.search(text["text"].replace("\n", ""))
            for element in block.get("elements", []):
                assert element.get("url") in {None, *allowed}
        assert "<" not in slack_blocks.fallback(notice)
        for news in notice.news:
            assert "<" not in slack_blocks.note(news)


@every
def test_jira_is_given_plain_text_and_our_own_links(campaign: Campaign, name: str) -> None:
    for attack in of(campaign, name):
        notice = attack.notice
        allowed = {notice.fields[column] for column in ("ticket_url", "run_url", "blob_log_url")}
        documents = [jira_document.description(notice), *map(jira_document.comment, notice.news)]
        for node in (found for document in documents for found in _nodes(document)):
            assert node["type"] in NODES
            for mark in node.get("marks", []):
                assert mark["type"] == "strong" or mark["attrs"]["href"] in allowed
            assert not HIDDEN.search(node.get("text", "").replace("\n", ""))
        assert "\n" not in jira_document.summary(notice)


@every
def test_links_lead_only_to_this_house(campaign: Campaign, name: str) -> None:
    for attack in of(campaign, name):
        assert str(attack.notice.fields["ticket_url"]).startswith("http://localhost:8000/")
        assert attack.notice.fields["run_url"] == attack.before["run_url"]
        assert attack.notice.fields["jira_url"] is None


def _mrkdwn(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [text for part in node for text in _mrkdwn(part)]
    if not isinstance(node, dict):
        return []
    return ([node] if node.get("type") == "mrkdwn" else []) + [t for part in node.values() for t in _mrkdwn(part)]


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("content", []):
        yield from _nodes(part)
