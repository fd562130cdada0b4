"""The scorer: what counts as right, and the figures it makes of it."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipesleuth.model import Category
from pipesleuth.triage.evaluation import (
    BadCases,
    Scores,
    Tally,
    Verdict,
    failure_of,
    read_cases,
    same_entity,
    score,
    shortfalls,
)

CASES = Path(__file__).parents[2] / "evaluation"


def case(identity: str, category: str = "dns", **more: Any) -> str:
    expect = {"error_type": None, "category": category, "affected_entity": None, "retryable": False, "owner": "network"}
    expect |= more.pop("expect", {})
    return json.dumps({"id": identity, "source": "adf", "message": "it broke", "expect": expect} | more)


def scored(lines: Sequence[str], verdicts: Mapping[str, Verdict]) -> Scores:
    return score(read_cases("\n".join(lines)), verdicts)


def test_a_right_category_counts_for_its_category_and_its_confidence() -> None:
    scores = scored([case("a")], {"a": Verdict(category="dns", owner="network", confidence="High")})
    assert scores.figures() == {
        "category": 1.0,
        "category_strict": 1.0,
        "owner": 1.0,
        "retryable": 1.0,
        "category_macro_f1": 1.0,
        "cases": 1,
        "answered": 1,
        "accuracy_by_confidence": {"High": [1.0, 1]},
    }


@pytest.mark.parametrize("where", ["case", "expect"])
def test_an_alternative_category_is_accepted_but_not_strictly_right(where: str) -> None:
    alternative: dict[str, Any] = {"alt_categories": ["firewall"]}
    more: dict[str, Any] = alternative if where == "case" else {"expect": alternative}
    line = case("a", "dns", **more)
    figures = scored([line], {"a": Verdict(category="firewall")}).figures()
    assert (figures["category"], figures["category_strict"]) == (1.0, 0.0)


def test_a_case_without_a_verdict_is_wrong_and_not_answered() -> None:
    scores = scored([case("a"), case("b")], {"a": Verdict(category="dns")})
    assert (scores.answered, scores.cases) == (1, 2)
    assert scores.figures()["category"] == 0.5
    assert scores.confusions == {("dns", "None"): 1}


def test_macro_f1_is_the_mean_over_labelled_categories_and_sees_wrong_claims() -> None:
    lines = [case("a"), case("b"), case("c", "firewall"), case("d", "timeout")]
    said = {"a": "dns", "b": "firewall", "c": "firewall", "d": "cancelled"}
    scores = scored(lines, {name: Verdict(category=category) for name, category in said.items()})
    dns, firewall, timeout = 2 / 3, 2 / 3, 0.0  # `cancelled` is nobody's label and has no share in the mean
    assert scores.macro_f1 == pytest.approx((dns + firewall + timeout) / 3)
    assert scores.confusions == {("dns", "firewall"): 1, ("timeout", "cancelled"): 1}


def test_hard_cases_and_asked_for_fields_have_their_own_tally() -> None:
    lines = [
        case("a", hard=True, expect={"error_type": "[PATH_NOT_FOUND]", "affected_entity": "`m`.`t`"}),
        case("b", hard=True),
        case("c"),
    ]
    scores = scored(lines, {"a": Verdict(category="dns", error_type="path_not_found", affected_entity="m.t")})
    assert scores.measures["category_hard"] == Tally(1, 2)
    assert scores.measures["error_type"] == Tally(1, 1)
    assert scores.measures["entity"] == Tally(1, 1)
    assert scores.measures["category"] == Tally(1, 3)


def test_every_group_of_fix_words_wants_one_of_its_words_in_steps_or_cause() -> None:
    line = case("a", expect={"fix_keywords": [["Private DNS", "zone"], ["spelling"], ["proxy"]]})
    verdict = Verdict(root_cause="The private dns has no record.", recommendations=("Check the SPELLING.",))
    assert scored([line], {"a": verdict}).measures["fix_coverage"] == Tally(2, 3)


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("db1.corp.example", "DB1.CORP.EXAMPLE", True),
        ("`a`.`b`", "[a].[b]", True),
        ("orders", "main.sales.orders", True),
        ("abc", "abcd", False),
        ("orders", "orders " * 9, False),
        ("orders", None, False),
        ("orders", "", False),
        ("/lake/x/", "lake/x", True),
    ],
)
def test_entities_are_the_same_when_only_decoration_or_a_little_around_differs(
    expected: str,
    got: str | None,
    *,
    same: bool,
) -> None:
    assert same_entity(expected, got) is same


def test_the_wilson_interval_narrows_with_cases_and_stays_between_zero_and_one() -> None:
    low, high = Tally(9, 10).interval
    assert (round(low, 4), round(high, 4)) == (0.5958, 0.9821)
    assert Tally(0, 0).interval == (0.0, 1.0)
    assert Tally(5, 5).interval[1] == pytest.approx(1.0)
    wide, narrow = Tally(90, 100).interval, Tally(900, 1000).interval
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_a_gate_names_each_figure_below_its_threshold() -> None:
    scores = scored([case("a"), case("b")], {"a": Verdict(category="dns", confidence="Very High")})
    gate = {"category": 0.9, "retryable": 0.5, "cases": 2, "category_macro_f1": 0.99, "confidence": {"Very High": 1}}
    assert shortfalls(scores, gate) == [
        "category is 0.5000, below 0.9000",
        "category_macro_f1 is 0.6667, below 0.9900",
    ]
    assert shortfalls(scores, {"confidence": {"None": 0.5}}) == [
        "accuracy at confidence None is 0.0000 of 1, below 0.5000"
    ]


@pytest.mark.parametrize("gate", [{"beauty": 1}, {"category": "much"}, {"confidence": 3}, {"category": True}])
def test_a_gate_that_cannot_be_judged_is_refused(gate: dict[str, Any]) -> None:
    with pytest.raises(BadCases):
        shortfalls(scored([case("a")], {}), gate)


@pytest.mark.parametrize(
    "text", ["", "\n", "{", "[]", "3", '{"id":"a"}', '{"id":"a","source":"adf","message":"","expect":3}']
)
def test_lines_that_are_no_labelled_cases_are_refused(text: str) -> None:
    with pytest.raises(BadCases):
        read_cases(text)


def test_a_case_becomes_the_failure_its_alert_would_have_been() -> None:
    failure = failure_of(read_cases(case("a", activity_type="Copy", error_code="2200"))[0])
    assert (failure.source, failure.activity_type, failure.error_code) == ("data_factory", "Copy", "2200")
    assert failure.error_message == "it broke"


def test_the_order_of_the_cases_changes_no_figure() -> None:
    rng = random.Random(7)  # noqa: S311 - a shuffle, no secret
    names = [category.value for category in Category]
    lines = [case(str(n), rng.choice(names[:6]), hard=n % 3 == 0) for n in range(60)]
    verdicts = {
        str(n): Verdict(category=rng.choice(names[:7]), confidence=rng.choice(["High", "Low"])) for n in range(50)
    }
    figures = scored(lines, verdicts).figures()
    rng.shuffle(lines)
    assert scored(lines, verdicts).figures() == figures


def test_our_own_labelled_cases_cover_every_category_and_are_hard_enough() -> None:
    cases = [one for path in sorted(CASES.glob("*.jsonl")) for one in read_cases(path.read_text(encoding="utf-8"))]
    assert len(cases) >= 140
    assert len({one.id for one in cases}) == len(cases)
    assert {one.category for one in cases} == {category.value for category in Category}
    assert sum(one.hard for one in cases) >= 30
    assert sum(one.category == "unknown" for one in cases) >= 15
    assert 0.4 < sum(one.source == "adf" for one in cases) / len(cases) < 0.6
