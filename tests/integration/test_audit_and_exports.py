"""The audit trail and files: what was asked for, in order, safe to open."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

from lists_asked import SORTS, get, some
from pipesleuth.model import Permanent
from pipesleuth.tickets.export import AUDIT_COLUMNS, TICKET_COLUMNS, safe
from places import ADMIN, SENDER, Place, adf
from told import Told, failing


async def test_the_trail_is_filtered_and_paged_newest_first(place: Place) -> None:
    tickets = await some(place, 10)
    headers = await place.signed_in()
    await place.client.post(f"/api/tickets/{tickets[0]}/take", headers=headers, json={"note": "50%_sure"})
    found: list[int] = []
    cursor = None
    while True:
        page = await get(place, "audit-trail", headers, limit=3, **({"cursor": cursor} if cursor else {}))
        assert page["count"] == len(page["audits"])
        found += [line["id"] for line in page["audits"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await place.ticket()
    assert found == sorted(found, reverse=True)
    assert len(found) == 11
    assert (await get(place, "audit-trail", headers, action="Ticket Taken"))["count"] == 1
    assert (await get(place, "audit-trail", headers, ticket_id=tickets[0]))["count"] == 2
    assert (await get(place, "audit-trail", headers, q="50%_"))["count"] == 1
    assert (await get(place, "audit-trail", headers, q="5%s"))["count"] == 0
    page = await get(place, "audit-trail", headers, action="nothing")
    assert (page["audits"], page["next_cursor"]) == ([], None)


async def test_the_webhooks_of_late_are_for_administrators(place: Place) -> None:
    await place.ticket()
    answer = await place.client.get("/api/inbound", headers=await place.signed_in())
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    headers = await place.signed_in(ADMIN)
    for _ in range(4):
        await place.ticket()
    first = await get(place, "inbound", headers, limit=3)
    rest = await get(place, "inbound", headers, limit=3, cursor=first["next_cursor"])
    ids = [row["id"] for row in first["inbound"] + rest["inbound"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 5
    assert rest["next_cursor"] is None


async def test_a_kept_away_delivery_is_shown_on_the_card(open_place: Any) -> None:
    async with open_place(told={"slack": Told("slack", does=failing(Permanent("no")))}) as place:
        await place.ticket()
        await place.work_off()
        page = await get(place, "open-tickets", await place.signed_in())
        assert page["tickets"][0]["deliveries"] == {"archive": "done", "slack": "stopped"}


# Files.


def table(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")))


async def exported(place: Place, name: str, headers: dict[str, str], **params: Any) -> list[list[str]]:
    answer = await place.client.get(f"/api/export/{name}", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="pipesleuth-{name}-20261120-1200.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return table(answer.content)


async def test_an_empty_export_has_its_header(place: Place) -> None:
    headers = await place.signed_in()
    for name in ("open-tickets", "in-progress-tickets", "closed-tickets"):
        assert await exported(place, name, headers) == [list(TICKET_COLUMNS)]
    assert await exported(place, "audit-trail", headers) == [list(AUDIT_COLUMNS)]


async def test_an_export_is_exactly_the_filtered_view(place: Place) -> None:
    for number in range(5):
        await place.ticket(adf(pipeline=f"pl_{number % 2}"))
    headers = await place.signed_in()
    for sort in SORTS:
        listed = await get(place, "open-tickets", headers, q="pl_1", sort=sort)
        rows = await exported(place, "open-tickets", headers, q="pl_1", sort=sort)
        assert [row[0] for row in rows[1:]] == [card["id"] for card in listed["tickets"]]
    lines = await get(place, "audit-trail", headers, q="pl_0")
    rows = await exported(place, "audit-trail", headers, q="pl_0")
    assert [row[0] for row in rows[1:]] == [str(line["id"]) for line in lines["audits"]]


async def test_no_cell_of_an_export_is_a_formula(place: Place) -> None:
    evil = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        " =1",
        "=cmd|' /C calc'!A0",
        "|x",
        "%0A",
        "＝1",
        "\u200b=1",
        'say "=1"',
        "a,b",
        "line\nbreak",
    ]
    for text in evil:
        await place.ticket(adf(pipeline=text, message=text + " broke."))
    headers = await place.signed_in()
    rows = await exported(place, "open-tickets", headers)
    assert len(rows) == len(evil) + 1
    for row in rows[1:]:
        assert len(row) == len(TICKET_COLUMNS)
        for cell in row:
            assert not cell.lstrip(" \t\r\n\u00a0\u200b\ufeff").startswith(("=", "+", "-", "@", "|", "%", "＝"))


def test_numbers_stay_numbers_and_nothing_is_empty() -> None:
    assert (safe(-5), safe(1.5), safe(None), safe("plain"), safe("\t=1")) == ("-5", "1.5", "", "plain", "'\t=1")
    assert safe("a\x00b\ud800") == "ab?"


async def test_an_export_is_sent_in_pieces(place: Place) -> None:
    await place.ticket(adf(message="x" * 3000))
    (row,) = await place.rows()

    def many(connection: Any) -> None:
        names = ", ".join(c for c in row if c not in {"id", "run_id"})
        connection.exec_driver_sql(
            f"INSERT INTO tickets (id, {names}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"  # noqa: S608  # names of our own columns
            f" SELECT 'ADF-20261120T120000-' || printf('%06x', i), {names} FROM tickets, n"
        )

    await place.parts.database.write(many)
    headers = await place.signed_in()
    sizes: list[int] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sizes.append(len(message.get("body", b"")))

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/export/open-tickets",
        "raw_path": b"/api/export/open-tickets",
        "query_string": b"",
        "headers": [(b"authorization", headers["authorization"].encode())],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("localhost", 8000),
        "client": ("127.0.0.1", 1),
    }
    await place.app(scope, receive, send)
    assert len(sizes) >= 8
    assert max(sizes) < sum(sizes) / 4


async def test_an_export_says_so_when_the_database_is_away(place: Place) -> None:
    headers = await place.signed_in()
    await get(place, "summary", headers)
    engine = place.parts.database.engine
    (place.folder / "folder.db").mkdir()
    from pipesleuth.db.database import open_engine  # noqa: PLC0415  # used once

    place.parts.database.engine = open_engine(place.parts.database.url.set(database=str(place.folder / "folder.db")))
    for path in ("export/open-tickets", "open-tickets", "summary", "audit-trail", "events"):
        answer = await place.client.get(f"/api/{path}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable"), path
        assert answer.headers["retry-after"]
    assert (await place.client.get("/readyz")).status_code == 503
    assert (await place.client.get("/healthz")).status_code == 200
    place.parts.database.engine = engine
    assert (await place.client.get("/readyz")).status_code == 200


async def test_the_described_api_is_the_one_that_answers(place: Place) -> None:
    described = (await place.client.get("/openapi.json")).json()["paths"]
    for path in (
        "/azure-monitor",
        "/databricks-monitor",
        "/hooks/{source}",
        "/webhook/jira",
        "/api/check-ticket-exists/{run_id}",
        "/api/open-tickets",
        "/api/tickets/{ticket_id}/deliveries/{kind}/retry",
        "/api/events",
        "/api/summary",
    ):
        assert path in described
    for page in ("/login", "/dashboard", "/healthz", "/readyz", "/metrics", "/docs"):
        answer = await place.client.get(page)
        assert answer.status_code == 200, page
        assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]


async def test_the_figures_behind_the_charts_come_as_a_file(place: Place) -> None:
    await place.client.post("/azure-monitor", json=adf(pipeline="=1+1"), headers=SENDER)
    headers = await place.signed_in()
    answer = await place.client.get("/api/export/insights", headers=headers)
    assert answer.headers["content-disposition"].startswith('attachment; filename="pipesleuth-insights-')
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {"series": "top_pipelines", "name": "'=1+1", "measure": "count", "value": "1"} in rows
    asked = {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    assert (await place.client.get("/api/export/insights", params=asked, headers=headers)).status_code == 400
