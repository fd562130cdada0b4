"""A `tickets.db` as the earlier system left it: the mission's tables and columns, and the dirt of years in them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TICKETS = """id TEXT PRIMARY KEY, timestamp TEXT, pipeline TEXT, run_id TEXT, rca_result TEXT, recommendations TEXT,
    confidence TEXT, severity TEXT, priority TEXT, error_type TEXT, affected_entity TEXT, status TEXT, ack_user TEXT,
    ack_empid TEXT, ack_ts TEXT, ack_seconds INTEGER, sla_seconds INTEGER, sla_status TEXT, slack_ts TEXT,
    slack_channel TEXT, finops_team TEXT, finops_owner TEXT, finops_cost_center TEXT, blob_log_url TEXT,
    itsm_ticket_id TEXT, logic_app_run_id TEXT, processing_mode TEXT"""
AUDIT = """id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT, ticket_id TEXT, pipeline TEXT, run_id TEXT, action TEXT,
    user_name TEXT, user_empid TEXT, time_taken_seconds INTEGER, mttr_minutes REAL, sla_status TEXT, rca_summary TEXT,
    finops_team TEXT, finops_owner TEXT, details TEXT, itsm_ticket_id TEXT,
    FOREIGN KEY(ticket_id) REFERENCES tickets(id)"""
USERS = """id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE NOT NULL, password_hash TEXT NOT NULL, full_name TEXT,
    created_at TEXT, last_login TEXT"""

CLEAN: dict[str, Any] = {
    "id": "ADF-20250126T143522-abc123",
    "timestamp": "2025-01-26T14:35:22.123456+00:00",
    "pipeline": "DataIngestion_Pipeline",
    "run_id": "ABCDEF01-1111-2222-3333-444444444444",
    "rca_result": "Blob not found at the specified path.",
    "recommendations": json.dumps(["Check the path.", "Run it again."]),
    "confidence": "High",
    "severity": "Critical",
    "priority": "P1",
    "error_type": "UserErrorSourceBlobNotExists",
    "affected_entity": "container/path/file.csv",
    "status": "acknowledged",
    "ack_user": "Jira User",
    "ack_ts": "2025-01-26T14:40:22.123456+00:00",
    "ack_seconds": 300,
    "sla_seconds": 900,
    "sla_status": "Met",
    "slack_ts": "1737902122.000100",
    "slack_channel": "C0123",
    "finops_team": "DataEngineering",
    "finops_owner": "datateam@sigmoidanalytics.com",
    "blob_log_url": "https://x.blob.core.windows.net/audit/2025-01-26/payload.json",
    "itsm_ticket_id": "PROJ-123",
    "processing_mode": "Single",
}
DIRTY: Sequence[dict[str, Any]] = (
    {"id": "ADF-20250127T010203-aaaaaa", "timestamp": "2025-01-27 01:02:03", "run_id": "N/A", "status": "Open"},
    {"id": "ADF-20250127T010204-aaaaab", "run_id": "", "status": "In Progress", "priority": "1", "pipeline": ""},
    {
        "id": "DBX-20250127T010205-aaaaac",
        "timestamp": "yesterday",
        "run_id": "77",
        "recommendations": "1. Look\n2. Act",
    },
    {
        "id": "DBX-20250127T010206-aaaaad",
        "timestamp": 1737939726,
        "run_id": "77",
        "status": "closed",
        "severity": "high",
    },
    {"id": "x" * 80, "timestamp": "2025-01-27T01:02:07Z", "run_id": "null", "confidence": "85%", "status": "??"},
    {"id": None, "timestamp": "2025-01-27T01:02:08+05:30", "run_id": b"raw\xff", "recommendations": "{broken"},
)


def write(file: Path, *, password_hash: str = "", tickets: Sequence[dict[str, Any]] = (CLEAN, *DIRTY)) -> None:
    """Make such a file."""
    with contextlib.closing(sqlite3.connect(file)) as raw, raw:
        raw.execute(f"CREATE TABLE tickets ({TICKETS})")
        raw.execute(f"CREATE TABLE audit_trail ({AUDIT})")
        raw.execute(f"CREATE TABLE users ({USERS})")
        raw.execute("CREATE INDEX ix_tickets_timestamp ON tickets (timestamp)")
        raw.execute("CREATE INDEX ux_tickets_run_id ON tickets (run_id)")
        raw.execute("CREATE VIEW open_tickets AS SELECT * FROM tickets WHERE status = 'open'")
        for ticket in tickets:
            holes = ", ".join("?" * len(ticket))
            insert = f"INSERT INTO tickets ({', '.join(ticket)}) VALUES ({holes})"  # noqa: S608  # names of this file
            raw.execute(insert, tuple(ticket.values()))
        raw.execute(
            "INSERT INTO audit_trail (id, timestamp, ticket_id, action, time_taken_seconds, mttr_minutes) VALUES "
            "(40, '2025-01-26T14:35:22', ?, 'Ticket Created', NULL, NULL), (41, 'odd', ?, 'Jira: Done', '300', 'N/A')",
            (CLEAN["id"], CLEAN["id"]),
        )
        raw.execute("INSERT INTO audit_trail (id, timestamp, action) VALUES (90, '2025-01-26T15:00:00', 'gone')")
        raw.execute("DELETE FROM audit_trail WHERE id = 90")
        people = (("Dana@SigmoidAnalytics.com ", password_hash), ("old@sigmoidanalytics.com", "plain"), ("", "x"))
        for email, secret in people:
            raw.execute("INSERT INTO users (email, password_hash, full_name) VALUES (?, ?, 'Dana')", (email, secret))
