"""A ticket in Atlassian's document format: always valid, always within Jira's limits, never somebody else's markup.

Format: https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipesleuth.destinations.answers import items_at, text_at
from pipesleuth.destinations.legible import clean, clean_line, cut, is_link, units
from pipesleuth.model import News, Notice

LONGEST_SUMMARY = 254
# Jira counts 32,767 over the serialised document; the failed call would burn an issue number.
LONGEST_DOCUMENT = 30_000
LONGEST_COMMENT = 8_000
# What a shortened document stays below.
SHORT_DOCUMENT = 8_000

_CAUSE, _STEP, _STEPS, _FACT, _EVIDENCE, _EVIDENCES = 3500, 400, 10, 250, 1500, 3
FACTS: Sequence[tuple[str, str]] = (
    ("Pipeline", "pipeline"),
    ("Run", "run_id"),
    ("Source", "source"),
    ("Activity", "activity"),
    ("Severity", "severity"),
    ("Priority", "priority"),
    ("Confidence", "confidence"),
    ("Said by", "rca_source"),
    ("Category", "category"),
    ("Team", "finops_team"),
    ("Owner", "finops_owner"),
    ("Failed at", "timestamp"),
    ("SLA due", "sla_due_at"),
    ("Ticket", "id"),
)
LINKS: Sequence[tuple[str, str]] = (
    ("Open the run", "run_url"),
    ("Open the ticket", "ticket_url"),
    ("Open the payload", "blob_log_url"),
)
AUDIT_MARK = "Pipesleuth audit #"

Node = dict[str, Any]


def summary(notice: Notice) -> str:
    """The issue's title: one line of 1 to 254 characters."""
    fields = notice.fields
    start = " ".join(f"[{clean_line(fields.get(name))}]" for name in ("priority", "severity") if fields.get(name))
    what = clean_line(fields.get("pipeline")) or notice.ticket_id
    error = clean_line(fields.get("error_type")) or clean_line(fields.get("category"))
    text = f"{start} {what} failed" + (f": {error}" if error else "")
    return cut(text.strip(), LONGEST_SUMMARY)


def description(notice: Notice, *, short: bool = False) -> Node:
    """The whole ticket as a document; `short` leaves out all but cause, mark and links."""
    fields = notice.fields
    content = [heading("Root cause"), *paragraphs(fields.get("rca_result") or "Not known yet.", _CAUSE)]
    if not short:
        content += _named_facts(fields)
        content += _steps(notice.recommendations)
        content += _evidence(notice.evidence)
        content += [heading("Facts"), _facts_table(notice)]
    content += _links(fields)
    # The mark stands in the text as well, so that the issue can be found where labels are not on the screen.
    content.append(paragraph(text_node(f"Written by Pipesleuth for {notice.ticket_id}, mark {notice.run_mark}")))
    whole = document(content)
    if not short and size(whole) > LONGEST_DOCUMENT:
        return description(notice, short=True)
    return whole


def comment(news: News) -> Node:
    """One audit line as a comment; its last paragraph carries the audit id, so that it can be found again."""
    title = clean_line(news.action) or "News"
    return document(
        [
            paragraph({"type": "text", "text": cut(title, 200), "marks": [{"type": "strong"}]}),
            *paragraphs(news.text, LONGEST_COMMENT),
            paragraph(text_node(f"{AUDIT_MARK}{news.audit_id}")),
        ]
    )


def audit_id_of(body: object) -> int | None:
    """The audit id that `comment` wrote: only its own last paragraph counts, whatever the text above says."""
    last = items_at(body, "content", -1, "content")
    text = text_at(last, 0, "text") if len(last) == 1 else ""
    number = text.removeprefix(AUDIT_MARK) if text.startswith(AUDIT_MARK) else ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None


def document(content: Sequence[Node]) -> Node:
    """A document of these blocks."""
    return {"type": "doc", "version": 1, "content": list(content)}


def size(node: Node) -> int:
    """How many UTF-16 units the node takes as JSON, which is how Jira counts."""
    return units(json.dumps(node, ensure_ascii=False))


def heading(text: str) -> Node:
    """A small heading."""
    return {"type": "heading", "attrs": {"level": 3}, "content": [text_node(text)]}


def paragraph(*content: Node) -> Node:
    """A paragraph; empty text nodes are not allowed in it."""
    return {"type": "paragraph", "content": list(content)}


def text_node(text: str) -> Node:
    """Plain text, which must not be empty."""
    return {"type": "text", "text": text or "–"}


def paragraphs(text: str, longest: int) -> list[Node]:
    """Text from outside as paragraphs, at least one, cut after `longest`."""
    lines = [line.strip() for line in cut(clean(text), longest).split("\n")]
    return [paragraph(text_node(line)) for line in lines if line][:60] or [paragraph(text_node("–"))]


def _named_facts(fields: Mapping[str, str | None]) -> list[Node]:
    rows = (("Error type", fields.get("error_type")), ("Affected", fields.get("affected_entity")))
    return [
        paragraph(
            {"type": "text", "text": f"{name}: ", "marks": [{"type": "strong"}]},
            text_node(cut(clean_line(value), 500)),
        )
        for name, value in rows
        if clean_line(value)
    ]


def _steps(steps: Sequence[str]) -> list[Node]:
    lines = [cut(clean_line(step), _STEP) for step in steps[:_STEPS] if clean_line(step)]
    if not lines:
        return []
    items = [{"type": "listItem", "content": [paragraph(text_node(line))]} for line in lines]
    return [heading("What to do"), {"type": "orderedList", "content": items}]


def _evidence(spans: Sequence[str]) -> list[Node]:
    kept = [cut(clean(span).strip(), _EVIDENCE) for span in spans[:_EVIDENCES]]
    blocks = [
        {"type": "codeBlock", "attrs": {"language": "text"}, "content": [text_node(span)]} for span in kept if span
    ]
    return [heading("Evidence"), *blocks] if blocks else []


def _facts_table(notice: Notice) -> Node:
    values = {"id": notice.ticket_id, **notice.fields}
    rows = ((name, cut(clean_line(values.get(column)), _FACT)) for name, column in FACTS)
    return {
        "type": "table",
        "attrs": {"isNumberColumnEnabled": False, "layout": "default"},
        "content": [_row(name, value) for name, value in rows if value],
    }


def _row(name: str, value: str) -> Node:
    cells = (("tableHeader", name), ("tableCell", value))
    return {
        "type": "tableRow",
        "content": [{"type": kind, "attrs": {}, "content": [paragraph(text_node(text))]} for kind, text in cells],
    }


def _links(fields: Mapping[str, str | None]) -> list[Node]:
    found: Iterable[tuple[str, str]] = ((name, fields.get(column) or "") for name, column in LINKS)
    links = [
        {"type": "text", "text": name, "marks": [{"type": "link", "attrs": {"href": url}}]}
        for name, url in found
        if is_link(url)
    ]
    separated: list[Node] = []
    for link in links:
        separated += [text_node(" · "), link] if separated else [link]
    return [paragraph(*separated)] if separated else []
