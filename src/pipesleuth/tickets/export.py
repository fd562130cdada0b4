"""Lists as CSV: exactly the filtered view, safe to open in a spreadsheet, in constant memory."""

from __future__ import annotations

import csv
import io
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

TICKET_COLUMNS = (
    "id",
    "timestamp",
    "pipeline",
    "run_id",
    "status",
    "severity",
    "priority",
    "category",
    "error_type",
    "affected_entity",
    "rca_result",
    "recommendations",
    "confidence",
    "rca_source",
    "sla_seconds",
    "sla_due_at",
    "sla_status",
    "ack_user",
    "ack_empid",
    "ack_ts",
    "ack_seconds",
    "finops_team",
    "finops_owner",
    "finops_cost_center",
    "itsm_ticket_id",
    "blob_log_url",
    "logic_app_run_id",
    "processing_mode",
    "source",
    "activity",
    "error_code",
    "seen_count",
    "run_url",
)
AUDIT_COLUMNS = (
    "id",
    "timestamp",
    "ticket_id",
    "pipeline",
    "run_id",
    "action",
    "user_name",
    "user_empid",
    "time_taken_seconds",
    "mttr_minutes",
    "sla_status",
    "rca_summary",
    "finops_team",
    "finops_owner",
    "details",
    "itsm_ticket_id",
)
FIGURE_COLUMNS = ("series", "name", "measure", "value")
PIECE = 200
# A spreadsheet takes what begins so for a formula, also behind white space and in the wide forms of East Asia.
_FORMULA = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"


def safe(value: Any) -> str:
    """A cell's text; one that a spreadsheet would run gets an apostrophe in front. Numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = str(value).encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    bare = text.lstrip(string.whitespace + "\u00a0\u2028\u2029\u3000" + _UNSEEN)
    return "'" + text if bare.startswith(_FORMULA) or text.startswith(("\t", "\r", "\n")) else text


def figures(series: Mapping[str, list[dict[str, Any]] | dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The charts' figures as rows of `FIGURE_COLUMNS`: what was measured, of which day or name, and how much it was."""
    for title, found in series.items():
        for row in found if isinstance(found, list) else [found]:
            name = row.get("day", row.get("name"))
            for measure, value in row.items():
                if measure not in {"day", "name"}:
                    yield {"series": title, "name": name, "measure": measure, "value": value}


def rows_as_csv(rows: Iterable[RowMapping | Mapping[str, Any]], columns: Sequence[str]) -> Iterator[bytes]:
    """The table in pieces, its header first even when it is empty; UTF-8 with a mark, so that Excel reads it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    started = False
    for written, row in enumerate(rows, 1):
        writer.writerow([safe(row[column]) for column in columns])
        if written % PIECE == 0:
            yield _emptied(buffer, mark=not started)
            started = True
    yield _emptied(buffer, mark=not started)


def _emptied(buffer: io.StringIO, *, mark: bool) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8-sig" if mark else "utf-8")
