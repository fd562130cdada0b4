"""What people and programs may ask: searches, orders, cursors, paths and headers that mean something else."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from besieged import House, attacks, is_refusal

LISTS = ("/api/open-tickets", "/api/audit-trail")
WORDS = ("plain_orders", "100% sure", "under_score", "O'Brien", 'a "quoted" one', "back\\slash", "[a-z] * ^ -")


@pytest.fixture(scope="module")
def known(house: House) -> int:
    """A handful of tickets with odd names; how many."""
    for number, name in enumerate(WORDS):
        properties = {"PipelineName": name, "PipelineRunId": f"q-{number}", "ErrorMessage": "It broke."}
        assert house.post({"data": {"context": {"properties": properties}}}).status_code == 200
    return house.read("SELECT count(*) FROM tickets")[0][0]


@pytest.mark.parametrize("query", attacks("queries"), ids=lambda query: ascii(query[:30]))
def test_a_search_finds_only_rows_that_contain_its_words(query: str, house: House, known: int) -> None:
    for path in LISTS:
        began = time.monotonic()
        answer = asked(house, path, "q", query)
        assert answer.status_code == 200, answer.text[:300]
        assert time.monotonic() - began < 10
        rows = answer.json().get("tickets", answer.json().get("audits"))
        if path == LISTS[0]:
            wanted = query.replace("\x00", "\ufffd").replace("\ud800", "\ufffd").strip().casefold()
            for row in rows:
                everything = " ".join(str(value) for value in row.values()).casefold()
                assert wanted in everything or wanted in everything.replace("\\\\", "\\"), (query, row["pipeline"])
    assert house.read("SELECT count(*) FROM tickets")[0][0] == known
    assert asked(house, "/api/audit-trail", ("action", "ticket_id")[len(query) % 2], query[:60]).status_code == 200
    assert asked(house, f"/api/export/{('open-tickets', 'audit-trail')[len(query) % 2]}", "q", query).status_code == 200


def asked(house: House, path: str, name: str, value: str) -> httpx.Response:
    """The answer to a question with these very bytes in it."""
    raw = quote(value.encode("utf-8", "surrogatepass"), safe="")
    return house.client.get(f"{path}?{name}={raw}", headers=house.viewer)


@pytest.mark.parametrize("path", [*LISTS, "/api/inbound"])
@pytest.mark.parametrize("cursor", attacks("cursors"), ids=lambda cursor: ascii(cursor[:20]))
def test_a_cursor_nobody_was_given_is_refused(cursor: str, path: str, house: House) -> None:
    raw = quote(cursor.encode("utf-8", "surrogatepass"), safe="")
    answer = house.client.get(f"{path}?cursor={raw}", headers=house.admin)
    if answer.status_code == 200:  # nothing at all, or a number that stands for the end of the list
        assert cursor in {"", "0"}
        return
    is_refusal(answer, 400)
    assert answer.json()["field"] == "cursor"


@pytest.mark.parametrize("name", ["sort", "limit", "from", "to"])
@pytest.mark.parametrize(
    "value",
    [
        "pipeline; DROP TABLE tickets",
        "1 OR 1=1",
        "-1",
        "99999999999999999999",
        "\x00",
        "urgency,pipeline",
        "(SELECT 1)",
        "2026-13-45",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "١",
        "1e3",
    ],
)
def test_an_order_or_limit_that_is_none_is_refused(name: str, value: str, house: House) -> None:
    answer = house.client.get("/api/open-tickets", params={name: value}, headers=house.viewer)
    if answer.status_code != 200:
        is_refusal(answer, 400)
        assert answer.json()["field"].endswith(name)
    else:
        assert name in {"from", "to", "limit"}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_outside_the_calendar_is_refused(moment: str, house: House) -> None:
    for name in ("from", "to"):
        answer = house.client.get("/api/insights", params={name: moment}, headers=house.viewer)
        is_refusal(answer, 400)
        assert answer.json()["field"] == name


def test_a_week_that_would_begin_before_the_calendar_begins_with_it(house: House) -> None:
    answer = house.client.get("/api/insights", params={"to": "0001-01-01T03:26:11Z"}, headers=house.viewer)
    assert answer.json()["series"]["failures_per_day"][0]["day"] == "0001-01-01"


@pytest.mark.parametrize("path", attacks("paths"), ids=lambda path: ascii(path[:40]))
def test_no_path_leaves_its_folder_or_forges_a_header(path: str, house: House) -> None:
    for headers in ({}, house.viewer, {"x-api-key": "wrong"}):
        for method in ("GET", "POST"):
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            line = f"{method} {path} HTTP/1.1\r\nHost: localhost:{house.port}\r\n{head}Content-Length: 2\r\nConnection: close"
            said = house.raw(f"{line}\r\n\r\n{{}}".encode("latin-1"))
            top, _, body = said.partition(b"\r\n\r\n")
            assert top.startswith(b"HTTP/1.1 "), (path, said[:200])
            assert int(top.split()[1]) < 500, (path, said[:300])
            assert b"\nx-evil" not in top.lower()
            for secret in (b"root:", b"from __future__", b"[core]", b"BEGIN "):
                assert secret not in body, unquote(path)


@pytest.mark.parametrize("headers", attacks("headers"), ids=lambda headers: ascii(headers)[:50])
def test_a_header_changes_nothing_but_what_it_is_for(headers: dict[str, str], house: House) -> None:
    before = len(house.log())
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    for path, who in (("/api/open-tickets", house.viewer), ("/api/inbound", {}), ("/dashboard", {})):
        both: Any = {**sent, **{k: v.encode() for k, v in who.items()}}
        answer = house.client.get(path, headers=both)
        plain = house.client.get(path, headers=who)
        assert answer.status_code in {plain.status_code, 304, 206, 416, 400}, answer.text[:200]
        if answer.status_code == 400:  # the parser's own answer to what is no header at all
            assert answer.text == "Invalid HTTP request received."
            continue
        names = set(answer.headers) - {"content-range", "accept-ranges"}
        assert names <= set(plain.headers) | {"x-request-id", "vary"}, names
        assert "access-control-allow-origin" not in answer.headers
    for line in house.log()[before:].splitlines():
        assert "forged" not in line or line.startswith("{")


def test_one_failure_told_with_forged_lines_is_one_line_of_the_log(house: House) -> None:
    forged = 'x\n{"event": "forged", "level": "info"}\r\nforged again\u2028and again'
    body = {"PipelineName": forged, "ErrorMessage": forged, "runId": forged}
    assert house.post({"data": {"context": {"properties": body}}}).status_code == 200
    assert house.client.get(f"/hooks/{quote(forged)}").status_code < 500
    assert not any(line.startswith(('{"event": "forged"', "forged")) for line in house.log().splitlines())


def test_a_page_of_another_site_changes_nothing(house: House) -> None:
    for origin in ("https://evil.example", "null", f"http://localhost:{house.port}.evil.example", "http://["):
        sent: dict[str, Any] = {"origin": origin, "content-type": "text/plain", **house.admin}
        answer = house.client.post("/api/logout", content=b"{}", headers=sent)
        is_refusal(answer, 403)
    assert house.client.get("/api/me", headers=house.admin).status_code == 200
