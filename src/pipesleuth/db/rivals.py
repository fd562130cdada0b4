"""Rows that two processes may want to make at the same moment: one of them makes it, and the other is told."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Executable

from pipesleuth.db.faults import is_unique_violation


def wrote_first(connection: Connection, statement: Executable) -> bool:
    """Whether the statement was the first to write its key; where somebody else's row has it, nothing is written.

    The caller's transaction goes on either way. After False the other's row can be read: a database that many
    processes write to answers only when the other's transaction has ended. Raises every other fault.
    """
    return did_first(connection, lambda: connection.execute(statement))


def did_first(connection: Connection, work: Callable[[], object]) -> bool:
    """The same of several statements that `work` executes: all of them are written, or none."""
    try:
        with connection.begin_nested():
            work()
    except Exception as error:
        if not is_unique_violation(error):
            raise
        return False
    return True
