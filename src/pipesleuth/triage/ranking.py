"""Which of the matching entries names the cause: the most specific and the innermost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipesleuth.model import Category, Confidence
from pipesleuth.triage.codes import says_little
from pipesleuth.triage.knowledge import Entry, Hit, Weight
from pipesleuth.triage.knowledge.shelf import place_of
from pipesleuth.triage.knowledge.sieve import Pattern

_POINTS = {Weight.GENERAL: 5.0, Weight.WEAK: 25.0, Weight.PLAIN: 38.0, Weight.NORMAL: 50.0, Weight.STRONG: 70.0}
_TEAM = 200.0
_DEPTH = {Weight.GENERAL: 3.5, Weight.WEAK: 3.5, Weight.PLAIN: 7.0}
_CLOSE = 8.0
_TELLING = frozenset({Weight.STRONG, Weight.NORMAL, Weight.PLAIN})
_AT_HOME = 8.0
_MAX_RANKED = 24
_ORCHESTRATORS = frozenset({"airflow"})  # whose tasks run on any platform
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
    patterns: tuple[Pattern, ...] = ()
    doubtful: bool = False  # another platform's, or known by its code alone while its wording is another


def ranked(hits: Sequence[Hit], text: str, source: str, activity_type: str | None) -> list[Candidate]:
    """The candidates, best first."""
    strongest = sorted(hits, key=lambda hit: _POINTS[hit.entry.weight] + _TEAM * (not hit.entry.ours), reverse=True)
    from_spark = source == "data_factory" and _speaks_of_spark(text, activity_type)
    related = from_spark or source in _ORCHESTRATORS
    foreign = -8.0 if related else -30.0
    found = [_candidate(hit, text, source, activity_type, foreign) for hit in strongest[:_MAX_RANKED]]
    found = [one for one in found if one.points > 0]
    found.sort(key=lambda one: (-one.points, one.entry.id))
    return _causes_first(found)


def _causes_first(found: list[Candidate]) -> list[Candidate]:
    """The candidates with a cause that is named as clearly before the word that something was cancelled."""
    if not found or found[0].entry.category is not Category.CANCELLED:
        return found
    least = _POINTS[found[0].entry.weight]
    cause = next((one for one in found if _is_cause(one) and _POINTS[one.entry.weight] >= least), None)
    return [cause, *(one for one in found if one is not cause)] if cause else found


def _is_cause(one: Candidate) -> bool:
    return (
        one.entry.weight in _TELLING
        and not one.doubtful
        and one.entry.category not in {Category.CANCELLED, Category.UNKNOWN}
    )


def confidence(found: Sequence[Candidate]) -> Confidence:
    """How sure the first of the ranked candidates is."""
    if not found:
        return Confidence.LOW
    best = found[0]
    weight = best.entry.weight
    agreed = any(one.entry.category is best.entry.category for one in found[1:])
    others = [one for one in found[1:] if one.entry.category is not best.entry.category]
    rivals = any(best.points - one.points < _CLOSE for one in others)
    if best.doubtful or weight is Weight.PLAIN:
        return Confidence.MEDIUM if weight in _TELLING else Confidence.LOW
    if weight is Weight.STRONG:
        return Confidence.HIGH if rivals else Confidence.VERY_HIGH
    if weight is Weight.NORMAL:
        return Confidence.MEDIUM if rivals else Confidence.HIGH
    sure = agreed or not rivals if weight is Weight.WEAK else agreed and not rivals
    return Confidence.MEDIUM if sure else Confidence.LOW


def _speaks_of_spark(text: str, activity_type: str | None) -> bool:
    """Whether a Data Factory failure comes from Spark: a data flow, or a notebook run through it."""
    if any(word in (activity_type or "").casefold() for word in ("databricks", "notebook", "spark", "dataflow")):
        return True
    return any(word in text for word in _SPARK_WORDS)


def _candidate(hit: Hit, text: str, source: str, activity_type: str | None, foreign: float) -> Candidate:
    entry = hit.entry
    place, length, groups = place_of(hit.found)
    parts = [(_POINTS[entry.weight], f"{entry.weight.value} sign"), (_TEAM * (not entry.ours), "the team's own entry")]
    parts += _by_match(hit, length, place / max(len(text), 1))
    parts.append((_by_activity(entry, activity_type), "kind of activity"))
    if entry.platform == source:
        parts.append((_AT_HOME / 2 if entry.weight is Weight.WEAK else _AT_HOME, "this platform's"))
    elif entry.platform != "any":
        parts.append((foreign if hit.patterns else -40.0, "another platform's"))
    if place < 0 and hit.code:
        place = text.casefold().find(hit.code.casefold())
    points = sum(much for much, _ in parts)
    reasons = tuple(f"{reason} {much:+.1f}" for much, reason in parts if much)
    stranger = entry.platform not in {"any", source} and foreign <= -30.0
    other = bool(hit.code and hit.code.isdigit() and entry.patterns and not hit.patterns)
    return Candidate(entry, points, reasons, max(place, 0), length, groups, hit.patterns, stranger or other)


def _by_match(hit: Hit, length: int, depth: float) -> list[tuple[float, str]]:
    """What the ways in which an entry matched are worth."""
    parts: list[tuple[float, str]] = []
    if hit.code:
        parts.append((4.0, f"code {hit.code}"))
        if hit.patterns:
            # a wrapper is one however clearly it shows
            parts.append((2.0 if hit.entry.weight is Weight.WEAK else 6.0, "code and wording"))
        elif hit.entry.patterns:
            # a number of Data Factory's covers many causes, a named code one
            parts.append((-28.0 if hit.code.isdigit() else -20.0 if says_little(hit.code) else -6.0, "another wording"))
    if hit.patterns:
        parts.append((min(length, 60) / 10.0, "length of the wording"))
        parts.append((_DEPTH.get(hit.entry.weight, 14.0) * max(depth, 0.0), "depth"))
    return parts


def _by_activity(entry: Entry, activity_type: str | None) -> float:
    known = (activity_type or "").casefold()
    if not entry.activities or not known:
        return 0.0
    return 6.0 if known in entry.activities else -20.0
