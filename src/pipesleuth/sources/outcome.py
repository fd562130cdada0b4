"""Tells a failure from everything that is none: what an event's name, a run's state or an alert's condition says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

from pipesleuth.model import NotAFailure
from pipesleuth.sources import text


class Outcome(Enum):
    """What a word says about a run."""

    FAILED = "failed"
    GOOD = "good"
    UNSAID = "unsaid"


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_FAILED_WORDS = frozenset(
    {"failure", "failures", "failed", "fail", "fails", "error", "errors", "errored", "timedout", "crashed", "crash"}
    | {"unhealthy", "lost", "unreachable", "aborted", "cancelled", "canceled", "exception", "fatal"}
)
# Words that tell of a failure only where no other word of the event says that all is well.
_ENDED_WORDS = frozenset({"terminated", "unavailable", "degraded", "triggered"})
_INACTIVITY_WORDS = frozenset({"inactivity", "inactive", "idle", "autotermination"})
# In the order in which they explain an event best: a duration warning is also a "warning".
_GOOD_EVENTS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"duration"}), "a run takes longer than its threshold; it has not failed"),
    (frozenset({"backlog"}), "a stream is behind its threshold; the run has not failed"),
    (_INACTIVITY_WORDS, "nobody used the cluster, so it was stopped"),
    (frozenset({"test", "ping"}), "a test notification"),
    (frozenset({"success", "succeeded", "successful", "successfully"}), "the run succeeded"),
    (frozenset({"completed", "complete", "finished", "passed", "ok", "healthy"}), "the run ended well"),
    (frozenset({"recovered", "resolved"}), "the problem is over"),
    (frozenset({"start", "started", "starting", "submitted", "launched", "restarted"}), "the run has only started"),
    (frozenset({"queued", "pending", "running", "waiting", "blocked"}), "the run has not ended"),
    (frozenset({"maintenance"}), "maintenance, not a failed run"),
    (frozenset({"skipped"}), "the run was skipped"),
    (
        frozenset({"created", "updated", "edited", "deleted", "resized", "resizing", "resize"}),
        "a change, not a failure",
    ),
    (frozenset({"registered", "transitioned", "comment", "installed", "warning"}), "no run failed"),
)
_GOOD_STATES = {
    "successwithfailures": "the platform counts this run as succeeded (with failures of tasks that may fail)",
    "succeeded": "the run succeeded",
    "success": "the run succeeded",
    "successful": "the run succeeded",
    "completed": "the run ended well",
    "complete": "the run ended well",
    "finished": "the run ended well",
    "passed": "the run ended well",
    "ok": "all is well",
    "green": "all is well",
    "healthy": "all is well",
    "available": "all is well",
    "resolved": "the problem is over",
    "deactivated": "the problem is over",
    "accepted": "the operation has only started",
    "started": "the run has only started",
    "starting": "the run has only started",
    "queued": "the run has not ended",
    "pending": "the run has not ended",
    "inprogress": "the run has not ended",
    "running": "the run has not ended",
    "blocked": "the run has not ended",
    "waiting": "the run has not ended",
    "waitingforretry": "the platform will try the run again by itself",
    "restarting": "the run has not ended",
    "resizing": "the cluster is running",
    "skipped": "the run was skipped",
    "excluded": "the run was left out",
    "disabled": "the run was switched off",
    "installed": "the library is installed",
}
# How a run stands in its life says nothing about how it ended.
_UNSAID_STATES = frozenset({"terminated", "terminating", "unknown", "active", "fired", "activated", "new", "canceling"})
_TEST_RULE = re.compile(
    r"test-(?:actual\w*|activity\w*|budget\w*|forecast\w*|log\w*|metric\w*|prometheus\w*|resource\w*|service\w*"
    r"|smart\w*|webtest\w*)alertrule(?:-[\w-]{1,40})?",
    re.IGNORECASE,
)
_TEST_RESOURCE = re.compile(
    r"(?:^|/)test-(?:rg|vm|storageaccount|loganalyticsworkspace|workspace)(?:/|$)", re.IGNORECASE
)


@lru_cache(maxsize=1024)
def of_event(event: str) -> tuple[Outcome, str]:
    """What an event's name says, such as `jobs.on_failure`, and for good news the reason in words."""
    spaced = event[:100]
    words = {word.lower() for word in _WORD.findall(spaced)}
    words.add("".join(_WORD.findall(spaced.rpartition(".")[2])).lower())
    if words & _FAILED_WORDS and not words & _INACTIVITY_WORDS:
        return Outcome.FAILED, ""
    for told, reason in _GOOD_EVENTS:
        if words & told:
            return Outcome.GOOD, reason
    return (Outcome.FAILED if words & _ENDED_WORDS else Outcome.UNSAID), ""


def refuse_good_event(event: str | None) -> Outcome:
    """What the event says; raises NotAFailure for a start, success, duration, backlog or inactivity event."""
    if event is None:
        return Outcome.UNSAID
    outcome, reason = of_event(event)
    if outcome is Outcome.GOOD:
        raise NotAFailure(f"The event {event[:100]} reports no failure: {reason}.")
    return outcome


@lru_cache(maxsize=1024)
def of_state(state: str) -> tuple[Outcome, str]:
    """What a run's state says, such as `Succeeded` or `INTERNAL_ERROR`, and for good news the reason in words."""
    word = "".join(_WORD.findall(state[:100])).lower()
    if word in _GOOD_STATES:
        return Outcome.GOOD, _GOOD_STATES[word]
    return (Outcome.UNSAID if not word or word in _UNSAID_STATES else Outcome.FAILED), ""


def good_state(states: Iterable[str | None]) -> str | None:
    """The sentence of the first state that says something, where it is good news; else None."""
    for state in states:
        if state is not None:
            outcome, reason = of_state(state)
            if outcome is Outcome.GOOD:
                return f"The state {state[:100]} reports no failure: {reason}."
            if outcome is Outcome.FAILED:
                return None
    return None


def is_portal_test(rule: str | None, resources: Iterable[str]) -> bool:
    """Whether an alert is what the portal's "Test action group" button sends.

    Its rule and its resources have made-up names (`test-metricAlertRule`, `test-VM`), or no resource at all.
    A real rule may start with `test-` too, so the caller looks whether the alert names a pipeline, run or cluster.
    """
    if rule is None or not rule.lower().startswith("test-"):
        return False
    if _TEST_RULE.fullmatch(rule) is not None:
        return True
    named = [resource for resource in resources if resource]
    return not named or any(_TEST_RESOURCE.search(resource) is not None for resource in named)


def shown(value: object) -> str:
    """A word from outside as a reason may quote it: one line of at most 100 characters."""
    return text.name(value, 100) or "without a name"
