"""People see the channel and the board, and what comes from outside stays text."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import async_playwright

import pipesleuth.sandbox
from pipesleuth.sandbox import Sandbox

STATIC = Path(pipesleuth.sandbox.__file__).parent / "static"
EVIL = "<img src=x onerror=document.title='owned'>"


async def test_the_page_asks_nobody_else_and_runs_no_foreign_script(http: httpx.AsyncClient) -> None:
    page = await http.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for file in STATIC.iterdir():
        answer = await http.get(f"/static/{file.name}")
        assert answer.status_code == 200
        without_namespace = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", without_namespace), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", answer.text), file.name
    assert (await http.get("/static/..%2fapp.py")).status_code == 404


async def test_the_pulse_changes_with_what_there_is_to_see(http: httpx.AsyncClient, slack: httpx.AsyncClient) -> None:
    before = (await http.get("/_pulse")).json()
    await slack.post("chat.postMessage", json={"channel": "data-alerts", "text": "x"})
    after = (await http.get("/_pulse")).json()
    assert after["slack"] > before["slack"]
    assert after["jira"] == before["jira"]


async def test_a_browser_link_to_an_issue_opens_the_board(http: httpx.AsyncClient, jira: httpx.AsyncClient) -> None:
    fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Bug"}, "summary": "x"}
    key = (await jira.post("issue", json={"fields": fields})).json()["key"]
    answer = await http.get(f"/jira/browse/{key}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/#jira/{key}")


async def test_teams_drops_without_a_word_what_it_cannot_show(sandbox: Sandbox, slack: httpx.AsyncClient) -> None:
    address = sandbox.environment()["TEAMS_WEBHOOK_URL"]
    kind, card = "application/vnd.microsoft.card.adaptive", {"type": "AdaptiveCard", "version": "1.4"}
    wrong: list[Any] = [
        {"contentType": "text/plain", "content": {**card, "body": [{"type": "TextBlock", "text": "x"}]}},
        {"contentType": kind, "content": {**card, "body": []}},
        {"contentType": kind, "content": {**card, "body": [{"type": "Input.Text", "id": "x"}]}},
        {"contentType": kind, "content": {**card, "body": [{"type": "TextBlock", "text": "x" * 30_000}]}},
    ]
    for attachment in wrong:
        assert (await slack.post(address, json={"type": "message", "attachments": [attachment]})).status_code == 202
    assert (sandbox.world.teams.posts, len(sandbox.world.teams.refused)) == ([], 4)
    sandbox.world.teams.put({"rate_per_second": 1})
    assert (await slack.post(address, json={"type": "message", "attachments": wrong})).status_code == 429
    assert (await slack.post(address.replace("sig=", "sig=x"), json={})).status_code == 401


async def test_a_person_reads_the_channel_and_drags_a_card_to_done(
    sandbox: Sandbox,
    slack: httpx.AsyncClient,
    jira: httpx.AsyncClient,
    sample: Callable[[str], Any],
    chromium: str,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    message: dict[str, Any] = {**sample("slack_post_message_request"), "channel": "data-alerts"}
    message["blocks"][2]["text"]["text"] = f"*Root cause*\n{html.escape(EVIL, quote=False)}\n{EVIL}"
    ts = (await slack.post("chat.postMessage", json=message)).json()["ts"]
    await slack.post("chat.postMessage", json={"channel": "data-alerts", "text": "a note", "thread_ts": ts})
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "RichTextBlock", "inlines": [EVIL]}]}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    address = sandbox.environment()["TEAMS_WEBHOOK_URL"]
    taken = await slack.post(address, json={"type": "message", "attachments": [attachment]})
    assert (taken.status_code, taken.content) == (202, b"")
    issue = sample("jira_create_issue_request")
    issue["fields"] |= {"project": {"key": "OPS"}, "summary": EVIL}
    await jira.post("issue", json=issue)
    async with async_playwright() as player:
        browser = await player.chromium.launch(executable_path=chromium)
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        await page.goto(sandbox.url)
        await page.wait_for_selector(".card[data-key='OPS-1']")
        shown = await page.inner_text("#messages")
        assert EVIL in shown
        assert "Acknowledge" in shown
        assert await page.inner_text(".card p") == EVIL
        await page.click(".replies")
        assert "a note" in await page.inner_text("#thread-messages")
        await page.drag_and_drop(".card[data-key='OPS-1']", ".column[data-column='10002']")
        await eventually(lambda: sandbox.world.jira.find("OPS-1").fields["status"]["name"] == "Done")
        await page.click(".card[data-key='OPS-1']")
        assert "The SQL source refused the connection." in await page.inner_text("dialog .document")
        await page.keyboard.press("Escape")
        await page.click("#tab-teams")
        assert EVIL in await page.inner_text("#posts")
        assert await page.title() == "Pipesleuth sandbox"
        await browser.close()
    assert faults == []
