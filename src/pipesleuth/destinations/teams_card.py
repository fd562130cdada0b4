"""A ticket as an adaptive card for Teams: no markup comes from outside, and it is small enough for any input.

Elements: https://adaptivecards.io/explorer. Every text from outside stands in a TextRun, which knows no Markdown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipesleuth.destinations import outline
from pipesleuth.destinations.legible import clean, clean_line, cut, is_link, units
from pipesleuth.model import News, Notice, Status

Element = dict[str, Any]

# Teams takes about 28 KB, and counts in a way that makes others stop at 21,000 bytes.
LARGEST_BYTES, LARGEST_UNITS = 20_000, 13_000
CARD = "application/vnd.microsoft.card.adaptive"
_STEP, _FACT, _CAUSE, _NOTES = 450, 300, 2500, 10
# Clients replace {{DATE(…)}} and {{TIME(…)}} in any text.
_FUNCTION = re.compile(r"\{(?=\{)")


def ticket(notice: Notice, *, again: bool) -> Element:
    """The message that tells of a ticket; `again` says on it that it may stand there already."""
    for share in (1.0, 0.5, 0.25, 0.1):
        made = _message(_ticket_body(notice, share, again=again), _buttons(notice.fields))
        if _fits(made):
            return made
    return _message([_rich(_run(header(notice), bold=True))], [])


def follow_up(notice: Notice, news: Sequence[News], *, again: bool) -> Element:
    """A short message about what became of a ticket since it was told last."""
    for share in (1.0, 0.3, 0.1):
        lines = [_note(line, share) for line in news[-_NOTES:]]
        left = len(news) - len(lines)
        earlier = [_rich(_run(f"{left} earlier changes are on the ticket.", subtle=True))] if left > 0 else []
        body = [_rich(_run(header(notice), bold=True)), *earlier, *lines, _footer(notice, again=again)]
        made = _message(body, _buttons(notice.fields))
        if _fits(made):
            return made
    return _message([_rich(_run(header(notice), bold=True))], [])


def line(text: str) -> Element:
    """A message of one line."""
    return _message([_rich(_run(cut(clean_line(text), 500)))], [])


def header(notice: Notice) -> str:
    """The first line: sign, priority, pipeline and how the ticket stands."""
    what = clean_line(notice.fields.get("pipeline")) or notice.ticket_id
    words = {Status.OPEN: "failed", Status.IN_PROGRESS: "is being worked on", Status.ACKNOWLEDGED: "is closed"}
    priority = cut(clean_line(notice.fields.get("priority")), 20)
    return f"{outline.SIGNS[notice.status]} {priority} {cut(what, 200)} {words[notice.status]}".replace("  ", " ")


def size(message: Element) -> int:
    """How many bytes go out."""
    return len(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def _ticket_body(notice: Notice, share: float, *, again: bool) -> list[Element]:
    steps = [_rich(_run(step)) for step in outline.steps(notice, int(_STEP * share))]
    return [
        _rich(_run(header(notice), bold=True)),
        *_facts(notice, share),
        _rich(_run("Root cause", bold=True)),
        _rich(_run(cut(outline.cause(notice), int(_CAUSE * share)))),
        *([_rich(_run("Recommendations", bold=True)), *steps] if steps else []),
        _footer(notice, again=again),
    ]


def _facts(notice: Notice, share: float) -> list[Element]:
    due = outline.due(notice)
    rows = [
        *outline.facts(notice),
        ("Jira", clean_line(notice.fields.get("itsm_ticket_id"))),
        ("SLA", f"due {due:%Y-%m-%d %H:%M} UTC" if due else outline.decided(notice)),
    ]
    return [
        _rich(_run(f"{name}: ", bold=True), _run(cut(value, max(20, int(_FACT * share)))))
        for name, value in rows
        if value
    ]


def _note(news: News, share: float) -> Element:
    text = cut(clean(news.text).strip(), max(50, int(1000 * share)))
    return _rich(_run(f"{cut(clean_line(news.action) or 'News', 100)}: ", bold=True), _run(text or "see the ticket"))


def _footer(notice: Notice, *, again: bool) -> Element:
    repeated = " · sent again: the answer to the first was lost" if again else ""
    return _rich(_run(outline.footer(notice) + repeated, subtle=True))


def _buttons(fields: Mapping[str, str | None]) -> list[Element]:
    wanted = (("Open ticket", "ticket_url"), ("Open run", "run_url"), ("Open Jira", "jira_url"))
    return [
        {"type": "Action.OpenUrl", "title": title, "url": fields[column]}
        for title, column in wanted
        if is_link(fields.get(column))
    ]


def _run(text: str, *, bold: bool = False, subtle: bool = False) -> Element:
    shown: Element = {"type": "TextRun", "text": _FUNCTION.sub("{ ", text)}
    return shown | ({"weight": "Bolder"} if bold else {}) | ({"isSubtle": True, "size": "Small"} if subtle else {})


def _rich(*runs: Element) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _message(body: list[Element], actions: list[Element]) -> Element:
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    } | ({"actions": actions} if actions else {})
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": content}]}


def _fits(message: Element) -> bool:
    return size(message) <= LARGEST_BYTES and units(json.dumps(message, ensure_ascii=False)) <= LARGEST_UNITS
