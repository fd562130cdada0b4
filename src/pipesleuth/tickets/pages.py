"""Pages of long lists: an order with its place in an index, and cursors that say where the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, RowMapping, Select, and_, or_
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from pipesleuth.model import PipesleuthError

LARGEST = 2**31  # of a number that a column of whole numbers is compared with


class BadCursor(PipesleuthError):
    """The cursor is not one that this list has given."""


@dataclass(frozen=True, slots=True)
class Key:
    """A column of an order; it falls where the largest comes first."""

    column: ColumnElement[Any]
    falls: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What a list goes by: perhaps a first key, then keys of one direction that make it total; and its index."""

    index: str
    first: Key | None
    rest: tuple[ColumnElement[Any], ...]
    falls: bool = False

    @property
    def columns(self) -> tuple[ColumnElement[Any], ...]:
        """All its columns."""
        return (self.first.column, *self.rest) if self.first else self.rest

    def directed(self, *, hides: bool = False) -> list[ColumnElement[Any]]:
        """The columns as ORDER BY wants them; perhaps hidden from SQLite's choice of an index."""
        if hides:
            return [_directed(hidden(column), falls=falls) for column, falls in self._each()]
        return [_directed(column, falls=falls) for column, falls in self._each()]

    def _each(self) -> Iterator[tuple[ColumnElement[Any], bool]]:
        if self.first is not None:
            yield self.first.column, self.first.falls
        yield from ((column, self.falls) for column in self.rest)

    def labelled(self) -> list[ColumnElement[Any]]:
        """The columns as a page's rows carry them, for the cursor."""
        return [column.label(f"place_{number}") for number, column in enumerate(self.columns)]

    def behind(self, place: Sequence[Any]) -> list[ColumnElement[bool]]:
        """The stretches behind a place, one after the other; each is a range of the index."""
        if self.first is None:
            return [_after(self.rest, place, falls=self.falls)]
        same = and_(self.first.column == place[0], _after(self.rest, place[1:], falls=self.falls))
        return [same, _after((self.first.column,), place[:1], falls=self.first.falls)]


def hidden(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same value, of which SQLite does not see that an index has it."""
    return UnaryExpression(column, operator=custom_op[Any]("+"))


def _directed(column: ColumnElement[Any], *, falls: bool) -> ColumnElement[Any]:
    return column.desc() if falls else column.asc()


def _after(columns: Sequence[ColumnElement[Any]], place: Sequence[Any], *, falls: bool) -> ColumnElement[bool]:
    """Rows behind this place: written out, because SQL Server compares no rows, and with a bound to start from."""
    alternatives: list[ColumnElement[bool]] = []
    for index, column in enumerate(columns):
        same = [columns[i] == place[i] for i in range(index)]
        alternatives.append(and_(*same, column < place[index] if falls else column > place[index]))
    if len(columns) == 1:
        return alternatives[0]
    return and_(columns[0] <= place[0] if falls else columns[0] >= place[0], or_(*alternatives))


def read(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    order: Order,
    place: Sequence[Any] | None,
    limit: int,
    *,
    sorts: bool = False,
) -> list[RowMapping]:
    """So many rows of a statement over tickets, in order from a place on; `sorts`: found first, and then sorted."""
    hides = sorts and connection.dialect.name == "sqlite"
    statement = statement.add_columns(*order.labelled()).order_by(*order.directed(hides=hides))
    found: list[RowMapping] = []
    for stretch in order.behind(place) if place is not None else (None,):
        some = statement if stretch is None else statement.where(stretch)
        found += connection.execute(some.limit(limit - len(found))).mappings().all()
        if len(found) >= limit:
            break
    return found


def each(
    connection: Connection, statement: Select[*tuple[Any, ...]], order: Order, size: int, *, sorts: bool = False
) -> Iterator[RowMapping]:
    """Every row of a statement in order, read in pieces so that memory stays flat."""
    place: Sequence[Any] | None = None
    while True:
        rows = read(connection, statement, order, place, size, sorts=sorts)
        yield from rows
        if len(rows) < size:
            return
        place = place_of(rows[-1], order)


def place_of(row: RowMapping, order: Order) -> list[Any]:
    """Where a row stands in its order."""
    return [row[f"place_{number}"] for number in range(len(order.columns))]


def cursor(sort: str, row: RowMapping, order: Order) -> str:
    """What a client hands back to get what is behind this row."""
    return base64.urlsafe_b64encode(json.dumps([sort, *place_of(row, order)], ensure_ascii=False).encode()).decode(
        "ascii"
    )


def place(cursor: str, sort: str, order: Order) -> list[Any]:
    """The place that a cursor names. Raises BadCursor."""
    try:
        said, *found = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadCursor("The cursor is not one that this list has given.") from error
    if said != sort or len(found) != len(order.columns) or not all(map(_fits, found, order.columns)):
        raise BadCursor("The cursor belongs to another list or order; start from the beginning.")
    return found


def number(cursor: str) -> int:
    """The number that a cursor of a numbered list names. Raises BadCursor."""
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise BadCursor("The cursor is not one that this list has given.")
    return int(cursor)


def _fits(value: Any, key: ColumnElement[Any]) -> bool:
    """Whether a value from outside may be compared with a column: its type, and nothing a database cannot hold."""
    if isinstance(key.type, Integer):
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST
    return isinstance(value, str) and "\x00" not in value and value.encode("utf-8", "ignore").decode() == value
