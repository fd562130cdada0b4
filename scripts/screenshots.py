"""Shoots every page and state of a running dashboard into a folder: dark and light, wide and phone, full and empty."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES: dict[str, ViewportSize] = {
    "wide": {"width": 1440, "height": 900},
    "phone": {"width": 390, "height": 844},
    "narrow": {"width": 360, "height": 640},
    "4k": {"width": 3840, "height": 2160},
}
EMPTY_LIST = '{"tickets":[],"next_cursor":null,"total":0,"more":false}'
EMPTY_SUMMARY = '{"open_tickets":0,"in_progress_tickets":0,"acknowledged_tickets":0,"sla_breached":0,"total_audits":0}'
TICKETS = re.compile(r"/api/(open|in-progress|closed)-tickets")


class Shoot:
    """One way of looking (size, colours, token) at every page and state."""

    def __init__(self, context: BrowserContext, url: str, folder: Path, look: str) -> None:
        self.context = context
        self.url = url
        self.folder = folder
        self.look = look

    def shot(self, page: Page, name: str, *, whole: bool = False) -> None:
        """Saves what the page shows now."""
        page.wait_for_timeout(300)  # fonts, charts and the colours of fresh cards settle
        path = self.folder / f"{name}-{self.look}.png"
        page.screenshot(path=path, full_page=whole)
        print(path)

    def open(self, path: str = "/dashboard", prepare: Callable[[Page], None] | None = None) -> Page:
        """A new page at the path, once its first answers are drawn."""
        page = self.context.new_page()
        if prepare:
            prepare(page)
        page.goto(f"{self.url}{path}")
        page.wait_for_timeout(900)  # the websocket keeps the network busy, so there is no idle to wait for
        return page

    def tabs(self) -> None:
        """Every tab, the filters, the groups and the menu."""
        page = self.open()
        self.shot(page, "open")
        page.get_by_role("button", name="More filters").click()
        page.get_by_role("button", name="High", exact=True).click()
        self.shot(page, "filters")
        page.close()
        for tab in ("in_progress", "closed", "audit", "insights", "inbound"):
            page = self.open(f"/dashboard?tab={tab}")
            self.shot(page, tab.replace("_", "-"), whole=tab in {"insights", "inbound"})
            page.close()
        page = self.open("/dashboard?group=finops_team")
        self.shot(page, "groups")
        page.get_by_role("button", name="Menu").click()
        self.shot(page, "menu")
        page.close()

    def dialogs(self) -> None:
        """The details of an open and of a closed ticket, of one that is not there, and the keyboard's help."""
        for tab in ("open", "closed"):
            page = self.open(f"/dashboard?tab={tab}")
            details = page.get_by_role("button", name="View Details")
            if details.count():
                details.first.click()
                page.wait_for_timeout(500)
                self.shot(page, f"details-{tab}")
            page.close()
        page = self.open("/dashboard#/tickets/ADF-20000101T000000-000000")
        self.shot(page, "details-missing")
        page.close()
        page = self.open()
        page.keyboard.press("?")
        self.shot(page, "help")
        page.close()

    def states(self) -> None:
        """Empty, nothing found, loading, error and offline."""
        for tab in ("open", "in_progress", "closed"):
            page = self.open(f"/dashboard?tab={tab}", _nothing)
            self.shot(page, f"empty-{tab.replace('_', '-')}")
            page.close()
        page = self.open("/dashboard?q=nothing-is-called-like-this")
        self.shot(page, "nothing-found")
        page.close()
        for name, prepare in (("loading", _slow), ("error", _broken)):
            page = self.open(prepare=prepare)
            self.shot(page, name)
            page.close()
        page = self.open()
        self.context.set_offline(True)
        self.shot(page, "offline")
        self.context.set_offline(False)
        page.close()

    def login(self) -> None:
        """Logging in, a refused password, an ended session, registration; needs a context without a token."""
        page = self.open("/login")
        self.shot(page, "login")
        page.get_by_label("Email").fill("somebody@example.com")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Log in").click()
        self.shot(page, "login-refused")
        page.goto(f"{self.url}/login?reason=expired")
        self.shot(page, "login-expired")
        register = page.get_by_role("button", name="Create an account")
        if register.is_visible():
            register.click()
            self.shot(page, "register")
        page.close()


def _nothing(page: Page) -> None:
    def empty(route: Route) -> None:
        body = EMPTY_SUMMARY if "summary" in route.request.url else EMPTY_LIST
        route.fulfill(status=200, content_type="application/json", body=body)

    page.route(TICKETS, empty)
    page.route("**/api/summary", empty)


def _slow(page: Page) -> None:
    page.route(TICKETS, lambda _route: None)  # never answered: the page shows that it waits


def _broken(page: Page) -> None:
    body = '{"detail":"The database cannot be reached just now.","code":"unavailable"}'
    page.route("**/api/**", lambda route: route.fulfill(status=503, content_type="application/json", body=body))


def token_of(browser: Browser, url: str, email: str, password: str) -> str:
    """Logs in through the page and returns the token it keeps."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/dashboard**")
    token = page.evaluate("localStorage.getItem('authToken')")
    context.close()
    return str(token)


def shoot(browser: Browser, url: str, token: str, folder: Path) -> None:
    """Every page and state, in every size and colour that shows something else."""
    looks = [(size, colours) for size in ("wide", "phone") for colours in ("dark", "light")]
    for size, colours in [*looks, ("narrow", "light"), ("4k", "dark")]:
        scheme = "dark" if colours == "dark" else "light"
        known = browser.new_context(viewport=SIZES[size], color_scheme=scheme)
        known.add_init_script(f"localStorage.setItem('authToken', {token!r})")
        place = Shoot(known, url, folder, f"{size}-{colours}")
        place.tabs()
        if (size, colours) in looks:
            place.dialogs()
            place.states()
        known.close()
        stranger = browser.new_context(viewport=SIZES[size], color_scheme=scheme)
        Shoot(stranger, url, folder, f"{size}-{colours}").login()
        stranger.close()


def main() -> int:
    """Reads the arguments; a password that others must not see in the process list comes from the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--email", required=True, help="who logs in")
    parser.add_argument("--password", default=os.environ.get("DASHBOARD_PASSWORD", ""), help="or DASHBOARD_PASSWORD")
    parser.add_argument("--folder", type=Path, default=Path("screenshots"))
    parser.add_argument("--browser", default=CHROMIUM, help="the Chromium to use")
    given = parser.parse_args()
    if not given.password:
        print("Give --password, or set DASHBOARD_PASSWORD.", file=sys.stderr)
        return 2
    given.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=FLAGS)
        shoot(
            browser,
            given.url.rstrip("/"),
            token_of(browser, given.url.rstrip("/"), given.email, given.password),
            given.folder,
        )
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
