"""The platform's own most specific code or class in a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipesleuth.triage.peel import Cause

# Codes that say only that something failed; they are taken when nothing else is there.
_EMPTY = frozenset(
    [
        "usererror",
        "py4j.protocol.py4jjavaerror",
        "org.apache.spark.api.python.pythonexception",
        "pythonexception",
        "invalid_state",
        "maxretryerror",
        "systemerror",
        "badrequest",
        "actionfailed",
        "error",
        "failed",
        "failure",
        "exception",
        "internalservererror",
        "forbidden",
        "notfound",
        "unauthorized",
        "conflict",
        "success",
        "null",
        "none",
        "unknown",
        "client_error",
        "service_fault",
        "cloud_failure",
        "operationfailed",
        "hybriddeliveryexception",
        "py4jjavaerror",
        "py4jerror",
        "sparkexception",
        "org.apache.spark.sparkexception",
        "java.lang.exception",
        "java.lang.runtimeexception",
        "runtimeexception",
        "java.util.concurrent.executionexception",
        "executionexception",
        "system.aggregateexception",
        "system.typeinitializationexception",
        "aggregateexception",
        "jobaborted",
        "executionerror",
        "webexception",
        "system.net.webexception",
        "invocationtargetexception",
        "java.lang.reflect.invocationtargetexception",
        "org.apache.spark.sparkuserappexception",
        "cloud_provider_launch_failure",
        "terminated",
        "skipped_upstream",
        "internal_error",
        "stream_failed",
        "streamingqueryexception",
        "org.apache.spark.sql.streaming.streamingqueryexception",
        "java.sql.sqlexception",
        "failureexitcode",
    ]
)
# Classes that wrap another one in whatever package they stand.
_WRAPPERS = frozenset(
    [
        "maxretryerror",
        "calledprocesserror",
        "hivesqlexception",
        "databrickssqlexception",
        "hiveexception",
        "sqlexecutionexception",
    ]
)
# Classes of client libraries, each of which stands for an HTTP status; the service's own code says more.
_CLIENTS = ("databricks.sdk.errors.", "azure.core.exceptions.http", "google.api_core.exceptions.")
_WEIGHT = {
    "storage": 95,
    "condition": 94,
    "dataflow": 93,
    "identity": 92,
    "blob": 90,
    "database": 84,
    "termination": 89,
    "given": 80,
    "http": 61,
    "socket": 58,
    "envelope": 72,
    "word": 71,
    "cluster": 75,
    "exception": 62,
    "databricks_run": 30,
    "odbc": 50,
    "frame": 68,
    "sql": 45,
}
_LAST = frozenset(
    {"py4j.protocol.Py4JJavaError", "Py4JJavaError", "Py4JError", "SparkException", "org.apache.spark.SparkException"}
)
_NO_STEP = frozenset({"org.apache.spark.sparkexception", "sparkexception", "java.lang.exception", "py4jjavaerror"})
# What carries an error between Python and Java: whatever sentence it has, the cause is what it carries.
_BRIDGES = frozenset(
    {"py4j.protocol.Py4JJavaError", "Py4JJavaError", "Py4JError"}
    | {"org.apache.spark.api.python.PythonException", "PythonException"}
)
_INNERMOST = 4.0
_A_SENTENCE = 20
_A_GUESS = 55.0
# Integration Services names its own faults 0xC0…, behind those of the drivers; 0x00000000 is success.
_HRESULT = re.compile(r"0x[89CcDdEe][0-9A-Fa-f]{7}\b")
_LONE = re.compile(
    r"(?:^|[\]:] ['\"]?)(?P<code>[A-Z][A-Z0-9]{2,40}(?:_[A-Z0-9]{1,40}){1,8}(?=[ \t\r]{0,4}(?:$|:))"
    r"|(?!RFC|HTTP|SHA|UTF|ISO)[A-Z]{2,6}-?\d{3,6}(?=: ))",
    re.MULTILINE,
)
_CAUSED_BY = "Caused by: "
_QUALIFIED = re.compile(r"(?:[a-z_]\w{0,40}\.){1,10}[\w$]{3,100}")
_UPPER = re.compile(r"(?<![\w.])(?!CAN_|IS_|USE_)([A-Z][A-Z0-9]{2,40}(?:_[A-Z0-9]{2,40}){1,8})(?=[: \"(),.]|$)")
_FAMILY = re.compile(r"\d{2,5}")


def error_type(causes: Sequence[Cause], error_code: str | None, source: str, text: str) -> str | None:
    """The most specific code the message or the alert carries, or None.

    Data Factory's activity families (2200, 3204 …) name no cause, so they count as no code.
    """
    given = (error_code or "").strip()
    if _FAMILY.fullmatch(given):
        given = ""
    spark = source == "databricks"
    if spark and given and _is_told(given, causes, text):
        return given
    weight, code = max(_weighed(causes, source, text), key=lambda one: one[0], default=(0.0, ""))
    if spark and code and "." not in code:
        code = _qualified(code, causes)
    beside = 20.5 if given.casefold() in _EMPTY else 60.0 if spark else 86.0
    if given and beside > weight:
        weight, code = beside, given
    if weight < _A_GUESS:
        code = _bare(text, spark=spark) or code
    return code or None


def _bare(text: str, *, spark: bool) -> str | None:
    """A code that nothing introduces: Spark's anywhere near the beginning, else a result's number or one by itself."""
    if spark and (word := _UPPER.search(text[:2000])):
        return word.group()
    results = [] if spark else _HRESULT.findall(text)
    if results:
        return next((one for one in reversed(results) if one[2] in "Cc"), results[0])
    alone = _LONE.search(text[:2000])
    return alone["code"] if alone else None


def _is_told(given: str, causes: Sequence[Cause], text: str) -> bool:
    """Whether the code beside a Databricks message is the message's own: it stands there, or names a cluster's end."""
    return given.casefold() not in _EMPTY and (given in text or any(cause.kind == "cluster" for cause in causes))


def _qualified(code: str, causes: Sequence[Cause]) -> str:
    """The same class with its package, where it stands so too."""
    return next((cause.code for cause in causes if cause.code and cause.code.endswith("." + code)), code)


def _weighed(causes: Sequence[Cause], source: str, text: str) -> Iterator[tuple[float, str]]:
    """Each code with how much it says.

    In one text the outermost class of Spark and of .NET is the one it is known by, another's the innermost; what stands
    behind the last `Caused by:` says more than both, even a class that says little if it brings a sentence with it.
    """
    number = 0
    last = _last_cause(causes, text) if source == "databricks" else -1
    while number < len(causes):
        cause = causes[number]
        if cause.kind == "exception":
            number = _inline_end(causes, number)
            cause = causes[number]
        code = _shown(cause, source)
        if code is not None:
            depth = min(number, 40) * (0.1 if _known_by_innermost(cause, source) else -0.1)
            weight = _WEIGHT.get(cause.kind, 0.0) + depth + _INNERMOST * (number == last)
            if says_little(code) and not (number == last and code not in _BRIDGES and len(cause.text) >= _A_SENTENCE):
                wrapper = code.rsplit(".", 1)[-1].casefold() in _WRAPPERS
                weight = 20 + weight * 0.1 - 5 * (code in _LAST) - (code in _BRIDGES) - 6 * wrapper
            yield weight, code
        number += 1


def _last_cause(causes: Sequence[Cause], text: str) -> int:
    """Where the class with a package behind the last `Caused by:` stands, or the one in one breath with it; else -1."""
    place = text.rfind(_CAUSED_BY)
    name = _QUALIFIED.match(text, place + len(_CAUSED_BY)) if place >= 0 else None
    if name is None:
        return -1
    for number in range(len(causes) - 1, -1, -1):
        if causes[number].kind == "exception" and causes[number].code == name.group():
            return _inline_end(causes, number)
    return -1


def _known_by_innermost(cause: Cause, source: str) -> bool:
    if cause.kind == "exception":
        return source == "data_factory" and not (cause.code or "").startswith("System.")
    return cause.kind != "frame"


def says_little(code: str) -> bool:
    """Whether a code says only that something failed."""
    word = code.casefold()
    if word.startswith(_CLIENTS):
        return True
    return word in _EMPTY or word.rsplit(".", 1)[-1].rsplit("$", 1)[-1] in _WRAPPERS


def _inline_end(causes: Sequence[Cause], number: int) -> int:
    """The last class of a chain written in one breath (`A: B: text`), wrappers of Spark left out."""
    end = number
    while end + 1 < len(causes) and causes[end + 1].kind == "exception" and _in_one_breath(causes[end].text):
        step = causes[end + 1].code or ""
        if step.casefold() in _NO_STEP or (causes[end].text and says_little(step)):
            break
        end += 1
    return end


def _in_one_breath(between: str) -> bool:
    return between in {"", "(", "('", '("', "Error in SQL statement"}


def _shown(cause: Cause, source: str) -> str | None:
    """A cause's code as it is told: a frame's class without its namespace, a cluster's reason as its code."""
    if cause.kind == "cluster" and cause.entity:
        return cause.entity.strip().upper().replace(" ", "_").replace("INSTANCES_", "INSTANCE_")
    if cause.kind == "frame" and cause.code:
        return cause.code.rsplit(".", 1)[-1].rsplit(">", 1)[-1]
    if cause.kind == "exception" and source == "data_factory" and cause.code and cause.code.count(".") >= 4:
        return cause.code.rsplit(".", 1)[-1]
    return cause.code or None
