"""A run that is known already and fails once more: its platform is asked again, or it gets a ticket of its own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, update

from pipesleuth.db.tables import Ticket, Todo
from pipesleuth.model import Status, timestamp

REPAIRED = "databricks"  # whose runs keep their id when they are repaired


def ask_again(connection: Connection, ticket_ids: Iterable[str], now: datetime) -> None:
    """Make `analyse` due: the platform knows whether a repair failed, or the same failure was only told twice.

    Only where it was done before: what is still to be done reads the run's newest state anyway.
    """
    done = (Todo.kind == "analyse", Todo.done_version >= Todo.wanted_version)
    wanted = update(Todo).where(Todo.ticket_id.in_(list(ticket_ids)), *done)
    connection.execute(
        wanted.values(wanted_version=Todo.wanted_version + 1, attempts=0, next_try_at=timestamp(now), stopped_at=None)
    )


def next_key(connection: Connection, known: RowMapping) -> str | None:
    """The key of a failure that comes after its run's ticket was closed, `<run>:again-<n>`; None while it is open.

    The newest ticket of the run decides: while that one is open it stands for every failure that comes in.
    """
    if known["status"] != Status.ACKNOWLEDGED:
        return None
    again = f"{known['run_id']}:again-"
    which = Ticket.run_id.startswith(again, autoescape=True)
    later = connection.execute(select(Ticket.run_id, Ticket.status).where(which)).all()
    open_one = next((key for key, status in later if status != Status.ACKNOWLEDGED), None)
    if open_one is not None:
        return open_one
    # Not how many there are: the oldest may be deleted by now, and a number that is taken would hide the failure.
    numbers = [str(key).removeprefix(again) for key, _ in later]
    return f"{again}{max((int(number) for number in numbers if number.isdecimal()), default=0) + 1}"
