"""What a model may say of a failure, and how much of it is taken over into the knowledge base's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, Field

from pipesleuth.model import Category, Confidence, Diagnosis, Failure, Priority, Severity
from pipesleuth.triage.neutral import neutral, neutral_line, occurs, visible

LONGEST_CAUSE, LONGEST_STEP, LONGEST_NAME, LONGEST_SPAN = 1500, 400, 300, 300
OWN_STEPS, ALL_STEPS, SPANS = 5, 8, 3
_SURENESS = (Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH, Confidence.VERY_HIGH)
_GRAVITY = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


class Opinion(BaseModel):
    """The answer asked of a model: a diagnosis and nothing else. Lengths are cut afterwards, not refused."""

    root_cause: str = Field(
        description="The innermost cause in two to four plain sentences: what failed, where, and why."
    )
    error_type: str | None = Field(
        description="The platform's own most specific error code, copied from the message; null if it has none."
    )
    affected_entity: str | None = Field(
        description="The table, file, column, host, cluster or activity that it happened to, copied from the message."
    )
    category: Category = Field(description="One of the categories of the instructions.")
    severity: Severity = Field(description="By the guidelines.")
    priority: Priority = Field(description="By the guidelines.")
    confidence: Confidence = Field(description="How sure you are of the category.")
    recommendations: list[str] = Field(
        description="Two to five concrete steps for the engineer on call, the most useful first; no links."
    )
    auto_heal_possible: bool = Field(description="Whether re-running without any change may well repair it.")
    retryable: bool = Field(description="Whether a re-run with no change may succeed.")
    evidence: list[str] = Field(
        description="One to three short spans copied letter by letter from the message that prove the cause."
    )


@dataclass(frozen=True, slots=True)
class Weighed:
    """What came of an opinion: a diagnosis, or none where the knowledge base's verdict stands; and why."""

    diagnosis: Diagnosis | None
    remarks: tuple[str, ...]


def weighed(opinion: Opinion, verdict: Diagnosis, failure: Failure, shown: str, model: str) -> Weighed:
    """The opinion as far as it may be taken over; `shown` is the text the model was given.

    Owner, links and everything that is no diagnosis stay the verdict's. A model overrules neither a verdict of
    very high confidence nor, with an `unknown`, any verdict; it never lowers a P1, nor anything by more than a step.
    """
    sure = verdict.confidence is Confidence.VERY_HIGH
    if opinion.category is not verdict.category and (sure or opinion.category is Category.UNKNOWN):
        standing = f"{verdict.said_by} says {verdict.category} with {verdict.confidence} confidence, which stands"
        return Weighed(None, (standing,))
    remarks: list[str] = []
    severity, priority = _urgency(opinion, verdict, sure=sure, remarks=remarks)
    spans, confidence = _evidence(opinion, shown, remarks)
    retryable = verdict.retryable if sure else opinion.retryable
    heals = opinion.auto_heal_possible and retryable and (verdict.auto_heal_possible or not sure)
    diagnosis = replace(
        verdict,
        root_cause=neutral(opinion.root_cause, shown, LONGEST_CAUSE) or verdict.root_cause,
        error_type=_name(opinion.error_type, failure, shown) or verdict.error_type,
        affected_entity=_name(opinion.affected_entity, failure, shown) or verdict.affected_entity,
        category=opinion.category,
        severity=severity,
        priority=priority,
        confidence=confidence,
        recommendations=_steps(opinion, verdict, shown),
        auto_heal_possible=heals,
        retryable=retryable,
        evidence=spans or tuple(verdict.evidence),
        said_by=visible(model)[:LONGEST_NAME] or "model",
    )
    return Weighed(diagnosis, tuple(remarks))


def _urgency(opinion: Opinion, verdict: Diagnosis, *, sure: bool, remarks: list[str]) -> tuple[Severity, Priority]:
    """Severity and priority go together: where the priority is not taken, the severity is not either."""
    lower = opinion.priority.rank - verdict.priority.rank
    kept = verdict.severity, verdict.priority
    if verdict.priority is Priority.P1 and lower > 0:
        remarks.append(f"priority {opinion.priority} not taken: a P1 is not lowered")
        return kept
    if lower > 1 or (sure and lower < -1):
        remarks.append(
            f"priority {opinion.priority} not taken: more than one step from {verdict.priority} of {verdict.said_by}"
        )
        return kept
    lighter = _GRAVITY.index(opinion.severity) - _GRAVITY.index(verdict.severity)
    if lighter > 1 or (sure and lighter < -1) or (verdict.priority is Priority.P1 and lighter > 0):
        remarks.append(f"severity {opinion.severity} not taken: too far from {verdict.severity} of {verdict.said_by}")
        return verdict.severity, opinion.priority
    return opinion.severity, opinion.priority


def _evidence(opinion: Opinion, shown: str, remarks: list[str]) -> tuple[tuple[str, ...], Confidence]:
    """The spans that really stand in the message; a made-up one costs a step of confidence."""
    given = [" ".join(visible(span).split()) for span in opinion.evidence if span.strip()]
    found = [span[:LONGEST_SPAN] for span in given if occurs(span, shown)]
    invented = len(given) - len(found)
    rank = opinion.confidence.rank
    if invented:
        spans = "span that is" if invented == 1 else "spans that are"
        remarks.append(f"{invented} quoted {spans} not in the message dropped")
        rank = max(0, rank - 1)
    return tuple(dict.fromkeys(found))[:SPANS], _SURENESS[rank]


def _name(said: str | None, failure: Failure, shown: str) -> str | None:
    """A code or entity if it was in what the model saw: a name it made up helps nobody."""
    name = neutral_line(said or "", shown, LONGEST_NAME)
    seen = "\n".join(filter(None, (shown, failure.error_code, failure.activity, failure.pipeline)))
    return name if len(name) > 1 and occurs(name, seen) else None


def _steps(opinion: Opinion, verdict: Diagnosis, shown: str) -> Sequence[str]:
    """The model's steps first, and the knowledge base's after them: ours but for the names in them."""
    own = [neutral_line(step, shown, LONGEST_STEP, links=False) for step in opinion.recommendations[:OWN_STEPS]]
    ours = [neutral_line(step, shown, LONGEST_STEP, links=False, ours=True) for step in verdict.recommendations]
    return tuple(dict.fromkeys(filter(None, [*own, *ours])))[:ALL_STEPS]
