"""A Databricks SQL alert that was triggered, in its older and its newer form.

Shapes: https://docs.databricks.com/aws/en/sql/user/alerts/ and its page on notification destinations.
"""

from __future__ import annotations

import re

from pipesleuth.model import Failure, NotAFailure
from pipesleuth.sources import text
from pipesleuth.sources.fields import Fields, fields, pick
from pipesleuth.sources.outcome import shown
from pipesleuth.sources.workspace import workspace_address, workspace_id

_CHANGED = re.compile(r"\bstatus to (\w{1,30})", re.IGNORECASE)
_QUIET = frozenset({"ok", "unknown", "resolved", "unset"})


def is_sql_alert(top: Fields) -> bool:
    """Whether a body's fields are those of a SQL alert."""
    event = top.get("event")
    return isinstance(top.get("alert"), dict) and (event in (None, "alert_state_change") or "urlbase" in top)


def sql_alert(top: Fields) -> Failure:
    """The triggered alert as a failure; raises NotAFailure where its state is another than triggered.

    Its run is `alert:<id>:<time of triggering>`; None where the body carries no time, since the same
    alert may well be triggered again.
    """
    outer = fields(top.get("alert"))
    sections = (fields(outer.get("alert")), outer)
    name = pick(sections, ("name", "displayname"), text.name)
    title = pick(sections[1:], ("title",), text.name)
    changed = _CHANGED.search(title) if title is not None else None
    state = pick((*sections, top), ("state", "status"), text.name) or (
        changed.group(1) if changed is not None else None
    )
    if state is not None and state.lower() in _QUIET:
        raise NotAFailure(f"The SQL alert {shown(name or title)} is {shown(state)}, not triggered.")
    alert_id = pick(sections, ("id", "alertid"), text.ident)
    triggered = pick((*sections, top), ("lasttriggeredat", "triggeredat", "timestamp"), text.ident)
    keys = ("title", "customsummary", "customdescription", "description", "summary")
    lines = (said for key in keys for section in sections if (said := pick((section,), (key,), text.message)))
    facts = {
        "alert_id": alert_id,
        "state": state,
        "query_id": pick(sections, ("queryid",), text.ident),
        "query": pick(sections, ("querytext", "query"), text.name),
        "warehouse_id": pick(sections, ("warehouseid",), text.ident),
        "workspace_url": workspace_address((top,)),
        "workspace_id": workspace_id((top,)),
        "event": pick((top,), ("event",), text.name),
    }
    return Failure(
        source="databricks",
        pipeline=name or title or (f"SQL alert {alert_id}" if alert_id is not None else "SQL alert"),
        run_id=text.bounded(f"alert:{alert_id}:{triggered}")
        if alert_id is not None and triggered is not None
        else None,
        error_message=text.message("\n".join(dict.fromkeys(line for line in lines if line.strip(".")))),
        error_code=None,
        failure_type="SqlAlert",
        resource_type="Databricks SQL alert",
        occurred_at=text.moment_of(triggered),
        processing_mode="databricks",
        facts={fact: value for fact, value in facts.items() if value is not None},
    )
