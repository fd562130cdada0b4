"""Where one layer of a failure message ends and the next begins, and what each layer calls itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_MARKERS = 400


@dataclass(frozen=True, slots=True)
class Marker:
    """The beginning of a layer: what stands before `end` introduces what follows it."""

    start: int
    end: int
    kind: str
    code: str | None = None
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which platforms introduce a layer; `sign` must be in the text before the pattern is tried."""

    kind: str
    sign: str
    pattern: re.Pattern[str]


# Every pattern starts with plain characters and has bounded repeats: linear on any text.
_RULES = (
    Rule("activity", "peration on target ", re.compile(r"Operation on target (?P<entity>.{1,260}?) failed: ?")),
    Rule(
        "activity", "Activity ", re.compile(r"Activity (?P<entity>(?:[\w\-]|\.(?! )| (?!Activity )){1,140}) failed: ")
    ),
    Rule(
        "inner_activity", "Inner activity name: ", re.compile(r"Inner activity name: (?P<entity>.{1,260}?), ?Error: ?")
    ),
    Rule("activity", "\n", re.compile(r"\A(?P<entity>(?:[A-Z][\w\-]{1,40} ){0,3}[A-Za-z][\w\-]{1,60}\d)\s{0,3}\n")),
    Rule("target", "target", re.compile(r"\btarget\"\s{0,3}:\s{0,3}\"(?P<entity>[^\"\n]{1,200})\"")),
    Rule("target", "Target: ", re.compile(r"(?:\. |^)Target: (?P<entity>[A-Za-z][\w\-]{1,120})", re.MULTILINE)),
    Rule("side", "Failure happened on ", re.compile(r"Failure happened on '(?P<entity>Source|Sink)' side\.?,? ?")),
    Rule(
        "blob",
        "ErrorCode",
        re.compile(
            r"ErrorCode ?= ?(?P<code>[A-Za-z][\w.\-]{1,120}),\s{0,3}(?:' ?)?"
            r"(?:Type=[\w.>`+\[\],]{0,200}?,\s?)?(?:Error)? ?Message ?="
        ),
    ),
    Rule("blob", "ErrorCode=", re.compile(r"ErrorCode=(?P<code>[A-Za-z][\w.\-]{1,120})(?=,'?Type|[,;\s'\"])")),
    Rule("frame", "'Type=", re.compile(r"'Type=(?P<code>[\w.>`+]{0,200}), ?\s?Message=")),
    Rule("frame", "Type=", re.compile(r"Type=(?<![\w']Type=)(?P<code>[\w.>`+]{0,200}), ?\s?Message=")),
    Rule("sql", "umber", re.compile(r"(?:S[Qq][Ll] ?[Ee]rror ?[Nn]umber|SqlErrorNumber)\s?[=:]\s?(?P<code>\d{1,6})")),
    Rule("storage", "ErrorCode: ", re.compile(r"\bErrorCode: ?'?(?P<code>[A-Za-z]\w{2,80})'?[.,]?\s?(?:Message: ?)?")),
    Rule("dataflow", "DF-", re.compile(r"DF-[A-Za-z0-9]{2,20}-[A-Za-z0-9]{1,60}")),
    Rule(
        "stream",
        "at S",
        re.compile(r"at (?:Source|Sink) '(?P<entity>[^'\n]{1,120})'\s?(?:\(Line \d{1,6}/Col \d{1,6}\))?:? ?"),
    ),
    Rule(
        "databricks_run",
        "error state",
        re.compile(r"execution failed with error state:? (?P<code>\w{1,60})(?:, error message:? ?)?"),
    ),
    Rule(
        "envelope",
        "ode",
        re.compile(
            r"\b(?:errorCode|error_code|ErrorCode|StatusCode|[Cc]ode|termination_code|azure_error_code|aws_api_error_code)"
            r"\s{0,3}[\"']?\s{0,3}:\s{0,3}[\"']?\s{0,2}(?P<code>[A-Za-z][\w.\-]{2,120})"
        ),
    ),
    Rule("condition", "[", re.compile(r"\[(?P<code>[A-Z][A-Z0-9]{1,60}(?:[_.][A-Z0-9]{1,60}){1,14})\]\s?")),
    Rule("condition", "ErrorClass=", re.compile(r"\bErrorClass=(?P<code>[A-Z][A-Z0-9_.]{3,120})")),
    Rule("odbc", "[", re.compile(r"\[(?P<code>[0-9A-Z]{5})\](?:(?= ?\[)|(?<=ERROR \[.{5}\])) ?")),
    Rule(
        "given",
        "rror",
        re.compile(r"(?:ADAL Error|[Ee]rror [Cc]ode(?: is)?):? ?(?P<code>[A-Za-z]+(?:_[a-z]+|[A-Z][a-z]+){1,8})\b"),
    ),
    Rule("given", " error message", re.compile(r"\b(?P<code>[A-Z][A-Za-z]{4,60}) (?:Azure|AWS|GCP) error message")),
    Rule(
        "termination",
        "(",
        re.compile(r"\b(?P<code>[A-Z][A-Z0-9_]{5,80}) ?\((?:CLIENT_ERROR|SERVICE_FAULT|CLOUD_FAILURE|SUCCESS)\)"),
    ),
    Rule(
        "storage",
        ", https://",
        re.compile(r"\b[45]\d\d, (?:PUT|GET|HEAD|POST|DELETE|PATCH), \S{5,400}?, (?P<code>[A-Z]\w{4,60})"),
    ),
    Rule(
        "exception",
        ": ",
        re.compile(
            r"\b(?P<code>(?:com|org|io|google|azure|mlflow|botocore|sqlalchemy|airflow|openai|grpc|kafka|snowflake)"
            r"(?:\.[a-z_]\w{0,40}){1,8}\.[A-Z]\w{3,80})(?=: )"
        ),
    ),
    Rule(
        "exception",
        ".",
        re.compile(r"^(?P<code>[a-z]\w{1,30}(?:\.[a-z_]\w{0,40}){0,6}\.[A-Z]\w{3,80})(?=: )", re.MULTILINE),
    ),
    Rule("socket", "SocketErrorCode", re.compile(r"SocketErrorCode: ?'?(?P<code>[A-Z]\w{3,40})")),
    Rule("termination", "termination code", re.compile(r"termination code:? (?P<code>[A-Z][A-Z_]{4,80})")),
    Rule(
        "word",
        ": ",
        re.compile(r"(?P<code>[A-Z](?<![^\s:(][A-Z])[A-Z0-9]{2,30}(?:_[A-Z0-9]{1,30}){1,8}): (?=[A-Z\"'`\[{a-z(])"),
    ),
    # behind the name of an exception or a sentence's colon, whatever follows
    Rule("word", "_", re.compile(r"(?<=[a-z]: )(?P<code>[A-Z][A-Z0-9]{2,30}(?:_[A-Z0-9]{1,30}){1,8}): (?=\d)")),
    Rule("word", "SIG", re.compile(r"\b(?P<code>SIG(?:SEGV|BUS|ABRT|ILL|FPE|KILL)) \(0x")),
    Rule("exception", "ERROR: ", re.compile(r"^ERROR: (?P<code>(?:[A-Z][a-z]{2,20}){2,6})(?=: )", re.MULTILINE)),
    Rule("http", "HTTP Error ", re.compile(r"(?P<code>HTTP Error \d{3})\b")),
    Rule("identity", "AADSTS", re.compile(r"(?P<code>AADSTS\d{4,8})")),
    Rule("oracle", "ORA-", re.compile(r"(?P<code>ORA-\d{4,5})")),
    Rule("cause", "aused by: ", re.compile(r"Caused by: ")),
    Rule("cause", "---> ", re.compile(r"---> ")),
    Rule(
        "cluster",
        "eason: ",
        re.compile(r"(?:[Tt]erminat\w{1,6}\.?|\()\s?Reason: (?P<entity>[A-Za-z][\w ]{2,60}?)(?=[\n.(:]|$)"),
    ),
    Rule("run", "with error message", re.compile(r"(?:failed|unavailable)[\w: ,]{0,40} with error message:?\s?")),
    Rule(
        "stage",
        "most recent failure: ",
        re.compile(r"most recent failure: (?:Lost task [\d.]{1,12} in stage [\d.]{1,12} )?"),
    ),
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
    for rule in _RULES:
        if rule.sign in text:
            named = rule.pattern.groupindex
            for number, match in enumerate(rule.pattern.finditer(text)):
                if number >= MAX_MARKERS // 4:
                    break
                told = match[named["code"]] if "code" in named else match[0] if rule.kind == "dataflow" else None
                entity = match[named["entity"]] if "entity" in named else None
                code = told.rstrip(".-") if told else None
                found.append(Marker(match.start(), match.end(), rule.kind, code or None, entity))
    found.extend(_exceptions(text))
    found.sort(key=lambda marker: (marker.start, -marker.end))
    apart: list[Marker] = []
    for marker in found:
        if not apart or marker.start >= apart[-1].end:
            apart.append(marker)
    return apart[:MAX_MARKERS]


def _exceptions(text: str) -> Iterator[Marker]:
    """Names of exception classes as they introduce a message, such as `java.io.IOException: …`."""
    last_end = -1
    for number, match in enumerate(_EXCEPTION_END.finditer(text)):
        if number >= MAX_MARKERS // 4:
            return
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
