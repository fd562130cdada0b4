"""Severity and priority follow the written guidelines."""

from __future__ import annotations

import pytest

from pipesleuth.model import Category, Priority, Severity
from pipesleuth.triage.severity import rate


@pytest.mark.parametrize(
    ("category", "name", "text", "retryable", "severity", "priority"),
    [
        (Category.DATA_QUALITY, "daily_load", "", False, Severity.MEDIUM, Priority.P3),
        (Category.AUTHENTICATION, "daily_load", "", False, Severity.HIGH, Priority.P2),
        (Category.AUTHENTICATION, "prod_daily_load", "", False, Severity.CRITICAL, Priority.P1),
        (Category.AUTHENTICATION, "dev_daily_load", "", False, Severity.MEDIUM, Priority.P3),
        (Category.AUTHENTICATION, "dev_finance_load", "", False, Severity.HIGH, Priority.P2),
        (Category.THROTTLING_CAPACITY, "daily_load", "", True, Severity.MEDIUM, Priority.P4),
        (Category.THROTTLING_CAPACITY, "ProdDailyLoad", "", True, Severity.HIGH, Priority.P2),
        (Category.CANCELLED, "daily_load", "", True, Severity.LOW, Priority.P4),
        (Category.TIMEOUT, "daily_load", "the metastore does not answer", False, Severity.HIGH, Priority.P2),
        (Category.DATA_QUALITY, "prod_payroll", "", False, Severity.CRITICAL, Priority.P1),
        (Category.DATA_QUALITY, "latest_delivery_contest", "", False, Severity.MEDIUM, Priority.P3),
        (Category.AUTHENTICATION, "non_prod_load", "", False, Severity.MEDIUM, Priority.P3),
    ],
)
def test_the_guidelines(
    category: Category, name: str, text: str, *, retryable: bool, severity: Severity, priority: Priority
) -> None:
    assert rate(category, [name], text, retryable=retryable) == (severity, priority)


def test_an_entry_may_start_elsewhere() -> None:
    assert rate(Category.CANCELLED, ["x"], "", retryable=False, severity=Severity.CRITICAL)[0] is Severity.CRITICAL
    assert rate(Category.CANCELLED, ["x"], "", retryable=False, priority=Priority.P1)[1] is Priority.P1


def test_nothing_outside_production_is_p1() -> None:
    for severity in Severity:
        assert (
            rate(Category.DNS, ["dev_x"], "", retryable=False, severity=severity, priority=Priority.P1)[1]
            is not Priority.P1
        )
