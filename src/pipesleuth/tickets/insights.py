"""How failures, repair times and the SLA went, and what a shift hands over to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select

from pipesleuth.db.orders import BREACHED_FIRST, CLOSED_AT
from pipesleuth.db.tables import Ticket
from pipesleuth.model import Severity, SlaStatus, Status, moment, timestamp
from pipesleuth.tickets import pages
from pipesleuth.tickets.cards import CARD_COLUMNS, card
from pipesleuth.tickets.links import Links

TOP = 10
LONG = timedelta(days=31)
LINES = 50
CAUSE = 160
# Numbers written out: with parameters, a database takes the grouped day and the selected one for two expressions.
_DAY = func.substring(Ticket.timestamp, literal_column("1"), literal_column("10"))


def series(connection: Connection, since: datetime, until: datetime) -> dict[str, Any]:
    """The charts' figures between two moments, by UTC day; days without a failure are there with zeros."""
    # Of many days SQLite had better read whole indexes, in their order, than each ticket by its time.
    hides = connection.dialect.name == "sqlite" and until - since > LONG
    time = pages.hidden(Ticket.__table__.c.timestamp) if hides else Ticket.__table__.c.timestamp
    within = (time >= timestamp(since), time <= timestamp(until))
    days = [(since + timedelta(days=number)).date().isoformat() for number in range((until - since).days + 1)]
    if days[-1] != until.date().isoformat():
        days.append(until.date().isoformat())
    failures, repairs, kept = _by_day(connection, since, until)
    return {
        "failures_per_day": _filled(days, failures, dict.fromkeys(map(str, Severity), 0)),
        "mttr_per_day": _filled(days, repairs, {"minutes": None}),
        "sla_per_day": _filled(days, kept, {"met": 0, "breached": 0}),
        "top_pipelines": _ranked(connection, within, Ticket.pipeline),
        "categories": _ranked(connection, within, Ticket.category),
        "teams": _teams(connection, within),
    }


def _filled(days: Sequence[str], found: Mapping[str, Mapping[str, Any]], empty: Mapping[str, Any]) -> list[Any]:
    return [{"day": day, **empty, **found.get(day, {})} for day in days]


_Days = dict[str, dict[str, Any]]


def _by_day(connection: Connection, since: datetime, until: datetime) -> tuple[_Days, _Days, _Days]:
    """Failures by severity, minutes to repair, and kept and broken promises; a month at a time, to sort in little."""
    failures: _Days = {}
    promises: _Days = {}
    spent: dict[str, tuple[float, int]] = {}
    while since <= until:
        end = min(since + LONG, until)
        for day, severity, count, in_time, late, seconds, ended in _by_severity(
            connection, since, end, last=end == until
        ):
            told = failures.setdefault(day, {})
            told[severity] = told.get(severity, 0) + count
            sums = promises.setdefault(day, {"met": 0, "breached": 0})
            sums["met"] += int(in_time)
            sums["breached"] += int(late)
            before = spent.get(day, (0.0, 0))
            spent[day] = (before[0] + float(seconds or 0), before[1] + ended)
        if end == until:
            break
        since = end
    repairs = {day: {"minutes": round(seconds / ended / 60, 1)} for day, (seconds, ended) in spent.items() if ended}
    return failures, repairs, promises


def _by_severity(connection: Connection, since: datetime, until: datetime, *, last: bool) -> Sequence[Any]:
    """For each day and severity: failures, SLAs met and breached, seconds to repair and of how many.

    What comes at `until` itself counts in the `last` stretch only.
    """
    met = func.sum(case((Ticket.sla_status == SlaStatus.MET, 1), else_=0))
    breached = func.sum(case((Ticket.sla_status == SlaStatus.BREACHED, 1), else_=0))
    took = case((Ticket.status == Status.ACKNOWLEDGED, Ticket.ack_seconds))
    end = Ticket.timestamp <= timestamp(until) if last else Ticket.timestamp < timestamp(until)
    return connection.execute(
        select(_DAY, Ticket.severity, func.count(), met, breached, func.sum(took * 1.0), func.count(took))
        .where(Ticket.timestamp >= timestamp(since), end)
        .group_by(_DAY, Ticket.severity)
    ).all()


def _counted(connection: Connection, within: Sequence[ColumnElement[bool]], column: Any) -> list[tuple[Any, int]]:
    """What a column has most often; grouped by status too, as its index is ordered."""
    rows = connection.execute(select(column, func.count()).where(*within).group_by(Ticket.status, column))
    counts: Counter[Any] = Counter()
    for name, number in rows:
        counts[name] += number
    return sorted(counts.items(), key=lambda each: (-each[1], each[0] or ""))[:TOP]


def _ranked(connection: Connection, within: Sequence[ColumnElement[bool]], column: Any) -> list[dict[str, Any]]:
    return [{"name": name, "count": number} for name, number in _counted(connection, within, column)]


def _teams(connection: Connection, within: Sequence[ColumnElement[bool]]) -> list[dict[str, Any]]:
    """The teams hit most, each with the cost centre of its newest failure."""
    found: list[dict[str, Any]] = []
    for team, number in _counted(connection, within, Ticket.finops_team):
        newest = (
            select(Ticket.finops_cost_center)
            .where(Ticket.finops_team.is_(None) if team is None else Ticket.finops_team == team)
            .where(Ticket.status.in_(list(Status)))
            .order_by(Ticket.timestamp.desc())
            .limit(1)
        )
        center = connection.execute(newest).scalar()
        found.append({"name": team or "nobody", "cost_center": center, "count": number})
    return found


def handover(connection: Connection, hours: int, now: datetime, links: Links) -> dict[str, Any]:
    """What the next shift has to know: open, breached and recurring failures, who holds what; also as Markdown."""
    since = now - timedelta(hours=hours)
    lists = {
        "open": _cards(connection, links, Ticket.status == Status.OPEN),
        "breached": _cards(
            connection, links, Ticket.status.in_([Status.OPEN, Status.IN_PROGRESS]), BREACHED_FIRST == 0
        ),
        "held": _cards(connection, links, Ticket.status == Status.IN_PROGRESS),
        "closed": _cards(connection, links, Ticket.status == Status.ACKNOWLEDGED, timestamp(since) <= CLOSED_AT),
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
