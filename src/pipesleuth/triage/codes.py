"""The platform's own most specific code or class in a message."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipesleuth.triage.peel import Cause

# Codes that say only that something failed; they are taken when nothing else is there.
_EMPTY = frozenset(
    "usererror systemerror badrequest actionfailed error failed failure exception internalservererror forbidden notfound "
    "unauthorized conflict success null none unknown client_error service_fault cloud_failure operationfailed "
    "hybriddeliveryexception py4jjavaerror sparkexception org.apache.spark.sparkexception java.lang.exception "
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
    "envelope": 72,
    "cluster": 70,
    "exception": 62,
    "databricks_run": 30,
    "odbc": 50,
    "frame": 52,
    "sql": 45,
}
_HRESULT = re.compile(r"0x[0-9A-Fa-f]{8}\b")
_UPPER = re.compile(r"(?<![\w.])([A-Z][A-Z0-9]{2,40}(?:_[A-Z0-9]{2,40}){1,8})(?=:| |\"|\(|$)")
_FAMILY = re.compile(r"\d{2,5}")


def error_type(causes: Iterable[Cause], error_code: str | None, source: str, text: str) -> str | None:
    """The most specific code the message or the alert carries, or None.

    Data Factory's activity families (2200, 3204 …) name no cause, so they count as no code.
    """
    best: tuple[float, str] | None = None
    for depth, cause in enumerate(causes):
        code = _shown(cause)
        if code is None:
            continue
        weight = _WEIGHT.get(cause.kind, 0) + min(depth, 40) * 0.1
        if code.casefold() in _EMPTY or cause.kind == "frame" and code.rsplit(".", 1)[-1].casefold() in _EMPTY:
            weight = 20 + weight * 0.1
        if best is None or weight > best[0]:
            best = (weight, code)
    given = (error_code or "").strip()
    if given and not _FAMILY.fullmatch(given):
        beside = 20.5 if given.casefold() in _EMPTY else 86 if source == "data_factory" else 60
        if best is None or beside > best[0]:
            best = (beside, given)
    if best is None or best[0] < 60:
        word = _UPPER.search(text[:2000]) if source == "databricks" else _HRESULT.search(text)
        if word and (best is None or best[0] < 55):
            best = (58, word.group())
    return best[1] if best else None


def _shown(cause: Cause) -> str | None:
    """A cause's code as it is told: a frame's class without its namespace, a cluster's reason as its code."""
    if cause.kind == "cluster" and cause.entity:
        return cause.entity.strip().upper().replace(" ", "_")
    if cause.kind == "frame" and cause.code:
        return cause.code.rsplit(".", 1)[-1].rsplit(">", 1)[-1]
    if cause.code in {"", None}:
        return None
    return cause.code
