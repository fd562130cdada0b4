"""For everybody: axe-core finds nothing on any page and state, dark and light, wide and phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from axe import violations
from dashboards import Dashboards, Desk
from places import ADMIN

WRONG = "'Type=X,Message=Cannot open server 'sql-ledger' requested by the login. Client with IP address '20.61.14.7' is not allowed to access the server.,SqlErrorNumber=40615'"


@pytest.fixture(scope="module")
def axe(npm_package: Callable[[str], Path]) -> str:
    return (npm_package("axe-core") / "axe.min.js").read_text()


@pytest.fixture(scope="module", autouse=True)
def filled(dashboards: Dashboards) -> dict[str, str]:
    made = [dashboards.ticket(pipeline=f"pl_{number}", message=WRONG) for number in range(4)]
    dashboards.act(made[0], "take")
    dashboards.act(made[1], "close", "Mended.")
    dashboards.change(made[2], sla_due_at="2026-01-01T00:00:00.000000+00:00", sla_status="Breached")
    return {"open": made[2], "closed": made[1]}


def test_axe_finds_nothing_anywhere(desk: Desk, axe: str, filled: dict[str, str], scheme: str, width: int) -> None:
    look: dict[str, Any] = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": 900},
        "reduced_motion": "reduce",
        "bypass_csp": True,
    }
    context = desk.context(ADMIN, **look)
    page = desk.page(context)
    faults: dict[str, list[str]] = {}

    def check(name: str) -> None:
        found = violations(page, axe)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("the page is wider than the window")
        if found:
            faults[name] = found

    expect(page.locator("article.card").first).to_be_visible()
    page.get_by_role("button", name="More filters").click()
    page.get_by_role("button", name="Critical", exact=True).click()
    check("open, filtered")
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_role("button", name="Menu").click()
    check("menu")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    check("help")
    page.keyboard.press("Escape")
    for tab in ("in_progress", "closed", "audit", "insights", "inbound"):
        page.goto(f"{desk.dashboards.url}/dashboard?tab={tab}")
        expect(page.locator("main section:not([hidden]) :is(article, table):visible").first).to_be_visible()
        if tab == "inbound":
            page.get_by_label("What would Pipesleuth say?").fill(WRONG)
            page.get_by_role("button", name="Diagnose").click()
            expect(page.locator(".verdict-box")).to_be_visible()
        check(tab)
    for name, ticket_id in filled.items():
        page.goto(f"{desk.dashboards.url}/dashboard?q={name}#/tickets/{ticket_id}")
        expect(page.get_by_role("dialog").get_by_role("region", name="Raw error")).to_be_visible()
        check(f"details of the {name} one")
    page.goto(f"{desk.dashboards.url}/dashboard?q=nothing-is-called-so")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    check("nothing found")
    page.route(
        "**/api/open-tickets?*", lambda route: route.fulfill(status=503, json={"detail": "Out of reach.", "code": "x"})
    )
    page.goto(f"{desk.dashboards.url}/dashboard?sort=oldest")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("Offline")
    check("error, offline")
    context.set_offline(False)
    page.evaluate("localStorage.clear()")
    page.goto(f"{desk.dashboards.url}/login?reason=expired")
    page.get_by_role("button", name="Log in").click()
    check("login")
    page.get_by_role("button", name="Create an account").click()
    check("registration")
    desk.complaints.clear()  # refused and lost requests are on the browser's console
    assert faults == {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scheme" in metafunc.fixturenames:
        metafunc.parametrize(("scheme", "width"), [("dark", 1280), ("light", 360)])


def test_a_4k_window_is_filled_and_not_overflown(desk: Desk, filled: dict[str, str]) -> None:
    page = desk.open(f"/dashboard#/tickets/{filled['open']}", viewport={"width": 3840, "height": 2160})
    expect(page.locator("dialog .main")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 3840
    columns = page.eval_on_selector(".cards", "one => getComputedStyle(one).gridTemplateColumns.split(' ').length")
    assert columns >= 6
