"""Bodies that are no failure, too much of one, or built to cost time; and requests that are no good HTTP."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from besieged import SENDER, House, attacks, is_refusal

DOORS = ("/azure-monitor", "/databricks-monitor", "/hooks/airflow")
RUN = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"
MOST = 1_048_576
PATIENCE = 20.0  # seconds; what costs more than linear time would take minutes


def tickets(house: House) -> int:
    return house.read("SELECT count(*) FROM tickets")[0][0]


@pytest.mark.parametrize("attack", attacks("bodies"), ids=lambda attack: attack["name"])
def test_a_body_that_is_no_failure_is_refused_with_its_reason(attack: dict[str, Any], house: House) -> None:
    before = tickets(house)
    for door in DOORS:
        answer = house.post(attack["body"].encode(), door)
        is_refusal(answer, attack["status"])
        assert answer.json()["code"] == attack["code"]
        assert len(answer.json()["detail"]) < 400
    assert tickets(house) == before


def adf(**properties: Any) -> bytes:
    return json.dumps({"data": {"context": {"properties": {"PipelineName": "p", **properties}}}}).encode()


def deep(opening: str, closing: str, levels: int, inner: str = "1") -> bytes:
    return (f'{{"PipelineName":"p","ErrorMessage":"e","x":{opening * levels}{inner}{closing * levels}}}').encode()


# What is sent, and the statuses that are right for it; a failure may be in it (200) or not (400), or too much (413).
BUILT: Mapping[str, tuple[Callable[[], bytes], tuple[int, ...]]] = {
    "a byte more than allowed": (lambda: b'{"a":"' + b"x" * MOST + b'"}', (413,)),
    "ten megabytes": (lambda: b'{"a":"' + b"x" * 10_000_000 + b'"}', (413,)),
    "just what is allowed": (lambda: adf(ErrorMessage="x" * (MOST - 200)), (200,)),
    "a number of a million digits": (lambda: b'{"PipelineName":"p","runId":' + b"9" * 1_000_000 + b"}", (400,)),
    "a fraction of a million digits": (lambda: b'{"PipelineName":"p","v":0.' + b"9" * 1_000_000 + b"}", (400, 200)),
    "an exponent of a million digits": (lambda: b'{"PipelineName":"p","v":1e' + b"9" * 1_000_000 + b"}", (400, 200)),
    "a number of 4,300 digits": (lambda: b'{"PipelineName":"p","ErrorMessage":"e","runId":' + b"9" * 4300 + b"}", (200, 400)),
    "objects 65 deep": (lambda: deep('{"a":', "}", 65), (400,)),
    "arrays 65 deep": (lambda: deep("[", "]", 65), (400,)),
    "arrays a hundred thousand deep": (lambda: deep("[", "]", 100_000), (400,)),
    "objects a hundred thousand deep": (lambda: deep('{"a":', "}", 100_000), (400,)),
    "arrays never closed": (lambda: b'{"a":' + b"[" * 500_000, (400,)),
    "JSON in JSON in JSON": (lambda: json.dumps({"body": json.dumps({"body": json.dumps({"body": "{}"})})}).encode(), (400,)),
    "deep JSON as text": (lambda: json.dumps({"PipelineName": "p", "error": "[" * 200_000}).encode(), (200, 400)),
    "fifty thousand keys": (lambda: json.dumps({f"k{n}": n for n in range(50_000)}).encode(), (400,)),
    "fifty thousand equal keys": (lambda: b"{" + b'"PipelineName":"p",' * 40_000 + b'"ErrorMessage":"e"}', (200,)),
    "an id twice": (lambda: b'{"PipelineName":"a","PipelineName":"b","ErrorMessage":"e","runId":"1","runId":"2"}', (200,)),
    "a key of a megabyte": (lambda: b'{"' + b"k" * 1_000_000 + b'":1,"PipelineName":"p","ErrorMessage":"e"}', (200, 400)),
    "a name of a megabyte": (lambda: adf(PipelineName="n" * 1_000_000, ErrorMessage="e"), (200,)),
    "a run id of a megabyte": (lambda: adf(PipelineRunId="r" * 1_000_000, ErrorMessage="e"), (200,)),
    "two hundred thousand empty arrays": (lambda: b'{"a":[' + b"[]," * 200_000 + b"[]]}", (400,)),
    "rows without end": (lambda: json.dumps({"data": {"SearchResults": {"tables": [{"rows": [[1]] * 100_000}]}}}).encode(), (200, 400)),
    "bytes that are no UTF-8": (lambda: b'{"PipelineName":"\xff\xfe\x80","ErrorMessage":"\xc3\x28"}', (200,)),
    "UTF-16": (lambda: json.dumps({"PipelineName": "p"}).encode("utf-16"), (400,)),
    "UTF-32": (lambda: json.dumps({"PipelineName": "p"}).encode("utf-32"), (400,)),
    "overlong UTF-8": (lambda: b'{"PipelineName":"\xc0\xaf\xe0\x80\xaf","ErrorMessage":"e"}', (200,)),
    "a mark before the body": (lambda: b"\xef\xbb\xbf" + adf(ErrorMessage="e"), (200,)),
    "NUL bytes": (lambda: b"\x00" * 1000, (400,)),
    "a gzip without saying so": (lambda: gzip.compress(adf(ErrorMessage="e")), (400,)),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_a_body_that_is_too_much_is_bounded(name: str, house: House) -> None:
    make, right = BUILT[name]
    body, began = make(), time.monotonic()
    for door in {DOORS[0], DOORS[len(name) % len(DOORS)]}:
        answer = house.post(body, door)
        assert answer.status_code in (*right, *((400,) if door != "/azure-monitor" else ())), answer.text[:300]
        if answer.status_code != 200:
            is_refusal(answer, answer.status_code)
        assert len(answer.content) < 5000
    assert time.monotonic() - began < PATIENCE


@pytest.fixture(scope="module")
def bombs() -> tuple[bytes, ...]:
    """Small bodies that would become large ones."""
    once = gzip.compress(b"0" * 50_000_000)
    return once, gzip.compress(once), zlib.compress(b"0" * 50_000_000)


@pytest.mark.parametrize(
    "encoding",
    ["gzip", "deflate", "br", "zstd", "compress", "x-gzip", "gzip, gzip", "identity, gzip", "GZIP"],
)
def test_a_body_that_unfolds_is_not_unfolded(encoding: str, bombs: tuple[bytes, ...], house: House) -> None:
    for body in bombs:
        answer = house.post(body, **{"content-encoding": encoding})
        is_refusal(answer, 400)
        assert answer.json()["code"] == "content_encoding"


# Texts at which a pattern that goes back and forth would take for ever.
SLOW: Mapping[str, str] = {
    "blanks": " " * 300_000,
    "a's and one b": "a" * 300_000 + "b",
    "quotes": "'" * 300_000,
    "brackets": "(" * 150_000 + ")" * 150_000,
    "names with dots": "a." * 150_000,
    "an address without end": "https://" + "a" * 300_000,
    "an e-mail without end": "a@" * 150_000,
    "paths": "/a" * 150_000,
    "key=value": "password=" * 30_000,
    "half a JSON": '{"a":' * 60_000,
    "error codes": "ErrorCode=" * 30_000,
    "operations": "Operation on target x failed: " * 10_000,
    "causes": "Caused by: java.lang.Exception: x\n" * 10_000,
    "tracebacks": "Traceback (most recent call last):\n" * 9_000,
    "frames": '  File "x", line 1, in y\n' * 12_000,
    "escaped quotes": '\\"' * 150_000,
    "backslashes": "\\" * 300_000,
    "numbers": "1234567890" * 30_000,
    "ids": f"{RUN} " * 8_000,
    "line ends": "\r\n" * 150_000,
    "templates": "@{" * 150_000,
    "log heads": "[2026-11-20, 02:11:04 UTC] {x.py:1} ERROR - " * 7_000,
    "private keys": "-----BEGIN PRIVATE KEY-----\n" * 10_000,
    "JWTs": "eyJhbGciOiJIUzI1NiJ9." * 14_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_no_text_takes_more_time_than_its_length(name: str, house: House) -> None:
    began = time.monotonic()
    assert house.post(adf(ErrorMessage=SLOW[name], PipelineRunId=name)).status_code == 200
    answer = house.client.post("/api/triage", json={"text": SLOW[name]}, headers=house.viewer)
    assert answer.status_code == 200
    assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize("attack", attacks("requests"), ids=lambda attack: attack["name"])
def test_a_request_that_is_no_good_http_harms_nobody(attack: dict[str, Any], house: House) -> None:
    before = tickets(house)
    line = attack.get("line", "POST /azure-monitor HTTP/1.1")
    key = f"x-api-key: {SENDER['x-api-key']}\r\nConnection: close"
    head = "\r\n".join([line, f"Host: localhost:{house.port}", key, *attack["head"]])
    said = house.raw(f"{head}\r\n\r\n{attack['body']}".encode("latin-1"))
    assert said == b"" or said.startswith(b"HTTP/1.1 "), said[:200]
    assert not said.startswith(b"HTTP/1.1 5"), said[:300]
    assert b"x-evil" not in said.lower().partition(b"\r\n\r\n")[0]
    assert tickets(house) == before


def test_every_analysis_of_all_this_comes_to_its_end(house: House) -> None:
    house.wait("SELECT count(*) FROM todos WHERE kind='analyse' AND done_version < wanted_version", 60)
    with sqlite3.connect(f"file:{house.folder / 'tickets.db'}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
