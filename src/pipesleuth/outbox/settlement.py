"""The ends of to-dos, written down together: whatever ends while one commit is on its way goes into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Select, Update, bindparam, select, update

from pipesleuth.db.database import Database
from pipesleuth.db.tables import Ticket, Todo
from pipesleuth.model import Receipt, StoreUnavailable, timestamp
from pipesleuth.outbox import todos
from pipesleuth.outbox.todos import Claim

MOST = 64

E = TypeVar("E")


class Settlement(Generic[E]):
    """Writes ends by `write`, many in one transaction; one by one where that fails, so that a bad one fails alone."""

    def __init__(self, database: Database, write: Callable[[Connection, Sequence[E]], None]) -> None:
        self._database = database
        self._write = write
        self._waiting: list[tuple[E, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def of(self, end: E) -> None:
        """Return once this end is committed. Raises what writing it raised, or StoreUnavailable."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((end, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="worker.settle")
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            wrong = await self._written(some)
            if wrong is None or len(some) == 1 or isinstance(wrong, StoreUnavailable):
                _tell(some, wrong)
            else:
                for one in some:
                    _tell([one], await self._written([one]))

    async def _written(self, some: Sequence[tuple[E, asyncio.Future[None]]]) -> Exception | None:
        """Write these in one transaction; what went wrong."""
        ends = [end for end, _ in some]
        try:
            await self._database.write(lambda c: self._write(c, ends))
        except Exception as error:  # noqa: BLE001  # handed to whoever waits for it
            return error
        return None


def _tell(some: Sequence[tuple[Any, asyncio.Future[None]]], wrong: Exception | None) -> None:
    for _, written in some:
        if written.done():  # whoever waited has gone
            continue
        if wrong is None:
            written.set_result(None)
        else:
            written.set_exception(wrong)


def hold_tickets(connection: Connection, claims: Sequence[Claim]) -> None:
    """Lock the tickets of these to-dos, in their order: everybody locks a ticket first and its to-dos after it."""
    connection.execute(_tickets(), {"these": sorted({claim.ticket_id for claim in claims})}).all()


def settle(connection: Connection, done: Sequence[tuple[Claim, int, Receipt | None]], now: datetime) -> list[bool]:
    """Done up to the versions that were read; for each whether what it has effected is to be written.

    A claim that was lost meanwhile only fills an empty receipt, so that nothing is created twice; and one whose
    receipt was filled that way with the same key has nothing new to say.
    """
    claims = [claim for claim, _, _ in done]
    which = {
        "these": sorted({claim.ticket_id for claim in claims}),
        "tokens": sorted({claim.token for claim in claims}),
    }
    held = {(row.ticket_id, row.kind, row.claim): row.receipt for row in connection.execute(_held(), which)}
    ours = [(claim.ticket_id, claim.kind, claim.token) in held for claim in claims]
    for receipts in (True, False):
        values = [
            _values(claim, version, receipt, now)
            for (claim, version, receipt), mine in zip(done, ours, strict=True)
            if mine and (receipt is not None) is receipts
        ]
        if values:
            connection.execute(_settled(), values)
    return [
        not _told_already(claim, receipt, held[claim.ticket_id, claim.kind, claim.token])
        if mine
        else receipt is not None and _filled(connection, claim, receipt)
        for (claim, _, receipt), mine in zip(done, ours, strict=True)
    ]


def _told_already(claimed: Claim, receipt: Receipt | None, stored: str | None) -> bool:
    """Whether whoever had it before has settled the same thing late, while this claim was at it."""
    late = todos.read_receipt(stored) if claimed.receipt is None else None
    return late is not None and receipt is not None and late.key == receipt.key


def _values(claimed: Claim, version: int, receipt: Receipt | None, now: datetime) -> dict[str, Any]:
    told = {} if receipt is None else {"receipt": todos.write_receipt(receipt)}
    return told | {
        "one": claimed.ticket_id,
        "what": claimed.kind,
        "done_version": version,
        "claim": None,
        "leased_until": todos.FREE,
        "attempts": 0,
        "next_try_at": timestamp(now),
        "in_doubt": False,
        "doubt_since": None,
        "last_error": None,
    }


def _filled(connection: Connection, claimed: Claim, receipt: Receipt) -> bool:
    """Whether what a lost claim has created was the first that anybody told of."""
    empty = (Todo.ticket_id == claimed.ticket_id, Todo.kind == claimed.kind, Todo.receipt.is_(None))
    told = {"receipt": todos.write_receipt(receipt), "in_doubt": False, "doubt_since": None}
    return connection.execute(update(Todo).where(*empty).values(**told)).rowcount == 1 and claimed.receipt is None


# Made once: putting a statement together takes longer than running it.


@lru_cache(maxsize=1)
def _tickets() -> Select[Any]:
    these = select(Ticket.id).where(Ticket.id.in_(bindparam("these", expanding=True))).order_by(Ticket.id)
    return these.with_for_update().with_hint(Ticket, "WITH (UPDLOCK, ROWLOCK)", "mssql")


@lru_cache(maxsize=1)
def _held() -> Select[*tuple[Any, ...]]:
    these = select(Todo.ticket_id, Todo.kind, Todo.claim, Todo.receipt).where(
        Todo.ticket_id.in_(bindparam("these", expanding=True)), Todo.claim.in_(bindparam("tokens", expanding=True))
    )
    ordered = these.order_by(Todo.ticket_id, Todo.kind)
    return ordered.with_for_update().with_hint(Todo, "WITH (UPDLOCK, ROWLOCK)", "mssql")


@lru_cache(maxsize=1)
def _settled() -> Update:
    return update(Todo).where(Todo.ticket_id == bindparam("one"), Todo.kind == bindparam("what"))
