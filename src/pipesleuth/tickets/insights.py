"""How failures, repair times and the SLA went, and what a shift hands over to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select

from pipesleuth.db.tables import Ticket
from pipesleuth.model import Severity, SlaStatus, Status, moment, timestamp
from pipesleuth.tickets.cards import CARD_COLUMNS, card
from pipesleuth.tickets.links import Links

TOP = 10
LINES = 50
CAUSE = 160
# Numbers written out: with parameters, a database takes the grouped day and the selected one for two expressions.
_DAY = func.substring(Ticket.timestamp, literal_column("1"), literal_column("10"))


def series(connection: Connection, since: datetime, until: datetime) -> dict[str, Any]:
    """The charts' figures between two moments, by UTC day; days without a failure are there with zeros."""
    within = (Ticket.timestamp >= timestamp(since), Ticket.timestamp <= timestamp(until))
    days = [(since + timedelta(days=number)).date().isoformat() for number in range((until - since).days + 1)]
    if days[-1] != until.date().isoformat():
        days.append(until.date().isoformat())
    return {
        "failures_per_day": _filled(days, _by_severity(connection, within), dict.fromkeys(map(str, Severity), 0)),
        "mttr_per_day": _filled(days, _repair(connection, within), {"minutes": None}),
        "sla_per_day": _filled(days, _kept(connection, within), {"met": 0, "breached": 0}),
        "top_pipelines": _ranked(connection, within, Ticket.pipeline),
        "categories": _ranked(connection, within, Ticket.category),
        "teams": _teams(connection, within),
    }


def _filled(days: Sequence[str], found: Mapping[str, Mapping[str, Any]], empty: Mapping[str, Any]) -> list[Any]:
    return [{"day": day, **empty, **found.get(day, {})} for day in days]


def _by_severity(connection: Connection, within: Sequence[ColumnElement[bool]]) -> dict[str, dict[str, Any]]:
    rows = connection.execute(
        select(_DAY, Ticket.severity, func.count()).where(*within).group_by(_DAY, Ticket.severity)
    )
    found: dict[str, dict[str, Any]] = {}
    for day, severity, count in rows:
        found.setdefault(day, {})[severity] = count
    return found


def _repair(connection: Connection, within: Sequence[ColumnElement[bool]]) -> dict[str, dict[str, Any]]:
    rows = connection.execute(
        select(_DAY, func.avg(Ticket.ack_seconds * 1.0))
        .where(*within, Ticket.status == Status.ACKNOWLEDGED)
        .group_by(_DAY)
    )
    return {day: {"minutes": round(float(seconds) / 60, 1)} for day, seconds in rows if seconds is not None}


def _kept(connection: Connection, within: Sequence[ColumnElement[bool]]) -> dict[str, dict[str, Any]]:
    met = func.sum(case((Ticket.sla_status == SlaStatus.MET, 1), else_=0))
    breached = func.sum(case((Ticket.sla_status == SlaStatus.BREACHED, 1), else_=0))
    rows = connection.execute(select(_DAY, met, breached).where(*within).group_by(_DAY))
    return {day: {"met": int(kept), "breached": int(lost)} for day, kept, lost in rows}


def _ranked(connection: Connection, within: Sequence[ColumnElement[bool]], column: Any) -> list[dict[str, Any]]:
    count = func.count()
    rows = connection.execute(
        select(column, count).where(*within).group_by(column).order_by(count.desc(), column).limit(TOP)
    )
    return [{"name": name, "count": number} for name, number in rows]


def _teams(connection: Connection, within: Sequence[ColumnElement[bool]]) -> list[dict[str, Any]]:
    count = func.count()
    by = (Ticket.finops_team, Ticket.finops_cost_center)
    rows = connection.execute(select(*by, count).where(*within).group_by(*by).order_by(count.desc()).limit(TOP))
    return [{"name": team or "nobody", "cost_center": center, "count": number} for team, center, number in rows]


def handover(connection: Connection, hours: int, now: datetime, links: Links) -> dict[str, Any]:
    """What the next shift has to know: open, breached and recurring failures, who holds what; also as Markdown."""
    since = now - timedelta(hours=hours)
    lists = {
        "open": _cards(connection, links, Ticket.status == Status.OPEN),
        "breached": _cards(
            connection, links, Ticket.status != Status.ACKNOWLEDGED, Ticket.sla_status == SlaStatus.BREACHED
        ),
        "held": _cards(connection, links, Ticket.status == Status.IN_PROGRESS),
        "closed": _cards(connection, links, Ticket.status == Status.ACKNOWLEDGED, Ticket.ack_ts >= timestamp(since)),
    }
    recurring = _recurring(connection, since)
    holders = Counter(str(one["ack_user"]) for one in lists["held"])
    found: dict[str, Any] = {"hours": hours, "since": timestamp(since), "until": timestamp(now), **lists}
    found["holders"] = [{"user": user, "count": count} for user, count in holders.most_common()]
    return found | {"recurring": recurring, "markdown": _markdown(found, recurring, links)}


def _cards(connection: Connection, links: Links, *where: ColumnElement[bool]) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(*CARD_COLUMNS)
        .where(*where, Ticket.caused_by.is_(None))
        .order_by(Ticket.priority, Ticket.sla_due_at)
        .limit(LINES)
    )
    return [card(row, links) for row in rows.mappings()]


def _recurring(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    count = func.count()
    rows = connection.execute(
        select(Ticket.fingerprint, func.max(Ticket.pipeline), func.max(Ticket.rca_result), func.max(Ticket.id), count)
        .where(Ticket.timestamp >= timestamp(since))
        .group_by(Ticket.fingerprint)
        .having(count > 1)
        .order_by(count.desc())
        .limit(TOP)
    )
    return [
        {"name": pipeline, "rca_result": cause[:CAUSE], "id": newest, "count": number}
        for _, pipeline, cause, newest, number in rows
    ]


def _markdown(found: Mapping[str, Any], recurring: Sequence[Mapping[str, Any]], links: Links) -> str:
    until = moment(found["until"])
    lines = [f"# Shift handover, {until:%Y-%m-%d %H:%M} UTC, last {found['hours']} hours", ""]
    for title, key in (("Breached", "breached"), ("Open", "open"), ("In progress", "held"), ("Closed", "closed")):
        lines += [f"## {title} ({len(found[key])})", ""]
        lines += [_line(one, links) for one in found[key]] or ["Nothing."]
        lines.append("")
    lines += [f"## Recurring ({len(recurring)})", ""]
    lines += [f"- {one['count']} × {_plain(one['name'])}: {_plain(one['rca_result'])}" for one in recurring] or [
        "Nothing."
    ]
    return "\n".join(lines) + "\n"


def _line(one: Mapping[str, Any], links: Links) -> str:
    holder = f", held by {_plain(one['ack_user'])}" if one["ack_user"] else ""
    issue = f", {_plain(one['itsm_ticket_id'])}" if one["itsm_ticket_id"] else ""
    cause = _plain(one["rca_result"][:CAUSE])
    link = f"[{one['id']}]({links.ticket(one['id'])})"
    return f"- **{one['priority']}** {link} {_plain(one['pipeline'])}: {cause}{issue}{holder}"


def _plain(text: str) -> str:
    """A text on one line in which nothing is Markdown."""
    flat = " ".join(text.split())
    return "".join("\\" + sign if sign in "\\`*_{}[]<>#|!~" else sign for sign in flat)
