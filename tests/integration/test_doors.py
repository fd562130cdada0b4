"""The doors that failures come in by: who is let in, what is taken, and how every answer looks."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from places import ADMIN, API_KEY, SENDER, Place, adf, alert, dbx

TICKET_ID = re.compile(r"(ADF|DBX)-\d{8}T\d{6}-[0-9a-f]{6}")
RUN = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"


def basic(password: str, user: str = "databricks") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def is_error(answer: httpx.Response, status: int, code: str) -> None:
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert body["code"] == code, body
    assert isinstance(body["detail"], str)
    assert body["detail"]
    assert set(body) <= {"detail", "code", "field"}
    assert "location" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_failure_is_answered_with_its_ticket(place: Place) -> None:
    answer = await place.post(adf(RUN.upper(), pipeline="pl_finance_daily"))
    said = answer.json()
    assert answer.status_code == 200
    assert set(said) == {"status", "ticket_id", "run_id", "pipeline", "severity", "priority", "message"}
    assert said["status"] == "success"
    assert TICKET_ID.fullmatch(said["ticket_id"])
    assert said["ticket_id"].startswith("ADF-20261120T120000-")
    assert said["run_id"] == RUN
    assert "location" not in answer.headers


async def test_a_databricks_failure_has_its_own_prefix_and_mode(place: Place) -> None:
    said = (await place.post(dbx(990011223344999), "/databricks-monitor")).json()
    assert said["ticket_id"].startswith("DBX-")
    assert (await place.row(said["ticket_id"]))["processing_mode"] == "databricks"


async def test_a_known_run_is_answered_with_its_ticket_and_status(place: Place) -> None:
    body = adf()
    ticket = await place.ticket(body)
    answer = await place.post(body)
    assert answer.status_code == 200
    assert answer.json() == {"status": "duplicate_ignored", "ticket_id": ticket, "existing_status": "open"}
    await place.client.post(f"/api/tickets/{ticket}/close", headers=await place.signed_in())
    assert (await place.post(body)).json()["existing_status"] == "acknowledged"


async def test_what_is_no_failure_is_ignored_with_the_reason(place: Place) -> None:
    body = alert([("pl_orders", RUN)])
    body["data"]["essentials"]["monitorCondition"] = "Resolved"
    answer = await place.post(body)
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "reason"}
    assert answer.json()["status"] == "ignored"
    assert [row["outcome"] for row in await place.inbound()] == ["ignored"]


async def test_several_failures_in_one_payload_get_one_answer_each(place: Place) -> None:
    known = f"0{RUN[1:]}"
    first = await place.ticket(adf(known))
    said = (await place.post(alert([("pl_a", RUN), ("pl_b", known)]))).json()
    assert set(said) == {"status", "tickets"}
    assert said["status"] == "success"
    new, old = said["tickets"]
    assert new["status"] == "success"
    assert new["pipeline"] == "pl_a"
    assert old == {"status": "duplicate_ignored", "ticket_id": first, "existing_status": "open"}


async def test_two_hundred_failures_of_one_payload_are_all_admitted(place: Place) -> None:
    runs = [("pl_a", f"{n:08x}-54a1-4d53-9a36-2c0b7a6e91aa") for n in range(1, 201)]
    said = (await place.post(alert(runs))).json()
    assert len({one["ticket_id"] for one in said["tickets"]}) == 200
    assert len(await place.rows()) == 200


@pytest.mark.parametrize(
    "headers",
    [
        SENDER,
        basic(API_KEY),
        basic(API_KEY, ""),
        {"Authorization": basic(API_KEY)["authorization"].replace("Basic", "basic")},
    ],
)
async def test_the_key_is_taken_as_a_header_or_as_basics_password(place: Place, headers: dict[str, str]) -> None:
    answer = await place.client.post("/databricks-monitor", json=dbx(77), headers=headers)
    assert answer.json()["status"] == "success"


async def test_the_key_is_taken_from_the_query(place: Place) -> None:
    answer = await place.client.post("/azure-monitor", json=adf(), params={"key": API_KEY})
    assert answer.json()["status"] == "success"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": "wrong"},
        {"x-api-key": API_KEY.upper()},
        {"x-api-key": "ü".encode("latin-1").decode("latin-1")},
        basic("wrong"),
        {"authorization": "Basic not-base64!"},
        {"authorization": "Basic /w=="},
        {"authorization": f"Bearer {API_KEY}"},
    ],
)
@pytest.mark.parametrize("path", ["/azure-monitor", "/databricks-monitor", "/hooks/databricks", "/hooks/nonsense"])
async def test_without_the_key_nobody_comes_in(place: Place, headers: dict[str, str], path: str) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = await place.client.post(path, content=b"{}", headers=list(raw.items()))
    is_error(answer, 401, "unauthorized")
    assert await place.rows() == []


async def test_a_wrong_key_is_remembered_but_strangers_cannot_fill_the_memory(place: Place) -> None:
    for _ in range(20):
        await place.client.post("/azure-monitor", json=adf(), headers={"x-api-key": "wrong"})
    rows = await place.inbound()
    assert [(row["door"], row["outcome"]) for row in rows] == [("azure-monitor", "unauthorized")]
    assert "API key" in rows[0]["reason"]
    place.clock.turn(61)
    await place.client.post("/azure-monitor", json=adf())
    assert len(await place.inbound()) == 2


async def test_every_registered_source_has_a_door_by_its_name_and_aliases(place: Place) -> None:
    for path in (
        "/hooks/data_factory",
        *(f"/hooks/{name}" for name, source in place.parts.house.sources.items() if source.name == "data_factory"),
    ):
        assert (await place.post(adf(), path)).json()["status"] == "success"
    assert {row["door"] for row in await place.inbound()} == {"hooks/data_factory"}


async def test_an_unknown_source_is_named_as_such(place: Place) -> None:
    answer = await place.post(adf(), "/hooks/airflow")
    is_error(answer, 404, "unknown_source")
    assert answer.json()["field"] == "source"


async def test_a_body_over_the_limit_is_refused_before_it_is_read(place: Place) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65_536

    answer = await place.client.post("/azure-monitor", content=endless(), headers=SENDER)
    is_error(answer, 413, "too_large")
    assert read <= 18


async def test_a_body_that_says_it_is_too_large_is_not_read_at_all(place: Place) -> None:
    sent: list[dict[str, Any]] = []

    async def nothing_may_be_read() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/azure-monitor",
        "raw_path": b"/azure-monitor",
        "query_string": b"",
        "headers": [(b"x-api-key", API_KEY.encode()), (b"content-length", b"99999999999999999999999")],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("localhost", 8000),
        "client": ("127.0.0.1", 1),
    }
    await place.app(scope, nothing_may_be_read, send)
    assert sent[0]["status"] == 413
    rows = await place.inbound()
    assert [(row["outcome"], row["size"]) for row in rows] == [("rejected", 0)]


async def test_a_stranger_gets_401_before_the_body_is_read(place: Place) -> None:
    async def untouchable() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await place.client.post("/azure-monitor", content=untouchable())
    assert answer.status_code == 401


async def test_a_body_of_exactly_the_limit_is_taken(place: Place) -> None:
    body = json.dumps(adf()).encode()
    padded = body[:-1] + b" " * (1_048_576 - len(body)) + b"}"
    assert len(padded) == 1_048_576
    assert (await place.post(padded)).json()["status"] == "success"
    is_error(await place.post(padded + b" "), 413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
async def test_an_encoded_body_is_refused(place: Place, encoding: str) -> None:
    packed = gzip.compress(json.dumps(adf()).encode())
    answer = await place.post(packed, headers={"content-encoding": encoding})
    is_error(answer, 400, "content_encoding")
    assert answer.json()["field"] == "Content-Encoding"
    assert await place.rows() == []
    assert [row["outcome"] for row in await place.inbound()] == ["rejected"]


UNREADABLE = {
    "empty": b"",
    "blank": b"  \n",
    "no JSON": b"<alert/>",
    "cut off": b'{"data": {',
    "an array": b"[]",
    "null": b"null",
    "a text": b'"PipelineName"',
    "a number": b"12",
    "a truth": b"true",
    "NaN": b'{"PipelineName": NaN}',
    "infinity": b'{"PipelineName": -Infinity}',
    "an endless number": b'{"PipelineName": ' + b"9" * 5000 + b"}",
    "too deep": b'{"a":' * 65 + b"1" + b"}" * 65,
    "very deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep arrays": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "two bodies": b"{}{}",
    "gzip unsaid": gzip.compress(b'{"PipelineName": "x"}'),
    "UTF-16": '{"PipelineName": "x"}'.encode("utf-16"),
    "nothing usable": b'{"hello": "world"}',
    "nothing at all": b"{}",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_unreadable_body_is_refused_with_a_reason_and_kept(place: Place, body: bytes) -> None:
    answer = await place.post(body)
    is_error(answer, 400, "unreadable")
    assert await place.rows() == []
    (kept,) = (place.folder / "rejected").glob("*.body")
    assert kept.read_bytes() == body
    assert kept.stat().st_mode & 0o777 == 0o600
    (row,) = await place.inbound()
    assert row["outcome"] == "rejected"
    assert row["reason"] == answer.json()["detail"]
    assert row["size"] == len(body)


async def test_nesting_up_to_the_limit_is_read(place: Place) -> None:
    inner: Any = 1
    for _ in range(62):
        inner = {"a": inner}
    assert (await place.post(adf() | {"extra": inner})).status_code == 200


async def test_wrong_types_and_nulls_anywhere_never_break_the_door(place: Place) -> None:
    junk: list[Any] = [None, 0, -1, 1e308, True, "", "N/A", [], {}, [None], {"x": None}, "\ud800\x00", 10**40]
    for value in junk:
        for key in ("PipelineName", "PipelineRunId", "ErrorMessage", "Error", "LogicAppRunId", "ProcessingMode"):
            properties = adf()["data"]["context"]["properties"] | {key: value}
            answer = await place.post({"data": {"context": {"properties": properties}}})
            assert answer.status_code in {200, 400}, (key, value, answer.text)
        for body in ({"data": value}, {"data": {"context": value}}, {"essentials": value, **adf()}):
            assert (await place.post(body)).status_code in {200, 400}
        for key in ("run", "job", "run_id", "job_name", "event_type", "workspace_id", "error_message"):
            answer = await place.post(dbx(5) | {key: value}, "/databricks-monitor")
            assert answer.status_code in {200, 400}, (key, value, answer.text)


async def test_surrogates_and_nul_become_replacement_characters_and_the_payload_stays_as_it_was(place: Place) -> None:
    body = b'{"PipelineName": "pl_\\ud800x\\u0000y", "PipelineRunId": "run-\\udfff", "ErrorMessage": "bad \\u0000 byte \xff"}'
    ticket = await place.ticket(body)
    row = await place.row(ticket)
    assert row["pipeline"] == "pl_\ufffdx\ufffdy"
    assert row["run_id"] == "run-\ufffd"
    assert "\x00" not in json.dumps(row, default=str)
    json.dumps(row, default=str, ensure_ascii=False).encode()
    assert (await place.payload(ticket))["body"] == body
    await place.work_off()
    (file,) = (place.folder / "archive").rglob("*.json")
    assert file.read_bytes() == body


async def test_a_dry_run_tells_all_and_stores_nothing_but_that_it_was_asked(place: Place) -> None:
    known = adf()
    ticket = await place.ticket(known)
    before = await place.lines()
    said = (await place.post(adf(RUN, pipeline="pl_finance"), params={"dry_run": "1"})).json()
    assert said["status"] == "dry_run"
    (would,) = said["failures"]
    assert would["would"] == "success"
    assert would["failure"]["run_id"] == RUN
    assert would["finops"]["team"] == "Finance"
    assert would["diagnosis"]["priority"] in {"P1", "P2", "P3", "P4"}
    again = (await place.post(known, params={"dry_run": "true"})).json()["failures"][0]
    assert (again["would"], again["ticket_id"]) == ("duplicate_ignored", ticket)
    assert len(await place.rows()) == 1
    assert await place.lines() == before
    assert [row["outcome"] for row in await place.inbound()] == ["success", "dry_run", "dry_run"]


async def test_a_dry_run_that_is_unclear_is_refused(place: Place) -> None:
    answer = await place.post(adf(), params={"dry_run": "perhaps"})
    is_error(answer, 400, "invalid")
    assert answer.json()["field"] == "dry_run"
    assert await place.rows() == []


async def test_every_webhook_leaves_a_row_that_says_what_became_of_it(place: Place) -> None:
    body = adf()
    ticket = await place.ticket(body)
    await place.post(body)
    await place.post(b"nonsense")
    headers = await place.signed_in(ADMIN)
    shown = (await place.client.get("/api/inbound", headers=headers)).json()["inbound"]
    assert [(row["outcome"], row["ticket_id"]) for row in shown] == [
        ("rejected", None),
        ("duplicate_ignored", ticket),
        ("success", ticket),
    ]
    assert {row["door"] for row in shown} == {"azure-monitor"}


async def test_the_memory_of_webhooks_is_a_ring(open_place: Any) -> None:
    async with open_place(inbound_rows=100) as place:
        for _ in range(4):
            await place.post(alert([("p", f"{n:08x}-54a1-4d53-9a36-2c0b7a6e91aa") for n in range(1, 201)]))
        assert 100 <= len(await place.inbound()) <= 100 + 256


async def test_the_folder_of_rejected_bodies_is_bounded_by_number_and_size(open_place: Any) -> None:
    async with open_place(rejected_files=5, rejected_bytes=4000) as place:
        for number in range(30):
            place.clock.turn(1)
            await place.post(b"no JSON %d" % number)
        kept = sorted((place.folder / "rejected").glob("*.body"))
        assert len(kept) <= 10
        assert kept[-1].read_bytes() == b"no JSON 29"
        for number in range(10):
            place.clock.turn(1)
            await place.post(b"x" * 1500 + b"%d" % number)
        kept = sorted((place.folder / "rejected").glob("*.body"))
        assert sum(path.stat().st_size for path in kept) <= 4000 + 5 * 1501


@pytest.mark.parametrize("path", ["/azure-monitor", "/databricks-monitor", "/hooks/databricks"])
async def test_a_wrong_method_is_an_error_like_any_other(place: Place, path: str) -> None:
    is_error(await place.client.get(path), 405, "method_not_allowed")


async def test_an_unknown_address_is_an_error_like_any_other(place: Place) -> None:
    is_error(await place.client.get("/api/nothing"), 404, "not_found")


async def test_a_run_is_looked_up_as_it_is_read_at_intake(place: Place) -> None:
    body = adf(RUN.upper())
    ticket = await place.ticket(body)
    for said in (RUN, RUN.upper(), f" {RUN} ", "{" + RUN + "}"):
        answer = await place.client.get(f"/api/check-ticket-exists/{said}", headers=SENDER)
        found = answer.json()
        assert found == {
            "exists": True,
            "ticket_id": ticket,
            "status": "open",
            "timestamp": "2026-11-20T12:00:00.000000+00:00",
        }


@pytest.mark.parametrize("run", ["a/b/c", "cluster:1120-x/7", "100%", "a?b#c", "ünï", "x" * 200, "7001:12"])
async def test_a_run_with_odd_characters_is_found_by_the_same_id(place: Place, run: str) -> None:
    ticket = await place.ticket(adf(run))
    quoted = httpx.URL("http://localhost:8000").copy_with(raw_path=b"/api/check-ticket-exists/" + _quoted(run))
    assert (await place.client.get(quoted, headers=SENDER)).json()["ticket_id"] == ticket


def _quoted(run: str) -> bytes:
    from urllib.parse import quote  # noqa: PLC0415  # used once

    return quote(run, safe="/").encode()


@pytest.mark.parametrize("run", ["nothing-like-it", "N/A", "null", "%20", "%00", "0", "x" * 5000])
async def test_a_run_that_has_no_ticket_does_not_exist(place: Place, run: str) -> None:
    answer = await place.client.get(f"/api/check-ticket-exists/{run}", headers=SENDER)
    assert answer.status_code == 200
    assert answer.json() == {"exists": False, "ticket_id": None}


async def test_looking_a_run_up_needs_the_key(place: Place) -> None:
    is_error(await place.client.get("/api/check-ticket-exists/x"), 401, "unauthorized")
