"""A notice as the tickets room would hand it to a destination, with what a test changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipesleuth.model import News, Notice, Status

FIELDS: Mapping[str, str | None] = {
    "pipeline": "DataIngestion_Pipeline",
    "run_id": "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11",
    "source": "data_factory",
    "activity": "copy_orders",
    "severity": "High",
    "priority": "P2",
    "confidence": "Very High",
    "category": "resource_not_found",
    "rca_source": "knowledge:adf.blob-not-found",
    "rca_result": "The blob orders.csv is not at raw/2025/01.",
    "error_type": "UserErrorSourceBlobNotExists",
    "affected_entity": "raw/2025/01/orders.csv",
    "finops_team": "DataEngineering",
    "finops_owner": "datateam@example.com",
    "timestamp": "2025-01-26T14:35:22.123456+00:00",
    "sla_due_at": "2025-01-26T15:05:22.123456+00:00",
    "sla_status": "Pending",
    "itsm_ticket_id": None,
    "jira_url": None,
    "ack_user": None,
    "ticket_url": "https://pipesleuth.example.com/dashboard#ADF-20250126T143522-abc123",
    "run_url": "https://adf.azure.com/monitoring/pipelineruns/7d0c5a0e",
    "blob_log_url": "https://acc.blob.core.windows.net/pipesleuth/2025-01-26/ADF-20250126T143522-abc123-payload.json",
}


def notice(fields: Mapping[str, str | None] | None = None, **changes: Any) -> Notice:
    """A ticket's notice: one failed copy, opened a moment ago."""
    values: dict[str, Any] = {
        "ticket_id": "ADF-20250126T143522-abc123",
        "version": 1,
        "run_mark": "rca-0123456789abcdef0123",
        "created_at": datetime.now(UTC),
        "status": Status.OPEN,
        "recommendations": ("Check that the upstream export ran.", "Rerun the pipeline from copy_orders."),
        "evidence": ("ErrorCode=UserErrorSourceBlobNotExists",),
        "payload": b'{"data": {}}',
    }
    return Notice(fields={**FIELDS, **(fields or {})}, **(values | changes))


def news(audit_id: int, text: str = "Cause: the blob was never written.", action: str = "RCA Updated") -> News:
    """One audit line."""
    return News(audit_id=audit_id, at=datetime.now(UTC), action=action, text=text)
