"""Lists, filters, timers and files as a person uses them, compared with what the API says."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from dashboards import Dashboards, Desk
from pipesleuth.model import timestamp
from places import VIEWER, dbx

SQL = "Operation on target Copy orders failed: ErrorCode=SqlFailedToConnect,'Type=System.Data.SqlClient.SqlException,Message=Login failed for user 'etl'.'"


@pytest.fixture(scope="module", autouse=True)
def filled(dashboards: Dashboards) -> None:
    """260 open tickets of two sources and several causes, one in progress, two closed."""
    dashboards.many(230, "pl_orders")
    for number in range(12):
        dashboards.fail(
            dbx(9000 + number, job="nightly-etl", message="java.lang.OutOfMemoryError: Java heap space"),
            "/databricks-monitor",
        )
    made = [dashboards.ticket(pipeline="Finance_Daily_Close", message=SQL) for _ in range(21)]
    dashboards.act(made[0], "take", "On it.")
    for ticket_id in made[1:3]:
        dashboards.act(ticket_id, "close", "The password was renewed.")


def everything(dashboards: Dashboards, path: str, **asked: Any) -> list[str]:
    """The ids of a whole list, page by page."""
    found, cursor = [], None
    while True:
        answer = dashboards.get(f"/api/{path}", limit=200, **asked, **({"cursor": cursor} if cursor else {}))
        found += [ticket["id"] for ticket in answer["tickets"]]
        cursor = answer["next_cursor"]
        if not cursor:
            return found


def shown(page: Page) -> list[str]:
    """The ids of the cards in the document, in order."""
    return page.eval_on_selector_all("article.card", "all => all.map((one) => one.dataset.id)")


def downloaded(page: Page) -> list[dict[str, str]]:
    """The rows of the CSV file that the page's button gives."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    return list(csv.DictReader(io.StringIO(waiting.value.path().read_text("utf-8-sig"))))


def test_the_tabs_carry_their_counts_in_their_names(dashboards: Dashboards, desk: Desk) -> None:
    page = desk.open()
    keys = {
        "Open": "open_tickets",
        "In Progress": "in_progress_tickets",
        "Closed": "acknowledged_tickets",
        "Audit Trail": "total_audits",
    }
    for tries_left in reversed(range(10)):
        summary = dashboards.get("/api/summary")
        try:
            for name, key in keys.items():
                tab = page.get_by_role("tab", name=re.compile(f"^{name} {summary[key]:,}$"))
                expect(tab).to_be_visible(timeout=4000)
        except AssertionError:
            # The background went on writing its audit lines meanwhile: ask again what there is.
            if not tries_left:
                raise
        else:
            return


def test_what_the_page_promises_to_a_screen_reader(dashboards: Dashboards, desk: Desk) -> None:
    page = desk.open()
    expect(page.get_by_role("searchbox", name="Search", exact=True)).to_be_visible()
    first = dashboards.get("/api/open-tickets", limit=1)["tickets"][0]
    card = page.get_by_role("article", name=f"{first['pipeline']} {first['id']}", exact=True)
    expect(card.get_by_role("timer")).to_contain_text("SLA")
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(page.get_by_role("button", name="Critical", exact=True)).to_have_attribute("aria-pressed", "false")
    card.get_by_role("button", name="View Details", exact=True).click()
    dialog = page.get_by_role("dialog", name=first["id"], exact=True)
    expect(page).to_have_url(re.compile(f"/dashboard#/tickets/{first['id']}$"))
    dialog.get_by_role("button", name="Close", exact=True).click()
    expect(dialog).to_be_hidden()
    for name in ("In Progress", "Closed", "Audit Trail", "Insights"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("button", name="Download CSV", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("address", "path", "asked"),
    [
        ("?source=databricks", "open-tickets", {"source": "databricks", "sort": "urgency"}),
        ("?q=daily_close&sort=oldest", "open-tickets", {"q": "daily_close", "sort": "oldest"}),
        (
            "?severity=Critical&severity=High&sort=newest",
            "open-tickets",
            {"severity": ["Critical", "High"], "sort": "newest"},
        ),
        ("?priority=P3&sort=pipeline", "open-tickets", {"priority": "P3", "sort": "pipeline"}),
        ("?category=out_of_memory", "open-tickets", {"category": "out_of_memory", "sort": "urgency"}),
        ("?tab=closed", "closed-tickets", {"sort": "closed"}),
        ("?tab=in_progress&team=Finance", "in-progress-tickets", {"team": "Finance", "sort": "urgency"}),
        (
            "?from=2026-01-01T00:00:00.000Z&to=2026-01-02T00:00:00.000Z",
            "open-tickets",
            {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "sort": "urgency"},
        ),
    ],
)
def test_a_shared_address_shows_and_saves_what_the_api_finds(
    dashboards: Dashboards, desk: Desk, address: str, path: str, asked: dict[str, Any]
) -> None:
    page = desk.open(f"/dashboard{address}")
    wanted = everything(dashboards, path, **asked)
    expect(page.locator(".tickets, #tickets")).to_have_attribute("aria-busy", "false")
    page.wait_for_function(
        "(wanted) => [...document.querySelectorAll('article.card')].length >= wanted", arg=min(50, len(wanted))
    )
    assert shown(page)[:24] == wanted[:24]
    assert [row["id"] for row in downloaded(page)] == wanted


def test_chips_and_search_narrow_at_once_and_the_server_finds_the_rest(dashboards: Dashboards, desk: Desk) -> None:
    page = desk.open()
    expect(page.locator("article.card").first).to_be_visible()
    page.get_by_role("button", name="Databricks", exact=True).click()
    expect(page.get_by_role("button", name="Databricks", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("article.card")).to_have_count(12)
    assert parse_qs(urlsplit(page.url).query) == {"source": ["databricks"]}
    expect(page.get_by_role("tab", name="Open 12", exact=True)).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_role("searchbox", name="Search").fill("heap space")
    expect(page.locator("article.card")).to_have_count(12)
    page.reload()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("heap space")
    expect(page.locator("article.card")).to_have_count(12)
    page.get_by_role("searchbox", name="Search").fill("nothing is called so")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    assert downloaded(page) == []


def test_the_csv_goes_beyond_what_is_loaded(dashboards: Dashboards, desk: Desk) -> None:
    page = desk.open("/dashboard?sort=newest")
    expect(page.locator("article.card").first).to_be_visible()
    assert [row["id"] for row in downloaded(page)] == everything(dashboards, "open-tickets", sort="newest")
    page.get_by_role("tab", name="Audit Trail").click()
    page.get_by_label("Action").select_option("Ticket Closed")
    rows = downloaded(page)
    assert [row["action"] for row in rows] == ["Ticket Closed"] * 2
    assert len(downloaded(desk.open("/dashboard?tab=audit"))) == dashboards.get("/api/summary")["total_audits"]


@pytest.mark.parametrize(
    ("by", "name"),
    [("pipeline", "Pipeline"), ("finops_team", "Team"), ("category", "Category"), ("error_type", "Cause")],
)
def test_tickets_can_be_grouped(desk: Desk, by: str, name: str) -> None:
    page = desk.open("/dashboard?source=databricks")
    page.get_by_label("Group by").select_option(name)
    expect(page.locator(".group").first).to_have_text(re.compile(r"\S · 12"))
    expect(page).to_have_url(re.compile(f"group={by}"))


def test_a_long_list_is_loaded_as_one_scrolls_and_only_partly_in_the_document(
    dashboards: Dashboards, desk: Desk
) -> None:
    page = desk.open("/dashboard?sort=pipeline")
    wanted = everything(dashboards, "open-tickets", sort="pipeline")
    expect(page.locator("article.card").first).to_be_visible()
    for _ in range(40):
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(40)
        if wanted[-1] in shown(page):
            break
    assert wanted[-1] in shown(page)
    assert len(shown(page)) < 200


def test_the_timer_is_right_with_a_wrong_clock_and_turns_yellow_and_red(dashboards: Dashboards, desk: Desk) -> None:
    now = datetime.now(UTC)
    ticket_id = dashboards.ticket(pipeline="pl_timer")
    dashboards.act(ticket_id, "take")
    dashboards.change(ticket_id, sla_due_at=timestamp(now + timedelta(seconds=190)))
    context = desk.context()
    page = context.new_page()
    page.clock.install(time=now - timedelta(hours=26))
    page.goto(f"{dashboards.url}/dashboard?tab=in_progress")
    timer = page.get_by_role("article", name=ticket_id).get_by_role("timer")
    expect(timer).to_have_text(re.compile(r"SLA (3m [01]\d|2m 5\d)s left"))
    expect(timer).to_have_attribute("data-state", "ok")
    # From here on the server is silent: it would say that its own clock did not jump.
    page.route("**/api/**", lambda route: route.abort())
    left = timer.inner_text()
    page.clock.run_for(2000)
    assert timer.inner_text() != left
    page.clock.run_for(70_000)
    expect(timer).to_have_attribute("data-state", "warn")
    page.clock.run_for(125_000)
    expect(timer).to_have_attribute("data-state", "over")
    expect(timer).to_have_text(re.compile(r"SLA breached, \ds over|SLA breached, 1\ds over"))
    dashboards.act(ticket_id, "close")


def test_times_are_in_the_viewers_zone_with_utc_on_hover(dashboards: Dashboards, desk: Desk) -> None:
    first = dashboards.get("/api/open-tickets", limit=1, sort="oldest")["tickets"][0]
    page = desk.open("/dashboard?sort=oldest", timezone_id="Asia/Kolkata")
    time = page.get_by_role("article", name=first["id"]).locator("time")
    there = datetime.fromisoformat(first["timestamp"]) + timedelta(hours=5, minutes=30)
    expect(time).to_have_text(f"{there:%Y-%m-%d %H:%M:%S}")
    expect(time).to_have_attribute("title", f"{datetime.fromisoformat(first['timestamp']):%Y-%m-%d %H:%M:%S} UTC")


def test_p1_tickets_are_counted_in_the_title_and_told_on_the_desktop_if_wanted(
    dashboards: Dashboards, desk: Desk
) -> None:
    context = desk.context()
    context.add_init_script(
        "window.told = []; window.Notification = class { static permission = 'default';"
        " static async requestPermission() { return (this.permission = 'granted'); }"
        " constructor(title) { window.told.push(title); } }"
    )
    page = desk.page(context)
    expect(page.get_by_role("status")).to_have_text("Live")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Tell me about P1 tickets").click()
    expect(page.get_by_text("You will be told of new P1 tickets")).to_be_visible()
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    before = dashboards.get("/api/open-tickets", priority="P1")["total"]
    ticket_id = dashboards.ticket(
        pipeline="payroll_prod_close",
        message="ErrorCode=UserErrorFailedToConnectToSqlServer, firewall: Client with IP address '20.1.2.3' is not allowed to access the server. SqlErrorNumber=40615",
    )
    if dashboards.get(f"/api/tickets/{ticket_id}")["ticket"]["priority"] != "P1":
        pytest.fail("the sample is no P1 any more; choose another")
    page.wait_for_function("() => window.told.length === 1")
    assert page.evaluate("window.told") == ["P1: payroll_prod_close"]
    expect(page).to_have_title(f"({before + 1}) Open · Pipesleuth")


def test_the_keyboard_is_enough(desk: Desk) -> None:
    page = desk.open("/dashboard?source=databricks")
    expect(page.locator("article.card")).to_have_count(12)
    ids = shown(page)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.keyboard.type("nightly")
    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="Search").blur()
    for key, at in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(page.locator(f"[data-id={ids[at]}]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=ids[1])).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name=ids[1])).to_be_hidden()
    expect(page.locator(f"[data-id={ids[1]}]")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    expect(page.get_by_role("tab", name="Closed")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Closed").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Audit Trail")).to_be_focused()


def test_insights_show_the_handover_and_every_chart_with_its_table(dashboards: Dashboards, desk: Desk) -> None:
    page = desk.open("/dashboard?tab=insights", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("# Shift handover")
    expect(page.locator(".handover")).to_contain_text("Dana")
    for name in ("Month", "Quarter", "Week"):
        with page.expect_response("**/api/insights*"):
            page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
        page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
        expect(page.locator("figure")).to_have_count(7)
    for name in ("Failures per day", "Minutes to repair", "SLA met and breached"):
        chart = page.get_by_role("figure", name=name).or_(page.locator("figure", has_text=name)).first
        chart.get_by_text("Numbers").click()
        expect(chart.get_by_role("table")).to_be_visible()
    rows = downloaded(page)
    top = dashboards.get("/api/insights")["series"]["top_pipelines"][0]
    assert {"series": "top_pipelines", "name": top["name"], "measure": "count", "value": str(top["count"])} in rows


def test_a_viewer_sees_no_button_that_is_not_for_viewers(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.get("/api/open-tickets", limit=1)["tickets"][0]["id"]
    page = desk.open(f"/dashboard#/tickets/{ticket_id}", email=VIEWER)
    dialog = page.get_by_role("dialog", name=ticket_id)
    expect(dialog.get_by_text("Your role may look at tickets but not change them.")).to_be_visible()
    for name in ("Take", "Resolve", "Reopen", "Right", "Wrong", "Retry"):
        expect(dialog.get_by_role("button", name=name)).to_have_count(0)
