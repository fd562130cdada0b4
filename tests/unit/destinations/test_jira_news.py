"""What Jira's webhooks say: statuses in any language, several changes at once, and nothing from ourselves."""

from __future__ import annotations

import hashlib
import hmac
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.jira import JiraSettings, secret_valid, signature_valid
from pipesleuth.destinations.jira_news import read
from pipesleuth.model import BadPayload, Status, StatusChange

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "jira"
NOBODY = frozenset[str]()


def sample(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES / f"jira_webhook_{name}.json").read_text(encoding="utf-8"))


def heard(body: object, *, ours: frozenset[str] = NOBODY, **headers: str) -> StatusChange | None:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return read(InboundRequest(names, {}, json.dumps(body).encode()), ours=ours)


def updated(**changes: Any) -> dict[str, Any]:
    body = deepcopy(sample("issue_updated"))
    body["issue"]["fields"].update(changes)
    return body


def test_a_close_carries_status_person_time_and_identities() -> None:
    change = heard(sample("issue_updated"), x_atlassian_webhook_identifier="0f6c1b3e-demo")
    assert change == StatusChange(
        key="DATA-118",
        status=Status.ACKNOWLEDGED,
        status_name="Done",
        by="Dana Ng",
        at=datetime(2026, 11, 20, 9, 1, 2, 3000, tzinfo=UTC),
        event_id="0f6c1b3e-demo",
        alternative_key="10421",
        details={"fields": "resolution, status", "labels": "rca rca-7d0c5a0e9b1f", "from": "In Progress"},
    )


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ({"name": "Erledigt", "statusCategory": {"key": "done"}}, Status.ACKNOWLEDGED),
        ({"name": "作業中", "statusCategory": {"key": "indeterminate"}}, Status.IN_PROGRESS),
        ({"name": "Closed", "statusCategory": {"key": "new"}}, Status.OPEN),
        ({"name": "Ready", "statusCategory": {"id": 3}}, Status.ACKNOWLEDGED),
        ({"name": "Done", "statusCategory": {"key": "undefined", "id": 1}}, Status.ACKNOWLEDGED),
        ({"name": "RESOLVED"}, Status.ACKNOWLEDGED),
        ({"name": "closed"}, Status.ACKNOWLEDGED),
        ({"name": "In  Review"}, Status.IN_PROGRESS),
        ({"name": "in progress"}, Status.IN_PROGRESS),
        ({"name": "Waiting for support"}, Status.OPEN),
        ({"name": "Fertig", "statusCategory": None}, Status.OPEN),
    ],
)
def test_a_status_is_read_by_its_category_and_by_name_where_that_is_missing(
    status: dict[str, Any], ours: Status
) -> None:
    change = heard(updated(status=status))
    assert change is not None
    assert change.status == ours


def test_without_a_status_on_the_issue_the_last_change_of_several_counts() -> None:
    body = updated(status=None)
    body["changelog"]["items"] += [{"field": "status", "fromString": "Done", "toString": "In Review"}]
    change = heard(body)
    assert change is not None
    assert (change.status, change.status_name, change.details["from"]) == (Status.IN_PROGRESS, "In Review", "Done")


def test_a_null_to_string_falls_back_to_the_issue() -> None:
    body = updated()
    for item in body["changelog"]["items"]:
        item["toString"] = None
    change = heard(body)
    assert change is not None
    assert change.status_name == "Done"


@pytest.mark.parametrize("changelog", [None, {}, {"items": []}, {"items": [None, 5, {}]}, [], "x"])
def test_without_changes_the_issue_s_own_status_is_told(changelog: object) -> None:
    change = heard(updated() | {"changelog": changelog})
    assert change is not None
    assert change.status == Status.ACKNOWLEDGED


def test_with_no_status_anywhere_there_is_nothing_to_hear() -> None:
    body = updated(status=None)
    del body["changelog"]
    assert heard(body) is None


def test_a_deleted_issue_says_so_and_by_whom() -> None:
    change = heard(sample("issue_deleted"))
    assert change is not None
    assert (change.key, change.deleted, change.status, change.by) == ("DATA-118", True, None, "Dana Ng")


@pytest.mark.parametrize("event", ["comment_created", "jira:issue_created", "jira:worklog_updated", "sprint_started"])
def test_other_events_are_ignored(event: str) -> None:
    assert heard(updated() | {"webhookEvent": event}) is None
    assert heard(sample("comment_created")) is None


def test_an_automation_s_own_body_without_an_event_is_read_by_its_issue() -> None:
    body = updated()
    del body["webhookEvent"]
    change = heard(body)
    assert change is not None
    assert change.status == Status.ACKNOWLEDGED


def test_our_own_changes_are_ignored_by_account_and_by_address() -> None:
    assert heard(sample("issue_updated"), ours=frozenset({"712020:aa"})) is None
    body = sample("issue_updated")
    body["user"] = {"emailAddress": "Bot@Example.com"}
    assert heard(body, ours=frozenset({"bot@example.com"})) is None
    assert heard(sample("issue_updated"), ours=frozenset({"another"})) is not None


@pytest.mark.parametrize("user", [None, {}, {"displayName": ""}, {"displayName": None}, "x"])
def test_without_a_name_nobody_is_named(user: object) -> None:
    change = heard(updated() | {"user": user})
    assert change is not None
    assert change.by is None


@pytest.mark.parametrize(
    ("text", "stamp", "at"),
    [
        ("2026-11-20T10:01:02.003+0100", 1, datetime(2026, 11, 20, 9, 1, 2, 3000, tzinfo=UTC)),
        (None, 1795165262003, datetime(2026, 11, 20, 9, 1, 2, 3000, tzinfo=UTC)),
        ("yesterday", 1795165262003, datetime(2026, 11, 20, 9, 1, 2, 3000, tzinfo=UTC)),
        ("0001-01-01T00:00:00.000+2300", None, None),
        (None, 10**400, None),
        (None, -5, None),
        (None, True, None),
        (None, None, None),
    ],
    ids=range(8),
)
def test_the_time_is_jira_s_own(text: str | None, stamp: object, at: datetime | None) -> None:
    change = heard(updated(updated=text) | {"timestamp": stamp})
    assert change is not None
    assert change.at == at


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[]", b"null", b"5", b"\xff", b"[" * 100_000], ids=len)
def test_a_body_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BadPayload):
        read(InboundRequest({}, {}, raw), ours=NOBODY)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(
    value=json_values,
    place=st.sampled_from(["issue", "changelog", "user", "timestamp", "webhookEvent", "fields", "status", "items"]),
)
def test_odd_bodies_are_read_or_ignored_but_never_break(value: object, place: str) -> None:
    body = updated()
    match place:
        case "fields":
            body["issue"]["fields"] = value
        case "status":
            body["issue"]["fields"]["status"] = value
        case "items":
            body["changelog"]["items"] = value
        case _:
            body[place] = value
    change = heard(body)
    assert change is None or change.status is None or change.status in Status


def test_the_published_signature_is_recognised_over_the_raw_body() -> None:
    vector = sample("signature_vector")
    assert signature_valid(vector["secret"], vector["body"].encode(), vector["header"])
    assert not signature_valid(vector["secret"], b"Hello World", vector["header"])
    assert not signature_valid("another", vector["body"].encode(), vector["header"])


def test_the_signature_s_method_is_read_and_not_assumed() -> None:
    digest = hmac.new(b"key", b"body", hashlib.sha512).hexdigest()
    assert signature_valid("key", b"body", f"sha512={digest}")
    assert signature_valid("key", b"body", f" SHA512={digest.upper()} ")
    assert not signature_valid("key", b"body", f"sha256={digest}")
    assert not signature_valid("key", b"body", f"md5={hmac.new(b'key', b'body', 'md5').hexdigest()}")


@pytest.mark.parametrize("header", ["", "=", "sha256=", "sha256", "none=x", "sha256=ü", "sha256=\udcff", "a" * 10_000])
def test_odd_signatures_are_refused(header: str) -> None:
    assert not signature_valid("key", b"body", header)


def test_without_a_secret_nothing_is_valid() -> None:
    empty = hmac.new(b"", b"body", hashlib.sha256).hexdigest()
    assert not signature_valid("", b"body", f"sha256={empty}")
    assert not secret_valid("", "")


def test_the_query_s_secret_is_compared_whole() -> None:
    assert secret_valid("s€cret", "s€cret")
    assert not secret_valid("s€cret", "s€cre")
    assert not secret_valid("secret", "\udcff")


def jira_settings(**values: Any) -> JiraSettings:
    whole = {"itsm_tool": "jira", "jira_domain": "x.atlassian.net", "jira_user_email": "a@b.c"}
    more = {"jira_api_token": "t", "jira_project_key": "OPS"}
    return JiraSettings(_env_file=None, **(whole | more | values))  # type: ignore[arg-type,call-arg]


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        ("example.atlassian.net", "https://example.atlassian.net"),
        ("https://example.atlassian.net/", "https://example.atlassian.net"),
        ("127.0.0.1:8010/jira", "http://127.0.0.1:8010/jira"),
        ("http://localhost:8010", "http://localhost:8010"),
        ("https://api.atlassian.com/ex/jira/1-2", "https://api.atlassian.com/ex/jira/1-2"),
    ],
)
def test_the_domain_may_be_a_host_or_an_address(domain: str, address: str) -> None:
    assert jira_settings(jira_domain=domain).base_url == address


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"jira_domain": "http://jira.example.com"}, "JIRA_DOMAIN must begin with https"),
        ({"jira_domain": ""}, "ITSM_TOOL=jira needs JIRA_DOMAIN"),
        ({"jira_api_token": None, "jira_project_key": ""}, "needs JIRA_API_TOKEN, JIRA_PROJECT_KEY"),
        ({"jira_priority_map": "P1:Highest"}, "must read like P1=Highest,P2=High"),
        ({"itsm_tool": "servicenow"}, "itsm_tool"),
    ],
)
def test_wrong_values_are_refused_at_start(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        jira_settings(**wrong)


def test_without_the_tool_nothing_is_needed() -> None:
    assert not JiraSettings(_env_file=None).configured  # type: ignore[call-arg]
    assert jira_settings().configured
