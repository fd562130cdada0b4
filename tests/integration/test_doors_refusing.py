"""Bodies that cannot be read are refused with a reason, and nothing of them is lost."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from doors_tried import RUN, is_error, quoted_run
from places import ADMIN, SENDER, Place, adf, alert, dbx

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
    quoted = httpx.URL("http://localhost:8000").copy_with(raw_path=b"/api/check-ticket-exists/" + quoted_run(run))
    assert (await place.client.get(quoted, headers=SENDER)).json()["ticket_id"] == ticket


@pytest.mark.parametrize("run", ["nothing-like-it", "N/A", "null", "%20", "%00", "0", "x" * 5000])
async def test_a_run_that_has_no_ticket_does_not_exist(place: Place, run: str) -> None:
    answer = await place.client.get(f"/api/check-ticket-exists/{run}", headers=SENDER)
    assert answer.status_code == 200
    assert answer.json() == {"exists": False, "ticket_id": None}


async def test_looking_a_run_up_needs_the_key(place: Place) -> None:
    is_error(await place.client.get("/api/check-ticket-exists/x"), 401, "unauthorized")
