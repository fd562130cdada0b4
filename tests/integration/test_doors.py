"""The doors that failures come in by: who is let in, what is taken, and how every answer looks."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from doors_tried import RUN, basic, is_error
from places import API_KEY, SENDER, Place, adf, alert, dbx

TICKET_ID = re.compile(r"(ADF|DBX)-\d{8}T\d{6}-[0-9a-f]{6}")


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
    answer = await place.post(adf(), "/hooks/prefect")
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
