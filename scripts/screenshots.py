"""Shoots every page and state of the dashboard into a folder: dark and light, wide and phone, full and empty."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, sync_playwright

CHROMIUM = "/usr/bin/chromium"
DEMO_EMAIL = "demo@sigmoidanalytics.com"
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
        page.locator(".fault:not(:empty)").first.wait_for()
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


def picture(browser: Browser, url: str, token: str, path: Path) -> None:
    """The one picture that README.md shows, small enough to be kept in the repository."""
    known = browser.new_context(viewport={"width": 1200, "height": 720}, color_scheme="light", reduced_motion="reduce")
    known.add_init_script(f"localStorage.setItem('authToken', {token!r})")
    page = known.new_page()
    page.goto(f"{url}/dashboard")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)  # charts and the colours of fresh cards settle
    page.screenshot(path=path)
    known.close()
    print(path, path.stat().st_size, "bytes")


@contextlib.contextmanager
def demo() -> Generator[tuple[str, str]]:
    """A demo of our own with tickets in every state; its address and its user's password."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        port, board = _free_port(), _free_port()
        log = Path(folder, "demo.log")
        command = [sys.executable, "-m", "pipesleuth", "demo", "--port", str(port), "--pace", "0.1"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "--sandbox-port", str(board)], env=os.environ | {"DATA_DIR": folder}, stdout=out, stderr=out
            )
        try:
            while "Everything was sent" not in log.read_text("utf-8"):
                if process.poll() is not None:
                    raise SystemExit(log.read_text("utf-8"))
                time.sleep(0.2)
            _every_state(f"http://127.0.0.1:{board}", Path(folder, "tickets.db"))
            yield f"http://127.0.0.1:{port}", Path(folder, "secrets", "demo_password").read_text("utf-8").strip()
        finally:
            process.terminate()
            process.wait(timeout=40)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _every_state(board: str, database: Path) -> None:
    """Some tickets in progress, some closed, one over its time and one close to it."""
    for number in range(2, 11):
        status = {"status": "Done" if number % 2 else "In Progress", "user": "Mia Chen"}
        request = urllib.request.Request(  # noqa: S310  # the demo's own stand-in
            f"{board}/_jira/issues/OPS-{number}/status",
            json.dumps(status).encode(),
            {"content-type": "application/json"},
        )
        urllib.request.urlopen(request).close()  # noqa: S310  # the same
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as opened, opened:
        first, second = opened.execute("SELECT id FROM tickets WHERE status = 'open' ORDER BY priority LIMIT 2")
        for ticket, minutes in ((first, -4), (second, 6)):
            due = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(time.time() + minutes * 60))
            opened.execute("UPDATE tickets SET sla_due_at = ? WHERE id = ?", (due, *ticket))
    time.sleep(5)  # Jira's webhooks come in, and the breach is noticed


def main() -> int:
    """Reads the arguments; a password that others must not see in the process list comes from the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running dashboard; without one a demo is started for the pictures")
    parser.add_argument("--email", default=DEMO_EMAIL, help="who logs in")
    parser.add_argument("--password", default=os.environ.get("DASHBOARD_PASSWORD", ""), help="or DASHBOARD_PASSWORD")
    parser.add_argument("--folder", type=Path, default=Path("screenshots"))
    parser.add_argument("--picture", type=Path, help="shoot only README.md's picture, into this file")
    parser.add_argument("--browser", default=CHROMIUM, help="the Chromium to use")
    given = parser.parse_args()
    if given.url and not given.password:
        print("Give --password, or set DASHBOARD_PASSWORD.", file=sys.stderr)
        return 2
    (given.picture.parent if given.picture else given.folder).mkdir(parents=True, exist_ok=True)
    started = contextlib.nullcontext((given.url, given.password)) if given.url else demo()
    with started as (address, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=FLAGS)
        url = address.rstrip("/")
        token = token_of(browser, url, given.email, password)
        if given.picture:
            picture(browser, url, token, given.picture)
        else:
            shoot(browser, url, token, given.folder)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
