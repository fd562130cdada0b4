"""The part of Jira's query language that clients use: clauses, AND, OR, NOT, ORDER BY.

Source: https://support.atlassian.com/jira-software-cloud/docs/use-advanced-search-with-jira-query-language-jql/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipesleuth.sandbox.documents import plain_text
from pipesleuth.sandbox.wire import Json, list_of, object_of, text_of

Condition = Callable[[str, str, Json], bool]
"""Told an issue's id, key and fields, whether it is meant."""

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign>!=|>=|<=|!~|[=<>~(),])|(?P<word>[^\s"'=<>!~(),]+))"""
)
FIELDS = {
    "project", "labels", "status", "statuscategory", "key", "issuekey", "issue", "id", "summary", "text",
    "description", "created", "updated", "issuetype", "type", "priority", "assignee", "reporter", "resolution",
}  # fmt: skip
WORD = re.compile(r"\w+")
UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class BadQuery(Exception):
    """Jira does not understand the query; the message says why."""


class Query:
    """A parsed query; raises BadQuery for what Jira would refuse, also for one without any clause."""

    def __init__(self, jql: str, now: float) -> None:
        self.now = now
        self.tokens = tokens_of(jql)
        self.place = 0
        self.newest_first = True
        self.labels: set[str] | None = None  # one of these an issue must bear, where the query says so
        self.words: set[str] = set()  # and all of these its text must have
        if not self.tokens or self.word() == "order":
            raise BadQuery("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
        self.meets = self.either()
        if self.word() == "order":
            self.order()
        if {"or", "||", "not", "!"} & {token.lower() for kind, token in self.tokens if kind == "word"}:
            self.labels, self.words = None, set()
        if self.place < len(self.tokens):
            raise BadQuery(f"Error in the JQL Query: Expecting operator or end of query but got '{self.peek()}'.")

    def peek(self) -> str:
        """The token to be read next, or nothing."""
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def word(self) -> str:
        """The next token as a key word; quoted text is none."""
        if self.place >= len(self.tokens) or self.tokens[self.place][0] == "text":
            return ""
        return self.peek().lower()

    def take(self) -> str:
        """Read one token."""
        if self.place >= len(self.tokens):
            raise BadQuery("Error in the JQL Query: the query ends too early.")
        self.place += 1
        return self.tokens[self.place - 1][1]

    def either(self) -> Condition:
        """Clauses joined by OR."""
        parts = [self.all_of()]
        while self.word() in {"or", "||"}:
            self.take()
            parts.append(self.all_of())
        return lambda i, k, f: any(part(i, k, f) for part in parts)

    def all_of(self) -> Condition:
        """Clauses joined by AND."""
        parts = [self.clause()]
        while self.word() in {"and", "&&"}:
            self.take()
            parts.append(self.clause())
        return lambda i, k, f: all(part(i, k, f) for part in parts)

    def clause(self) -> Condition:
        """One clause, a negated one, or a group in brackets."""
        if self.place > 500:
            raise BadQuery("Error in the JQL Query: the query is too long.")
        if self.word() in {"not", "!"}:
            self.take()
            inner = self.clause()
            return lambda i, k, f: not inner(i, k, f)
        if self.word() == "(":
            self.take()
            inner = self.either()
            self.close()
            return inner
        name = self.take().lower()
        if name.startswith("issue.property"):
            raise BadQuery(f"Field '{name}' does not exist or you do not have permission to view it.")
        if name not in FIELDS:
            raise BadQuery(f"Field '{name}' does not exist or you do not have permission to view it.")
        operator = self.take().lower()
        if operator in {"not", "is"} and self.word() in {"in", "not"}:
            operator = f"{operator} {self.take().lower()}"
        values = self.values() if operator in {"in", "not in"} else [self.take()]
        return self.comparison(name, operator, values)

    def values(self) -> list[str]:
        """A list in brackets."""
        if self.take() != "(":
            raise BadQuery("Error in the JQL Query: Expecting '(' after IN.")
        values = [self.take()]
        while self.word() == ",":
            self.take()
            values.append(self.take())
        self.close()
        return values

    def close(self) -> None:
        """A closing bracket."""
        if self.take() != ")":
            raise BadQuery("Error in the JQL Query: Expecting ')'.")

    def order(self) -> None:
        """ORDER BY; only the direction of the first field counts here."""
        self.take()
        if self.take().lower() != "by":
            raise BadQuery("Error in the JQL Query: Expecting 'BY' after ORDER.")
        self.newest_first = False
        self.take()
        if self.word() in {"asc", "desc"}:
            self.newest_first = self.take().lower() == "desc"
        while self.word() == ",":
            self.take()
            self.take()
            if self.word() in {"asc", "desc"}:
                self.take()

    def comparison(self, name: str, operator: str, values: list[str]) -> Condition:
        """What one clause says about an issue."""
        if name in {"created", "updated"}:
            moment = self.moment(values[0])
            checks: dict[str, Callable[[float], bool]] = {
                ">": lambda t: t > moment, ">=": lambda t: t >= moment,
                "<": lambda t: t < moment, "<=": lambda t: t <= moment, "=": lambda t: t == moment,
            }  # fmt: skip
            if operator not in checks:
                raise BadQuery(f"The operator '{operator}' is not supported by the '{name}' field.")
            check = checks[operator]
            return lambda _i, _k, f: check(datetime.fromisoformat(str(f[name])).timestamp())
        wanted = {value.lower() for value in values}
        if operator in {"is", "is not"}:
            return lambda i, k, f: (not words_of(name, i, k, f)) is (operator == "is")
        if operator in {"=", "in"}:
            self.labels = wanted if name == "labels" else self.labels
            return lambda i, k, f: bool(words_of(name, i, k, f) & wanted)
        if operator in {"!=", "not in"}:
            # Like Jira: an issue whose field is empty is not found by a negation.
            return lambda i, k, f: bool(words_of(name, i, k, f)) and not words_of(name, i, k, f) & wanted
        if operator in {"~", "!~"} and name in {"summary", "text", "description"}:
            needles = {word for value in wanted for word in WORD.findall(value)}
            self.words |= needles if operator == "~" else set()
            return lambda _i, _k, f: (needles <= words_in(name, f)) is (operator == "~")
        raise BadQuery(f"The operator '{operator}' is not supported by the '{name}' field.")

    def moment(self, value: str) -> float:
        """A point in time: `-15m`, a date, or a date with hours and minutes (UTC)."""
        if relative := re.fullmatch(r"([+-]?\d{1,9})([mhdw])", value):
            return self.now + int(relative[1]) * UNITS[relative[2]]
        try:
            return datetime.fromisoformat(value.replace("/", "-")).replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise BadQuery(f"Date value '{value}' is invalid.") from None


def tokens_of(jql: str) -> list[tuple[str, str]]:
    """The query's tokens with their kinds."""
    tokens: list[tuple[str, str]] = []
    place = 0
    text = jql[:10_000].rstrip()
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            raise BadQuery(f"Error in the JQL Query: The character '{text[place]}' is a reserved JQL character.")
        kind = str(found.lastgroup)
        value = found[kind]
        tokens.append((kind, re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "text" else value))
        place = found.end()
    return tokens


def words_of(name: str, issue_id: str, key: str, fields: Json) -> set[str]:
    """The values of a field by which an issue can be found, in lower case."""
    found: list[Any]
    match name:
        case "labels":
            found = list_of(fields.get("labels"))
        case "key" | "issuekey" | "issue" | "id":
            found = [issue_id, key]
        case "statuscategory":
            category = object_of(object_of(fields.get("status")).get("statusCategory"))
            found = [category.get("key"), category.get("name"), category.get("id")]
        case "type" | "issuetype":
            kind = object_of(fields.get("issuetype"))
            found = [kind.get("name"), kind.get("id")]
        case "summary" | "text" | "description":
            found = [prose(name, fields)]
        case _:
            entry = object_of(fields.get(name))
            found = [entry.get(part) for part in ("id", "key", "name", "accountId", "displayName")]
    return {str(value).lower() for value in found if value not in (None, "")}


def prose(name: str, fields: Json) -> str:
    """The text of an issue, in lower case."""
    summary = text_of(fields.get("summary")).lower()
    if name == "summary":
        return summary
    description = plain_text(fields.get("description")).lower()
    return description if name == "description" else f"{summary}\n{description}"


def words_in(name: str, fields: Json) -> set[str]:
    """The words by which `~` finds a text: whole ones, in lower case."""
    return set(WORD.findall(prose(name, fields)))
