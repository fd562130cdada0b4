"""A ticket as Slack's blocks: within Slack's limits for any input, escaped, and green once it is closed.

Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipesleuth.destinations import outline
from pipesleuth.destinations.legible import clean, clean_line, cut, is_link, units
from pipesleuth.model import News, Notice, Status

Block = dict[str, Any]

# Slack refuses a message whose blocks hold more than about 13,200 characters, without documenting it.
LONGEST_WHOLE = 12_000
LONGEST_HEADER, LONGEST_FIELD, LONGEST_SECTION, LONGEST_CONTEXT = 150, 300, 2900, 500
LONGEST_TEXT = 3000
_PARTIAL_ENTITY = re.compile(r"&[a-z]{0,4}$")


def blocks(notice: Notice) -> list[Block]:
    """Header, facts, root cause, recommendations, buttons and a footer; at most 50 blocks and 12,000 characters."""
    parts: list[Block | None] = [
        {"type": "header", "text": {"type": "plain_text", "text": header(notice), "emoji": True}},
        {"type": "section", "block_id": "facts", "fields": _facts(notice)},
        _section("cause", "*Root cause*\n", outline.cause(notice)),
        _section("steps", "*Recommendations*\n", "\n".join(outline.steps(notice))),
        _buttons(notice.fields),
        {"type": "context", "elements": [_mrkdwn(outline.footer(notice), LONGEST_CONTEXT)]},
    ]
    made = [part for part in parts if part is not None]
    # Each part has its own limit; together they stay below, and this holds it for parts to come.
    while size(made) > LONGEST_WHOLE:
        made.pop(-2)
    return made


def header(notice: Notice) -> str:
    """The first line: sign, priority and pipeline, at most 150 characters of plain text."""
    what = clean_line(notice.fields.get("pipeline")) or notice.ticket_id
    ending = "closed" if notice.status is Status.ACKNOWLEDGED else "failed"
    priority = cut(clean_line(notice.fields.get("priority")), 20)
    start = f"{outline.SIGNS[notice.status]} {priority}".strip()
    return f"{start} {cut(what, LONGEST_HEADER - units(start) - len(ending) - 2)} {ending}"


def fallback(notice: Notice) -> str:
    """The text for notifications and screen readers, escaped."""
    cause = clean_line(notice.fields.get("rca_result")) or "Root cause not known yet"
    return escaped(f"{header(notice)}: {cause}", LONGEST_TEXT)


def note(news: News) -> str:
    """One audit line for the thread, escaped."""
    title = escaped(clean_line(news.action) or "News", 200)
    return f"*{title}*\n{escaped(clean(news.text).strip(), LONGEST_SECTION - 300)}".strip()


def note_blocks(news: News) -> list[Block]:
    """The same as a block, in which nothing is linked by itself."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": note(news), "verbatim": True}}]


def escaped(text: str, longest: int) -> str:
    """Slack's escaping of `& < >`, cut to `longest` afterwards without splitting an entity."""
    whole = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if units(whole) <= longest:
        return whole
    return _PARTIAL_ENTITY.sub("", cut(whole, longest)[:-1]) + "…"


def size(made: Sequence[Block]) -> int:
    """How many characters people read in these blocks, links included."""
    total = 0
    waiting: list[Any] = list(made)
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            total += units(part)
        elif isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return total


def _facts(notice: Notice) -> list[Block]:
    fields = notice.fields
    made = [_mrkdwn(f"*{name}*\n", LONGEST_FIELD, value) for name, value in outline.facts(notice)]
    key, url = clean_line(fields.get("itsm_ticket_id")), fields.get("jira_url")
    if key:
        label = escaped(key.replace("|", "/"), 100)
        made.append(_ready(f"*Jira*\n<{escaped(url, 3000)}|{label}>" if url and is_link(url) else f"*Jira*\n{label}"))
    due = _due(notice)
    return [*made, _ready(f"*SLA*\n{due}")][:10] if due else made[:10]


def _due(notice: Notice) -> str:
    """The SLA in the reader's own time zone; its state in words once it is decided."""
    due = outline.due(notice)
    if due is None:
        return escaped(outline.decided(notice), 50)
    return f"<!date^{int(due.timestamp())}^due {{date_short_pretty}} {{time}}|due {due:%Y-%m-%d %H:%M} UTC>"


def _section(name: str, title: str, text: str) -> Block | None:
    return {"type": "section", "block_id": name, "text": _mrkdwn(title, LONGEST_SECTION, text)} if text else None


def _buttons(fields: Mapping[str, str | None]) -> Block | None:
    """Buttons to the ticket's own page and to the run; only for addresses that may be links."""
    wanted = (("Open ticket", "ticket_url", "primary"), ("Open run", "run_url", ""))
    buttons = [
        {"type": "button", "action_id": column, "text": {"type": "plain_text", "text": name}, "url": fields[column]}
        | ({"style": style} if style else {})
        for name, column, style in wanted
        if is_link(fields.get(column))
    ]
    return {"type": "actions", "block_id": "links", "elements": buttons} if buttons else None


def _mrkdwn(title: str, longest: int, text: str = "") -> Block:
    return _ready(title + escaped(text, longest - units(title))) if text else _ready(escaped(title, longest))


def _ready(text: str) -> Block:
    # Verbatim: Slack itself links no address, channel or person that an error text happens to name.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
