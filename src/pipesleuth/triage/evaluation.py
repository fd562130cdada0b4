"""How good an engine is: labelled cases against its verdicts, scored without any input or output."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pipesleuth.model import Diagnosis, Failure, PipesleuthError

CERTAINTY = 1.96  # standard deviations of a 95 % interval
_PLATFORM = {"adf": "data_factory", "databricks": "databricks"}
_DECORATION = re.compile(r"[\s'\"`\[\]()]+")


class BadCases(PipesleuthError):
    """A file of labelled cases or thresholds cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One labelled failure: what the alert carried and what a good engineer would have said.

    `accepted` holds the right category and every other one that passes; `fix_words` are groups of
    alternatives of which good advice names at least one each.
    """

    id: str
    source: str
    kind: str | None
    error_code: str | None
    message: str
    error_type: str | None
    category: str
    accepted: frozenset[str]
    affected_entity: str | None
    retryable: bool
    owner: str
    fix_words: tuple[tuple[str, ...], ...]
    hard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an engine said about a case, in plain words; all None where it gave no answer."""

    category: str | None = None
    error_type: str | None = None
    affected_entity: str | None = None
    retryable: bool = False
    owner: str | None = None
    confidence: str | None = None
    root_cause: str = ""
    recommendations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many were right of how many."""

    right: int = 0
    of: int = 0

    @property
    def rate(self) -> float:
        """The share that was right; 0 of an empty tally."""
        return self.right / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the rate; everything where nothing was counted."""
        if not self.of:
            return (0.0, 1.0)
        spread = CERTAINTY**2 / self.of
        middle = (self.rate + spread / 2) / (1 + spread)
        reach = CERTAINTY / (1 + spread) * math.sqrt(self.rate * (1 - self.rate) / self.of + spread / (4 * self.of))
        return (max(0.0, middle - reach), min(1.0, middle + reach))

    def __add__(self, right: bool) -> Tally:
        return Tally(self.right + right, self.of + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A case whose category was not among the accepted ones."""

    id: str
    wanted: str
    got: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The outcome of an evaluation.

    `measures` has category, category_strict, category_hard, error_type, entity, retryable, owner and
    fix_coverage, as far as a case asked for them; `confusions` counts (wanted, got) pairs of the misses.
    """

    cases: int
    answered: int
    measures: Mapping[str, Tally]
    by_category: Mapping[str, Tally]
    by_confidence: Mapping[str, Tally]
    macro_f1: float
    confusions: Mapping[tuple[str, str], int]
    misses: Sequence[Miss]

    def figures(self) -> dict[str, Any]:
        """The figures by name, rates rounded to four digits."""
        named: dict[str, Any] = {name: round(self.measures[name].rate, 4) for name in sorted(self.measures)}
        named["category_macro_f1"] = round(self.macro_f1, 4)
        named["cases"] = self.cases
        named["answered"] = self.answered
        named["accuracy_by_confidence"] = {
            name: [round(tally.rate, 3), tally.of] for name, tally in sorted(self.by_confidence.items())
        }
        return named


def read_cases(text: str, name: str = "cases") -> list[Case]:
    """The labelled cases of a JSON-lines text; raises BadCases with the line that cannot be read."""
    cases: list[Case] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            cases.append(_case(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadCases(f"{name}, line {number}: not a labelled case ({error!r})") from error
    if not cases:
        raise BadCases(f"{name}: no labelled case in it")
    return cases


def _case(raw: Mapping[str, Any]) -> Case:
    expect = cast("Mapping[str, Any]", raw["expect"])
    alternatives = [*raw.get("alt_categories", ()), *expect.get("alt_categories", ())]
    return Case(
        id=str(raw["id"]),
        source=str(raw["source"]),
        kind=raw.get("activity_type") or raw.get("kind"),
        error_code=raw.get("error_code"),
        message=str(raw["message"]),
        error_type=expect.get("error_type"),
        category=str(expect["category"]),
        accepted=frozenset({str(expect["category"]), *alternatives}),
        affected_entity=expect.get("affected_entity"),
        retryable=bool(expect["retryable"]),
        owner=str(expect["owner"]),
        fix_words=tuple(tuple(str(word) for word in group) for group in expect.get("fix_keywords", ())),
        hard=bool(raw.get("hard")),
    )


def failure_of(case: Case) -> Failure:
    """The failure that an alert with this case's message would have become."""
    return Failure(
        source=_PLATFORM.get(case.source, case.source),
        pipeline=case.id,
        error_message=case.message,
        error_code=case.error_code,
        activity_type=case.kind,
    )


def verdict_of(diagnosis: Diagnosis) -> Verdict:
    """A diagnosis in the plain words that are scored."""
    return Verdict(
        category=diagnosis.category.value,
        error_type=diagnosis.error_type,
        affected_entity=diagnosis.affected_entity,
        retryable=diagnosis.retryable,
        owner=diagnosis.owner.value,
        confidence=diagnosis.confidence.value,
        root_cause=diagnosis.root_cause,
        recommendations=tuple(diagnosis.recommendations),
    )


def score(cases: Iterable[Case], verdicts: Mapping[str, Verdict]) -> Scores:
    """Score verdicts, by case id, against the labels; a case without a verdict counts as wrong."""
    measures: defaultdict[str, Tally] = defaultdict(Tally)
    by_category: defaultdict[str, Tally] = defaultdict(Tally)
    by_confidence: defaultdict[str, Tally] = defaultdict(Tally)
    wrongly: Counter[str | None] = Counter()
    confusions: Counter[tuple[str, str]] = Counter()
    misses: list[Miss] = []
    answered = total = 0
    for case in cases:
        total += 1
        answered += case.id in verdicts
        verdict = verdicts.get(case.id, Verdict())
        right = verdict.category in case.accepted
        by_category[case.category] += right
        by_confidence[str(verdict.confidence)] += right
        for name, passed in _judgements(case, verdict, right=right):
            measures[name] += passed
        if not right:
            wrongly[verdict.category] += 1
            confusions[case.category, str(verdict.category)] += 1
            misses.append(Miss(id=case.id, wanted=case.category, got=verdict.category, message=case.message))
    return Scores(
        cases=total,
        answered=answered,
        measures=dict(measures),
        by_category=dict(by_category),
        by_confidence=dict(by_confidence),
        macro_f1=_macro_f1(by_category, wrongly),
        confusions=dict(confusions.most_common()),
        misses=misses,
    )


def _judgements(case: Case, verdict: Verdict, *, right: bool) -> Iterable[tuple[str, bool]]:
    yield "category", right
    yield "category_strict", verdict.category == case.category
    if case.hard:
        yield "category_hard", right
    if case.error_type:
        yield "error_type", _bare(case.error_type) == _bare(verdict.error_type)
    if case.affected_entity:
        yield "entity", same_entity(case.affected_entity, verdict.affected_entity)
    yield "retryable", case.retryable == verdict.retryable
    yield "owner", case.owner == verdict.owner
    advice = f"{' '.join(verdict.recommendations)} {verdict.root_cause}".casefold()
    for words in case.fix_words:
        yield "fix_coverage", any(word.casefold() in advice for word in words)


def _macro_f1(by_category: Mapping[str, Tally], wrongly: Mapping[str | None, int]) -> float:
    """The mean F1 over the categories that the labels name; a verdict's accepted alternative counts for the label."""
    scores = [
        2 * tally.right / (tally.right + tally.of + wrongly.get(category, 0)) if tally.right else 0.0
        for category, tally in by_category.items()
    ]
    return sum(scores) / len(scores) if scores else 0.0


def same_entity(expected: str | None, got: str | None) -> bool:
    """Whether two names mean the same thing: equal but for decoration, or one inside the other with little around."""
    wanted, named = _bare(expected), _bare(got)
    if not named:
        return False
    if wanted == named:
        return True
    short, long = sorted((wanted, named), key=len)
    return len(short) >= 4 and short in long and len(long) <= 3 * len(short) + 12


def _bare(text: str | None) -> str:
    return _DECORATION.sub("", text or "").casefold().strip("./\\,;:")


def shortfalls(scores: Scores, thresholds: Mapping[str, Any]) -> list[str]:
    """What fell below its threshold, one sentence each; raises BadCases for a threshold nobody measures.

    `thresholds` maps a figure's name to its least value; `confidence` maps a confidence to its least accuracy.
    """
    missed: list[str] = []
    for name, least in thresholds.items():
        if name == "confidence":
            missed.extend(_confidence_shortfalls(scores, least))
            continue
        value = scores.macro_f1 if name == "category_macro_f1" else _counted(scores, name)
        if value < _number(name, least):
            missed.append(f"{name} is {value:.4f}, below {float(least):.4f}")
    return missed


def _counted(scores: Scores, name: str) -> float:
    if name == "cases":
        return scores.cases
    if name not in scores.measures:
        raise BadCases(f"the gate names {name!r}, which these cases do not measure")
    return scores.measures[name].rate


def _confidence_shortfalls(scores: Scores, thresholds: object) -> Iterable[str]:
    if not isinstance(thresholds, Mapping):
        raise BadCases("the gate's confidence must map a confidence to its least accuracy")
    for level, least in cast("Mapping[str, object]", thresholds).items():
        tally = scores.by_confidence.get(level, Tally())
        if tally.of and tally.rate < _number(level, least):
            yield f"accuracy at confidence {level} is {tally.rate:.4f} of {tally.of}, below {_number(level, least):.4f}"


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadCases(f"the gate's threshold for {name!r} is not a number")
    return float(value)
