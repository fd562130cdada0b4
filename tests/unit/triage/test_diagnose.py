"""A failure gets the innermost cause, its own names and an honest confidence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesleuth.model import Category, Confidence, Diagnosis, Failure, Responder
from pipesleuth.triage.diagnose import Triage
from pipesleuth.triage.fingerprint import fingerprint, level


@pytest.fixture(scope="module")
def engine(triage: Triage) -> Triage:
    return triage


def adf(message: str, code: str | None = None, activity: str | None = None) -> Failure:
    return Failure(
        source="data_factory", pipeline="daily", error_message=message, error_code=code, activity_type=activity
    )


def dbx(message: str, code: str | None = None) -> Failure:
    return Failure(source="databricks", pipeline="daily", error_message=message, error_code=code)


BLOB = (
    "Operation on target Copy1 failed: ErrorCode=SqlOperationFailed,'Type=Microsoft.DataTransfer.Common.Shared."
    "HybridDeliveryException,Message=A database operation failed. Please search error to get more details.,Source=x,''Type="
    "System.Data.SqlClient.SqlException,Message={inner},Source=.Net SqlClient Data Provider,SqlErrorNumber={number},Class=16,'"
)


@pytest.mark.parametrize(
    ("inner", "number", "category", "entity"),
    [
        ("Invalid object name 'dbo.Sales'.", 208, Category.RESOURCE_NOT_FOUND, "dbo.Sales"),
        ("Login failed for user 'etl'.", 18456, Category.AUTHENTICATION, "etl"),
        (
            "Cannot insert the value NULL into column 'Id', table 'db.dbo.T'; column does not allow nulls.",
            515,
            Category.DATA_QUALITY,
            "Id",
        ),
        (
            "Transaction (Process ID 5) was deadlocked on lock resources with another process",
            1205,
            Category.CONCURRENCY_CONFLICT,
            None,
        ),
    ],
)
def test_the_inner_error_wins_over_its_wrapper(
    engine: Triage, inner: str, number: int, category: Category, entity: str | None
) -> None:
    said = engine.full(adf(BLOB.format(inner=inner, number=number)))
    assert said.category is category
    assert said.error_type == "SqlOperationFailed"
    assert entity is None or said.affected_entity == entity


def test_the_steps_carry_the_messages_own_names(engine: Triage) -> None:
    said = engine.full(adf("Invalid object name 'dbo.Sales'."))
    assert "dbo.Sales" in said.root_cause
    assert len(said.recommendations) >= 3
    assert all("{" not in step for step in said.recommendations)


def test_evidence_is_copied_from_the_message(engine: Triage) -> None:
    failure = adf(BLOB.format(inner="Login failed for user 'etl'.", number=18456))
    said = engine.full(failure)
    assert said.evidence
    assert all(span in failure.error_message for span in said.evidence)


def test_containers_without_a_cause_are_unknown(engine: Triage) -> None:
    said = engine.full(
        adf(
            "Operation on target Loop failed: Activity failed because an inner activity failed; Inner activity name: If1, "
            "Error: Activity failed because an inner activity failed."
        )
    )
    assert said.category is Category.UNKNOWN
    assert said.affected_entity == "If1"


@pytest.mark.parametrize(
    "text", ["", "   ", "xyzzy", "Der Vorgang ist fehlgeschlagen.", "\ud800\x00", "Something happened."]
)
def test_what_says_nothing_is_unknown_with_low_confidence(engine: Triage, text: str) -> None:
    said = engine.full(adf(text))
    assert (said.category, said.confidence, said.said_by) == (Category.UNKNOWN, Confidence.LOW, "unknown")


def test_general_words_are_read_with_low_or_medium_confidence(engine: Triage) -> None:
    said = engine.full(adf("Frobnicator 7 could not proceed: permission denied by flux gate"))
    assert said.category is Category.AUTHORIZATION
    assert said.confidence in {Confidence.LOW, Confidence.MEDIUM}
    assert said.said_by == "general"


def test_the_name_of_an_unknown_code_is_read(engine: Triage) -> None:
    said = engine.full(adf("Zebra stopped.", "ZebraCertificateExpired"))
    assert said.category is Category.CERTIFICATE_TLS
    assert said.confidence is Confidence.MEDIUM


def test_activity_numbers_are_no_error_type(engine: Triage) -> None:
    assert engine.full(adf("whatever", "2200")).error_type is None
    assert engine.full(adf("whatever", "SqlConnectionIsClosed")).error_type == "SqlConnectionIsClosed"


def test_a_spark_condition_is_the_error_type(engine: Triage) -> None:
    text = "org.apache.spark.SparkException: Job aborted.\nCaused by: [DELTA_CONCURRENT_APPEND] Files were added by a concurrent update."
    said = engine.full(dbx(text))
    assert said.error_type == "DELTA_CONCURRENT_APPEND"
    assert said.category is Category.CONCURRENCY_CONFLICT
    assert said.retryable


def test_a_remembered_verdict_never_carries_another_messages_entity(engine: Triage) -> None:
    text = "Cluster 0101-120000-abc123 does not exist. Run {run}. Login failed for user '{user}'."
    first = engine.provisional(adf(text.format(run="11111111111", user="first")))
    second = engine.provisional(adf(text.format(run="22222222222", user="first")))
    third = engine.provisional(adf(text.format(run="11111111111", user="third")))
    assert first.category is second.category is third.category
    assert "11111111111" not in json.dumps([second.root_cause, *second.recommendations, *second.evidence])
    assert third.affected_entity != first.affected_entity
    assert "first" not in third.root_cause


def test_guids_of_another_run_do_not_leak_through_the_memory(engine: Triage) -> None:
    text = "Path: 'in/{guid}/a.csv'. ErrorCode: 'PathNotFound'. Message: 'The specified path does not exist.'"
    one, two = "3b2a0c1e-1111-4a4a-9b9b-000000000001", "3b2a0c1e-2222-4a4a-9b9b-000000000002"
    assert engine.provisional(adf(text.format(guid=one))).affected_entity == f"in/{one}/a.csv"
    assert engine.provisional(adf(text.format(guid=two))).affected_entity == f"in/{two}/a.csv"


def test_codes_that_differ_in_a_number_are_told_apart_by_the_memory(engine: Triage) -> None:
    wrong = engine.provisional(adf("AADSTS7000215: no."))
    expired = engine.provisional(adf("AADSTS7000222: no."))
    assert wrong.said_by != expired.said_by


def test_provisional_and_full_agree_on_short_messages(engine: Triage) -> None:
    for text in ("Invalid object name 'dbo.Sales'.", "The server is busy", "No space left on device", "zzz"):
        assert engine.provisional(adf(text)) == engine.full(adf(text))


def test_production_raises_what_it_stops(engine: Triage) -> None:
    text = "Login failed for user 'etl'."
    prod = engine.full(Failure(source="data_factory", pipeline="prod_orders", error_message=text))
    dev = engine.full(Failure(source="data_factory", pipeline="dev_orders", error_message=text))
    assert prod.priority.rank < dev.priority.rank


def test_the_explanation_shows_chain_and_ranking(engine: Triage) -> None:
    said = engine.explain(adf(BLOB.format(inner="Invalid object name 'dbo.Sales'.", number=208)))
    assert said.candidates[0].entry.id == "sql-invalid-object"
    assert said.candidates[0].reasons
    assert said.peeled.causes[0].entity == "Copy1"
    assert said.diagnosis.owner in set(Responder)


def test_a_mebibyte_is_answered(engine: Triage) -> None:
    for text in ("a" * 2**20, "'Type=x,Message=" * 65_000, "[A_B]" * 200_000):
        assert isinstance(engine.full(dbx(text)), Diagnosis)


@given(st.text(max_size=400), st.one_of(st.none(), st.text(max_size=20)))
@settings(max_examples=150, deadline=None)
def test_any_text_has_a_diagnosis(engine: Triage, text: str, code: str | None) -> None:
    for source in ("data_factory", "databricks"):
        said = engine.full(Failure(source=source, pipeline="p", error_message=text, error_code=code))
        assert all(span in text for span in said.evidence)


def test_a_fingerprint_forgets_numbers_ids_times_and_paths() -> None:
    one = "Run 3b2a0c1e-1111-4a4a-9b9b-000000000001 at 2024-05-01T10:00:00Z lost /mnt/raw/2024/05/a.csv, row 17"
    two = "Run 9c2a0c1e-2222-4a4a-9b9b-000000000002 at 2024-05-02T11:00:00Z lost /mnt/raw/2024/06/b.csv, row 99"
    assert level(one) == level(two)
    assert fingerprint("databricks", "Daily", "X", one) == fingerprint("databricks", "daily", "x", two)
    assert fingerprint("databricks", "daily", "X", one) != fingerprint("databricks", "daily", "Y", one)
    assert len(fingerprint("a", "b", None, "\ud800")) == 16


@pytest.mark.parametrize(
    ("message", "owner"),
    [
        (
            "requests.exceptions.HTTPError: 503 Server Error: down for url: https://api.partner.io/v1",
            Responder.UPSTREAM,
        ),
        (
            "requests.exceptions.HTTPError: 429 Client Error: too many for url: https://api.partner.io/v1",
            Responder.UPSTREAM,
        ),
        ("requests.exceptions.HTTPError: 401 Client Error: no for url: https://api.partner.io/v1", Responder.ACCESS),
    ],
)
def test_another_teams_service_that_fails_is_that_teams(engine: Triage, message: str, owner: Responder) -> None:
    assert engine.full(dbx(message)).owner is owner


def test_the_platforms_own_service_that_fails_is_not_upstream(engine: Triage) -> None:
    said = "requests.exceptions.HTTPError: 503 Server Error: down for url: https://adb-1.2.azuredatabricks.net/api"
    assert engine.full(dbx(said)).owner is not Responder.UPSTREAM


def test_a_privilege_on_a_location_names_its_whole_address(engine: Triage) -> None:
    location = "abfss://ext@lake.dfs.core.windows.net/in"
    said = f"PERMISSION_DENIED: User does not have READ FILES on External Location '{location}'."
    assert engine.full(dbx(said)).affected_entity == location


def test_a_models_error_is_about_the_model(engine: Triage) -> None:
    said = "Database Error in model my_model\n  [DELTA_SCHEMA_NOT_PROVIDED] Table schema is not provided."
    assert engine.full(dbx(said)).affected_entity == "my_model"
