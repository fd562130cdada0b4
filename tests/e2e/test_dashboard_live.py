"""What people see without touching anything: real processes, two browsers, Jira's stand-in."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from dashboards import Dashboards, Desk

DRAWN = """() => {
  window.drawn = new Set();
  new MutationObserver(() => window.drawn.add(document.timeline.currentTime))
    .observe(document.querySelector('.shelf'), {childList: true, subtree: true});
}"""


@pytest.fixture(scope="module")
def sandboxed() -> str:
    return "ITSM JIRA SLACK"


def card(page: Page, ticket_id: str) -> Locator:
    return page.get_by_role("article", name=ticket_id)


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_text("Live")
    return page


def test_two_browsers_see_a_failure_come_in_and_being_closed_in_jira(dashboards: Dashboards, desk: Desk) -> None:
    first, second = live(desk.open()), live(desk.open())
    ticket_id = dashboards.ticket(pipeline="pl_two_browsers")
    for page in (first, second):
        expect(card(page, ticket_id)).to_contain_text("pl_two_browsers")
        expect(card(page, ticket_id).get_by_role("link", name="Jira:")).to_be_visible()
    key = dashboards.get(f"/api/tickets/{ticket_id}")["ticket"]["itsm_ticket_id"]
    first.get_by_role("tab", name="Closed").click()
    assert dashboards.sandbox is not None
    httpx.post(f"{dashboards.sandbox.url}/_jira/issues/{key}/status", json={"status": "Done", "user": "Mia Chen"})
    expect(card(first, ticket_id)).to_contain_text("by Mia Chen")
    expect(card(second, ticket_id)).to_have_count(0)
    expect(second.get_by_role("tab", name="Closed")).to_have_text(re.compile(r"Closed 1"))


def test_a_card_and_its_detail_hold_what_the_ticket_says_and_lead_to_jira(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.ticket(pipeline="Finance_Daily_Close", message="Invalid object name 'dbo.Ledger'.")
    page = live(desk.open())
    one = card(page, ticket_id)
    jira = one.get_by_role("link", name="Jira:")
    expect(jira).to_be_visible()
    ticket = dashboards.get(f"/api/tickets/{ticket_id}")["ticket"]
    for name in ("id", "pipeline", "severity", "priority", "rca_result", "run_id", "finops_team", "finops_owner"):
        assert ticket[name], name
        expect(one).to_contain_text(ticket[name])
    expect(one.locator("time")).to_be_visible()
    expect(one.get_by_role("timer")).to_contain_text("SLA")
    expect(jira).to_have_attribute("href", ticket["jira_url"])
    one.get_by_role("button", name="View Details").click()
    dialog = page.get_by_role("dialog", name=ticket_id)
    for name in ("rca_result", "error_type", "affected_entity", "finops_team", "finops_owner", "finops_cost_center"):
        expect(dialog).to_contain_text(ticket[name] or "")
    leads = dialog.get_by_role("link", name=ticket["itsm_ticket_id"]).first
    expect(leads).to_have_attribute("href", ticket["jira_url"])


def test_while_jira_owns_a_ticket_it_is_read_only_here(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.ticket(pipeline="pl_owned")
    page = desk.open(f"/dashboard#/tickets/{ticket_id}")
    dialog = page.get_by_role("dialog", name=ticket_id)
    expect(dialog.get_by_text("has the say: change the status in Jira")).to_be_visible()
    expect(dialog.get_by_role("button", name="Resolve")).to_have_count(0)
    expect(dialog.get_by_role("heading", name="Deliveries")).to_be_visible()
    expect(dialog.get_by_text(re.compile("Left the house: .*B")).first).to_be_visible()


def test_new_tickets_do_not_move_what_is_being_read(dashboards: Dashboards, desk: Desk) -> None:
    dashboards.many(30, "pl_read")
    page = live(desk.open("/dashboard?sort=newest"))
    expect(page.locator("article.card").nth(20)).to_be_attached()
    page.locator("article.card").nth(16).scroll_into_view_if_needed()
    page.mouse.wheel(0, 300)
    page.wait_for_function("() => scrollY > 200")
    page.wait_for_timeout(200)
    name = page.evaluate(
        "() => [...document.querySelectorAll('article.card')].find((one) => one.getBoundingClientRect().top > 120).dataset.id"
    )
    before = card(page, name).bounding_box()
    dashboards.ticket(pipeline="pl_arrives")
    pill = page.get_by_role("button", name="1 new")
    expect(pill).to_be_visible()
    after = card(page, name).bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 1
    pill.click()
    expect(page.locator("article.card").first).to_contain_text("pl_arrives")


def test_a_burst_of_500_events_is_not_drawn_500_times(dashboards: Dashboards, desk: Desk) -> None:
    dashboards.ticket(pipeline="pl_model")
    model = dashboards.get("/api/open-tickets", limit=1, sort="newest")["tickets"][0]
    context = desk.context()
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(socket.send)
        sockets.append(socket)

    context.route_web_socket("**/ws", between)
    page = live(desk.page(context))
    expect(page.locator("article.card").first).to_be_visible()
    page.evaluate(DRAWN)
    burst = [
        {"event": "new_ticket", "sequence": 10**6 + n, "card": {**model, "id": f"ADF-BURST-{n:03}", "version": 1}}
        for n in range(500)
    ]
    for event in burst:
        sockets[0].send(json.dumps(event))
    expect(page.locator(".tail")).to_contain_text(re.compile(r"5\d\d shown"))
    # They reach the page one by one, so a few frames pass meanwhile; 500 single drawings would be hundreds.
    assert page.evaluate("window.drawn.size") < 100


def test_what_happened_while_away_is_there_on_return(dashboards: Dashboards, desk: Desk) -> None:
    context = desk.context()
    page = live(desk.page(context))
    context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("Offline")
    ticket_id = dashboards.ticket(pipeline="pl_while_away")
    context.set_offline(False)
    expect(card(page, ticket_id)).to_be_visible()
    desk.complaints.clear()  # the browser itself says on the console that it was offline


def test_where_sockets_are_blocked_it_asks_every_15_seconds(dashboards: Dashboards, desk: Desk) -> None:
    context = desk.context()
    context.route_web_socket("**/ws", lambda socket: socket.close())
    page = context.new_page()
    page.clock.install()
    page.goto(f"{dashboards.url}/dashboard")
    page.clock.run_for(1000)
    expect(page.locator("#connection")).to_contain_text("asking every 15 s")
    ticket_id = dashboards.ticket(pipeline="pl_polled")
    page.clock.run_for(16_000)
    page.clock.resume()
    expect(card(page, ticket_id)).to_be_visible()


def test_logging_out_in_one_tab_ends_the_others(desk: Desk) -> None:
    context = desk.context()
    one, other = live(desk.page(context)), live(desk.page(context))
    one.get_by_role("button", name="Menu").click()
    one.get_by_role("button", name="Log out").click()
    for page in (one, other):
        page.wait_for_url("**/login?reason=out")
        expect(page.get_by_text("You are logged out.")).to_be_visible()
    desk.dashboards.tokens.clear()


def test_a_server_that_cannot_answer_is_said_in_words_and_asked_again(dashboards: Dashboards, desk: Desk) -> None:
    context = desk.context()
    body = json.dumps({"detail": "The database cannot be reached; try again.", "code": "unavailable"})
    refuse = lambda route: route.fulfill(status=503, content_type="application/json", body=body)  # noqa: E731
    asked: list[Route] = []
    context.route("**/api/open-tickets?*", lambda route: (asked.append(route), refuse(route)))
    page = desk.page(context)
    expect(page.get_by_role("heading", name="The tickets could not be loaded")).to_be_visible()
    expect(page.get_by_text("The database cannot be reached")).to_be_visible()
    context.unroute("**/api/open-tickets?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("article.card").first).to_be_visible()
    desk.complaints.clear()  # the browser notes each 503 on the console
