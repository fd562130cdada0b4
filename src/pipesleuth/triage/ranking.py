"""Which of the matching entries names the cause: the most specific and the innermost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipesleuth.model import Confidence
from pipesleuth.triage.knowledge import Entry, Hit, Weight
from pipesleuth.triage.knowledge.shelf import place_of

_POINTS = {Weight.GENERAL: 5.0, Weight.WEAK: 25.0, Weight.NORMAL: 50.0, Weight.STRONG: 70.0}
_TEAM = 200.0
_DEPTH = 14.0
_CLOSE = 8.0
_MAX_RANKED = 24
_SPARK_WORDS = ("databricks", "Databricks", "spark", "Spark", "py4j", "DF-", "dbfs:")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that matched, with its points, the reasons for them, and where it matched in the text."""

    entry: Entry
    points: float
    reasons: tuple[str, ...]
    place: int
    length: int
    groups: Mapping[str, str]


def ranked(hits: Sequence[Hit], text: str, source: str, activity_type: str | None) -> list[Candidate]:
    """The candidates, best first."""
    strongest = sorted(hits, key=lambda hit: _POINTS[hit.entry.weight] + _TEAM * (not hit.entry.ours), reverse=True)
    related = _speaks_of_spark(text, activity_type) if source == "data_factory" else False
    foreign = -8.0 if related else -30.0
    found = [_candidate(hit, text, source, activity_type, foreign) for hit in strongest[:_MAX_RANKED]]
    found.sort(key=lambda one: (-one.points, one.entry.id))
    return found


def confidence(found: Sequence[Candidate]) -> Confidence:
    """How sure the first of the ranked candidates is."""
    if not found:
        return Confidence.LOW
    best = found[0]
    weight = best.entry.weight
    agreed = any(one.entry.category is best.entry.category for one in found[1:])
    rivals = [one for one in found[1:] if one.entry.category is not best.entry.category and best.points - one.points < _CLOSE]
    if weight is Weight.STRONG:
        return Confidence.HIGH if rivals else Confidence.VERY_HIGH
    if weight is Weight.NORMAL:
        return Confidence.MEDIUM if rivals else Confidence.HIGH
    if weight is Weight.WEAK:
        return Confidence.LOW if rivals and not agreed else Confidence.MEDIUM
    return Confidence.MEDIUM if agreed and not rivals else Confidence.LOW


def _speaks_of_spark(text: str, activity_type: str | None) -> bool:
    """Whether a Data Factory failure comes from Spark: a data flow, or a notebook run through it."""
    if any(word in (activity_type or "").casefold() for word in ("databricks", "notebook", "spark", "dataflow")):
        return True
    return any(word in text for word in _SPARK_WORDS)


def _candidate(hit: Hit, text: str, source: str, activity_type: str | None, foreign: float) -> Candidate:
    entry = hit.entry
    points = _POINTS[entry.weight]
    reasons = [f"{entry.weight.value} sign {points:.0f}"]

    def add(much: float, reason: str) -> None:
        nonlocal points
        if much:
            points += much
            reasons.append(f"{reason} {much:+.1f}")

    place, length, groups = place_of(hit.patterns, text)
    if not entry.ours:
        add(_TEAM, "the team's own entry")
    if hit.code:
        add(4.0, f"code {hit.code}")
        if place < 0:
            place = max(0, text.casefold().find(hit.code.casefold()))
    if hit.code and hit.patterns:
        add(6.0, "code and wording")
    elif hit.code and entry.patterns:
        add(-6.0, "another wording")
    if hit.patterns:
        add(min(length, 60) / 10.0, "length of the wording")
        add(_DEPTH * place / max(len(text), 1), "depth")
    if entry.activities:
        known = (activity_type or "").casefold()
        add(6.0 if known in entry.activities else -20.0 if known else 0.0, "kind of activity")
    if entry.platform == source:
        add(8.0, "this platform's")
    elif entry.platform != "any":
        add(foreign if hit.patterns else -40.0, "another platform's")
    return Candidate(entry, points, tuple(reasons), max(place, 0), length, groups)
