"""Jira's documents: valid by Atlassian's own schema and within Jira's limits, whatever the failure says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft4Validator

from notices import FIELDS, news, notice
from pipesleuth.destinations import jira_document
from pipesleuth.model import News, Notice

ODD = (
    "",
    " ",
    "\n\n",
    "x" * 60_000,
    "🎈" * 60_000,
    '"\\' * 30_000,
    "".join(map(chr, range(0x20))) + "\x7f\x9f",
    "\ud800 lone \udfff",
    "👩‍👩‍👧‍👦 family, שלום עולם, مرحبا",
    "\u202egnp.exe\u202c \u2066hidden\u2069 \U000e0041\U000e0042",
    "\ufffe\uffff\u2028\u2029",
    "h3. wiki *bold* {code} <script>alert(1)</script> [x|javascript:alert(1)]",
)
odd_text = st.one_of(st.sampled_from(ODD), st.text(st.characters(), max_size=300))


@st.composite
def odd_notices(draw: st.DrawFn) -> Notice:
    fields = {name: draw(st.one_of(st.none(), odd_text)) for name in FIELDS}
    return notice(
        fields,
        recommendations=tuple(draw(st.lists(odd_text, max_size=12))),
        evidence=tuple(draw(st.lists(odd_text, max_size=4))),
    )


@pytest.fixture(scope="session")
def schema(npm_package: Callable[[str], Path]) -> Draft4Validator:
    file = npm_package("@atlaskit/adf-schema") / "dist" / "json-schema" / "v1" / "full.json"
    return Draft4Validator(json.loads(file.read_text(encoding="utf-8")))


def texts(node: Any) -> list[str]:
    found = [node["text"]] if "text" in node else []
    for inner in node.get("content", []):
        found += texts(inner)
    return found


def links(node: Any) -> list[str]:
    found = [mark["attrs"]["href"] for mark in node.get("marks", []) if mark["type"] == "link"]
    for inner in node.get("content", []):
        found += links(inner)
    return found


def checked(schema: Draft4Validator, document: Any) -> None:
    schema.validate(document)
    assert jira_document.size(document) <= jira_document.LONGEST_DOCUMENT
    assert all(texts(document))
    json.dumps(document, ensure_ascii=False).encode("utf-8")


def test_a_usual_ticket_makes_a_valid_document(schema: Draft4Validator) -> None:
    checked(schema, jira_document.description(notice()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(what=odd_notices())
def test_odd_tickets_make_valid_documents(schema: Draft4Validator, what: Notice) -> None:
    checked(schema, jira_document.description(what))
    checked(schema, jira_document.description(what, short=True))


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_every_odd_text_everywhere_makes_a_valid_document(schema: Draft4Validator, text: str) -> None:
    what = notice(dict.fromkeys(FIELDS, text), recommendations=(text,) * 20, evidence=(text,) * 10)
    checked(schema, jira_document.description(what))
    checked(schema, jira_document.comment(news(1, text, text)))


@settings(max_examples=60, deadline=None)
@given(text=odd_text, action=odd_text, number=st.integers(1, 2**53))
def test_comments_are_valid_and_carry_their_audit_id(
    schema: Draft4Validator, text: str, action: str, number: int
) -> None:
    line = News(audit_id=number, at=notice().created_at, action=action, text=text)
    document = jira_document.comment(line)
    checked(schema, document)
    assert jira_document.audit_id_of(document) == number


@settings(max_examples=60, deadline=None)
@given(what=odd_notices())
def test_the_summary_is_one_line_of_at_most_254(what: Notice) -> None:
    title = jira_document.summary(what)
    assert 0 < len(title.encode("utf-16-le")) // 2 <= 254
    assert title == title.strip()
    assert "\n" not in title
    assert "\r" not in title


@pytest.mark.parametrize(
    "body",
    [None, 5, [], {}, {"content": []}, {"content": [{"content": [{"text": "Pipesleuth audit #x"}]}]},
     {"content": [{"content": [{"text": "Pipesleuth audit #" + "9" * 5000}]}]},
     {"content": [{"content": [{"text": "Pipesleuth audit #1"}, {"text": "more"}]}]}],
    ids=range(8),
)  # fmt: skip
def test_other_people_s_comments_carry_no_audit_id(body: object) -> None:
    assert jira_document.audit_id_of(body) is None


def test_only_safe_addresses_become_links() -> None:
    fields = {"run_url": "javascript:alert(1)", "ticket_url": "https://p.example/t", "blob_log_url": "file:///data/x"}
    assert links(jira_document.description(notice(fields))) == ["https://p.example/t"]
    spoofed = {"run_url": "https://good.example@evil.example/", "ticket_url": "https://p.example/\u202et"}
    assert links(jira_document.description(notice({**spoofed, "blob_log_url": None}))) == []


def test_steps_are_an_ordered_list_and_evidence_is_code() -> None:
    content = jira_document.description(notice())["content"]
    (steps,) = [block for block in content if block["type"] == "orderedList"]
    assert texts(steps) == list(notice().recommendations)
    (code,) = [block for block in content if block["type"] == "codeBlock"]
    assert texts(code) == list(notice().evidence)
    assert "marks" not in code["content"][0]


def test_the_mark_stands_in_the_text_too() -> None:
    assert any(notice().run_mark in text for text in texts(jira_document.description(notice())))
