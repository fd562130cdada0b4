"""What people ask of the service: lists, one ticket, sums, the trail, files."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lists_asked import SORTS, get, some, walked
from places import ADMIN, Place, adf, dbx


@pytest.mark.parametrize("sort", SORTS)
async def test_paging_shows_every_ticket_once_in_order(place: Place, sort: str) -> None:
    tickets = await some(place, 40)
    headers = await place.signed_in()
    whole = [one["id"] for one in (await get(place, "open-tickets", headers, sort=sort, limit=200))["tickets"]]
    assert sorted(whole) == sorted(tickets)
    for limit in (1, 7, 40):
        paged = [one["id"] for one in await walked(place, "open-tickets", headers, sort=sort, limit=limit)]
        assert paged == whole


@pytest.mark.parametrize("sort", SORTS)
async def test_paging_stays_complete_while_tickets_arrive(place: Place, sort: str) -> None:
    before = await some(place, 30)
    headers = await place.signed_in()
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await get(place, "open-tickets", headers, sort=sort, limit=4, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["tickets"]]
        cursor = page["next_cursor"]
        if cursor is None or len(seen) > 200:
            break
        await some(place, 2)
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)


async def test_lists_hold_their_own_status_and_say_how_many_there_are(place: Place) -> None:
    one, two, three = await some(place, 3)
    headers = await place.signed_in()
    await place.client.post(f"/api/tickets/{one}/take", headers=headers)
    await place.client.post(f"/api/tickets/{two}/close", headers=headers)
    for path, ticket in (("in-progress-tickets", one), ("closed-tickets", two), ("open-tickets", three)):
        page = await get(place, path, headers)
        assert [card["id"] for card in page["tickets"]] == [ticket]
        assert (page["total"], page["more"], page["next_cursor"]) == (1, False, None)
        card = page["tickets"][0]
        assert {
            "pipeline",
            "run_id",
            "severity",
            "priority",
            "rca_result",
            "sla_due_at",
            "version",
            "deliveries",
            "finops_team",
        } <= set(card)


async def test_filters_narrow_the_list_and_the_total(place: Place) -> None:
    await some(place, 20)
    await place.ticket(dbx(5, job="job_finance"), "/databricks-monitor")
    headers = await place.signed_in()
    rows = await place.rows()
    for name, column in (
        ("severity", "severity"),
        ("priority", "priority"),
        ("source", "source"),
        ("category", "category"),
        ("team", "finops_team"),
    ):
        for value in {row[column] for row in rows}:
            page = await get(place, "open-tickets", headers, **{name: value, "limit": 200})
            wanted = {row["id"] for row in rows if row[column] == value}
            assert {card["id"] for card in page["tickets"]} == wanted
            assert page["total"] == len(wanted)
    both = await get(place, "open-tickets", headers, source=["databricks", "data_factory"])
    assert both["total"] == 21
    middle = sorted(row["timestamp"] for row in rows)[10]
    late = await get(place, "open-tickets", headers, **{"from": middle, "limit": 200})
    assert {card["timestamp"] for card in late["tickets"]} == {
        row["timestamp"] for row in rows if row["timestamp"] >= middle
    }
    early = await get(place, "open-tickets", headers, to=middle, limit=200)
    assert early["total"] == sum(row["timestamp"] <= middle for row in rows)


async def test_a_search_takes_wildcards_and_quotes_as_they_are(place: Place) -> None:
    names = ["100%_done", "100xxdone", "it's", 'say "hi"', "back\\slash", "UPPER", "slash/es", "ünï", "<b>"]
    ids = {name: await place.ticket(adf(pipeline=name)) for name in names}
    headers = await place.signed_in()

    async def found(q: str) -> set[str]:
        page = await get(place, "open-tickets", headers, q=q)
        return {name for name, ticket in ids.items() if ticket in {card["id"] for card in page["tickets"]}}

    assert await found("100%") == {"100%_done"}
    assert await found("%_d") == {"100%_done"}
    assert await found("%_") == set(), "what is so short only begins a text"
    assert await found("10") == {"100%_done", "100xxdone"}
    assert await found("U") == {"UPPER"}
    assert await found("_done") == {"100%_done"}
    assert await found("100") == {"100%_done", "100xxdone"}
    assert await found("it's") == {"it's"}
    assert await found('"hi"') == {'say "hi"'}
    assert await found("k\\s") == {"back\\slash"}
    assert await found("upper") == {"UPPER"}
    assert await found("h/e") == {"slash/es"}
    assert await found("ünï") == await found("ÜNÏ") == {"ünï"}
    assert await found("  ünï  ") == {"ünï"}
    assert await found(ids["<b>"]) == {"<b>"}
    assert await found("'; DROP TABLE tickets; --") == set()
    assert await found("\x00") == set()


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"sort": "random"}, "sort"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"q": "x" * 301}, "q"),
        ({"from": "yesterday"}, "from"),
        ({"severity": ["x"] * 51}, "severity"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_its_name(place: Place, params: Any, field: str) -> None:
    answer = await place.client.get("/api/open-tickets", headers=await place.signed_in(), params=params)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "invalid", field)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1e10", "-99999999999999"]
)
async def test_moments_at_the_end_of_the_calendar_are_no_crash(place: Place, moment: str) -> None:
    headers = await place.signed_in()
    for name in ("from", "to"):
        for path in ("open-tickets", "export/open-tickets", "insights"):
            answer = await place.client.get(f"/api/{path}", headers=headers, params={name: moment})
            assert answer.status_code == 200 or (answer.status_code, answer.json()["field"]) == (400, name), path


async def test_a_body_that_is_no_json_is_named_as_the_body(place: Place) -> None:
    answer = await place.client.post("/api/login", content=b'{"email": ', headers={"content-type": "application/json"})
    said = answer.json()
    assert (answer.status_code, said["code"], said["field"]) == (400, "invalid", "body")
    assert said["detail"].startswith("The body is not JSON: ")


def cursor_of(*place: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


ODD_CURSORS = [
    "x",
    "é",
    "====",
    cursor_of(),
    cursor_of("newest"),
    cursor_of("newest", 1, 2),
    cursor_of("newest", "a", 2),
    cursor_of("newest", None, None),
    cursor_of("newest", "a", ["b"]),
    cursor_of("newest", "a", True),
    cursor_of("newest", "a\x00", "b"),
    cursor_of("newest", "a\ud800", "b"),
    cursor_of("oldest", "a", "b"),
    cursor_of("newest", 10**400, "b"),
    base64.urlsafe_b64encode(b"[" * 2000).decode(),
    base64.urlsafe_b64encode(b'{"newest": 1}').decode(),
]


@pytest.mark.parametrize("cursor", ODD_CURSORS)
async def test_a_cursor_that_no_list_gave_is_refused(place: Place, cursor: str) -> None:
    headers = await place.signed_in()
    answer = await place.client.get("/api/open-tickets", headers=headers, params={"sort": "newest", "cursor": cursor})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "bad_cursor", "cursor")


async def test_a_number_in_a_cursor_cannot_break_the_database(place: Place) -> None:
    headers = await place.signed_in()
    for number in (10**30, -(10**30), 2**63):
        odd = cursor_of("urgency", number, "x", "P1", "x")
        answer = await place.client.get("/api/open-tickets", headers=headers, params={"cursor": odd})
        assert answer.json()["code"] == "bad_cursor"
    for path in ("audit-trail", "inbound"):
        for odd in ("x", "-1", "1.5", "9" * 30, "²", " 1"):
            answer = await place.client.get(
                f"/api/{path}", headers=await place.signed_in(ADMIN), params={"cursor": odd}
            )
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_the_total_is_exact_up_to_a_thousand(place: Place) -> None:
    await place.ticket()
    (row,) = await place.rows()

    def many(connection: Any) -> None:
        columns = [c for c in row if c not in {"id", "run_id"}]
        names = ", ".join(columns)
        connection.exec_driver_sql(
            f"INSERT INTO tickets (id, {names}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"  # noqa: S608  # names of our own columns
            f" SELECT 'ADF-20261120T120000-' || printf('%06x', i), {names} FROM tickets, n"
        )

    headers = await place.signed_in()
    await place.parts.database.write(many)
    page = await get(place, "open-tickets", headers)
    assert (page["total"], page["more"], len(page["tickets"])) == (None, True, 50)
    await place.client.post(f"/api/tickets/{row['id']}/close", headers=headers)
    page = await get(place, "open-tickets", headers)
    assert (page["total"], page["more"]) == (1000, False)


async def test_one_ticket_is_shown_with_its_timeline_and_deliveries(place: Place) -> None:
    ticket = await place.ticket(adf(message="Login failed for user 'etl'.", ActivityName="copy"))
    headers = await place.signed_in()
    await place.work_off()
    whole = await get(place, f"tickets/{ticket}", headers)
    shown = whole["ticket"]
    assert shown["id"] == ticket
    assert isinstance(shown["recommendations"], list)
    assert shown["recommendations"]
    assert shown["activity"] == "copy"
    assert shown["has_payload"] is True
    assert shown["read_only_reason"] is None
    assert not set(shown) & {"failure", "told_at", "status_by", "jira_live"}
    assert whole["timeline"][0]["action"] == "Ticket Created"
    assert {one["kind"]: one["state"] for one in whole["deliveries"]} == {"archive": "done", "analyse": "done"}


async def test_the_payload_is_given_while_it_waits_and_when_it_is_archived(place: Place) -> None:
    body = json.dumps(adf()).encode()
    ticket = await place.ticket(body)
    headers = await place.signed_in()
    for _ in range(2):
        answer = await place.client.get(f"/api/tickets/{ticket}/payload", headers=headers)
        assert answer.content == body
        assert answer.headers["content-disposition"] == f'attachment; filename="{ticket}-payload.json"'
        assert answer.headers["content-type"] == "application/octet-stream"
        await place.work_off()
    assert await place.payload(ticket) is None
    for file in (place.folder / "archive").rglob("*.json"):
        file.unlink()
    answer = await place.client.get(f"/api/tickets/{ticket}/payload", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "payload_gone")


async def test_related_tickets_tell_how_it_went_before(place: Place) -> None:
    ids: list[str] = []
    for _ in range(3):
        ids.append(await place.ticket(adf(pipeline="pl_same", message="Login failed for user 'etl' at 10.0.0.7.")))
        place.clock.turn(60)
    other = await place.ticket(adf(pipeline="pl_other", message="OutOfMemoryError"))
    headers = await place.signed_in()
    await place.client.post(f"/api/tickets/{ids[0]}/close", headers=headers, json={"note": "Turned the key."})
    found = await get(place, f"tickets/{ids[2]}/related", headers)
    assert [card["id"] for card in found["tickets"]] == [ids[1], ids[0]]
    assert (found["seen"]["count"], found["seen"]["last_closed_by"], found["seen"]["last_note"]) == (
        2,
        "Dana",
        "Turned the key.",
    )
    assert (await get(place, f"tickets/{other}/related", headers))["tickets"] == []


async def test_feedback_is_kept_with_an_audit_line(place: Place) -> None:
    ticket = await place.ticket()
    headers = await place.signed_in()
    said = {"right": False, "category": "timeout", "note": "It was slow."}
    answer = await place.client.post(f"/api/tickets/{ticket}/feedback", headers=headers, json=said)
    assert answer.json() == {"status": "recorded"}
    line = (await place.lines(ticket))[-1]
    assert (line["action"], line["user_name"]) == ("RCA Feedback", "Dana")
    assert "timeout" in line["details"]
    for wrong in ({}, {"right": "perhaps"}, {"right": True, "category": "magic"}):
        answer = await place.client.post(f"/api/tickets/{ticket}/feedback", headers=headers, json=wrong)
        assert answer.status_code == 400


async def test_the_sums_count_what_there_is(place: Place) -> None:
    headers = await place.signed_in()
    empty = await get(place, "summary", headers)
    assert (empty["total_tickets"], empty["mttr_min"], empty["avg_ack_time_sec"]) == (0, 0.0, 0.0)
    tickets = await some(place, 5)
    start = place.clock.now
    for ticket, seconds in ((tickets[0], 60), (tickets[1], 120)):
        created = (await place.row(ticket))["timestamp"]
        place.clock.now = type(start).fromisoformat(created)
        place.clock.turn(seconds)
        await place.client.post(f"/api/tickets/{ticket}/close", headers=headers)
    await place.client.post(f"/api/tickets/{tickets[2]}/take", headers=headers)
    sums = await get(place, "summary", headers)
    assert (sums["total_tickets"], sums["open_tickets"], sums["in_progress_tickets"], sums["acknowledged_tickets"]) == (
        5,
        2,
        1,
        2,
    )
    assert (sums["avg_ack_time_sec"], sums["mttr_min"]) == (90.0, 1.5)
    assert sums["total_audits"] == len(await place.lines())
    assert set(sums) >= {
        "total_tickets",
        "open_tickets",
        "in_progress_tickets",
        "acknowledged_tickets",
        "sla_breached",
        "avg_ack_time_sec",
        "mttr_min",
        "total_audits",
        "timestamp",
        "as_of",
    }


async def test_a_pasted_error_is_diagnosed_for_the_source_that_is_named(place: Place) -> None:
    headers = await place.signed_in()
    asked = {"text": "Login failed for user 'etl'."}
    for source in ("data_factory", "databricks"):
        answer = await place.client.post("/api/triage", json=asked | {"source": source}, headers=headers)
        (said,) = answer.json()["failures"]
        assert said["diagnosis"]["category"] == "authentication"
    answer = await place.client.post("/api/triage", json=asked | {"source": "mainframe"}, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "source")
    assert "databricks" in answer.json()["detail"]
