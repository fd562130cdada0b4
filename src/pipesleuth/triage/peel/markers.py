"""Where one layer of a failure message ends and the next begins, and what each layer calls itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

MAX_MARKERS = 400


@dataclass(frozen=True, slots=True)
class Marker:
    """The beginning of a layer: what stands before `end` introduces what follows it."""

    start: int
    end: int
    kind: str
    code: str | None = None
    entity: str | None = None


# The kind of layer, a sign without which its pattern is not tried, and the pattern. Each begins with plain characters
# or a bounded look behind, and has bounded repeats: linear on any text. `^` and `$` are a line's.
_LAYERS: tuple[tuple[str, str, str], ...] = (
    ("activity", "peration on target ", r"Operation on target (?P<entity>.{1,260}?) failed: ?"),
    ("activity", "Activity ", r"Activity (?P<entity>(?:[\w\-]|\.(?! )| (?!Activity )){1,140}) failed: "),
    ("inner_activity", "Inner activity name: ", r"Inner activity name: (?P<entity>.{1,260}?), ?Error: ?"),
    # the name of an activity alone on the first line, as people paste it from the monitor
    ("activity", "\n", r"\A(?P<entity>(?:[A-Z][\w\-]{1,40} ){0,3}[A-Za-z][\w\-]{1,60}\d)\s{0,3}\n"),
    ("target", "target", r"\btarget\"\s{0,3}:\s{0,3}\"(?P<entity>[^\"\n]{1,200})\""),
    ("target", "Target: ", r"(?:\. |^)Target: (?P<entity>[A-Za-z][\w\-]{1,120})"),
    # dbt's model, as it introduces what the database said
    (
        "target",
        "rror in ",
        r"(?:Database|Runtime|Compilation) Error in (?:model|seed|snapshot|test) (?P<entity>\w{1,120})",
    ),
    ("side", "Failure happened on ", r"Failure happened on '(?P<entity>Source|Sink)' side\.?,? ?"),
    # ErrorCode=…,'Type=…,Message=…', its text inside
    (
        "blob",
        "ErrorCode",
        (
            r"ErrorCode ?= ?(?P<code>[A-Za-z][\w.\-]{1,120}),\s{0,3}(?:' ?)?"
            r"(?:Type=[\w.>`+\[\],]{0,200}?,\s?)?(?:Error)? ?Message ?="
        ),
    ),
    ("blob", "ErrorCode=", r"ErrorCode=(?P<code>[A-Za-z][\w.\-]{1,120})(?=,'?Type|[,;\s'\"])"),
    ("frame", "'Type=", r"'Type=(?P<code>[\w.>`+]{0,200}), ?\s?Message="),
    ("frame", "Type=", r"Type=(?<![\w']Type=)(?P<code>[\w.>`+]{0,200}), ?\s?Message="),
    ("sql", "umber", r"(?:S[Qq][Ll] ?[Ee]rror ?[Nn]umber|SqlErrorNumber)\s?[=:]\s?(?P<code>\d{1,6})"),
    ("storage", "ErrorCode: ", r"\bErrorCode: ?'?(?P<code>[A-Za-z]\w{2,80})'?[.,]?\s?(?:Message: ?)?"),
    ("dataflow", "DF-", r"(?P<code>DF-[A-Za-z0-9]{2,20}-[A-Za-z0-9]{1,60})"),
    # a transformation of a mapping data flow
    (
        "stream",
        "at ",
        (
            r"at (?:Source|Sink|[A-Z][A-Za-z]{2,20}(?= '[^'\n]{1,120}'\(Line)) '(?P<entity>[^'\n]{1,120})'\s?"
            r"(?:\(Line \d{1,6}/Col \d{1,6}\))?:? ?"
        ),
    ),
    (
        "databricks_run",
        "error state",
        r"execution failed with error state:? (?P<code>\w{1,60})(?:, error message:? ?)?",
    ),
    # a code in JSON
    (
        "envelope",
        "ode",
        (
            r"\b(?:errorCode|error_code|ErrorCode|StatusCode|[Cc]ode|termination_code|azure_error_code|aws_api_error_code)"
            r"\s{0,3}[\"']?\s{0,3}:\s{0,3}[\"']?\s{0,2}(?P<code>[A-Za-z][\w.\-]{2,120})"
        ),
    ),
    # Spark's [ERROR_CONDITION.SUBCLASS]
    ("condition", "[", r"\[(?P<code>_?[A-Z][A-Z0-9]{1,60}(?:[_.][A-Z0-9]{1,60}){1,14})\]\s?"),
    ("condition", "ErrorClass=", r"\bErrorClass=(?P<code>[A-Z][A-Z0-9_.]{3,120})"),
    ("odbc", "[", r"\[(?P<code>[0-9A-Z]{5})\](?:(?= ?\[)|(?<=ERROR \[.{5}\])) ?"),
    (
        "given",
        "rror",
        r"(?:ADAL Error|[Ee]rror [Cc]ode(?: is)?):? ?(?P<code>[A-Za-z]+(?:_[a-z]+|[A-Z][a-z]+){1,8})\b",
    ),
    ("given", " error message", r"\b(?P<code>[A-Z][A-Za-z]{4,60}) (?:Azure|AWS|GCP) error message"),
    (
        "termination",
        "(",
        r"\b(?P<code>[A-Z][A-Z0-9_]{5,80}) ?\((?:CLIENT_ERROR|SERVICE_FAULT|CLOUD_FAILURE|SUCCESS)\)",
    ),
    # AWS's own code behind its client library's class
    ("storage", "(", r"An error occurred \((?P<code>[A-Z]\w{3,60})\) when calling the \w{2,60} operation"),
    # 403, PUT, https://…, AuthorizationFailure of the Hadoop driver for the lake
    (
        "storage",
        ", https://",
        r"\b[45]\d\d, (?:PUT|GET|HEAD|POST|DELETE|PATCH), \S{5,400}?, (?P<code>[A-Z]\w{4,60})",
    ),
    # classes whose names do not say that they are exceptions, by their package
    (
        "exception",
        ": ",
        (
            r"\b(?P<code>(?:com|org|io|google|azure|mlflow|botocore|sqlalchemy|airflow|openai|grpc|kafka|snowflake)"
            r"(?:\.[a-z_]\w{0,40}){1,8}\.[A-Z]\w{3,80})(?=: )"
        ),
    ),
    ("exception", ".", r"^(?P<code>[a-z]\w{1,30}(?:\.[a-z_]\w{0,40}){0,6}\.[A-Z]\w{3,80})(?=: )"),
    ("socket", "SocketErrorCode", r"SocketErrorCode: ?'?(?P<code>[A-Z]\w{3,40})"),
    ("termination", "termination code", r"termination code:? (?P<code>[A-Z][A-Z_]{4,80})"),
    (
        "word",
        ": ",
        r"(?P<code>[A-Z](?<![^\s:(][A-Z])[A-Z0-9]{2,30}(?:_[A-Z0-9]{1,30}){1,8}): (?=[A-Z\"'`\[{a-z(])",
    ),
    # behind the name of an exception or a sentence's colon, whatever follows
    ("word", "_", r"(?<=[a-z]: )(?P<code>[A-Z][A-Z0-9]{2,30}(?:_[A-Z0-9]{1,30}){1,8}): (?=\d)"),
    ("word", "SIG", r"\b(?P<code>SIG(?:SEGV|BUS|ABRT|ILL|FPE|KILL)) \(0x"),
    ("exception", "ERROR: ", r"^ERROR: (?P<code>(?:[A-Z][a-z]{2,20}){2,6})(?=: )"),
    ("http", "HTTP Error ", r"(?P<code>HTTP Error \d{3})\b"),
    ("identity", "AADSTS", r"(?P<code>AADSTS\d{4,8})"),
    # the numbers of Oracle, its network and Db2
    ("database", "ORA-", r"(?P<code>ORA-\d{4,5})"),
    ("database", "TNS-", r"(?P<code>TNS-\d{4,5})"),
    ("database", "SQL", r"\b(?P<code>SQL\d{4,5}[NCW])\b"),
    ("cause", "aused by: ", r"Caused by: "),
    ("cause", "---> ", r"---> "),
    (
        "cluster",
        "eason: ",
        r"(?:[Tt]erminat\w{1,6}\.?|\()\s?Reason: (?P<entity>[A-Za-z][\w ]{2,60}?)(?=[\n.(:]|$)",
    ),
    ("run", "with error message", r"(?:failed|unavailable)[\w: ,]{0,40} with error message:?\s?"),
    ("stage", "most recent failure: ", r"most recent failure: (?:Lost task [\d.]{1,12} in stage [\d.]{1,12} )?"),
)
_EXCEPTION_END = re.compile(
    r"(?:Exception|Error|Failure|Failed|Interrupt|NotFound|SystemExit)(?![A-Za-z0-9_.$])|Exception\b"
)
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.$]")
_NOT_CLASSES = frozenset({"Error", "Exception", "Failure", "Failed", "UserError", "SystemError", "Errors", "NotFound"})
_MAX_NAME = 200


def markers(text: str) -> list[Marker]:
    """All markers of a bounded text, in the order they stand; at most `MAX_MARKERS`."""
    found: list[Marker] = []
    for kind, sign, pattern in _layers():
        if sign in text:
            for match in islice(pattern.finditer(text), MAX_MARKERS // 4):
                named = match.groupdict()
                code = (named.get("code") or "").rstrip(".-") or None
                found.append(Marker(match.start(), match.end(), kind, code, named.get("entity")))
    found.extend(_exceptions(text))
    found.sort(key=lambda marker: (marker.start, -marker.end))
    apart: list[Marker] = []
    for marker in found:
        if not apart or marker.start >= apart[-1].end:
            apart.append(marker)
    return apart[:MAX_MARKERS]


@cache
def _layers() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    return tuple((kind, sign, re.compile(pattern, re.MULTILINE)) for kind, sign, pattern in _LAYERS)


def _exceptions(text: str) -> Iterator[Marker]:
    """Names of exception classes as they introduce a message, such as `java.io.IOException: …`."""
    last_end = -1
    for match in islice(_EXCEPTION_END.finditer(text), MAX_MARKERS // 4):
        start, end = match.start(), match.end()
        floor = max(last_end, start - _MAX_NAME, 0)
        before = _NOT_IN_NAME.search(text[floor:start][::-1])
        start = start - before.start() if before else floor
        name = text[start:end].strip(".$")
        last_end = end
        if name in _NOT_CLASSES or not (name[:1].isalpha() or name[:1] == "_") or not _is_class(name):
            continue
        yield Marker(start, end, "exception", name)


def _is_class(name: str) -> bool:
    """Whether a name is written like a class: its last part begins with a capital and has a small letter."""
    last = name.replace("$", ".").rsplit(".", 1)[-1]
    return last[:1].isupper() and any(char.islower() for char in last) and (len(last) > 5 or "." in name)
