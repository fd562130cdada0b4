"""Which thing a message is about: the column, path, host, table, package … it names."""

from __future__ import annotations

import re
from functools import cache

from pipesleuth.model import Category
from pipesleuth.triage.knowledge.literals import clauses, rarity
from pipesleuth.triage.naming import KINDS

_FOCUS = 3000
_MAX = 300
_MAX_BLANKS = 5
_ANY_QUOTED = re.compile(r"(?:(?<=[\s(:=,\[])|^)(?P<e>['`][^'\"`\n{}=]{2,160}['`])(?=[\s.,;:)\]?!]|$)")
_SECRET = re.compile(r"secretName: ?([\w\-]{2,127})")
_ANYWHERE = (
    "path", "table", "column", "package", "host",
    "resource", "principal", "function", "container", "identifier", "cluster",
)  # fmt: skip
_PACKAGES = (
    "org.apache.", "java.", "javax.", "com.databricks.",
    "scala.", "py4j.", "sun.", "com.microsoft.sqlserver.", "pyspark.",
)  # fmt: skip
_CLASS_AHEAD = re.compile(r"(?:\.[\w$]{1,60}){1,3}(?<=Error|ption)(?=[:\s]|$)")
_READ_MORE = re.compile(r"(?:page url|[Ss]ee|[Vv]isit|[Rr]efer to|for help)[:\s]{1,3}(?:https?://)?\Z")
_HELP = ("docs.", "learn.microsoft", "aka.ms", "go.microsoft", "kb.databricks", "spark.apache.org", "github.com/")
_STOP_WORDS = (
    "source sink usererror systemerror null none true false forbidden notfound badrequest message error "
    "errorcode code details string int integer failed type value name internalservererror unauthorized "
    "installation resolution version status failure exception cluster server the a an of in on to for is "
    "not was task_key run_id run keys request provided length width size delimiter mapping count index "
    "assignment path invalid or and be by that this it none.get filesystem life_cycle_state result_state "
    "state_message runid javapackage requirements.txt "
)
_STOP = frozenset(_STOP_WORDS.split())
# Words that our own search in a sentence may hit; where an entry captures such a word, it means it.
_PLAIN_WORDS = (
    "due or and be has have had with from at by as that this it attempted reading writing when while which could "
    "sqlstate during parts cannot will would should must may can does did do are were been caused located given found "
    "missing using into gateway if but please see class data object "
    "definition definitions file table column columns spark python java unknown schema catalog view "
    "database function parameter field fields only all any no some more one two its your our their mapreduce "
)
_PLAIN = _STOP | frozenset(_PLAIN_WORDS.split())

_PREFER: dict[Category, tuple[str, ...]] = {
    Category.AUTHENTICATION: ("principal", "linked_service", "secret", "host", "path", "resource", "container"),
    Category.AUTHORIZATION: ("path", "table", "container", "secret", "resource", "function", "principal", "host"),
    Category.NETWORK_CONNECTIVITY: ("host", "account", "path", "linked_service", "container", "resource"),
    Category.FIREWALL: ("host", "account", "container", "path", "principal", "resource"),
    Category.DNS: ("host", "path"),
    Category.THROTTLING_CAPACITY: ("size", "path", "host", "resource", "table", "container"),
    Category.TIMEOUT: ("package", "host", "path", "dataset", "function", "table", "resource"),
    Category.RESOURCE_NOT_FOUND: (
        "path",
        "table",
        "linked_service",
        "dataset",
        "secret",
        "container",
        "function",
        "resource",
        "host",
        "column",
    ),
    Category.SCHEMA_MISMATCH: ("column", "table", "path"),
    Category.DATA_TYPE_CONVERSION: ("column", "size", "table", "path"),
    Category.DATA_QUALITY: ("column", "constraint", "path", "table"),
    Category.CONFIGURATION: (
        "parameter",
        "linked_service",
        "dataset",
        "column",
        "path",
        "host",
        "table",
        "size",
        "resource",
    ),
    Category.EXPRESSION_PARAMETER: ("parameter", "column", "function", "activity"),
    Category.CODE_ERROR: ("function", "column", "parameter", "table", "path"),
    Category.DEPENDENCY_FAILURE: ("package", "function", "resource", "path", "host"),
    Category.OUT_OF_MEMORY: ("size", "path", "resource", "executor"),
    Category.STORAGE_DISK: ("integration_runtime", "path", "container", "size"),
    Category.QUOTA_LIMIT: ("resource", "size", "host", "table", "column", "container"),
    Category.CONCURRENCY_CONFLICT: ("path", "table", "container", "resource"),
    Category.INTEGRATION_RUNTIME: ("integration_runtime", "linked_service", "host", "package"),
    Category.CLUSTER_PROVISIONING: ("size", "cluster", "resource", "path", "host"),
    Category.CERTIFICATE_TLS: ("host", "account", "path", "container"),
    Category.ENCRYPTION_KEY: ("secret", "resource", "path", "column", "container"),
    Category.UNSUPPORTED_FEATURE: ("feature", "table", "path", "column", "function", "size", "parameter"),
    Category.INTERNAL_SERVICE_ERROR: ("path", "host", "resource", "function", "table"),
    Category.CANCELLED: ("principal", "resource"),
    Category.UNKNOWN: ("path", "table", "secret", "host", "resource", "function"),
}


def entity_of(text: str, category: Category, kind: str | None, focus: int, *, loosely: bool = True) -> str | None:
    """The most specific thing a text names, looked for around the place `focus` first and in the whole text then.

    `kind` is what an entry says to look for first; `none` that only plain names of the category's kinds count.
    `loosely`: where nothing has a name of these kinds, anything in quotes will do.
    """
    secret = _SECRET.search(text) if "secretName" in text else None
    if secret:  # a vault's secret is what has to be looked at, whatever was wrong on the way to it
        return secret.group(1)
    order = ("role", *_PREFER[category])
    if kind in KINDS:
        order = ("role", kind, *_PREFER[category])
    begin = max(0, focus - _FOCUS // 3)
    near = text[begin : begin + _FOCUS]
    for part in (near, text[: 2 * _FOCUS]) if len(text) > _FOCUS else (near,):
        small = part.lower()
        for one in order:
            found = _first(one, part, small)
            if found:
                return found
    if kind == "none":
        return _first("cluster", near, near.lower())
    for match in _ANY_QUOTED.finditer(near) if loosely else ():
        name = match.group("e").strip("'\"` ")
        if any(map(str.isalpha, name)) and name.casefold() not in _PLAIN and not _is_beside_the_point(name):
            return name
    return None


def anything_named(text: str, focus: int) -> str | None:
    """Whatever a text names near the place `focus`, of any kind; the last resort where nothing better is known."""
    near = text[max(0, focus - _FOCUS // 3) :][:_FOCUS]
    small = near.lower()
    return next((found for one in _ANYWHERE if (found := _first(one, near, small))), None)


@cache
def _ways(kind: str) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """The patterns of a kind, each with words of which it needs one; without words where it needs none."""
    found: list[tuple[re.Pattern[str], tuple[str, ...]]] = []
    for pattern in KINDS.get(kind, ()):
        words = max(clauses(pattern), key=rarity, default=())
        found.append((re.compile(pattern), tuple(words)))
    return tuple(found)


def _first(kind: str, text: str, small: str) -> str | None:
    """What the first way of naming this kind finds in a text; `small` is the text in small letters."""
    for pattern, words in _ways(kind):
        for word in words:
            if word in small:
                break
        else:
            if words:
                continue
        for number, match in enumerate(pattern.finditer(text)):
            if number >= 4:
                break
            found = _name_in(text, match, kind)
            if found:
                return found
    return None


def _name_in(text: str, match: re.Match[str], kind: str) -> str | None:
    """What a pattern of this kind took for a name, if it can be one."""
    raw = match.group("e")
    if raw[0] in " .,;:)]}" and raw[:2] != "./":  # between a closing quote and the next opening one
        return None
    if kind == "role":
        return tidy(raw)
    if _leads_astray(text, match) and kind != "executor":
        return None
    found = tidy(raw)
    return found if found and found.casefold() not in _PLAIN and not _is_beside_the_point(found) else None


def _leads_astray(text: str, match: re.Match[str]) -> bool:
    """Whether a name is an address to read more at, the package of an exception's class, or any executor's address."""
    start, end = match.span("e")
    if text.startswith(" executor", end) or _CLASS_AHEAD.match(text, end):
        return True
    return "://" in text[max(0, start - 3) : end] and _READ_MORE.search(text, max(0, start - 40), start) is not None


def _is_beside_the_point(name: str) -> bool:
    """Whether it is a page to read or the package of a class, not a thing the failure is about."""
    torn = name.count("(") != name.count(")")
    return torn or name.startswith(_PACKAGES) or not sensible(name) or any(mark in name for mark in _HELP)


def _is_a_sentence(name: str) -> bool:
    return name.count(" ") > _MAX_BLANKS or ". " in name


def sensible(name: str) -> bool:
    """Whether a word can be the name of a thing at all."""
    return name.casefold() not in _STOP and not _is_a_sentence(name) and any(map(str.isalnum, name))


def tidy(name: str) -> str:
    """A name without what surrounds it in a sentence, at most 300 characters."""
    name = name.strip(" \t\r\n,;:'\"")[:_MAX].strip()
    if name.startswith(("http", "abfs", "wasb")) and "?" in name:
        name = name.split("?", 1)[0]
    if name.count("`") % 2:
        name = name.strip("`")
    if "\\\\" in name[2:]:
        name = name[:2] + name[2:].replace("\\\\", "\\")
    return name.rstrip(".") if name.count(".") != 2 or len(name) > 4 else name
