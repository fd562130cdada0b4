"""Fresh to-dos whose like may have been done already, for a ticket that cannot be seen from here."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, update

from pipesleuth.db.outage import stands_in
from pipesleuth.db.tables import Todo


def on_a_standby(connection: Connection, ticket_ids: Sequence[str], creating: Sequence[str]) -> None:
    """Let to-dos that create something look for it first, where a standby is bound.

    The database that is away may have a ticket of the same run, and people may have been told of it a moment ago.
    """
    if stands_in(connection) and creating:
        mine = (Todo.ticket_id.in_(list(ticket_ids)), Todo.kind.in_(list(creating)))
        connection.execute(update(Todo).where(*mine).values(in_doubt=True, doubt_since=Todo.created_at))
