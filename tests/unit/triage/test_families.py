"""A code that no entry knows is placed by the words of its name, or by its SQLSTATE."""

from __future__ import annotations

import pytest

from pipesleuth.model import Category, Failure
from pipesleuth.triage.diagnose import Triage
from pipesleuth.triage.families import families, family_of_class, family_of_condition
from pipesleuth.triage.sqlstate import family_of_state


@pytest.fixture(scope="module")
def engine(triage: Triage) -> Triage:
    return triage


@pytest.mark.parametrize(
    ("name", "state", "category"),
    [
        ("DELTA_ROW_TRACKING_BACKFILL_CONCURRENT", "", Category.CONCURRENCY_CONFLICT),
        ("UNSUPPORTED_COLUMN_MAPPING_SCHEMA_CHANGE", "", Category.UNSUPPORTED_FEATURE),
        ("DELTA_ZORDERING_COLUMN_NOT_FOUND", "", Category.SCHEMA_MISMATCH),
        ("SOME_VIEW_NOT_FOUND", "", Category.RESOURCE_NOT_FOUND),
        ("DELTA_ODD_ONE", "42501", Category.AUTHORIZATION),
        ("MISSING_ODD_CLAUSE", "0A000", Category.UNSUPPORTED_FEATURE),
        ("MISSING_ODD_CLAUSE", "", Category.CODE_ERROR),
        ("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", Category.CODE_ERROR),
    ],
)
def test_a_condition_is_placed_by_its_words_before_its_state(name: str, state: str, category: Category) -> None:
    assert family_of_condition(name, f"SQLSTATE: {state}" if state else "") is category


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("org.acme.net.ProxySocketException", Category.NETWORK_CONNECTIVITY),
        ("acme.errors.TokenExpiredError", Category.AUTHENTICATION),
        ("org.acme.ColumnNotFoundException", Category.SCHEMA_MISMATCH),
        ("org.acme.SomethingException", None),
    ],
)
def test_a_class_is_placed_by_the_words_of_its_own_name(name: str, category: Category | None) -> None:
    assert family_of_class(name) is category


def test_the_last_sqlstate_counts_and_an_unknown_one_says_nothing() -> None:
    assert family_of_state("SQLSTATE: 42601 then SQLSTATE: 08001") is Category.NETWORK_CONNECTIVITY
    assert family_of_state("SQLSTATE: ZZ999") is None


def test_of_several_codes_the_innermost_that_says_more_than_wrong_counts() -> None:
    assert families(["CLUSTER_ODD_TIMEOUT", "INVALID_ODD_THING"], [], "") == ["condition.timeout"]


def test_a_condition_nobody_described_is_still_placed_and_its_subject_named(engine: Triage) -> None:
    text = "[DELTA_ODD_INDEX_NOT_FOUND] Cannot find the index `ix_sales` on table `orders`. SQLSTATE: 42704"
    said = engine.full(Failure(source="databricks", pipeline="p", error_message=text))
    assert said.category is Category.RESOURCE_NOT_FOUND
    assert said.affected_entity == "`ix_sales`"
    assert said.error_type == "DELTA_ODD_INDEX_NOT_FOUND"


def test_a_plain_word_is_no_code_written_in_capitals(engine: Triage) -> None:
    said = engine.full(Failure(source="databricks", pipeline="p", error_message="The cache has been disabled."))
    assert said.said_by != "knowledge:dbx-job-disabled"
