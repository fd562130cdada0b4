"""What lists of tickets are ordered by besides plain columns, word for word as their indexes have it.

The indexes `ix_tickets_urgency`, `ix_tickets_closed`, `ix_tickets_severity` and `ix_tickets_pipeline` are made by
migration 0004; SQL Server has no indexes of expressions and does without the first three.
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
