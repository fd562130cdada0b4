"""Faults on demand: which request goes wrong, and how."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pipesleuth.sandbox.wire import (
    Json,
    Refusal,
    is_array,
    is_object,
    list_of,
    number_of,
    object_of,
    seconds_of,
    text_of,
)

KINDS = {
    "status": "answers `status` in the vendor's own form; nothing happens",
    "429": "answers 429 with Retry-After; nothing happens",
    "500": "answers 500; nothing happens",
    "hang": "holds the request for `seconds`, then drops it; nothing happens",
    "timeout_after_success": "does what was asked, holds the answer for `seconds`, then drops the connection",
    "wrong_json": "does what was asked (unless `effect` is false) and answers 200 with a body that is no JSON",
    "slow_body": "does what was asked and drips the answer over `seconds`",
    "refuse": "closes the connection at once; nothing happens",
    "truncate": "does what was asked and breaks off in the middle of the answer",
}
SERVICES = ("slack", "jira", "gemini", "databricks", "azure", "airflow", "teams")


@dataclass(slots=True)
class Fault:
    """One rule: the requests it meets and what it does to them."""

    kind: str
    service: str = ""
    route: str = ""
    method: str = ""
    status: int = 500
    retry_after: float | None = None
    seconds: float = 30.0
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    effect: bool = True
    seed: int | None = None
    hits: int = 0
    dice: random.Random = field(default_factory=random.Random, repr=False)

    def meets(self, service: str, method: str, path: str) -> bool:
        """Whether the rule is about this request; a route without a star is a part of the path."""
        if self.service and self.service != service:
            return False
        if self.method and self.method != method:
            return False
        if not self.route:
            return True
        return fnmatchcase(path, self.route) if "*" in self.route else self.route in path

    def strikes(self) -> bool:
        """Throw the dice and count; the caller has checked `meets`."""
        if self.count is not None and self.hits >= self.count:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.probability < 1.0 and self.dice.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def seen(self) -> Json:
        """The rule as `GET /_faults` shows it."""
        names = ("kind", "service", "route", "method", "status", "retry_after", "seconds", "count", "skip")
        more = ("probability", "effect", "seed", "hits")
        shown: dict[str, Any] = {name: getattr(self, name) for name in (*names, *more)}
        return shown


class FaultPlan:
    """The rules in force, tried in order; the first that strikes decides."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def put(self, rules: object) -> list[Fault]:
        """Replace all rules; raises Refusal (400) naming what is wrong, and then changes nothing."""
        entries = list_of(object_of(rules).get("faults")) if is_object(rules) else rules
        if not is_array(entries):
            raise Refusal(400, {"detail": "a list of faults is wanted", "kinds": KINDS})
        self.faults = [read_fault(object_of(entry), place) for place, entry in enumerate(list_of(entries))]
        return self.faults

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = []

    def pick(self, service: str, method: str, path: str) -> Fault | None:
        """The fault for this request, if any; counts it."""
        for fault in self.faults:
            if fault.meets(service, method, path) and fault.strikes():
                return fault
        return None


def read_fault(entry: Json, place: int) -> Fault:
    """One rule from its JSON; raises Refusal (400) with the place and the reason."""
    kind = str(entry.get("kind", ""))
    service = text_of(entry.get("service"))
    service = "azure" if service == "data_factory" else service
    seed = entry.get("seed")
    count = entry.get("count")
    probability = entry.get("probability", 1.0)
    known = {"kind", "service", "route", "method", "status", "retry_after", "seconds", "count", "skip", "hits"}
    unknown = set(entry) - known - {"probability", "effect", "seed"}
    wrong = (
        f"kind must be one of {', '.join(KINDS)}"
        if kind not in KINDS
        else f"service must be one of {', '.join(SERVICES)}"
        if service and service not in SERVICES
        else f"unknown field {min(unknown)}"
        if unknown
        else "probability must be a number from 0 to 1"
        if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1
        else ""
    )
    if wrong:
        raise Refusal(400, {"detail": f"fault {place}: {wrong}"})
    status = number_of(entry.get("status"), {"429": 429}.get(kind, 500))
    if not 400 <= status <= 599:
        raise Refusal(400, {"detail": f"fault {place}: status must be from 400 to 599"})
    retry_after = entry.get("retry_after")
    return Fault(
        kind=kind,
        service=service,
        route=text_of(entry.get("route")),
        method=text_of(entry.get("method")).upper(),
        status=status,
        retry_after=None if retry_after is None else seconds_of(retry_after, 1.0),
        seconds=seconds_of(entry.get("seconds"), 2.0 if kind == "slow_body" else 30.0),
        count=None if count is None else number_of(count, 0),
        skip=number_of(entry.get("skip"), 0),
        probability=float(probability),
        effect=entry.get("effect") is not False,
        seed=number_of(seed, 0) if seed is not None else None,
        dice=random.Random(seed if isinstance(seed, int | str) else None),  # noqa: S311  # dice, not a secret
    )
