"""The Jira stand-in creates, refuses, finds and moves issues as Jira Cloud does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pipesleuth.sandbox import Sandbox
from pipesleuth.sandbox.documents import document_fault, wiki_text
from pipesleuth.sandbox.jira_index import COMMON

Sample = Callable[[str], Any]


def text(value: str, *marks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": value, **({"marks": list(marks)} if marks else {})}


def block(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, **({"attrs": attrs} if attrs else {}), "content": list(content)}


def document(*content: Any) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def issue(**fields: Any) -> dict[str, Any]:
    return {"fields": {"project": {"key": "OPS"}, "issuetype": {"name": "Bug"}, "summary": "x", **fields}}


async def created(jira: httpx.AsyncClient, **fields: Any) -> str:
    answer = await jira.post("issue", json=issue(**fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


async def found(jira: httpx.AsyncClient, jql: str) -> list[str]:
    answer = await jira.get("search/jql", params={"jql": jql, "fields": "summary"})
    assert answer.status_code == 200, answer.text
    return [entry["key"] for entry in answer.json()["issues"]]


async def test_the_example_is_created_with_its_properties(jira: httpx.AsyncClient, sample: Sample) -> None:
    answer = await jira.post("issue", json=sample("jira_create_issue_request"))
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == set(sample("jira_create_issue_201")) - {"transition"}
    assert body["key"] == "DATA-1"
    assert body["self"].endswith(f"/rest/api/3/issue/{body['id']}")
    read = (await jira.get(f"issue/{body['id']}", params={"properties": "*all"})).json()
    assert read["key"] == "DATA-1"
    assert read["fields"]["status"]["statusCategory"]["key"] == "new"
    assert read["fields"]["description"] == sample("jira_create_issue_request")["fields"]["description"]
    assert read["properties"]["rca.ticket"]["ticket_id"] == "ADF-20261120-7d0c5a0e"
    one = (await jira.get("issue/data-1/properties/rca.ticket")).json()
    assert one["value"]["ticket_id"] == "ADF-20261120-7d0c5a0e"


async def test_keys_count_up_in_each_project(jira: httpx.AsyncClient) -> None:
    assert [await created(jira), await created(jira), await created(jira, project={"key": "DATA"})] == [
        "OPS-1",
        "OPS-2",
        "DATA-1",
    ]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"summary": "x" * 255}, "summary"),
        ({"summary": "two\nlines"}, "summary"),
        ({"summary": "  "}, "summary"),
        ({"project": {"key": "NONE"}}, "project"),
        ({"issuetype": {"name": "Wish"}}, "issuetype"),
        ({"description": "plain"}, "description"),
        ({"description": document(block("paragraph", text("")))}, "description"),
        ({"labels": ["two words"]}, "labels"),
        ({"labels": "one"}, "labels"),
        ({"labels": ["x" * 256]}, "labels"),
        ({"priority": {"name": "Nuclear"}}, "priority"),
        ({"customfield_10010": "x"}, "customfield_10010"),
    ],
)
async def test_a_wrong_field_is_named(jira: httpx.AsyncClient, fields: dict[str, Any], name: str) -> None:
    answer = await jira.post("issue", json=issue(**fields))
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [name]
    assert answer.json()["errorMessages"] == []


async def test_the_examples_of_refusals_are_given_word_for_word(jira: httpx.AsyncClient, sample: Sample) -> None:
    long = await jira.post("issue", json=issue(summary="x" * 255))
    assert long.json() == sample("jira_error_400_field")
    plain = await jira.post("issue", json=issue(description="plain"))
    assert plain.json() == sample("jira_error_400_description_not_adf")
    huge = document(block("paragraph", text("x" * 33_000)))
    assert (await jira.post("issue", json=issue(description=huge))).json() == sample("jira_error_400_content_limit")
    assert await created(jira) == "OPS-2", "a create over the limit burns a number"


async def test_a_field_off_the_screen_cannot_be_set(jira: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    await http.put("/_state/jira", json={"screen": ["summary", "description", "labels"]})
    answer = await jira.post("issue", json=issue(priority={"name": "High"}))
    assert "cannot be set" in answer.json()["errors"]["priority"]
    screen = (await jira.get("issue/createmeta/OPS/issuetypes/10004")).json()["fields"]
    assert "priority" not in {field["key"] for field in screen}


async def test_anonymous_callers_and_wrong_tokens_are_turned_away(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    assert (await http.get("/jira/rest/api/3/myself")).status_code == 401
    await http.put("/_state/jira", json={"accounts": {"a@example.com": "right"}})
    wrong = await http.get("/jira/rest/api/3/myself", auth=("a@example.com", "wrong"))
    right = await http.get("/jira/rest/api/3/myself", auth=("a@example.com", "right"))
    assert (wrong.status_code, right.status_code) == (401, 200)
    assert right.json()["accountId"]


async def test_a_body_that_is_no_json_object_is_refused(jira: httpx.AsyncClient) -> None:
    kind = {"content-type": "application/json"}
    for body in (b"{", b"[]", b"[" * 100_000):
        assert (await jira.post("issue", content=body, headers=kind)).status_code == 400
    assert (await jira.post("issue", content=b"{}")).status_code == 415


@pytest.mark.parametrize("properties", [{"key": "a"}, [{"key": ""}], [{"value": 1}], [{"key": "a" * 256, "value": 1}]])
async def test_wrong_properties_create_nothing(jira: httpx.AsyncClient, properties: Any) -> None:
    assert (await jira.post("issue", json={**issue(), "properties": properties})).status_code == 400
    assert await found(jira, "project = OPS") == []


@pytest.mark.parametrize(
    ("jql", "keys"),
    [
        ('labels = "run-1"', ["OPS-1"]),
        ("project = OPS AND labels in (run-1, run-2) ORDER BY created DESC", ["OPS-2", "OPS-1"]),
        ("labels = 'run-1' OR labels = run-2 order by key asc", ["OPS-1", "OPS-2"]),
        ("project = OPS AND NOT labels = run-1", ["OPS-2"]),
        ("labels != run-1", ["OPS-2"]),
        ("(statusCategory = Done OR status = 'To Do') AND key = ops-2", ["OPS-2"]),
        ('summary ~ "second"', ["OPS-2"]),
        ('text ~ "one SECOND" AND project = OPS', ["OPS-2"]),
        ('text ~ "secon"', []),
        ('summary !~ "second"', ["OPS-1"]),
        ('text ~ second OR labels = "run-1"', ["OPS-2", "OPS-1"]),
        ("created >= -5m AND resolution IS EMPTY", ["OPS-2", "OPS-1"]),
        ("labels = nothing", []),
    ],
)
async def test_queries_find_what_they_say(jira: httpx.AsyncClient, jql: str, keys: list[str]) -> None:
    await created(jira, labels=["run-1"])
    await created(jira, labels=["run-2"], summary="the second one")
    assert await found(jira, jql) == keys


@pytest.mark.parametrize(
    "jql", ["", "order by created", "labels =", "colour = red", "labels ~ x", "project = OPS x", "(" * 2000, '"']
)
async def test_queries_that_jira_does_not_understand_are_refused(jira: httpx.AsyncClient, jql: str) -> None:
    answer = await jira.post("search/jql", json={"jql": jql})
    assert answer.status_code == 400
    assert answer.json()["errorMessages"]


async def test_an_issue_is_found_by_its_words_among_many(jira: httpx.AsyncClient) -> None:
    for number in range(COMMON + 5):
        await created(jira, summary=f"run mark-{number}")
    assert await found(jira, 'text ~ "mark-7"') == ["OPS-8"]
    assert await found(jira, 'text ~ "another"') == []
    await jira.put("issue/OPS-8", json={"fields": {"summary": "another run"}})
    assert await found(jira, 'text ~ "mark-7"') == []
    assert await found(jira, 'text ~ "another"') == ["OPS-8"]
    assert len(await found(jira, 'text ~ "run"')) == 50, "a word that all have finds a whole page"


async def test_a_new_issue_is_invisible_until_the_search_has_caught_up(
    jira: httpx.AsyncClient, http: httpx.AsyncClient, clock: Any
) -> None:
    await http.put("/_state/jira", json={"search_lag_seconds": 8})
    key = await created(jira, labels=["run-1"])
    assert await found(jira, "labels = run-1") == []
    assert (await jira.get(f"issue/{key}")).status_code == 200
    number = (await jira.get(f"issue/{key}")).json()["id"]
    fresh = {"jql": "labels = run-1", "reconcileIssues": [int(number)]}
    assert len((await jira.post("search/jql", json=fresh)).json()["issues"]) == 1
    clock.now += 8
    assert await found(jira, "labels = run-1") == [key]
    await jira.put(f"issue/{key}", json={"fields": {"labels": ["run-9"]}})
    assert await found(jira, "labels = run-1") == [key], "the index still shows the old labels"
    clock.now += 8
    assert await found(jira, "labels = run-9") == [key]


async def test_a_search_gives_ids_only_unless_fields_are_asked_for_and_has_no_total(
    jira: httpx.AsyncClient, sample: Sample
) -> None:
    for _ in range(3):
        await created(jira)
    bare = (await jira.get("search/jql", params={"jql": "project = OPS", "maxResults": 2})).json()
    assert [set(entry) for entry in bare["issues"]] == [{"id"}, {"id"}]
    assert not bare["isLast"]
    token = bare["nextPageToken"]
    rest = (
        await jira.post("search/jql", json={"jql": "project = OPS", "maxResults": 2, "nextPageToken": token})
    ).json()
    assert rest["isLast"]
    assert len(rest["issues"]) == 1
    full = (await jira.post("search/jql", json={"jql": "project = OPS", "fields": ["status"]})).json()
    example = sample("jira_search_jql_response")
    assert set(full) == set(example)
    assert set(full["issues"][0]) == set(example["issues"][0])
    assert set(full["issues"][0]["fields"]) == {"status"}
    assert (await jira.get("search", params={"jql": "project = OPS"})).status_code == 410


async def test_transitions_lead_to_every_column_by_category(jira: httpx.AsyncClient, sample: Sample) -> None:
    key = await created(jira)
    listed = (await jira.get(f"issue/{key}/transitions")).json()["transitions"]
    example = sample("jira_transitions_get")["transitions"][0]
    assert set(example) <= set(listed[0])
    assert example in listed
    assert (await jira.post(f"issue/{key}/transitions", json={"transition": {"id": "31"}})).status_code == 204
    fields = (await jira.get(f"issue/{key}")).json()["fields"]
    assert fields["status"]["statusCategory"]["key"] == "done"
    assert fields["resolution"]["name"] == "Done"
    await jira.post(f"issue/{key}/transitions", json={"transition": {"id": "11"}})
    assert (await jira.get(f"issue/{key}")).json()["fields"]["resolution"] is None
    assert (await jira.post(f"issue/{key}/transitions", json={"transition": {"id": "99"}})).status_code == 400


async def test_comments_are_documents_and_come_back_in_order(jira: httpx.AsyncClient) -> None:
    key = await created(jira)
    for word in ("one", "two"):
        answer = await jira.post(f"issue/{key}/comment", json={"body": document(block("paragraph", text(word)))})
        assert answer.status_code == 201
        assert answer.json()["author"]["accountId"]
    listed = (await jira.get(f"issue/{key}/comment")).json()
    assert [wiki_text(comment["body"]) for comment in listed["comments"]] == ["one", "two"]
    assert (await jira.post(f"issue/{key}/comment", json={"body": "one"})).status_code == 400


async def test_the_site_describes_itself(jira: httpx.AsyncClient) -> None:
    assert [project["key"] for project in (await jira.get("project/search")).json()["values"]] == ["OPS", "DATA"]
    assert (await jira.get("project/OPS")).json()["issueTypes"]
    assert (await jira.get("project/NONE")).status_code == 404
    assert "High" in [priority["name"] for priority in (await jira.get("priority")).json()]
    allowed = (await jira.get("mypermissions", params={"permissions": "CREATE_ISSUES", "projectKey": "OPS"})).json()
    assert allowed["permissions"]["CREATE_ISSUES"]["havePermission"]
    names = [kind["name"] for kind in (await jira.get("issue/createmeta/OPS/issuetypes")).json()["issueTypes"]]
    assert "Bug" in names


GOOD_DOCUMENTS = [
    document(),
    document(block("heading", text("x"), level=3), block("paragraph", text("a", {"type": "strong"}))),
    document(block("bulletList", block("listItem", block("paragraph", text("a"))))),
    document(block("codeBlock", text("a"), language="text"), {"type": "rule"}),
    document(block("table", block("tableRow", block("tableHeader", block("paragraph", text("a")))))),
    document(block("panel", block("paragraph", {"type": "hardBreak"}), panelType="warning")),
    document(block("paragraph", text("a", {"type": "link", "attrs": {"href": "https://x.example"}}, {"type": "code"}))),
]
BAD_DOCUMENTS = [
    None,
    "text",
    {"type": "doc", "version": 2, "content": []},
    {"type": "doc", "version": True, "content": []},
    {"type": "doc", "version": 1},
    document(text("a")),
    document(block("paragraph", text(""))),
    document(block("heading", text("x"), level=7)),
    document(block("heading", text("x"))),
    document(block("bulletList")),
    document(block("bulletList", block("paragraph", text("a")))),
    document(block("bulletList", block("listItem", block("heading", text("a"), level=1)))),
    document(block("codeBlock", text("a", {"type": "strong"}))),
    document(block("paragraph", text("a", {"type": "link"}))),
    document(block("paragraph", text("a", {"type": "code"}, {"type": "strong"}))),
    document(block("paragraph", text("a", {"type": "blink"}))),
    document(block("panel", block("paragraph", text("a")), panelType="loud")),
    document(block("table", block("tableRow", block("tableCell", text("a"))))),
    document({"type": "rule", "content": []}),
    document(block("paragraph", text("a"), colour="red")),
    document({"type": "paragraph", "content": ["a"]}),
]


@pytest.mark.parametrize("good", GOOD_DOCUMENTS)
def test_a_valid_document_has_no_fault(good: Any) -> None:
    assert document_fault(good) is None


@pytest.mark.parametrize("bad", BAD_DOCUMENTS)
def test_an_invalid_document_has_a_fault(bad: Any) -> None:
    assert document_fault(bad)


def test_a_document_nested_without_end_is_a_fault_and_no_crash() -> None:
    nested: Any = block("paragraph", text("a"))
    for _ in range(200):
        nested = block("bulletList", block("listItem", nested))
    assert "nested" in str(document_fault(document(nested)))


def test_a_document_becomes_wiki_text(sample: Sample) -> None:
    wiki = wiki_text(sample("jira_create_issue_request")["fields"]["description"])
    assert wiki.startswith("h3. Probable root cause\nThe SQL source refused the connection.\n* Check firewall rule")
