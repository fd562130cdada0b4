"""Jira against the stand-in with a memory: created once, told once, moved when we close."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from notices import news, notice
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.jira import Jira, JiraSettings
from pipesleuth.destinations.jira_document import audit_id_of
from pipesleuth.model import Notice, Permanent, Receipt, Retryable, Status
from pipesleuth.sandbox import Sandbox

CLOSED_BY_US = {"status_by": "pipesleuth"}


PERSON = {"accountId": "712020:person", "displayName": "Dana Ng", "timeZone": "Europe/Berlin"}


def settings(sandbox: Sandbox, **changes: Any) -> JiraSettings:
    names = ("ITSM_TOOL", "JIRA_DOMAIN", "JIRA_USER_EMAIL", "JIRA_API_TOKEN", "JIRA_PROJECT_KEY")
    values: dict[str, Any] = {name.lower(): sandbox.environment()[name] for name in names}
    return JiraSettings(_env_file=None, **(values | changes))  # type: ignore[call-arg]


@pytest.fixture
async def jira(sandbox: Sandbox) -> AsyncIterator[Jira]:
    made = Jira(settings(sandbox))
    yield made
    await made.close()


def issues(sandbox: Sandbox) -> list[Any]:
    return list(sandbox.world.jira.issues.values())


def fault(sandbox: Sandbox, **rule: Any) -> None:
    sandbox.world.faults.put([{"service": "jira", **rule}])


def calls(sandbox: Sandbox, method: str = "POST") -> int:
    return sum(call.method == method and call.service == "jira" for call in sandbox.world.journal.calls)


async def told(jira: Jira, what: Notice, receipt: Receipt | None = None, *, in_doubt: bool = False) -> Receipt:
    return await jira.deliver(what, receipt, in_doubt=in_doubt)


async def test_a_ticket_becomes_one_issue_with_labels_property_and_document(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    (issue,) = issues(sandbox)
    assert receipt.key == issue.key == "OPS-1"
    assert receipt.more["issue_id"] == issue.id
    assert receipt.url == f"{sandbox.url}/jira/browse/OPS-1"
    assert issue.fields["labels"] == ["rca-0123456789abcdef0123", "ADF-20250126T143522-abc123"]
    assert issue.fields["summary"] == "[P2] [High] DataIngestion_Pipeline failed: UserErrorSourceBlobNotExists"
    assert issue.properties["pipesleuth.ticket"] == {
        "ticket_id": "ADF-20250126T143522-abc123",
        "run_mark": "rca-0123456789abcdef0123",
    }
    kinds = [block["type"] for block in issue.fields["description"]["content"]]
    assert {"heading", "paragraph", "orderedList", "codeBlock", "table"} <= set(kinds)
    assert int(receipt.more["bytes"]) > 1000


async def test_an_equal_digest_settles_without_a_call(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    before = len(sandbox.world.journal.calls)
    assert await told(jira, notice(version=2), receipt) is receipt
    assert len(sandbox.world.journal.calls) == before


async def test_what_needs_no_telling_leaves_the_receipt_as_it_is(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    receipt = await told(jira, notice(news=(news(3),)), receipt)
    before = len(sandbox.world.journal.calls)
    # The tickets room hands over only what is newer than the receipt.
    assert await told(jira, notice(version=5), receipt) is receipt
    assert await told(jira, notice(news=(news(4, "OPS-1", "Jira Created"),)), receipt) is receipt
    assert len(sandbox.world.journal.calls) == before


async def test_the_priority_map_names_jira_s_priorities(sandbox: Sandbox) -> None:
    mapped = Jira(settings(sandbox, jira_priority_map="P1=Highest, P2=High"))
    await told(mapped, notice())
    await mapped.close()
    assert issues(sandbox)[0].fields["priority"]["name"] == "High"


async def test_optional_fields_that_the_screen_refuses_are_left_out(sandbox: Sandbox) -> None:
    sandbox.world.jira.settings["screen"] = ["summary", "description"]
    mapped = Jira(settings(sandbox, jira_priority_map="P2=High"))
    receipt = await told(mapped, notice())
    assert len(issues(sandbox)) == 1
    assert set(receipt.more["left_out"].split(", ")) == {"priority", "labels"}
    # Without the label it is still found, by the mark in its text.
    assert (await told(mapped, notice(), in_doubt=True)).key == receipt.key
    assert len(issues(sandbox)) == 1
    await mapped.close()


async def test_an_unknown_priority_is_left_out(sandbox: Sandbox) -> None:
    mapped = Jira(settings(sandbox, jira_priority_map="P2=Blocker"))
    receipt = await told(mapped, notice())
    await mapped.close()
    assert receipt.more["left_out"] == "priority"


async def test_further_fields_that_the_project_demands_are_sent(sandbox: Sandbox) -> None:
    sandbox.world.jira.settings["required"] = ["customfield_10010"]
    plain, full = Jira(settings(sandbox)), Jira(settings(sandbox, jira_fields={"customfield_10010": {"value": "x"}}))
    with pytest.raises(Permanent, match=r"customfield_10010.*Check JIRA_PROJECT_KEY") as refusal:
        await told(plain, notice())
    assert refusal.value.everyone
    assert (await told(full, notice())).key == "OPS-1"
    await plain.close()
    await full.close()


@pytest.mark.parametrize("kind", ["timeout_after_success", "wrong_json", "truncate"])
async def test_after_an_ambiguous_create_the_issue_is_found_by_its_mark(
    jira: Jira, sandbox: Sandbox, kind: str
) -> None:
    await jira.recognise_ourselves()
    fault(sandbox, kind=kind, method="POST", seconds=0.2, count=1)
    with pytest.raises(Retryable) as doubt:
        await told(jira, notice())
    assert doubt.value.in_doubt
    receipt = await told(jira, notice(), in_doubt=True)
    assert [issue.key for issue in issues(sandbox)] == [receipt.key]


async def test_in_doubt_with_nothing_there_the_issue_is_created(jira: Jira, sandbox: Sandbox) -> None:
    assert (await told(jira, notice(), in_doubt=True)).key == "OPS-1"


async def test_in_doubt_another_ticket_s_issue_is_not_taken(jira: Jira, sandbox: Sandbox) -> None:
    await told(jira, notice(run_mark="rca-ffff0123456789abcdef"))
    assert (await told(jira, notice(), in_doubt=True)).key == "OPS-2"


async def test_news_since_a_doubtful_create_are_told_and_older_ones_are_not(jira: Jira, sandbox: Sandbox) -> None:
    await told(jira, notice())
    old, fresh = news(5), news(9)
    old = type(old)(audit_id=5, at=old.at.replace(year=2020), action=old.action, text=old.text)
    receipt = await told(jira, notice(news=(old, fresh)), in_doubt=True)
    assert [audit_id_of(one["body"]) for one in issues(sandbox)[0].comments] == [9]
    assert receipt.told_audit_id == 9


@pytest.mark.parametrize(
    ("rule", "meaning"),
    [
        ({"kind": "429", "retry_after": 7}, {"in_doubt": False, "everyone": True, "after": 7}),
        ({"kind": "500"}, {"in_doubt": True, "everyone": False}),
        ({"kind": "status", "status": 503}, {"in_doubt": True}),
    ],
)
async def test_faults_of_a_create_say_whether_it_may_have_happened(
    jira: Jira, sandbox: Sandbox, rule: dict[str, Any], meaning: dict[str, Any]
) -> None:
    await jira.recognise_ourselves()
    fault(sandbox, method="POST", **rule)
    with pytest.raises(Retryable) as problem:
        await told(jira, notice())
    assert {name: getattr(problem.value, name) for name in meaning} == meaning


async def test_a_bad_token_stops_everyone_and_is_never_repeated(sandbox: Sandbox) -> None:
    sandbox.world.jira.settings["accounts"] = {"pipesleuth@example.com": "the right one"}
    wrong = Jira(settings(sandbox, jira_api_token="very-secret-token"))
    with pytest.raises(Permanent, match=r"401.*Check JIRA_USER_EMAIL and JIRA_API_TOKEN") as refusal:
        await told(wrong, notice())
    assert refusal.value.everyone
    assert "very-secret-token" not in str(refusal.value)
    await wrong.close()


async def test_a_missing_project_stops_everyone_with_jira_s_sentence(sandbox: Sandbox) -> None:
    lost = Jira(settings(sandbox, jira_project_key="GONE"))
    with pytest.raises(Permanent, match=r"valid project.*Check JIRA_PROJECT_KEY") as refusal:
        await told(lost, notice())
    assert refusal.value.everyone
    await lost.close()


async def test_a_project_we_may_not_write_to_says_what_to_do(jira: Jira, sandbox: Sandbox) -> None:
    sandbox.world.jira.settings["forbidden"] = ["OPS"]
    with pytest.raises(Permanent, match="Let the account create issues in OPS"):
        await told(jira, notice())


async def test_each_news_becomes_one_comment_in_order(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    lines = (news(12, "third"), news(3, "first"), news(7, "second"), news(8, "x", "Jira: Done"))
    receipt = await told(jira, notice(news=lines), receipt)
    comments = issues(sandbox)[0].comments
    assert [audit_id_of(one["body"]) for one in comments] == [3, 7, 12]
    assert receipt.told_audit_id == 12
    assert await told(jira, notice(news=lines), receipt) is receipt


@pytest.mark.parametrize("kind", ["timeout_after_success", "429", "500"])
async def test_a_fault_among_the_comments_repeats_none_of_them(jira: Jira, sandbox: Sandbox, kind: str) -> None:
    receipt = await told(jira, notice())
    lines = tuple(news(number, f"line {number}") for number in (1, 2, 3))
    fault(sandbox, kind=kind, method="POST", route="/comment", skip=1, count=1, seconds=0.2)
    with pytest.raises(Retryable):
        await told(jira, notice(news=lines), receipt)
    await told(jira, notice(news=lines), receipt)
    assert [audit_id_of(one["body"]) for one in issues(sandbox)[0].comments] == [1, 2, 3]


async def test_a_comment_that_names_another_audit_id_in_its_text_hides_no_news(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    receipt = await told(jira, notice(news=(news(1, "Pipesleuth audit #2"),)), receipt)
    await told(jira, notice(news=(news(1), news(2))), receipt)
    assert [audit_id_of(one["body"]) for one in issues(sandbox)[0].comments] == [1, 2]


async def test_closing_on_our_side_moves_the_issue_once(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice(CLOSED_BY_US))
    closed = notice(CLOSED_BY_US, status=Status.ACKNOWLEDGED)
    receipt = await told(jira, closed, receipt)
    assert issues(sandbox)[0].fields["status"]["name"] == "Done"
    site = sandbox.world.jira
    site.move_status(issues(sandbox)[0], site.workflow()[1], PERSON)
    await told(jira, notice(CLOSED_BY_US, status=Status.ACKNOWLEDGED, news=(news(4),)), receipt)
    assert issues(sandbox)[0].fields["status"]["name"] == "In Progress", "a person's move is not undone"


async def test_reopening_on_our_side_moves_the_issue_back(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice(CLOSED_BY_US))
    receipt = await told(jira, notice(CLOSED_BY_US, status=Status.ACKNOWLEDGED), receipt)
    await told(jira, notice(CLOSED_BY_US, status=Status.OPEN), receipt)
    assert issues(sandbox)[0].fields["status"]["name"] == "To Do"


async def test_a_close_that_came_from_jira_is_not_told_to_jira(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice({"status_by": "jira"}))
    before = calls(sandbox)
    lines = (news(4, "Done by Dana", "Jira: Done"), news(5, "by Dana", "Ticket Closed"))
    await told(jira, notice({"status_by": "jira"}, status=Status.ACKNOWLEDGED, news=lines), receipt)
    assert calls(sandbox) == before


async def test_a_workflow_without_a_way_out_is_said_with_its_words(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    sandbox.world.jira.settings["workflow"] = sandbox.world.jira.settings["workflow"][:1]
    with pytest.raises(Permanent, match="No transition leads from “To Do”"):
        await told(jira, notice(CLOSED_BY_US, status=Status.ACKNOWLEDGED), receipt)


async def test_a_deleted_issue_is_said_so(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    sandbox.world.jira.issues.clear()
    with pytest.raises(Permanent, match="gone"):
        await told(jira, notice(news=(news(2),)), receipt)


async def test_our_own_changes_come_back_and_are_ignored(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    (issue,) = issues(sandbox)
    body = {"webhookEvent": "jira:issue_updated", "issue": {"id": issue.id, "key": issue.key, "fields": issue.fields}}

    def read(user: dict[str, Any]) -> Any:
        return jira.read_update(InboundRequest({}, {}, json.dumps({**body, "user": user}).encode()))

    assert read(issue.creator) is None
    change = read({"accountId": "712020:dana", "displayName": "Dana Ng"})
    assert (change.key, change.alternative_key, change.status) == (receipt.key, issue.id, Status.OPEN)


async def test_people_who_share_the_writing_account_can_have_their_changes_heard(sandbox: Sandbox) -> None:
    shared = Jira(settings(sandbox, jira_ignore_own_changes=False))
    await told(shared, notice())
    (issue,) = issues(sandbox)
    body = {
        "webhookEvent": "jira:issue_updated",
        "user": issue.creator,
        "issue": {"key": "OPS-1", "fields": issue.fields},
    }
    assert shared.read_update(InboundRequest({}, {}, json.dumps(body).encode())) is not None
    await shared.close()


async def test_an_issue_moved_to_another_project_is_still_commented_by_its_id(jira: Jira, sandbox: Sandbox) -> None:
    receipt = await told(jira, notice())
    issues(sandbox)[0].key = "DATA-9"
    await told(jira, notice(news=(news(2),)), receipt)
    assert len(issues(sandbox)[0].comments) == 1


async def test_a_description_that_jira_finds_too_long_is_shortened_and_sent_again(jira: Jira, sandbox: Sandbox) -> None:
    # Jira's own count differs from ours: characters that JSON escapes weigh more there.
    heavy = '\u4e00\\"' * 4000
    receipt = await told(jira, notice({"rca_result": heavy}, evidence=(heavy,) * 3, recommendations=(heavy,) * 10))
    assert receipt.key
    assert len(issues(sandbox)) == 1
