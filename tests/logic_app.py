"""Runs a Logic App's workflow definition: the actions and the functions that ours uses, and nothing else.

Language: https://learn.microsoft.com/azure/logic-apps/logic-apps-workflow-definition-language
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

Json = Any
Call = Callable[[str, str, Mapping[str, str], Json], Awaitable[tuple[int, Json]]]

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(\?\[|[()\[\],.]))")
REPEATED = frozenset({408, 429})
WORDS = {"true": True, "false": False, "null": None}


class BadExpression(Exception):
    """The expression is none, or uses what this evaluator does not know."""


@dataclass(slots=True)
class Run:
    """One run of a workflow: what each action left behind, and how the run ended."""

    definition: Mapping[str, Json]
    parameters: Mapping[str, Json]
    trigger: Json
    call: Call
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    outputs: dict[str, Json] = field(default_factory=dict[str, Json])
    variables: dict[str, Json] = field(default_factory=dict[str, Json])
    turns: dict[str, Json] = field(default_factory=dict[str, Json])
    item: Json = None
    calls: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    ended: tuple[str, Json] | None = None

    async def go(self) -> Run:
        """Run it to its end."""
        status = await self._scope(self.definition["actions"])
        if self.ended is None:
            self.ended = (status, None)
        return self

    # --- actions ---

    async def _scope(self, actions: Mapping[str, Json]) -> str:
        """Run a group of actions in the order of `runAfter`; a group has failed when a leaf of it has."""
        waiting = dict(actions)
        for name in waiting:
            self.statuses.pop(name, None)
        while waiting and self.ended is None:
            ready = [n for n, a in waiting.items() if all(b in self.statuses for b in a.get("runAfter", {}))]
            assert ready, f"{list(waiting)} wait for each other"
            for name in ready:
                action = waiting.pop(name)
                wanted = action.get("runAfter", {})
                meets = all(self.statuses[before] in after for before, after in wanted.items())
                self.statuses[name] = await self._action(name, action) if meets else "Skipped"
        return "Failed" if any(self._leaf_failed(name, actions) for name in self._leaves(actions)) else "Succeeded"

    def _leaves(self, actions: Mapping[str, Json]) -> list[str]:
        followed = {before for action in actions.values() for before in action.get("runAfter", {})}
        return [name for name in actions if name not in followed]

    def _leaf_failed(self, name: str, actions: Mapping[str, Json]) -> bool:
        status = self.statuses.get(name, "Skipped")
        if status == "Skipped":
            return any(self._leaf_failed(before, actions) for before in actions[name].get("runAfter", {}))
        return status in {"Failed", "TimedOut"}

    async def _action(self, name: str, action: Mapping[str, Json]) -> str:
        inputs: Json = action.get("inputs", {})
        match action["type"]:
            case "InitializeVariable":
                for variable in inputs["variables"]:
                    self.variables[variable["name"]] = self.value(variable["value"])
            case "SetVariable":
                assert inputs["name"] in self.variables
                self.variables[inputs["name"]] = self.value(inputs["value"])
            case "Compose":
                self.outputs[name] = self.value(inputs)
            case "Query":
                self.outputs[name] = {"body": self._filtered(inputs)}
            case "If":
                branch = action["actions"] if self.condition(action["expression"]) else action["else"]["actions"]
                return await self._scope(branch)
            case "Foreach":
                return await self._each(name, action)
            case "Http":
                return await self._http(name, inputs)
            case "Terminate":
                self.ended = (inputs["runStatus"], self.value(inputs.get("runError")))
            case other:
                raise BadExpression(f"no action of the type {other}")
        return "Succeeded"

    async def _each(self, name: str, action: Mapping[str, Json]) -> str:
        found = []
        for turn in self.value(action["foreach"]):
            self.turns[name] = turn
            found.append(await self._scope(action["actions"]))
        return "Failed" if "Failed" in found else "Succeeded"

    def _filtered(self, inputs: Mapping[str, Json]) -> list[Json]:
        kept = []
        for item in self.value(inputs["from"]):
            self.item = item
            meets = self.value(inputs["where"])
            assert isinstance(meets, bool)
            if meets:
                kept.append(item)
        return kept

    async def _http(self, name: str, inputs: Mapping[str, Json]) -> str:
        given = self.value({part: inputs[part] for part in ("method", "uri", "headers", "body") if part in inputs})
        status, body = 0, None
        for _ in range(inputs["retryPolicy"]["count"] + 1):
            status, body = await self.call(given["method"], given["uri"], given["headers"], given.get("body"))
            self.calls.append((given["method"], given["uri"], status))
            if status < 500 and status not in REPEATED:
                break
        self.outputs[name] = {"statusCode": status, "body": body}
        return "Succeeded" if status < 300 else "Failed"

    # --- expressions ---

    def condition(self, rule: Json) -> bool:
        """Whether an If's expression holds."""
        ((name, given),) = rule.items()
        match name:
            case "and":
                return all(self.condition(each) for each in given)
            case "or":
                return any(self.condition(each) for each in given)
            case "not":
                return not self.condition(given)
            case "equals":
                left, right = self.value(given)
                return type(left) is type(right) and left == right
            case _:
                raise BadExpression(f"no condition {name}")

    def value(self, given: Json) -> Json:
        """`given` with every expression in it replaced by what it comes to."""
        if isinstance(given, dict):
            return {name: self.value(each) for name, each in given.items()}
        if isinstance(given, list):
            return [self.value(each) for each in given]
        if not isinstance(given, str) or "@" not in given:
            return given
        if given.startswith("@@"):
            return given[1:]
        if given.startswith("@") and not given.startswith("@{"):
            return self.expression(given[1:])
        return re.sub(r"@\{([^{}]*)\}", lambda found: _as_text(self.expression(found[1])), given)

    def expression(self, text: str) -> Json:
        """What one expression comes to. Raises BadExpression."""
        reader = _Reader(text, self)
        value = reader.read()
        if reader.tokens:
            raise BadExpression(f"{text}: {reader.tokens[0]} is too much")
        return value

    def function(self, name: str, given: list[Json]) -> Json:
        """What one function comes to. Raises BadExpression."""
        known: dict[str, Callable[..., Json]] = {
            "triggerBody": lambda: self.trigger,
            "parameters": lambda which: self.parameters[which],
            "variables": lambda which: self.variables[which],
            "items": lambda which: self.turns[which],
            "item": lambda: self.item,
            "outputs": lambda which: self.outputs[which],
            "body": lambda which: self.outputs[which]["body"],
            "coalesce": lambda *each: next((one for one in each if one is not None), None),
            "first": lambda each: each[0] if each else None,
            "empty": lambda each: each is None or len(each) == 0,
            "contains": lambda each, wanted: wanted in each,
            "createArray": lambda *each: list(each),
            "json": json.loads,
            "uriComponent": lambda each: quote(each, safe="!'()*-._~"),
        }
        if name not in known:
            raise BadExpression(f"no function {name}")
        return known[name](*given)


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str, run: Run) -> None:
        self.run = run
        self.tokens: list[str] = []
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if found is None:
                raise BadExpression(f"{text}: nothing is known at {place}")
            self.tokens.append(found[0].strip())
            place = found.end()

    def read(self) -> Json:
        """A value with the members that are asked of it."""
        token = self._next()
        if token.startswith("'"):
            value: Json = token[1:-1].replace("''", "'")
        elif token.lstrip("-")[0].isdigit():
            value = float(token) if "." in token else int(token)
        elif token in WORDS:
            value = WORDS[token]
        else:
            value = self.run.function(token, self._arguments())
        while self.tokens and self.tokens[0] in {"?[", "["}:
            careful = self._next() == "?["
            member = self.read()
            self._expect("]")
            value = _member(value, member, careful=careful)
        return value

    def _arguments(self) -> list[Json]:
        self._expect("(")
        given: list[Json] = []
        while self.tokens and self.tokens[0] != ")":
            given.append(self.read())
            if self.tokens and self.tokens[0] == ",":
                self._next()
        self._expect(")")
        return given

    def _next(self) -> str:
        if not self.tokens:
            raise BadExpression("the expression ends too early")
        return self.tokens.pop(0)

    def _expect(self, wanted: str) -> None:
        if (found := self._next()) != wanted:
            raise BadExpression(f"{wanted} is wanted where {found} stands")


def _member(value: Json, member: Json, *, careful: bool) -> Json:
    if value is None and careful:
        return None
    if not isinstance(value, dict):
        raise BadExpression(f"a member {member} of what is no object")
    if member not in value and not careful:
        raise BadExpression(f"no member {member}")
    return value.get(member)


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
