"""The platform's own most specific code or class in a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipesleuth.triage.peel import Cause

# Codes that say only that something failed; they are taken when nothing else is there.
_EMPTY = frozenset(
    "usererror systemerror badrequest actionfailed error failed failure exception internalservererror forbidden notfound "
    "unauthorized conflict success null none unknown client_error service_fault cloud_failure operationfailed "
    "hybriddeliveryexception py4jjavaerror py4jerror sparkexception org.apache.spark.sparkexception java.lang.exception "
    "java.lang.runtimeexception runtimeexception java.util.concurrent.executionexception executionexception "
    "system.aggregateexception aggregateexception jobaborted webexception system.net.webexception "
    "invocationtargetexception java.lang.reflect.invocationtargetexception org.apache.spark.sparkuserappexception "
    "terminated skipped_upstream internal_error stream_failed streamingqueryexception "
    "org.apache.spark.sql.streaming.streamingqueryexception java.sql.sqlexception".split()
)
_WEIGHT = {
    "storage": 95,
    "condition": 94,
    "dataflow": 93,
    "identity": 92,
    "blob": 90,
    "oracle": 84,
    "given": 80,
    "http": 61,
    "envelope": 72,
    "cluster": 70,
    "exception": 62,
    "databricks_run": 30,
    "odbc": 50,
    "frame": 52,
    "sql": 45,
}
_BREATH = 30
_LAST = frozenset({"Py4JJavaError", "Py4JError", "SparkException", "org.apache.spark.SparkException"})
_NO_STEP = frozenset({"org.apache.spark.sparkexception", "sparkexception", "java.lang.exception", "py4jjavaerror"})
_HRESULT = re.compile(r"0x[0-9A-Fa-f]{8}\b")
_UPPER = re.compile(r"(?<![\w.])([A-Z][A-Z0-9]{2,40}(?:_[A-Z0-9]{2,40}){1,8})(?=:| |\"|\(|$)")
_FAMILY = re.compile(r"\d{2,5}")


def error_type(causes: Sequence[Cause], error_code: str | None, source: str, text: str) -> str | None:
    """The most specific code the message or the alert carries, or None.

    Data Factory's activity families (2200, 3204 …) name no cause, so they count as no code.
    """
    given = (error_code or "").strip()
    if given and _FAMILY.fullmatch(given):
        given = ""
    if given and source == "databricks" and given.casefold() not in _EMPTY and given in text:
        return given
    best: tuple[float, str] | None = None
    for weight, code in _weighed(causes, source, given=bool(given)):
        if best is None or weight > best[0]:
            best = (weight, code)
    if given:
        beside = 20.5 if given.casefold() in _EMPTY else 86 if source == "data_factory" else 60
        if best is None or beside > best[0]:
            best = (beside, given)
    if best is None or best[0] < 60:
        word = _UPPER.search(text[:2000]) if source == "databricks" else _HRESULT.search(text)
        if word and (best is None or best[0] < 55):
            best = (58, word.group())
    return best[1] if best else None


def _weighed(causes: Sequence[Cause], source: str, *, given: bool) -> Iterator[tuple[float, str]]:
    """Each code with how much it says. In a chain of Java causes Spark's outermost own class is the one it is known
    by, Data Factory's innermost."""
    inward = 0.1 if source == "data_factory" else -0.1
    number = 0
    while number < len(causes):
        cause = causes[number]
        if cause.kind == "exception":
            number = _inline_end(causes, number)
            cause = causes[number]
        code = _shown(cause, source)
        if code is not None:
            weight = _WEIGHT.get(cause.kind, 0.0)
            if cause.kind == "cluster" and given:
                weight = 59.0
            weight += min(number, 40) * (inward if cause.kind == "exception" else 0.1)
            if code.casefold() in _EMPTY or cause.kind == "frame" and code.casefold() in _EMPTY:
                weight = 20 + weight * 0.1 - 5 * (code in _LAST)
            yield weight, code
        number += 1


def _inline_end(causes: Sequence[Cause], number: int) -> int:
    """The last class of a chain written in one breath (`A: B: text`), wrappers of Spark left out."""
    end = number
    while end + 1 < len(causes) and causes[end + 1].kind == "exception" and len(causes[end].text) < _BREATH:
        if (causes[end + 1].code or "").casefold() in _NO_STEP:
            break
        end += 1
    return end


def _shown(cause: Cause, source: str) -> str | None:
    """A cause's code as it is told: a frame's class without its namespace, a cluster's reason as its code."""
    if cause.kind == "cluster" and cause.entity:
        return cause.entity.strip().upper().replace(" ", "_")
    if cause.kind == "frame" and cause.code:
        return cause.code.rsplit(".", 1)[-1].rsplit(">", 1)[-1]
    if cause.kind == "exception" and source == "data_factory" and cause.code and cause.code.count(".") >= 4:
        return cause.code.rsplit(".", 1)[-1]
    return cause.code or None
