"""One ticket in full, what a person can do to it, and the pages that explain: detail, audit, inbound."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboards import Dashboards, Desk
from places import ADMIN, SENDER, adf

NESTED = (
    "Operation on target load_ledger failed: Operation on target copy_entries failed: ErrorCode=SqlFailedToConnect,"
    "'Type=Microsoft.DataTransfer.Common.Shared.HybridDeliveryException,Message=Cannot connect to SQL Database: "
    "'sql-ledger.database.windows.net', Database: 'ledger', User: 'svc'.,Source=Microsoft.DataTransfer.Connectors.MSSQL,"
    "''Type=System.Data.SqlClient.SqlException,Message=Cannot open server 'sql-ledger' requested by the login. Client "
    "with IP address '20.61.14.7' is not allowed to access the server.,Source=.Net SqlClient Data Provider,"
    "SqlErrorNumber=40615,Class=14,ErrorCode=-2146232060,State=1,'"
)


def opened(desk: Desk, ticket_id: str, **how: Any) -> Page:
    return desk.open(f"/dashboard#/tickets/{ticket_id}", **how)


def test_the_detail_says_cause_steps_chain_evidence_and_who_said_it(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.ticket(pipeline="Finance_Daily_Close", message=NESTED)
    whole = dashboards.get(f"/api/tickets/{ticket_id}")
    page = opened(desk, ticket_id, permissions=["clipboard-read", "clipboard-write"])
    dialog = page.get_by_role("dialog", name=ticket_id, exact=True)
    expect(dialog).to_contain_text(whole["ticket"]["rca_result"])
    for step in whole["ticket"]["recommendations"]:
        expect(dialog).to_contain_text(step)
    dialog.get_by_role("button", name="Copy steps").click()
    expect(dialog.get_by_text("Copied")).to_be_visible()
    assert whole["ticket"]["recommendations"][0] in page.evaluate("navigator.clipboard.readText()")
    entry = whole["ticket"]["rca_source"].removeprefix("knowledge:")
    expect(dialog).to_contain_text(f"said by knowledge base entry {entry}")
    assert len(whole["chain"]) > 2
    chain = dialog.locator("[data-part=chain] li")
    expect(chain).to_have_count(len(whole["chain"]))
    for layer, shown in zip(whole["chain"], chain.all(), strict=True):
        if layer["code"]:
            expect(shown).to_contain_text(layer["code"])
    expect(dialog.locator("mark").first).to_be_visible()
    expect(dialog.get_by_role("region", name="Raw error")).to_have_text(NESTED)
    for name in ("Error type", "Affected entity", "Team", "Owner", "Cost center", "Run"):
        expect(dialog.locator("dt", has_text=re.compile(f"^{name}$"))).to_be_visible()
    expect(dialog.locator("[data-part=timeline]")).to_contain_text("Ticket Created")
    with page.expect_download() as waiting:
        dialog.get_by_role("button", name="Payload").click()
    assert json.loads(waiting.value.path().read_text())["data"]["context"]["properties"]["ErrorMessage"] == NESTED


def test_a_ticket_is_taken_resolved_and_reopened_with_a_note(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.ticket(pipeline="pl_deeds")
    page = opened(desk, ticket_id)
    dialog = page.get_by_role("dialog", name=ticket_id)
    for note, deed, said in (
        ("I look", "Take", "In Progress"),
        ("A new key", "Resolve", "Closed"),
        ("Not yet", "Reopen", "Open"),
    ):
        dialog.get_by_label("Note").fill(note)
        dialog.get_by_role("button", name=deed, exact=True).click()
        expect(dialog.locator(".badge", has_text=re.compile(f"^{said}$")).first).to_be_visible()
        expect(dialog.locator("[data-part=timeline]")).to_contain_text(note)
        if deed == "Resolve":
            facts = dialog.locator("[data-part=closed]")
            for text in ("Dana", "MTTR", "SLA", "Met"):
                expect(facts).to_contain_text(text)
    dialog.get_by_role("button", name="Wrong").click()
    dialog.get_by_label("True cause").select_option("DNS")
    dialog.get_by_label("What was it?").fill("A typo in the host")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.locator("[data-part=timeline]")).to_contain_text("it was dns. A typo in the host")


def test_it_says_how_often_it_was_seen_and_who_fixed_it_last(dashboards: Dashboards, desk: Desk) -> None:
    first, second, third = (
        dashboards.ticket(pipeline="pl_again", message="Table gold.orders does not exist") for _ in range(3)
    )
    dashboards.act(first, "close", "Created the table anew.")
    page = opened(desk, third)
    seen = page.get_by_role("dialog", name=third).locator("[data-part=related]")
    expect(seen).to_contain_text(
        re.compile(r"Seen 2 other times in 30 days, last resolved by Dana in \d+s: “Created the table anew.”")
    )
    seen.get_by_role("link", name=second).click()
    expect(page.get_by_role("dialog", name=second)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog", name=third)).to_be_visible()


def test_a_ticket_that_is_not_there_says_so(desk: Desk) -> None:
    page = opened(desk, "ADF-20000101T000000-000000")
    expect(page.get_by_role("dialog").get_by_text("There is no ticket ADF-20000101T000000-000000.")).to_be_visible()
    desk.complaints.clear()  # the browser notes the 404 on its console


def test_a_note_that_is_being_written_survives_a_change_by_somebody_else(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.ticket(pipeline="pl_note")
    page = opened(desk, ticket_id)
    dialog = page.get_by_role("dialog", name=ticket_id)
    dialog.get_by_role("button", name="Wrong").click()
    dialog.get_by_label("What was it?").fill("Half a sen")
    dialog.get_by_label("Note").fill("And half a no")
    dashboards.act(ticket_id, "take")
    expect(dialog.locator(".badge", has_text="In Progress").first).to_be_visible()
    expect(dialog.get_by_label("What was it?")).to_have_value("Half a sen")
    expect(dialog.get_by_label("Note")).to_have_value("And half a no")


def test_the_audit_trail_is_searched_filtered_and_leads_to_tickets(dashboards: Dashboards, desk: Desk) -> None:
    ticket_id = dashboards.ticket(pipeline="pl_audited")
    dashboards.act(ticket_id, "take")
    page = desk.open("/dashboard?tab=audit")
    summary = dashboards.get("/api/summary")
    for name in ("Open", "Closed", "MTTR", "SLA Breached", "Total Audits"):
        expect(page.locator(".stats dt", has_text=re.compile(f"^{name}$"))).to_be_visible()
    expect(page.locator(".stats")).to_contain_text(f"{summary['total_audits']:,}")
    page.get_by_label("Action").select_option("Ticket Taken")
    page.get_by_role("searchbox", name="Search").fill("pl_audited")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.locator(".badge")).to_have_text("Ticket Taken")
    rows.get_by_role("link", name=ticket_id).click()
    expect(page.get_by_role("dialog", name=ticket_id)).to_be_visible()


def test_an_admin_sees_why_there_is_no_ticket(dashboards: Dashboards, desk: Desk) -> None:
    body = adf(pipeline="pl_fine")
    body["data"]["context"]["properties"]["Status"] = "Succeeded"
    dashboards.client.post("/azure-monitor", content=b"{not json", headers=SENDER)
    dashboards.client.post(
        "/azure-monitor",
        json={"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {"monitorCondition": "Resolved"}}},
        headers=SENDER,
    )
    page = desk.open(email=ADMIN)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Why is there no ticket?").click()
    table = page.get_by_role("region", name="Webhooks", exact=True)
    for row in dashboards.get("/api/inbound", ADMIN, limit=5)["inbound"]:
        expect(table).to_contain_text(row["outcome"])
        if row["reason"]:
            expect(table).to_contain_text(row["reason"])
    other = desk.open("/dashboard?tab=inbound")
    expect(other.get_by_text("Administrators see every webhook of late here.")).to_be_visible()
    expect(other.get_by_role("region", name="Webhooks", exact=True)).to_have_count(0)


@pytest.mark.parametrize(
    ("pasted", "answer"),
    [
        (NESTED, "said by knowledge base entry"),
        (json.dumps(adf("0-pasted-run", pipeline="pl_pasted", message=NESTED)), "pl_pasted"),
        (
            json.dumps(
                {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {"monitorCondition": "Resolved"}}}
            ),
            "No ticket:",
        ),
        ('{"message": <b>half a JSON', "knowledge base|nobody yet|general rules"),
    ],
)
def test_a_pasted_error_or_payload_is_diagnosed_and_nothing_stored(
    dashboards: Dashboards, desk: Desk, pasted: str, answer: str
) -> None:
    before = dashboards.get("/api/summary")["total_audits"]
    page = desk.open("/dashboard?tab=inbound")
    page.get_by_label("What would Pipesleuth say?").fill(pasted)
    page.get_by_role("button", name="Diagnose").click()
    expect(page.locator(".answer")).to_contain_text(re.compile(answer))
    assert dashboards.get("/api/summary")["total_audits"] == before
