"""What every destination promises, whichever it is: once, never lost, never a secret, and only two ways to fail."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from notices import FIELDS, news, notice
from pipesleuth.destinations import registry
from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.destinations.contract import Destination, InboundRequest
from pipesleuth.destinations.jira import Jira, JiraSettings
from pipesleuth.destinations.slack import Slack, SlackSettings
from pipesleuth.destinations.teams import Teams, TeamsSettings
from pipesleuth.model import BadPayload, Notice, Permanent, Receipt, Retryable, Status
from pipesleuth.sandbox import Sandbox
from pipesleuth.triage.redact import mask

NAMES = ("archive", "jira", "slack", "teams")
in_both = pytest.mark.parametrize("place", ["jira", "slack"], indirect=True)
TOKENS = {"jira_api_token": "jira-Token/very+secret", "slack_bot_token": "xoxb-very-secret-token"}
SIGNATURE = "sandbox-signature"  # of the Teams workflow
LEAKS = {
    "rca_result": "Server=db;Password=hunter2-cause;Encrypt=yes",
    "affected_entity": "https://a.blob.core.windows.net/c/f?sv=1&sig=hunter2%2Bentity",
    "pipeline": "load https://etl:hunter2-pipe@host/x",
    "error_type": "Bearer hunter2.error.type123",
}


@dataclass(frozen=True)
class Place:
    """A destination, the stand-ins behind it, and the folder of the archive."""

    destination: Destination
    sandbox: Sandbox
    folder: Path

    def things(self) -> int:
        """How many root things stand for tickets there."""
        match self.destination.name:
            case "archive":
                return sum(1 for _ in self.folder.rglob("*.json"))
            case "jira":
                return len(self.sandbox.world.jira.issues)
            case "teams":
                return sum("Root cause" in json.dumps(post.card) for post in self.sandbox.world.teams.posts)
            case _:
                return sum(not message.is_reply for message in self.sandbox.world.slack.messages)


@pytest.fixture(params=NAMES)
async def place(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Place]:
    made = build(request.param, sandbox, tmp_path)
    yield Place(made, sandbox, tmp_path)
    await made.close()


def build(name: str, sandbox: Sandbox, folder: Path) -> Destination:
    values: Mapping[str, Any] = {
        **{key.lower(): value for key, value in sandbox.environment().items()},
        **TOKENS,
        "slack_per_second": 1000,
        "data_dir": folder,
    }
    match name:
        case "archive":
            return Archive(ArchiveSettings.model_validate(values))
        case "jira":
            return Jira(JiraSettings.model_validate(values))
        case "teams":
            return Teams(TeamsSettings.model_validate(values))
        case _:
            return Slack(SlackSettings.model_validate(values))


async def told(place: Place, what: Notice, receipt: Receipt | None = None, *, in_doubt: bool = False) -> Receipt:
    return await place.destination.deliver(what, receipt, in_doubt=in_doubt)


async def test_a_ticket_is_created_once_and_the_receipt_says_where(place: Place) -> None:
    same = notice()
    receipt = await told(place, same)
    assert receipt.key
    assert int(receipt.more["bytes"]) > 0, "what left the house is counted"
    for _ in range(3):
        assert (await told(place, same, receipt)).key == receipt.key
    assert place.things() == 1


async def test_a_receipt_survives_being_kept_as_json(place: Place) -> None:
    same = notice()
    receipt = await told(place, same)
    kept = json.loads(
        json.dumps({**{name: getattr(receipt, name) for name in ("key", "url")}, "more": {**receipt.more}})
    )
    assert (await told(place, same, Receipt(**kept))).key == receipt.key
    assert place.things() == 1


async def test_in_doubt_nothing_is_created_twice(place: Place) -> None:
    same = notice()
    first = await told(place, same)
    again = await told(place, same, in_doubt=True)
    if place.destination.name == "teams":  # a workflow cannot be asked: the card comes again, and it is said
        assert "cannot be asked" in again.more["unlooked"]
        return
    assert again.key == first.key
    assert place.things() == 1


async def test_news_and_status_change_the_same_thing(place: Place) -> None:
    same = notice()
    receipt = await told(place, same)
    for status in (Status.IN_PROGRESS, Status.ACKNOWLEDGED, Status.OPEN):
        changed = replace(same, status=status, version=receipt.told_audit_id + 2, news=(news(1), news(2)))
        receipt = await told(place, changed, receipt)
    assert place.things() == 1


@in_both
async def test_a_vendor_that_is_away_leaves_no_doubt(place: Place) -> None:
    await place.sandbox.go_away()
    with pytest.raises(Retryable, match="cannot be reached") as problem:
        await told(place, notice())
    assert problem.value.everyone
    assert not problem.value.in_doubt


@in_both
async def test_a_closed_ticket_that_was_never_told_creates_nothing(place: Place) -> None:
    receipt = await told(place, notice(status=Status.ACKNOWLEDGED))
    assert receipt.key == ""
    assert place.things() == 0
    assert (await told(place, notice(), receipt)).key, "reopened, it is told after all"
    assert place.things() == 1


@pytest.mark.parametrize("kind", ["429", "500", "hang", "timeout_after_success", "wrong_json", "refuse", "truncate"])
@pytest.mark.parametrize("name", ["jira", "slack"])
async def test_after_any_fault_exactly_one_thing_stands_there(
    name: str, kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    place = Place(build(name, sandbox, tmp_path), sandbox, tmp_path)
    sandbox.world.faults.put([{"service": name, "kind": kind, "method": "POST", "count": 1, "seconds": 0.1}])
    same, receipt, in_doubt = notice(), None, False
    for _ in range(4):
        try:
            receipt = await told(place, same, receipt, in_doubt=in_doubt)
            break
        except Retryable as fault:
            in_doubt = in_doubt or fault.in_doubt
    await place.destination.close()
    assert receipt is not None
    assert place.things() == 1


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"\xff", b'{"issue": 5}', b"payload=%7B%7D", b"[" * 50_000], ids=len
)
async def test_odd_calls_from_outside_are_no_news(place: Place, raw: bytes) -> None:
    with contextlib.suppress(BadPayload):
        assert place.destination.read_update(InboundRequest({"x-odd": "1"}, {"secret": "x"}, raw)) is None


async def test_no_secret_of_a_failure_reaches_a_vendor(place: Place) -> None:
    masked = {name: mask(value or "").text or None for name, value in {**FIELDS, **LEAKS}.items()}
    what = notice(
        masked,
        recommendations=tuple(mask(text).text for text in LEAKS.values()),
        evidence=tuple(mask(text).text for text in LEAKS.values()),
        news=(news(1, mask(LEAKS["rca_result"]).text),),
    )
    receipt = await told(place, replace(what, news=()))
    await told(place, replace(what, version=2), receipt)
    seen = json.dumps([call.seen() for call in place.sandbox.world.journal.calls], default=str)
    assert "hunter2" not in seen
    assert "hunter2" not in json.dumps({"url": receipt.url, **receipt.more})


@pytest.mark.parametrize("kind", ["429", "500", "hang", "wrong_json", "refuse", "truncate"])
@pytest.mark.parametrize("name", ["jira", "slack", "teams"])
async def test_no_error_and_no_log_line_repeats_a_credential_or_an_error_text(
    name: str, kind: str, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    if name == "teams" and kind in {"wrong_json", "truncate"}:
        pytest.skip("a workflow's 202 is the whole answer: nobody reads its body")
    place = Place(build(name, sandbox, tmp_path), sandbox, tmp_path)
    sandbox.world.faults.put([{"service": name, "kind": kind, "seconds": 0.1}])
    with pytest.raises((Retryable, Permanent)) as problem:
        await told(place, notice({"rca_result": "text-of-the-failure"}))
    await place.destination.close()
    # The stand-in runs in this process too, and its server writes down what it is asked.
    ours = [record.getMessage() for record in caplog.records if record.name != "uvicorn.access"]
    said = f"{problem.value} {problem.value.__cause__} " + " ".join(ours)
    for secret in (*TOKENS.values(), SIGNATURE, "text-of-the-failure", "Basic ", "Bearer "):
        assert secret not in said
    assert "\n" not in str(problem.value)
    assert len(str(problem.value)) < 500


def test_the_shelf_holds_what_the_environment_configures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ITSM_TOOL", "SLACK_BOT_TOKEN", "SLACK_ALERT_CHANNEL", "AZURE_STORAGE_CONN", "TEAMS_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    assert tuple(registry.configured()) == ("archive",)
    for name, value in {
        "ITSM_TOOL": "jira",
        "JIRA_DOMAIN": "x.atlassian.net",
        "JIRA_USER_EMAIL": "a@b.c",
        "JIRA_API_TOKEN": "t",
        "JIRA_PROJECT_KEY": "OPS",
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_ALERT_CHANNEL": "#x",
        "TEAMS_WEBHOOK_URL": "https://prod.example.com/workflows/1/invoke?sig=x",
    }.items():
        monkeypatch.setenv(name, value)
    shelf = registry.configured()
    assert tuple(shelf) == registry.KINDS == NAMES
    assert all(kind == destination.name for kind, destination in shelf.items())
    monkeypatch.setenv("JIRA_DOMAIN", "http://jira.example.com")
    with pytest.raises(ValidationError, match="JIRA_DOMAIN"):
        registry.configured()
