"""One trace from a webhook to every channel, and nothing in it that a payload said."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from canned_server import CannedServer, answer
from collector import Collector
from pipesleuth import traces
from pipesleuth.cli import logs
from pipesleuth.client import Client, Vendor
from pipesleuth.model import Retryable
from pipesleuth.sandbox import Sandbox
from places import NOON, adf
from told import Told, failing
from vendors import told

SERVER, CLIENT, CONSUMER = 2, 3, 5
SAID = "Login failed for user 'etl-of-the-house'. Password=Gr3enApple!77"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as there:
        yield there


async def test_one_trace_leads_from_the_webhook_to_archive_analysis_jira_and_slack(
    open_place: Any, collector: Collector
) -> None:
    async with Sandbox(0) as sandbox:
        shelf = told(sandbox, lambda: NOON)
        async with open_place(told=shelf, otel_exporter_otlp_endpoint=collector.url) as place:
            ticket = await place.ticket(adf(message=SAID))
            place.clock.turn(30)
            await place.work_off()
            assert (await place.todo(ticket, "jira"))["receipt"]
            assert (await place.todo(ticket, "slack"))["receipt"]
    (door,) = collector.named("POST /azure-monitor")
    assert (door.kind, door.attributes["http.response.status_code"], door.service) == (SERVER, 200, "pipesleuth")
    (admitted,) = collector.named("intake.admit")
    assert (admitted.trace, admitted.parent) == (door.trace, door.span)
    assert admitted.attributes["ticket.id"] == ticket
    for kind in ("archive", "analyse", "jira", "slack"):
        done = collector.named(f"todo {kind}")
        assert done, kind
        assert {(one.trace, one.kind, one.parent) for one in done} == {(door.trace, CONSUMER, admitted.span)}
        assert done[0].attributes["todo.outcome"] == "settled"
    calls = [span for span in collector.named("call 127.0.0.1") if span.trace == door.trace]
    jira = {span.span for span in collector.named("todo jira")}
    assert any(span.kind == CLIENT and span.parent in jira for span in calls)
    for secret in (b"etl-of-the-house", b"Gr3enApple", b"pl_orders"):
        assert secret not in collector.raw


async def test_a_trace_goes_on_from_the_senders_and_a_duplicate_has_its_own(
    open_place: Any, collector: Collector
) -> None:
    theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = adf()
    async with open_place(otel_exporter_otlp_endpoint=collector.url) as place:
        await place.post(body, headers={"traceparent": f"00-{theirs}-00f067aa0ba902b7-01"})
        await place.post(body)
        await place.post(adf(), headers={"traceparent": "00-zz-nonsense"})
    doors = collector.named("POST /azure-monitor")
    assert [span.trace == theirs for span in doors] == [True, False, False]
    assert len({span.trace for span in doors}) == 3
    assert [span.attributes["intake.outcome"] for span in collector.named("intake.admit")][:2] == [
        "success",
        "duplicate_ignored",
    ]


async def test_a_fault_is_shown_by_its_kind_and_not_by_its_words(open_place: Any, collector: Collector) -> None:
    shelf = {"jira": Told("jira", does=failing(Retryable(SAID)))}
    async with open_place(told=shelf, otel_exporter_otlp_endpoint=collector.url) as place:
        await place.ticket()
        await place.work_off()
    assert [span.failed for span in collector.named("todo jira")] == ["postponed"]
    assert b"Gr3enApple" not in collector.raw


async def test_machines_that_look_every_few_seconds_leave_no_traces(open_place: Any, collector: Collector) -> None:
    async with open_place(otel_exporter_otlp_endpoint=collector.url) as place:
        for path in ("/healthz", "/readyz", "/metrics"):
            await place.client.get(path)
        await place.client.get("/api/nothing/here")
    assert [span.name for span in collector.spans] == ["GET unmatched"]


async def test_without_a_collector_nothing_is_traced_and_rows_say_nothing(place: Any) -> None:
    ticket = await place.ticket()
    assert traces.traceparent() is None
    assert (await place.todo(ticket, "analyse"))["traceparent"] is None


async def test_a_call_that_fails_is_a_fault_of_the_call(collector: Collector) -> None:
    traces.start(collector.url, "1")
    async with CannedServer(answer(503, b"{}")) as there:
        client = Client(Vendor(base_urls=(there.url,)))
        with pytest.raises(Retryable):
            await client.call("GET", f"{there.url}/secret-path?token=hidden")
        await client.close()
        assert b"traceparent" not in there.requests[0].lower()  # vendors learn nothing of our traces
    await asyncio.to_thread(traces.stop)
    (call,) = collector.named("call 127.0.0.1")
    assert call.attributes["http.response.status_code"] == 503
    assert b"hidden" not in collector.raw
    assert b"secret-path" not in collector.raw


@pytest.mark.long
async def test_a_collector_that_is_away_holds_nobody_up(open_place: Any) -> None:
    async with open_place(otel_exporter_otlp_endpoint="http://127.0.0.1:9") as place:
        await place.ticket()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < traces.SEND_SECONDS + 3


async def test_a_request_has_an_id_which_its_answer_carries(place: Any) -> None:
    first = (await place.client.get("/healthz")).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert (await place.client.get("/healthz")).headers["x-request-id"] != first
    for given in ("azure-run-08585287", "A.b_c-9" * 5):
        answered = await place.client.get("/healthz", headers={"x-request-id": given})
        assert answered.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["short", "a" * 65, "with space 123", "tab\there123", "x" * 8 + "é", '{"a":"bcdefgh"}', ""]
)
async def test_another_shape_of_id_is_replaced_and_never_repeated(place: Any, given: str) -> None:
    headers = [(b"x-request-id", given.encode("latin-1"))]
    answered = await place.client.get("/healthz", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{16}", answered.headers["x-request-id"])


def test_a_log_line_is_json_with_the_request_and_the_trace(
    capsys: pytest.CaptureFixture[str], collector: Collector
) -> None:
    before = structlog.get_config()
    try:
        logs.configure("info", plain=False)
        traces.start(collector.url, "1")
        with structlog.contextvars.bound_contextvars(request_id="r-12345678"), traces.stretch("work"):
            structlog.get_logger("x").info("thing.done", text='a "quoted"\nline')
            known = traces.trace_id()
        traces.stop()
        line = json.loads(capsys.readouterr().err)
    finally:
        structlog.configure(**before)
    assert line["event"] == "thing.done"
    assert (line["request_id"], line["trace_id"]) == ("r-12345678", known)
    assert (line["level"], line["text"]) == ("info", 'a "quoted"\nline')
    assert collector.named("work")[0].trace == known
