"""The outbound client: what each failure means, and what it never does or says."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from canned_server import CannedServer, answer
from pipesleuth.client import Answer, Client, Limits, Vendor, checked_base
from pipesleuth.model import Permanent, Retryable, WrongSetting

NOW = datetime(2026, 11, 20, 2, 20, 0, tzinfo=UTC)
QUICK = Limits(connect=1, read=0.3, whole=0.6, body=10_000)
SECRET = "s3cr3t token/with+signs"


def short(value: object) -> str:
    return repr(value)[:30]


@asynccontextmanager
async def meeting(reply: bytes, **how: float) -> AsyncGenerator[tuple[Client, CannedServer]]:
    async with CannedServer(reply, **how) as server:
        vendor = Vendor(base_urls=(server.url,), secrets=(SECRET,), headers={"authorization": f"Bearer {SECRET}"})
        client = Client(vendor, QUICK, now=lambda: NOW)
        try:
            yield client, server
        finally:
            await client.close()


async def failure(reply: bytes, method: str = "POST", **how: float) -> Retryable | Permanent:
    async with meeting(reply, **how) as (client, server):
        with pytest.raises((Retryable, Permanent)) as problem:
            await client.call(method, f"{server.url}/x")
        assert SECRET not in str(problem.value)
        return problem.value


async def test_a_good_answer_comes_with_status_headers_and_json() -> None:
    async with meeting(answer(201, b'{"key": "OPS-1"}', x_kind="y")) as (client, server):
        found = await client.call("POST", f"{server.url}/x", json={"a": 1})
        assert (found.status, found.headers["x-kind"], found.json_object()) == (201, "y", {"key": "OPS-1"})
        assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"a": 1}
        assert f"bearer {SECRET}".encode() in server.requests[0].lower()


async def test_statuses_the_caller_understands_are_returned() -> None:
    async with meeting(answer(404, b"{}")) as (client, server):
        assert (await client.call("GET", f"{server.url}/x", accept={404})).status == 404


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
async def test_a_server_error_leaves_doubt_after_a_creating_call_only(status: int) -> None:
    posted, asked = await failure(answer(status, b"")), await failure(answer(status, b""), "GET")
    assert isinstance(posted, Retryable)
    assert isinstance(asked, Retryable)
    assert (posted.in_doubt, asked.in_doubt) == (True, False)


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 413, 415, 422])
async def test_a_refusal_is_permanent_with_the_vendor_s_own_sentence(status: int) -> None:
    problem = await failure(
        answer(status, b'{"errorMessages": ["No such project."], "errors": {"summary": "Too long"}}')
    )
    assert isinstance(problem, Permanent)
    assert problem.reason == f"HTTP {status}: No such project.; summary: Too long"
    assert not problem.everyone


async def test_wrong_credentials_stop_everyone_and_say_what_to_check() -> None:
    problem = await failure(answer(401, b"<html>Log in</html>"))
    assert isinstance(problem, Permanent)
    assert problem.reason == "HTTP 401. Check the credentials, then retry."
    assert problem.everyone


@pytest.mark.parametrize(
    ("headers", "body", "after"),
    [
        ({"retry_after": "7"}, b"", 7),
        ({"retry_after": "2.5"}, b"", 2.5),
        ({"retry_after": "Fri, 20 Nov 2026 02:20:30 GMT"}, b"", 30),
        ({"retry_after": "999999"}, b"", 3600),
        ({"retry_after": "-5"}, b"", None),
        ({"retry_after": "soon"}, b"", None),
        ({"retry_after": "9" * 400}, b"", None),
        ({"x_ratelimit_reset": "2026-11-20T02:20:11Z"}, b"", 11),
        ({"x_ratelimit_reset": str(int(NOW.timestamp()) + 4)}, b"", 4),
        ({"x_ratelimit_reset": "2026-11-20T02:19:00Z"}, b"", 0),
        ({}, b'{"error": {"details": [{"retryDelay": "34s"}]}}', 34),
        ({}, b'{"error": {"details": [{"retryDelay": "1e999s"}, 5, null]}}', None),
        ({}, b"", None),
    ],
    ids=short,
)
async def test_429_holds_everyone_back_for_as_long_as_the_vendor_asks(
    headers: dict[str, str], body: bytes, after: float | None
) -> None:
    problem = await failure(answer(429, body, **headers))
    assert isinstance(problem, Retryable)
    assert (problem.after, problem.everyone, problem.in_doubt) == (after, True, False)


async def test_a_refused_connection_leaves_no_doubt_and_concerns_everyone() -> None:
    async with CannedServer(b"") as server:
        url = server.url
    client = Client(Vendor(base_urls=(url,)), QUICK)
    with pytest.raises(Retryable, match=r"127\.0\.0\.1 cannot be reached") as problem:
        await client.call("POST", url)
    assert (problem.value.in_doubt, problem.value.everyone) == (False, True)
    await client.close()


@pytest.mark.parametrize(
    ("reply", "how"),
    [
        (answer(200, b"{}"), {"after": 5.0}),
        (answer(200, b"x" * 200), {"drip": 0.05}),
        (b"", {}),
        (b"nonsense\r\n\r\n", {}),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", {}),
        (answer(200, b"x" * 20_000), {}),
        (answer(200, b"not gzip", content_encoding="gzip"), {}),
    ],
    ids=short,
)
async def test_an_answer_that_never_fully_comes_leaves_doubt(reply: bytes, how: dict[str, float]) -> None:
    started = time.monotonic()
    problem = await failure(reply, "POST", **how)
    assert isinstance(problem, Retryable)
    assert problem.in_doubt
    assert time.monotonic() - started < 2


async def test_a_small_answer_that_unfolds_into_a_large_one_is_cut() -> None:
    problem = await failure(answer(200, gzip.compress(b"0" * 5_000_000), content_encoding="gzip"))
    assert "more than 10000 bytes" in str(problem)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1", b"\xff", b"[" * 100_000], ids=short)
def test_a_body_that_is_no_json_leaves_the_doubt_of_its_call(body: bytes) -> None:
    with pytest.raises(Retryable) as problem:
        Answer(200, {}, body, in_doubt=True).json()
    assert problem.value.in_doubt


def test_json_that_is_no_object_is_refused_where_one_is_needed() -> None:
    with pytest.raises(Retryable):
        Answer(200, {}, b"[]").json_object()


async def test_a_redirect_is_not_followed() -> None:
    async with CannedServer(answer(200, b"{}")) as elsewhere:
        problem = await failure(answer(302, b"", location=f"{elsewhere.url}/stolen"), "GET")
        assert elsewhere.requests == []
    assert isinstance(problem, Permanent)
    assert "redirected to 127.0.0.1" in problem.reason


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "http://127.0.0.1:1/x", "file:///etc/passwd", "", "http://[x"]
)
async def test_only_configured_hosts_are_called(url: str) -> None:
    client = Client(Vendor(base_urls=("https://jira.example.com/base",)))
    with pytest.raises(Permanent, match="not a host that was configured"):
        await client.call("GET", url)


async def test_a_secret_that_the_vendor_repeats_is_masked() -> None:
    body = json.dumps({"message": f"bad token {SECRET} and s3cr3t%20token%2Fwith%2Bsigns"}).encode()
    problem = await failure(answer(400, body))
    assert str(problem) == "HTTP 400: bad token [masked] and [masked]"


async def test_a_vendor_s_sentence_is_one_short_line() -> None:
    problem = await failure(answer(400, json.dumps({"message": "a\n\x00\x1b[31mb " * 500}).encode()))
    assert len(str(problem)) < 330
    assert "\n" not in str(problem)
    assert "\x1b" not in str(problem)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"error": {"code": "RunNotFound", "message": "No such run"}}', "RunNotFound; No such run"),
        (b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}', "RESOURCE_DOES_NOT_EXIST; gone"),
        (b'"plain"', "plain"),
        (b"just text", "just text"),
        (b"<html>no</html>", ""),
        (b'{"errors": [1, 2], "errorMessages": "x"}', ""),
        (b"[" * 100_000, "["),
    ],
    ids=short,
)
def test_the_sentence_is_found_in_every_vendor_s_form(body: bytes, sentence: str) -> None:
    client = Client(Vendor(base_urls=("https://x.example",)))
    assert client.sentence(Answer(400, {}, body)).startswith(sentence)


@pytest.mark.parametrize(
    "url", ["https://x.example/", "http://localhost:8010/jira", "http://127.0.0.1:1", "http://sandbox:8010"]
)
def test_a_base_address_may_be_https_or_near(url: str) -> None:
    assert checked_base(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://x.example",
        "ftp://x",
        "x.example",
        "https://",
        "https://user:pw@x.example",
        "https://x.example?a=b",
        "https://x.example:port",
        "https://[x",
    ],
)
def test_other_base_addresses_are_refused(url: str) -> None:
    with pytest.raises(WrongSetting):
        checked_base(url)


async def test_a_token_that_no_header_can_carry_is_the_credentials_fault() -> None:
    vendor = Vendor(base_urls=("http://localhost:1",), headers={"authorization": "Bearer ab\N{EN DASH}cd"})
    with pytest.raises(Permanent, match="Check the credentials") as refused:
        await Client(vendor).call("GET", "http://localhost:1/")
    assert refused.value.everyone
