"""The written guidelines for severity and priority, the same for the knowledge base and the AI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pipesleuth.model import Category, Priority, Severity

GUIDELINES = """\
Severity says how bad it is; priority says how soon somebody must act.
1. Start from the category. High: authentication, authorization, firewall, dns, network_connectivity, certificate_tls,
   encryption_key, integration_runtime, storage_disk (they stop every pipeline that uses the same thing).
   Low: cancelled. Medium: everything else. What an entry of the knowledge base says comes before this.
2. One step up when the names say production (prod, prd, production, live), once more never.
3. One step up when the blast radius is wide: the text names something shared (metastore, gateway, subscription,
   key vault, whole factory or workspace) or the pipeline's name says money or law (finance, payroll, billing,
   payments, invoicing, regulatory, compliance, audit).
4. One step down when the names say it is not production (dev, test, qa, uat, sandbox, poc, demo, staging).
5. Priority follows severity (Critical P1, High P2, Medium P3, Low P4), one step later when a re-run with no change
   may well succeed, except in production at High or above.
6. Critical needs both production and a High start or a wide blast radius; nothing outside production is P1.
7. What was cancelled beside another error starts where that error starts: such a word never makes it less urgent."""

_HIGH = frozenset(
    {
        Category.AUTHENTICATION,
        Category.AUTHORIZATION,
        Category.FIREWALL,
        Category.DNS,
        Category.NETWORK_CONNECTIVITY,
        Category.CERTIFICATE_TLS,
        Category.ENCRYPTION_KEY,
        Category.INTEGRATION_RUNTIME,
        Category.STORAGE_DISK,
    }
)
_STEPS = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
_PRIORITIES = (Priority.P4, Priority.P3, Priority.P2, Priority.P1)
_PRODUCTION = frozenset({"prod", "prd", "production", "live"})
_NOT_PRODUCTION = frozenset(
    {"dev", "develop", "development", "test", "tst", "qa", "uat", "sandbox", "sbx", "poc", "demo", "staging", "stg"}
    | {"nonprod", "preprod"}
)
_MONEY_OR_LAW = frozenset(
    {"finance", "payroll", "billing", "regulatory", "compliance", "audit", "payments", "invoicing"}
)
_SHARED = ("metastore", "gateway", "key vault", "whole factory", "subscription is", "workspace is", "all pipelines")
_WORDS = re.compile(r"[A-Z]?[a-z]{1,40}|[A-Z]{2,40}(?![a-z])")
_NAME_LIMIT = 300
_TEXT_LIMIT = 2000


def rate(
    category: Category,
    names: Sequence[str],
    text: str,
    *,
    retryable: bool,
    severity: Severity | None = None,
    priority: Priority | None = None,
) -> tuple[Severity, Priority]:
    """Severity and priority by the guidelines.

    `names` are those of pipeline, factory or job and resource; `text` is the peeled error. `severity` and `priority`
    are what an entry of the knowledge base starts from.
    """
    words = _words(tuple(names))
    production = bool(words & _PRODUCTION) and not words & {"non", "pre"}
    elsewhere = not production and bool(words & _NOT_PRODUCTION or {"non", "prod"} <= words or {"pre", "prod"} <= words)
    wide = bool(words & _MONEY_OR_LAW) or any(mark in text[:_TEXT_LIMIT].casefold() for mark in _SHARED)
    step = _STEPS.index(severity or start(category))
    began_high = step >= _STEPS.index(Severity.HIGH)
    step += production + wide - elsewhere
    highest = _STEPS.index(Severity.CRITICAL) if production and (began_high or wide) else _STEPS.index(Severity.HIGH)
    if severity is Severity.CRITICAL and not elsewhere:
        highest = _STEPS.index(Severity.CRITICAL)
    step = max(0, min(step, highest))
    return _STEPS[step], _urgency(step, priority, retryable=retryable, production=production, elsewhere=elsewhere)


@lru_cache(maxsize=2048)
def _words(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word.casefold() for name in names for word in _WORDS.findall(name[:_NAME_LIMIT]))


def start(category: Category) -> Severity:
    """Where a category's severity starts, before names and blast radius count."""
    if category is Category.CANCELLED:
        return Severity.LOW
    return Severity.HIGH if category in _HIGH else Severity.MEDIUM


def _urgency(step: int, start: Priority | None, *, retryable: bool, production: bool, elsewhere: bool) -> Priority:
    rank = step
    if retryable and not (production and step >= _STEPS.index(Severity.HIGH)):
        rank = max(0, rank - 1)
    if start is not None:
        rank = max(0, min(3, _PRIORITIES.index(start) + production - elsewhere))
    if elsewhere:
        rank = min(rank, 2)
    return _PRIORITIES[rank]
