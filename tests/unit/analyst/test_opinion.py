"""How much of a model's opinion is taken over into the knowledge base's verdict."""

from __future__ import annotations

from typing import Any

import pytest

from analyst_cases import MESSAGE, opinion_of, verdict_of
from pipesleuth.model import Category, Confidence, Diagnosis, Failure, Priority, Responder, Severity
from pipesleuth.triage.opinion import Weighed, weighed

SURE = {"confidence": Confidence.VERY_HIGH}


def weigh(failure: Failure, verdict: Diagnosis | None = None, **said: Any) -> Weighed:
    return weighed(opinion_of(**said), verdict or verdict_of(), failure, MESSAGE, "gemini-2.5-flash")


def taken(failure: Failure, verdict: Diagnosis | None = None, **said: Any) -> Diagnosis:
    diagnosis = weigh(failure, verdict, **said).diagnosis
    assert diagnosis is not None
    return diagnosis


def test_an_opinion_that_agrees_is_taken_in_the_models_words(failure: Failure) -> None:
    diagnosis = taken(failure)
    assert diagnosis.root_cause == "The server's firewall has no rule for 10.1.2.3."
    assert diagnosis.confidence is Confidence.VERY_HIGH
    assert diagnosis.said_by == "gemini-2.5-flash"
    assert diagnosis.evidence == ("Client with IP address '10.1.2.3' is not allowed",)
    assert diagnosis.recommendations == (
        "Allow 10.1.2.3 on sql-orders-prd.",
        "Add the runtime's address to the firewall.",
        "Then re-run.",
    )


def test_the_responder_stays_the_knowledge_bases(failure: Failure) -> None:
    verdict = verdict_of(category=Category.UNKNOWN, confidence=Confidence.LOW, owner=Responder.CODE)
    diagnosis = taken(failure, verdict, category="authentication")
    assert diagnosis.category is Category.AUTHENTICATION
    assert diagnosis.owner is Responder.CODE


def test_a_made_up_span_is_dropped_and_costs_a_step_of_confidence(failure: Failure) -> None:
    found = weigh(failure, evidence=["Client with IP address", "the password was hunter2"], confidence="High")
    assert found.diagnosis is not None
    assert found.diagnosis.evidence == ("Client with IP address",)
    assert found.diagnosis.confidence is Confidence.MEDIUM
    assert found.remarks == ("1 quoted span that is not in the message dropped",)


def test_confidence_does_not_sink_below_low(failure: Failure) -> None:
    assert taken(failure, evidence=["nowhere"], confidence="Low").confidence is Confidence.LOW


def test_a_code_or_entity_that_the_message_does_not_name_is_not_taken(failure: Failure) -> None:
    diagnosis = taken(failure, error_type="MadeUpError", affected_entity="other-server")
    assert diagnosis.error_type == "SqlFailedToConnect"
    assert diagnosis.affected_entity == "sql-orders-prd"


def test_an_entity_may_be_the_activity(failure: Failure) -> None:
    assert taken(failure, affected_entity="copy_orders").affected_entity == "copy_orders"


def test_a_very_sure_verdict_is_not_overruled(failure: Failure) -> None:
    found = weigh(failure, verdict_of(**SURE), category="data_quality")
    assert found.diagnosis is None
    assert "knowledge:adf-sql-firewall says firewall with Very High confidence" in found.remarks[0]


def test_a_less_sure_one_is(failure: Failure) -> None:
    assert taken(failure, category="dns").category is Category.DNS


def test_unknown_overrules_nobody(failure: Failure) -> None:
    assert weigh(failure, category="unknown", confidence="Very High").diagnosis is None


@pytest.mark.parametrize(
    ("verdict", "said", "gets"),
    [
        ({}, "P1", "P1"),
        ({}, "P3", "P3"),
        ({}, "P4", "P2"),
        ({"priority": Priority.P1}, "P2", "P1"),
        ({"priority": Priority.P1}, "P4", "P1"),
        ({"priority": Priority.P3} | SURE, "P1", "P3"),
        ({"priority": Priority.P3} | SURE, "P2", "P2"),
        ({"priority": Priority.P4}, "P1", "P1"),
    ],
)
def test_the_priority_moves_by_the_rules(failure: Failure, verdict: dict[str, Any], said: str, gets: str) -> None:
    assert taken(failure, verdict_of(**verdict), priority=said).priority == gets


def test_a_p1_keeps_its_severity_too(failure: Failure) -> None:
    verdict = verdict_of(priority=Priority.P1, severity=Severity.CRITICAL)
    found = weigh(failure, verdict, priority="P1", severity="Low")
    assert found.diagnosis is not None
    assert found.diagnosis.severity is Severity.CRITICAL
    assert "severity Low not taken" in found.remarks[0]


def test_what_a_very_sure_verdict_says_of_a_rerun_stays(failure: Failure) -> None:
    diagnosis = taken(failure, verdict_of(**SURE), retryable=True, auto_heal_possible=True)
    assert not diagnosis.retryable
    assert not diagnosis.auto_heal_possible


def test_nothing_heals_by_itself_that_a_rerun_does_not_repair(failure: Failure) -> None:
    assert not taken(failure, retryable=False, auto_heal_possible=True).auto_heal_possible


def test_an_empty_answer_leaves_the_knowledge_bases_words(failure: Failure) -> None:
    diagnosis = taken(failure, root_cause="\u200b ", recommendations=[" "], evidence=[], error_type=None)
    verdict = verdict_of()
    assert diagnosis.root_cause == verdict.root_cause
    assert diagnosis.recommendations == verdict.recommendations
    assert diagnosis.evidence == verdict.evidence
    assert diagnosis.error_type == verdict.error_type


def test_everything_is_bounded(failure: Failure) -> None:
    diagnosis = taken(failure, root_cause="x " * 9000, recommendations=["y " * 9000] * 50, evidence=[MESSAGE] * 9)
    assert len(diagnosis.root_cause) <= 1500
    assert len(diagnosis.recommendations) <= 8
    assert all(len(step) <= 400 for step in diagnosis.recommendations)
    assert sum(map(len, diagnosis.evidence)) <= 900
