"""Every way in through a browser: a mailed code, an invitation, the single sign-on; and the page in each state."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from child_process import free_port
from dashboards import Dashboards, Desk, people, service
from mail_server import MailServer
from pipesleuth.sandbox.open_id import CLIENT_ID, CLIENT_SECRET, TENANT
from pipesleuth.sandbox.server import run_in_background
from places import ADMIN

CODE = re.compile(r"Your code: (\w{8})")
STATES = (("light", 360, 740), ("dark", 1280, 800))


@contextlib.contextmanager
def post_office() -> Generator[MailServer]:
    """A mail server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = MailServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def mail() -> Generator[MailServer]:
    with post_office() as server:
        yield server


@pytest.fixture(scope="module")
def dashboards(mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[Dashboards]:
    """A service that mails codes and knows an issuer."""
    folder, port = tmp_path_factory.mktemp("ways"), free_port()
    with contextlib.ExitStack() as opened:
        sandbox = opened.enter_context(run_in_background(0))
        known = mail.environment() | {
            "REGISTRATION": "verify",
            "OIDC_ISSUER": f"{sandbox.url}/openid/{TENANT}/v2.0",
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }
        people(folder)
        opened.enter_context(service(folder, port, known))
        url = f"http://127.0.0.1:{port}"
        client = opened.enter_context(httpx.Client(base_url=url, timeout=30))
        yield Dashboards(url, folder, client, sandbox)


def named(page: Page, name: str) -> None:
    """The dashboard knows who is here."""
    page.wait_for_url("**/dashboard")
    page.get_by_role("button", name="Menu").click()
    expect(page.locator("#person")).to_contain_text(name)


def test_a_mailed_code_opens_the_dashboard(desk: Desk, mail: MailServer) -> None:
    page = desk.open("/login", email=None)
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Full name").fill("Mia Code")
    page.get_by_label("Email").fill("mia@sigmoidanalytics.com")
    page.get_by_label("Password").fill("a long password 9")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("A message with a code is on its way to you.")).to_be_visible()
    expect(page.get_by_label("Code")).to_be_focused()
    page.get_by_label("Code").fill("WRONGONE")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#code-error")).to_contain_text("The code or the password is wrong")
    page.wait_for_function("1")
    found = CODE.search(mail.letters[-1].get_content())
    assert found
    page.get_by_label("Code").fill(found[1])
    page.get_by_role("button", name="Confirm").click()
    named(page, "Mia Code")
    desk.complaints.clear()  # the wrong code's 400


def test_an_invitations_link_opens_the_dashboard_and_stands_in_no_history(dashboards: Dashboards, desk: Desk) -> None:
    headers = {"authorization": f"Bearer {dashboards.token(ADMIN)}"}
    body = {"email": "ina@sigmoidanalytics.com", "role": "viewer"}
    made = dashboards.client.post("/api/register/invitations", json=body, headers=headers).json()
    page = desk.open(made["link"].removeprefix(dashboards.url), email=None)
    expect(page.get_by_role("heading", name="You are invited")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value("ina@sigmoidanalytics.com")
    assert made["code"] not in page.url
    page.get_by_label("Full name").fill("Ina Invited")
    page.get_by_label("Password").fill("a long password 9")
    page.get_by_role("button", name="Create account").click()
    named(page, "Ina Invited")


def test_the_single_sign_on_opens_the_dashboard_and_keeps_nothing(dashboards: Dashboards, desk: Desk) -> None:
    page = desk.open("/login", email=None)
    page.get_by_role("link", name="Continue with Microsoft").click()
    named(page, "Kai Sommer")
    assert page.context.cookies() == []
    assert dashboards.sandbox is not None
    elsewhere = [url for url in desk.outside if not url.startswith(f"{dashboards.sandbox.url}/openid/")]
    assert elsewhere == []
    desk.outside.clear()  # a browser leaves us for the issuer, and for nobody else


@pytest.mark.parametrize(("scheme", "width", "height"), STATES)
def test_the_page_is_accessible_in_every_state(
    browser: Browser, dashboards: Dashboards, npm_package: Callable[[str], Path], scheme: str, width: int, height: int
) -> None:
    axe = (npm_package("axe-core") / "axe.min.js").read_text()
    how = {"color_scheme": scheme, "viewport": {"width": width, "height": height}, "bypass_csp": True}
    context = browser.new_context(**how)  # pyright: ignore[reportArgumentType]  # the library's own words
    for place in ("", "?reason=sign_on_refused", "#email=a%40sigmoidanalytics.com&code=ABCD2345", "#invitation=x"):
        page = context.new_page()
        page.goto(f"{dashboards.url}/login{place}")
        expect(page.get_by_role("link", name="Continue with Microsoft")).to_be_visible()
        if not place:
            page.get_by_role("button", name="Create an account").click()
            page.get_by_role("button", name="Create account").click()
            expect(page.locator("#email-error")).to_contain_text("Please fill this in")
        page.evaluate(axe)
        found = page.evaluate("axe.run().then((one) => one.violations.map((v) => v.id + ' ' + v.nodes[0].html))")
        assert found == [], (place, found)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        page.close()
    context.close()
