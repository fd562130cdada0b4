"""A failure, the knowledge base's verdict on it and a model's opinion of it, with what a test changes."""

from __future__ import annotations

from typing import Any

from pipesleuth.model import Category, Confidence, Diagnosis, Priority, Responder, Severity
from pipesleuth.triage.opinion import Opinion

MESSAGE = (
    "Operation on target copy_orders failed: ErrorCode=SqlFailedToConnect,'Type=HybridDeliveryException,"
    "Message=Cannot connect to 'sql-orders-prd'. Client with IP address '10.1.2.3' is not allowed to access the "
    "server. See https://portal.example.com/sql for more.'"
)


def verdict_of(**changes: Any) -> Diagnosis:
    """The knowledge base's verdict on that failure, with what a test changes."""
    values: dict[str, Any] = {
        "root_cause": "The firewall of the server refused the runtime.",
        "error_type": "SqlFailedToConnect",
        "category": Category.FIREWALL,
        "affected_entity": "sql-orders-prd",
        "severity": Severity.HIGH,
        "priority": Priority.P2,
        "confidence": Confidence.HIGH,
        "recommendations": ("Add the runtime's address to the firewall.", "Then re-run."),
        "auto_heal_possible": False,
        "retryable": False,
        "owner": Responder.NETWORK,
        "said_by": "knowledge:adf-sql-firewall",
        "evidence": ("is not allowed to access",),
    }
    return Diagnosis(**(values | changes))


def opinion_of(**changes: Any) -> Opinion:
    """A model's opinion that agrees, with what a test changes."""
    values: dict[str, Any] = {
        "root_cause": "The server's firewall has no rule for 10.1.2.3.",
        "error_type": "SqlFailedToConnect",
        "affected_entity": "sql-orders-prd",
        "category": "firewall",
        "severity": "High",
        "priority": "P2",
        "confidence": "Very High",
        "recommendations": ["Allow 10.1.2.3 on sql-orders-prd."],
        "auto_heal_possible": False,
        "retryable": False,
        "evidence": ["Client with IP address '10.1.2.3' is not allowed"],
    }
    return Opinion(**(values | changes))
