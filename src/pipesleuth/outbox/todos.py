"""To-dos in the database: put, want, claim, renew, settle, postpone, stop, retry.

One row for each (ticket, kind). It is due while `done_version < wanted_version`, nobody holds it and its time
has come. Everything here is part of the caller's transaction.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, bindparam, case, func, insert, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from pipesleuth.db.tables import Todo
from pipesleuth.model import Receipt, timestamp

FREE = ""  # sorts before every time: nobody holds it
LONGEST_ERROR = 1000

_Found = tuple[str, int, int, bool, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Claim:
    """A to-do that is ours until `leased_until`.

    `in_doubt` says that an earlier try, which ended at `doubt_since`, may have created something without our
    knowing. `wanted_version` is what was wanted when it was claimed; what the ticket is by now, the handler reads
    itself. `way` is the one of several ways to the destination that it goes, where each has its own pace.
    """

    ticket_id: str
    kind: str
    token: str
    wanted_version: int
    attempts: int
    in_doubt: bool
    receipt: Receipt | None
    doubt_since: str | None = None
    way: str = ""
    traceparent: str | None = None


def row(  # each is a column
    ticket_id: str,
    kind: str,
    rank: int,
    created: datetime,
    due: datetime,
    *,
    wanted: int = 1,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """A fresh to-do of a new ticket, first tried at `due`; `traceparent` is where its trace began."""
    return {
        "ticket_id": ticket_id,
        "kind": kind,
        "rank": rank,
        "created_at": timestamp(created),
        "wanted_version": wanted,
        "done_version": 0,
        "attempts": 0,
        "next_try_at": timestamp(due),
        "leased_until": FREE,
        "in_doubt": False,
        "traceparent": traceparent,
    }


def put(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store fresh to-dos."""
    if rows:
        connection.execute(insert(Todo), list(rows))


def want(connection: Connection, ticket_id: str, kinds: Iterable[str], version: int) -> None:
    """These kinds are to be brought up to this version; when they are tried stays as it was."""
    connection.execute(
        _wanted(), {"one": ticket_id, "kinds": tuple(kinds), "below": version, "wanted_version": version}
    )


@lru_cache(maxsize=1)
def _wanted() -> Update:
    # Made once: putting a statement together takes longer than running it.
    mine = (Todo.ticket_id == bindparam("one"), Todo.kind.in_(bindparam("kinds", expanding=True)))
    return update(Todo).where(*mine, Todo.wanted_version < bindparam("below"))


def hasten(connection: Connection, ticket_id: str, kinds: Iterable[str], now: datetime) -> None:
    """Wait no longer for a first telling; what backs off after a fault keeps its pause."""
    connection.execute(
        update(Todo)
        .where(
            Todo.ticket_id == ticket_id,
            Todo.kind.in_(tuple(kinds)),
            Todo.attempts == 0,
            Todo.next_try_at > timestamp(now),
        )
        .values(next_try_at=timestamp(now))
    )


def rerank(connection: Connection, ticket_id: str, rank: int) -> None:
    """The ticket's priority has changed: its to-dos go by the new one."""
    connection.execute(update(Todo).where(Todo.ticket_id == ticket_id).values(rank=rank))


def claim(  # noqa: PLR0913  # each is one word of the rule by which to-dos are shared out
    connection: Connection,
    kind: str,
    most: int,
    now: datetime,
    *,
    lease_seconds: float,
    creates: bool,
    visible_seconds: float,
    early: bool = False,
    only: Mapping[str, str] | None = None,
) -> list[Claim]:
    """Take up to `most` due to-dos of a kind, the most urgent first, the oldest first among those.

    Where the work `creates` something outside (an issue, a message, a note in its thread), the to-do is in doubt
    from here on, durably, until it settles or is cleanly refused; one that was in doubt already is left alone until
    `visible_seconds` have passed, because vendors' searches lag. `early` takes also what backs off after a fault:
    where a whole destination was down, its to-dos' own pauses say nothing. `only` names the tickets that may be
    taken, each with its way.
    """
    at, token = timestamp(now), str(uuid.uuid4())
    due = _due(kind, most, now, visible_seconds, early=early)
    if only is not None:
        due = due.where(Todo.ticket_id.in_(list(only)))
    found = connection.execute(due).mappings().all()
    if not found:
        return []
    values: dict[str, Any] = {
        "claim": token,
        "leased_until": timestamp(now + timedelta(seconds=lease_seconds)),
        "attempts": Todo.attempts + 1,
    }
    if creates:
        values |= {"in_doubt": True, "doubt_since": at}
    free = (Todo.kind == kind, Todo.leased_until <= at)
    tickets = [one["ticket_id"] for one in found]
    taken = connection.execute(update(Todo).where(Todo.ticket_id.in_(tickets), *free).values(**values)).rowcount
    if taken != len(found):  # where a database does not lock what it selects, somebody may have been quicker
        ours = select(Todo.ticket_id).where(Todo.ticket_id.in_(tickets), Todo.kind == kind, Todo.claim == token)
        tickets = connection.execute(ours).scalars().all()
    return [
        Claim(
            one["ticket_id"],
            kind,
            token,
            one["wanted_version"],
            one["attempts"] + 1,
            bool(one["in_doubt"]),
            read_receipt(one["receipt"]),
            one["doubt_since"],
            (only or {}).get(one["ticket_id"], ""),
            one["traceparent"],
        )
        for one in found
        if one["ticket_id"] in tickets
    ]


def is_due(connection: Connection, kind: str, now: datetime, visible_seconds: float, *, early: bool = False) -> bool:
    """Whether there is anything of this kind to claim."""
    return connection.execute(_due_rows(kind, now, visible_seconds, early=early).limit(1)).first() is not None


def due_tickets(
    connection: Connection, kind: str, now: datetime, visible_seconds: float, *, most: int, told: bool | None = None
) -> list[tuple[str, bool]]:
    """The tickets of what is due and whether they were told of before, the most urgent first.

    `told` leaves only those or only the others.
    """
    receipt = case((Todo.receipt.is_(None), 0), else_=1).label("told")
    due = select(Todo.ticket_id, receipt).where(*_is_due(kind, now, visible_seconds, early=False))
    if told is not None:
        due = due.where(Todo.receipt.is_not(None) if told else Todo.receipt.is_(None))
    rows = connection.execute(due.order_by(*_urgency(early=False)).limit(most))
    return [(row.ticket_id, bool(row.told)) for row in rows]


def _urgency(*, early: bool) -> Sequence[InstrumentedAttribute[Any]]:
    """Priority, then age; for a probe first what failed least, so that one hopeless to-do never stands for all."""
    return (Todo.attempts, Todo.rank, Todo.created_at) if early else (Todo.rank, Todo.created_at)


def _due(kind: str, most: int, now: datetime, visible_seconds: float, *, early: bool) -> Select[*_Found]:
    return (
        _due_rows(kind, now, visible_seconds, early=early)
        .order_by(*_urgency(early=early))
        .limit(most)
        .with_for_update(skip_locked=True)
        .with_hint(Todo, "WITH (UPDLOCK, READPAST, ROWLOCK)", "mssql")
    )


def _due_rows(kind: str, now: datetime, visible_seconds: float, *, early: bool) -> Select[*_Found]:
    claimed = (Todo.ticket_id, Todo.wanted_version, Todo.attempts, Todo.in_doubt, Todo.receipt, Todo.doubt_since)
    return select(*claimed, Todo.traceparent).where(*_is_due(kind, now, visible_seconds, early=early))


def _is_due(kind: str, now: datetime, visible_seconds: float, *, early: bool) -> Sequence[ColumnElement[bool]]:
    at = timestamp(now)
    visible = timestamp(now - timedelta(seconds=visible_seconds))
    return (
        Todo.kind == kind,
        Todo.wanted_version > Todo.done_version,
        Todo.stopped_at.is_(None),
        or_(Todo.next_try_at <= at, Todo.attempts > 0) if early else Todo.next_try_at <= at,
        Todo.leased_until <= at,
        or_(Todo.in_doubt.is_(False), Todo.doubt_since.is_(None), Todo.doubt_since <= visible),
    )


def renew(connection: Connection, claims: Sequence[Claim], now: datetime, lease_seconds: float) -> None:
    """Hold these to-dos for another lease, where they are still ours.

    What they may leave behind cannot be seen before now: should this process end, others wait from here.
    """
    if claims:
        connection.execute(
            update(Todo)
            .where(Todo.ticket_id == bindparam("one"), Todo.kind == bindparam("what"), Todo.claim == bindparam("mine"))
            .values(
                leased_until=timestamp(now + timedelta(seconds=lease_seconds)),
                doubt_since=case((Todo.in_doubt.is_(True), timestamp(now)), else_=Todo.doubt_since),
            ),
            [{"one": c.ticket_id, "what": c.kind, "mine": c.token} for c in claims],
        )


def postpone(
    connection: Connection, claimed: Claim, until: datetime, reason: str, now: datetime, *, in_doubt: bool
) -> None:
    """Give it back to be tried again; a clean refusal clears the doubt of this try, not of an earlier one."""
    # A call that was cut may have worked until its very end; an earlier doubt is as old as it was.
    since = timestamp(now) if in_doubt else claimed.doubt_since if claimed.in_doubt else None
    connection.execute(
        update(Todo)
        .where(Todo.ticket_id == claimed.ticket_id, Todo.kind == claimed.kind, Todo.claim == claimed.token)
        .values(
            claim=None,
            leased_until=FREE,
            next_try_at=timestamp(until),
            last_error=reason[:LONGEST_ERROR],
            in_doubt=in_doubt or claimed.in_doubt,
            doubt_since=since,
        )
    )


def release(connection: Connection, claimed: Claim, now: datetime, *, creates: bool) -> None:
    """Give back what was cut short because this process ends: whoever comes next need not wait for its lease."""
    postpone(connection, claimed, now, "The process that did it was stopped.", now, in_doubt=creates)


def stop(connection: Connection, claimed: Claim, reason: str, now: datetime) -> bool:
    """Try no more until somebody asks; whether the claim was still ours."""
    stopped = connection.execute(
        update(Todo)
        .where(Todo.ticket_id == claimed.ticket_id, Todo.kind == claimed.kind, Todo.claim == claimed.token)
        .values(
            claim=None,
            leased_until=FREE,
            stopped_at=timestamp(now),
            last_error=reason[:LONGEST_ERROR],
            in_doubt=claimed.in_doubt,
            doubt_since=claimed.doubt_since,
        )
    )
    return stopped.rowcount == 1


def retry(connection: Connection, ticket_id: str, kind: str, now: datetime) -> bool:
    """Try again at once; False where nothing is owed.

    It counts as tried before: what an earlier try told may not be what was told last.
    """
    owed = connection.execute(
        update(Todo)
        .where(Todo.ticket_id == ticket_id, Todo.kind == kind, Todo.wanted_version > Todo.done_version)
        .values(stopped_at=None, attempts=1, next_try_at=timestamp(now))
    )
    return owed.rowcount == 1


def owed(connection: Connection) -> int:
    """How many to-dos there are that are not done and not stopped."""
    return connection.execute(
        select(func.count()).select_from(Todo).where(Todo.wanted_version > Todo.done_version, Todo.stopped_at.is_(None))
    ).scalar_one()


def exists(connection: Connection, ticket_id: str, kind: str) -> bool:
    """Whether the ticket has such a to-do at all."""
    found = connection.execute(select(Todo.kind).where(Todo.ticket_id == ticket_id, Todo.kind == kind))
    return found.first() is not None


def write_receipt(receipt: Receipt) -> str:
    """A receipt as the JSON that is stored."""
    values = {name: getattr(receipt, name) for name in Receipt.__dataclass_fields__}
    return json.dumps(values | {"more": dict(receipt.more)}, ensure_ascii=False)


def read_receipt(text: str | None) -> Receipt | None:
    """The receipt that `write_receipt` stored."""
    return Receipt(**json.loads(text)) if text else None
