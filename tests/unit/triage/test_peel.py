"""A message becomes a chain of causes, outermost first, whatever it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesleuth.triage.excerpt import excerpt
from pipesleuth.triage.peel import peel

NESTED = (
    "Operation on target ForEach Table failed: Activity failed because an inner activity failed; Inner activity name: "
    "Copy Orders, Error: Failure happened on 'Sink' side. ErrorCode=SqlOperationFailed,'Type=Microsoft.DataTransfer.Common."
    "Shared.HybridDeliveryException,Message=A database operation failed, see inside.,Source=Microsoft.DataTransfer."
    "ClientLibrary,''Type=System.Data.SqlClient.SqlException,Message=Invalid object name 'dbo.Orders'.,Source=.Net "
    "SqlClient Data Provider,SqlErrorNumber=208,Class=16,ErrorCode=-2146232060,State=1,'"
)
PIECES = (
    "Operation on target ", " failed: ", "Inner activity name: ", ", Error: ", "ErrorCode=", "'Type=", ",Message=", "''Type=",
    "Caused by: ", "\n\tat x.y(Z.java:1)\n", "Traceback (most recent call last):\n", '  File "a.py", line 1\n', "[DELTA_X]", '{"a":"',
    "\\", "'", '"', "\ud800", "\x00", "é", "Exception", ".", "$", "A", "1", " ", "\n", "DF-A-", "---> ", "(", "[",
)  # fmt: skip


def test_nested_activities_and_blobs_come_apart_in_order() -> None:
    causes = peel(NESTED).causes
    kinds = [cause.kind for cause in causes]
    assert kinds[:5] == ["activity", "inner_activity", "side", "blob", "frame"]
    assert causes[0].entity == "ForEach Table"
    assert causes[1].entity == "Copy Orders"
    assert causes[3].code == "SqlOperationFailed"
    assert causes[4].text.startswith("Invalid object name 'dbo.Orders'")
    assert [cause.code for cause in causes if cause.kind == "sql"] == ["208"]


def test_a_span_points_into_the_message() -> None:
    for cause in peel(NESTED).causes:
        start, end = cause.span
        assert 0 <= start < end <= len(NESTED)
    frame = next(cause for cause in peel(NESTED).causes if cause.kind == "frame")
    assert NESTED[slice(*frame.span)].startswith("'Type=System.Data")


def test_a_traceback_leaves_its_frames_and_quoted_code_out() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/a/load.py", line 3, in main\n    wait_for_timeout(403)\n'
        "ValueError: bad day\n"
    )
    assert "timeout" not in excerpt(text).text
    assert peel(text).innermost.text == "bad day"


def test_a_java_chain_keeps_its_causes_and_loses_its_frames() -> None:
    text = "org.apache.spark.SparkException: Job aborted\n\tat org.apache.A.b(A.scala:1)\nCaused by: java.io.IOException: No space left"
    peeled = peel(text)
    assert [cause.code for cause in peeled.causes if cause.code] == [
        "org.apache.spark.SparkException",
        "java.io.IOException",
    ]
    assert "A.scala" not in excerpt(text).text


def test_a_long_message_keeps_its_ends_and_its_last_cause() -> None:
    message = "head\n" + "x" * 80_000 + "Caused by: java.net.ConnectException: refused\n" + "y" * 80_000 + "tail"
    part = excerpt(message)
    assert part.text.startswith("head")
    assert part.text.endswith("tail")
    assert "ConnectException" in part.text
    assert message[part.origin(part.text.index("ConnectException")) :].startswith("ConnectException")


def test_an_empty_message_is_one_empty_cause() -> None:
    assert [cause.text for cause in peel("").causes] == [""]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=60).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_comes_apart_without_an_exception(text: str) -> None:
    for cause in peel(text, "X").causes:
        start, end = cause.span
        assert 0 <= start <= end <= len(text)


@pytest.mark.parametrize(
    "piece", ["a", "'", '"', "[", "Caused by: ", "''Type=x,Message=", "Exception", "a.b.", "\n", "\\n", "at S"]
)
def test_a_mebibyte_of_anything_takes_under_200_ms(piece: str) -> None:
    text = piece * (1024 * 1024 // len(piece))
    peel(text[:1000])
    begun = time.perf_counter()
    peel(text)
    assert time.perf_counter() - begun < 0.2
