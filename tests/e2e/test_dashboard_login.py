"""Coming in: logging in, making an account, and being told why not, beside the field it is about."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from dashboards import Dashboards, Desk
from places import PASSWORD, RESPONDER


def enter(page: Page, email: str, password: str, deed: str = "Log in") -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name=deed).click()


def test_without_a_session_one_is_led_to_the_login_and_back(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.ticket(pipeline="pl_back")
    page = desk.open("/dashboard?sort=newest", email=None)
    page.wait_for_url("**/login")
    context = desk.context(email=None)
    context.add_init_script(
        "if (!sessionStorage.given) localStorage.setItem('authToken', 'no.real.token'); sessionStorage.given = 'yes'"
    )
    page = desk.page(context, f"/dashboard?tab=audit&q=x#/tickets/{ticket_id}")
    page.wait_for_url("**/login?reason=expired")
    expect(page.get_by_text("Your session has ended. Log in again and you are back where you were.")).to_be_visible()
    enter(page, RESPONDER, PASSWORD)
    page.wait_for_url(f"**/dashboard?tab=audit&q=x#/tickets/{ticket_id}")
    expect(page.get_by_role("dialog", name=ticket_id)).to_be_visible()
    desk.complaints.clear()  # the 401 is on the browser's console


def test_the_form_is_one_that_password_managers_and_fingers_know(desk: Desk) -> None:
    page = desk.open("/login", email=None)
    email, password = page.get_by_label("Email"), page.get_by_label("Password")
    expect(email).to_have_attribute("autocomplete", "username")
    expect(password).to_have_attribute("autocomplete", "current-password")
    password.fill("what I type")
    page.get_by_role("button", name="Show what I type").click()
    expect(password).to_have_attribute("type", "text")
    page.get_by_role("button", name="Show what I type").click()
    expect(password).to_have_attribute("type", "password")
    page.get_by_role("button", name="Create an account").click()
    expect(password).to_have_attribute("autocomplete", "new-password")
    expect(page.get_by_label("Full name")).to_be_visible()


def test_reasons_stand_beside_the_fields(desk: Desk) -> None:
    page = desk.open("/login", email=None)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Email")).to_have_accessible_description(re.compile("Please fill this in"))
    expect(page.get_by_label("Email")).to_be_focused()
    enter(page, RESPONDER, "not the password")
    expect(
        page.get_by_role("alert").or_(page.locator(".fault:not(:empty)")).filter(has_text=re.compile(r"\w")).first
    ).to_be_visible()
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_label("Email")).to_have_accessible_description(re.compile("sigmoidanalytics.com"))
    enter(page, "new@elsewhere.example", "long enough 1", "Create account")
    expect(page.locator("#email-error")).to_contain_text("sigmoidanalytics.com")
    enter(page, "new@sigmoidanalytics.com", "short", "Create account")
    expect(page.locator("#password-error")).to_contain_text(re.compile("8 characters"))
    enter(page, RESPONDER, "long enough 1", "Create account")
    expect(page.locator("#email-error")).to_contain_text(re.compile("already|taken|account"))
    desk.complaints.clear()  # the browser notes refusals on its console


def test_registering_logs_in(desk: Desk) -> None:
    page = desk.open("/login", email=None)
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Full name").fill("Noor Haddad")
    enter(page, "noor@sigmoidanalytics.com", "a long password 9", "Create account")
    page.wait_for_url("**/dashboard")
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_text("Noor Haddad")).to_be_visible()
