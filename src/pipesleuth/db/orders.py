"""What lists of tickets go by: their indexes' names, and the orders that are worked out of a column.

Migration 0004 makes the indexes; their expressions stand there word for word as here, or they would not be used.
SQL Server has no indexes of expressions and does without `URGENCY`, `CLOSED` and `SEVERITY`.
"""

from __future__ import annotations

from sqlalchemy import Integer, literal_column

from pipesleuth.db.tables import Time

BREACHED_FIRST = literal_column("(CASE WHEN sla_status = 'Breached' THEN 0 ELSE 1 END)", Integer)
SEVERITY_RANK = literal_column(
    "(CASE severity WHEN 'Critical' THEN 0 WHEN 'High' THEN 1 WHEN 'Medium' THEN 2 WHEN 'Low' THEN 3 ELSE 4 END)",
    Integer,
)
CLOSED_AT = literal_column("(coalesce(ack_ts, ''))", Time)

# Orders.
URGENCY, CLOSED, SEVERITY = "ix_tickets_urgency", "ix_tickets_closed", "ix_tickets_severity"
PIPELINE, TIME = "ix_tickets_pipeline", "ix_tickets_status_timestamp"
# Filters; these and TIME hold every column that lists are filtered by.
TEAM, CATEGORY = "ix_tickets_team", "ix_tickets_category"
# A ticket by its id.
ID = "pk_tickets"
