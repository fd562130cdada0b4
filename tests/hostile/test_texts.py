"""Stored markup and formulas: a text from a webhook is a text wherever people or programs see it."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from typing import Any
from urllib.parse import urlsplit

import pytest

import equipment
from besieged import House, attacks, leaves
from equipment import HOUSE

TEXTS = [*attacks("markup"), *attacks("formulas")]
# What we put there ourselves: links to our own pages and to Jira, and the deadline in the reader's own time.
OURS = re.compile(
    r"<!date\^\d+\^due \{date_short_pretty\} \{time\}\|due [0-9: -]+UTC>|<http://(?:localhost|127\.0\.0\.1):\d+/[^|>]*\|[A-Z]+-\d+>"
)
NODES = {
    "doc", "paragraph", "text", "heading", "orderedList", "bulletList", "listItem", "table", "tableRow", "tableHeader",
    "tableCell", "codeBlock", "rule", "panel",
}  # fmt: skip
# All that hides or turns text, but the joiners of emoji.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
FORMULA = re.compile(r"^[\s\u00a0\u3000\ufeff\u200b-\u200d\u2060\u2028\u2029]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"^-?\d+(\.\d+)?$")


@pytest.fixture(scope="module")
def tickets(house: House) -> dict[str, str]:
    """A ticket for each text, which stands in every field of its webhook; told to every channel."""
    made: dict[str, str] = {}
    for number, text in enumerate(TEXTS):
        answer = house.post(*webhook(text, number))
        assert answer.status_code == 200, answer.text
        made[answer.json()["ticket_id"]] = text
    house.wait("SELECT count(*) FROM todos WHERE done_version < wanted_version AND stopped_at IS NULL", 60)
    return made


def webhook(text: str, number: int) -> tuple[Any, str]:
    run = f"{number:08x}-0000-4000-8000-000000000000"
    match number % 3:
        case 0:
            found = {
                "PipelineName": text,
                "ErrorMessage": text,
                "ErrorCode": text,
                "ActivityName": text,
                "FailureType": text,
            }
            found |= {"dataFactoryName": text, "team": text, "owner": text, "PipelineRunId": run}
            return {"data": {"context": {"properties": found, "name": text, "description": text}}}, "/azure-monitor"
        case 1:
            job = {"name": text, "settings": {"tags": {"team": text, text: text}}}
            body = {"event_type": "jobs.on_failure", "run_id": number + 5000, "error_message": text, "job": job}
            return {
                **body,
                "task": {"task_key": text},
                "cluster_name": text,
                "run_page_url": text,
            }, "/databricks-monitor"
        case _:
            body = {"dag_id": text, "run_id": run, "task_id": text, "exception": text, "log_url": text, "tags": [text]}
            return {**body, "operator": text, "owner": text, "deployment": text, "hostname": text}, "/hooks/airflow"


def shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)[:2000]


def test_slack_shows_every_text_as_text(house: House, tickets: dict[str, str]) -> None:
    messages = house.client.get(f"{house.sandbox.url}/_slack/messages").json()["messages"]
    assert len([one for one in messages if not one["is_reply"]]) >= len(tickets)
    for message in messages:
        for block in message["blocks"]:
            for text in leaves(block):
                rest = OURS.sub("", text)
                if block["type"] not in {"header", "actions"}:  # plain text and addresses, in which nothing is markup
                    assert not re.search(r"[<>]|&(?!(?:amp|lt|gt);)", rest), shown(block)
                assert not HIDDEN.search(text), shown(block)
            texts = [one for one in [block.get("text"), *block.get("fields", []), *block.get("elements", [])] if one]
            assert all(one.get("verbatim") for one in texts if one["type"] == "mrkdwn"), shown(block)
            for button in block.get("elements", []):
                if "url" in button:
                    assert urlsplit(button["url"]).hostname in {"localhost", "127.0.0.1"}, shown(button)


def test_jira_shows_every_text_as_text(house: House, tickets: dict[str, str]) -> None:
    issues = house.client.get(f"{house.sandbox.url}/_jira/issues").json()["issues"]
    assert len(issues) >= len(tickets)
    for issue in issues:
        summary = issue["fields"]["summary"]
        assert "\n" not in summary
        assert not HIDDEN.search(summary)
        assert all(re.fullmatch(r"[\w.:-]+", label) for label in issue["fields"]["labels"]), issue["fields"]["labels"]
        waiting = [issue["fields"]["description"]]
        while waiting:
            node = waiting.pop()
            assert node["type"] in NODES, shown(node)
            for mark in node.get("marks", []):
                if mark["type"] == "link":
                    assert urlsplit(mark["attrs"]["href"]).hostname in {"localhost", "127.0.0.1"}, shown(node)
            assert not HIDDEN.search(node.get("text", "")), shown(node)
            waiting += node.get("content", [])


def test_teams_shows_every_text_as_text(house: House, tickets: dict[str, str]) -> None:
    found = house.client.get(f"{house.sandbox.url}/_teams/posts").json()
    assert found["refused"] == []
    assert len(found["posts"]) >= len(tickets)
    for post in found["posts"]:
        for block in post["card"]["body"]:
            assert block["type"] == "RichTextBlock"
            assert all(run["type"] == "TextRun" for run in block["inlines"])
            assert not any(HIDDEN.search(run["text"]) or "{{" in run["text"] for run in block["inlines"]), shown(block)
        for action in post["card"].get("actions", []):
            assert urlsplit(action["url"]).hostname in {"localhost", "127.0.0.1"}, shown(action)


def test_no_cell_of_a_csv_is_a_formula(house: House, tickets: dict[str, str]) -> None:
    for name in ("open-tickets", "audit-trail"):
        answer = house.get(f"/api/export/{name}")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
        assert len(rows) > len(tickets)
        assert len({len(row) for row in rows}) == 1
        bad = [cell for row in rows for cell in row if FORMULA.match(cell) and not NUMBER.match(cell)]
        assert bad == []


def test_the_handover_is_markdown_of_ours_alone(house: House, tickets: dict[str, str]) -> None:
    text = house.get("/api/handover", hours=12).json()["markdown"]
    assert len(text.splitlines()) > 50  # the page holds as many of each kind
    for line in text.splitlines():
        rest = re.sub(r"\\[\\`*_{}\[\]<>#|!~]", "", line)
        rest = re.sub(r"\[[A-Z]+-\d{8}T\d{6}-[0-9a-f]{6}\]\(http://localhost:\d+/[^ )]*\)|\*\*P\d\*\*", "", rest)
        if not rest.startswith("#"):
            assert not re.search(r"[`*_\[\]<>|!]", rest), line


def test_the_api_gives_texts_as_json_that_no_browser_takes_for_a_page(house: House, tickets: dict[str, str]) -> None:
    for ticket_id, text in list(tickets.items())[::5]:
        answer = house.get(f"/api/tickets/{ticket_id}")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src" not in answer.headers["content-security-policy"] or "unsafe" not in str(answer.headers)
        ticket = answer.json()["ticket"]
        assert "\x00" not in str(ticket)
        ticket["pipeline"].encode()
        assert ticket["run_url"] is None or ticket["run_url"].startswith("https://"), (text, ticket["run_url"])
        body = house.get(f"/api/tickets/{ticket_id}/payload")
        assert body.headers["content-type"] == "application/octet-stream"
        assert body.headers["content-disposition"] == f'attachment; filename="{ticket_id}-payload.json"'


def test_the_dashboards_template_lets_no_text_become_markup(tmp_path: Any) -> None:
    script = tmp_path / "texts.mjs"
    template = (HOUSE / "src" / "pipesleuth" / "web" / "static" / "js" / "template.js").as_uri()
    script.write_text(
        f"""import {{ html, linkable }} from {json.dumps(template)};
const texts = {json.dumps(TEXTS)};
for (const text of texts) {{
  const made = html`<p title="${{text}}" data-x="${{text}}">${{text}}</p>`.toString();
  const tags = made.match(/<[^>]*>/g);
  if (tags.length !== 2 || (made.match(/"/g) || []).length !== 4) throw new Error(JSON.stringify(text));
  const link = linkable(text);
  if (link !== null && !/^(#|[?]|[/](?![/\\\\])|https?:)/i.test(link)) throw new Error(JSON.stringify(text));
}}
console.log(texts.length);
"""
    )
    run = subprocess.run([equipment.node(), str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-1000:]
    assert int(run.stdout) == len(TEXTS)
