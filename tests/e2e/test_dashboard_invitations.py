"""Inviting people from the dashboard: for administrators, where accounts are made by invitation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from axe import violations
from child_process import free_port
from dashboards import Dashboards, Desk, people, service
from places import ADMIN, PASSWORD, VIEWER


@pytest.fixture(scope="module")
def dashboards(tmp_path_factory: pytest.TempPathFactory) -> Generator[Dashboards]:
    """A service whose accounts are made by invitation."""
    folder, port = tmp_path_factory.mktemp("invitations"), free_port()
    url = f"http://127.0.0.1:{port}"
    people(folder)
    with contextlib.ExitStack() as opened:
        opened.enter_context(service(folder, port, {"REGISTRATION": "invite"}))
        client = opened.enter_context(httpx.Client(base_url=url, timeout=30))
        yield Dashboards(url, folder, client, None)


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 360)])
def test_an_admin_invites_and_takes_back(
    desk: Desk, npm_package: Callable[[str], Path], scheme: str, width: int
) -> None:
    axe = (npm_package("axe-core") / "axe.min.js").read_text()
    context = desk.context(
        ADMIN, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True, reduced_motion="reduce"
    )
    page = desk.page(context)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Invite somebody").click()
    expect(page.get_by_role("heading", name="Nobody is awaited")).to_be_visible()
    assert violations(page, axe) == []
    page.get_by_label("Email").fill("new@elsewhere.example")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Only @sigmoidanalytics.com addresses may register.")).to_be_visible()
    desk.complaints.clear()  # the refusal is on the browser's console
    page.get_by_label("Email").fill(f"new{width}@sigmoidanalytics.com")
    page.get_by_label("Role").select_option("viewer")
    page.get_by_role("button", name="Invite", exact=True).click()
    row = page.get_by_role("row", name=f"new{width}@sigmoidanalytics.com")
    expect(row).to_contain_text("Viewer")
    expect(row.locator("time")).to_be_visible()
    link = page.locator(".answer code").inner_text()
    assert link.startswith(f"{desk.dashboards.url}/login#email=new{width}%40sigmoidanalytics.com&invitation=")
    assert violations(page, axe) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    row.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("The invitation is withdrawn")).to_be_visible()
    expect(row).to_have_count(0)
    expect(page.locator(".answer code")).to_have_count(0)
    expect(page.get_by_label("Email")).to_be_focused()


def test_the_link_makes_the_account_and_the_invitation_is_over(desk: Desk) -> None:
    page = desk.open("/dashboard?tab=invitations", email=ADMIN)
    page.get_by_label("Email").fill("dev@sigmoidanalytics.com")
    page.get_by_role("button", name="Invite", exact=True).click()
    link = page.locator(".answer code").inner_text()
    guest = desk.open(link.removeprefix(desk.dashboards.url), email=None)
    expect(guest.get_by_role("heading", name="You are invited")).to_be_visible()
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    guest.wait_for_url("**/dashboard")
    row = page.get_by_role("row", name="dev@sigmoidanalytics.com")
    row.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("No such invitation waits.")).to_be_visible()
    expect(row).to_have_count(0)
    desk.complaints.clear()  # the 404 is on the browser's console


def test_others_have_no_such_page(desk: Desk) -> None:
    page = desk.open("/dashboard?tab=invitations", email=VIEWER)
    expect(page.get_by_text("Administrators invite people here")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_count(0)
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_visible()
    expect(page.get_by_role("button", name="Invite somebody")).to_be_hidden()
