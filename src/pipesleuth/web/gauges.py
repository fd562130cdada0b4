"""What `/metrics` shows, in a registry of its own for each app."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from pipesleuth import __version__
from pipesleuth.triage.analyst import Spent

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AI_BUCKETS = (0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30)

DOORS = frozenset({"/azure-monitor", "/databricks-monitor", "/hooks/{source}"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LATELY = 1000
FAILOVER = ("primary", "standby", "merging")


class Gauges:
    """Counters and histograms of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._told: dict[tuple[str, str], int] = {}
        self._webhooks: deque[float] = deque(maxlen=LATELY)
        self._ai_calls: deque[float] = deque(maxlen=LATELY)

        requests = self._counter(
            "pipesleuth_http_requests", "Answers by method, route and status.", "method", "route", "status"
        )
        seconds = self._histogram("pipesleuth_http_seconds", "How long answers took.", _BUCKETS, "route")
        # Looking a label up costs more than counting; routes, methods and statuses are few.
        self._requests_of = lru_cache(maxsize=2048)(requests.labels)
        self._seconds_of = lru_cache(maxsize=512)(seconds.labels)
        self._intake = self._counter("pipesleuth_intake", "Webhooks by door and outcome.", "door", "outcome")
        self.sockets = self._gauge("pipesleuth_sockets", "Connected dashboards.")

        by_kind = ("kind", "state")
        self._owed = self._gauge("pipesleuth_todos", "To-dos that are owed, by kind and state.", *by_kind)
        self._attempts = self._gauge(
            "pipesleuth_todo_attempts", "The most tries of one to-do, by kind and state.", *by_kind
        )
        self._overdue = self._gauge(
            "pipesleuth_todo_lag_seconds", "How long the oldest to-do has been due, by kind and state.", *by_kind
        )
        self._held = self._gauge("pipesleuth_held_seconds", "How long a destination is held back yet.", "kind")
        self._ended = self._counter(
            "pipesleuth_todos_ended", "To-dos that this process ended, by kind and outcome.", "kind", "outcome"
        )

        self._analyses = self._counter("pipesleuth_ai_calls", "Calls of the AI by outcome.", "outcome")
        self._tokens = self._counter("pipesleuth_ai_tokens", "Tokens sent to and got from the AI.", "direction")
        self._ai_seconds = self._histogram("pipesleuth_ai_seconds", "How long calls of the AI took.", _AI_BUCKETS)
        self._ai_cost = self._counter("pipesleuth_ai_cost_dollars", "What the AI cost as far as its price is known.")

        known_by = "Failed runs in the platforms' histories, by how they became known."
        self._coverage = self._gauge("pipesleuth_coverage_runs", known_by, "source", "known_by")
        self._lag = self._gauge(
            "pipesleuth_reconcile_lag_seconds", "How far behind the reading of a platform's history is.", "source"
        )
        standing = "Tickets that are not closed, by status, priority and SLA state."
        self._tickets = self._gauge("pipesleuth_tickets", standing, "status", "priority", "sla_status")
        self._processes = self._gauge("pipesleuth_processes", "Processes that live, by role.", "role")
        self._failover = self._gauge("pipesleuth_failover", "Which database is written: 1 at its state.", "state")
        self._waiting = self._gauge("pipesleuth_writes_waiting", "Writes that wait for a commit.")
        Info("pipesleuth_build", "Which version runs.", registry=self.registry).info({"version": __version__})
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(name, said, labels, registry=self.registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(name, said, labels, registry=self.registry)

    def _histogram(self, name: str, said: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, said, labels, buckets=buckets, registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer; a method that HTTP does not know is counted as `other`."""
        self._requests_of(method if method in METHODS else "other", route, status).inc()
        self._seconds_of(route).observe(seconds)
        if route in DOORS:
            self._webhooks.append(seconds)

    def latencies(self) -> dict[str, float | None]:
        """Of the latest webhooks and AI calls of this server: the middle one and the slow ones, in milliseconds."""
        return {
            "webhook_ms_p50": _at(self._webhooks, 0.5),
            "webhook_ms_p95": _at(self._webhooks, 0.95),
            "ai_ms_p50": _at(self._ai_calls, 0.5),
            "ai_ms_p95": _at(self._ai_calls, 0.95),
        }

    def ai_call(self, spent: Spent) -> None:
        """Count one call of the AI with its tokens, time and cost."""
        self._analyses.labels(spent.outcome).inc()
        self._tokens.labels("in").inc(spent.tokens_in)
        self._tokens.labels("out").inc(spent.tokens_out)
        self._ai_seconds.observe(spent.seconds)
        self._ai_calls.append(spent.seconds)
        self._ai_cost.inc(spent.cost or 0.0)

    def coverage(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Show how much of each platform's failed runs the webhooks told of."""
        for line in lines:
            self._coverage.labels(line["source"], "webhook").set(line["by_webhook"])
            self._coverage.labels(line["source"], "reconciler").set(line["by_reconciler"])
            if line["lag_seconds"] is not None:
                self._lag.labels(line["source"]).set(line["lag_seconds"])

    def owed(self, figures: Sequence[Mapping[str, Any]], held: Mapping[str, float]) -> None:
        """Show what is owed at this moment, and nothing of what was owed before."""
        for gauge in (self._owed, self._attempts, self._overdue, self._held):
            gauge.clear()
        for row in figures:
            labels = (row["kind"], row["state"])
            self._owed.labels(*labels).set(row["count"])
            self._attempts.labels(*labels).set(row["attempts"])
            self._overdue.labels(*labels).set(row["lag"])
        for kind, seconds in held.items():
            self._held.labels(kind).set(seconds)

    def process(self, ended: Mapping[tuple[str, str], int], waiting: int, failover: str) -> None:
        """Show what this process has done and is in: to-dos it ended so far, writes that wait, which database."""
        for labels, count in ended.items():
            self._ended.labels(*labels).inc(count - self._told.get(labels, 0))
        self._told = dict(ended)
        self._waiting.set(waiting)
        for state in FAILOVER:
            self._failover.labels(state).set(state == failover)

    def standing(self, figures: Sequence[Mapping[str, Any]]) -> None:
        """Show how the tickets that are not closed stand."""
        self._tickets.clear()
        for row in figures:
            self._tickets.labels(row["status"], row["priority"], row["sla_status"]).set(row["count"])

    def alive(self, processes: Mapping[str, int]) -> None:
        """Show how many processes live."""
        for role, count in processes.items():
            self._processes.labels(role).set(count)

    def intake(self, door: str, outcome: str) -> None:
        """Count one webhook."""
        self._intake.labels(door, outcome).inc()


def _at(seconds: Iterable[float], share: float) -> float | None:
    ordered = sorted(seconds)
    return round(ordered[int((len(ordered) - 1) * share)] * 1000, 1) if ordered else None
