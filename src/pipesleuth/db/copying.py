"""Every row of one database into another of any kind, piece by piece, so that a copy that was cut goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.engine import URL

from pipesleuth.db import snapshot
from pipesleuth.db.address import complete, shown
from pipesleuth.db.earlier import is_earlier
from pipesleuth.db.engine import checkpoint, opened
from pipesleuth.db.tables import Base, Mark
from pipesleuth.db.upgrade import HEAD, revision, upgrade
from pipesleuth.model import PipesleuthError, WrongSetting

PIECE = 1000
FEW = 50  # rows that may hold a whole webhook's body each
MARK = "copy"
Progress = Callable[[str, int], None]


class Uneven(PipesleuthError):
    """The copy does not have as many rows as its source."""


@dataclass(slots=True)
class Copied:
    """How many rows each table has, and how many texts had to be cut to what a column of the target holds."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    cut: int = 0
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """From where to where, under which name, and who is told."""

    source: Engine
    target: Engine
    named: str
    progress: Progress
    done: Copied


def tables() -> Sequence[Table]:
    """All tables, the small one that says how far we are last."""
    return sorted(Base.metadata.sorted_tables, key=lambda table: table.name == Mark.__tablename__)


def copy(source: URL, target: URL, *, begin: Callable[[int], None], progress: Progress) -> Copied:
    """Copy everything, and compare the counts; `begin` hears how many rows there are, `progress` of each piece.

    Nobody may write to either meanwhile. Raises WrongSetting where the target is not empty or the source not ready,
    Uneven, StoreUnavailable.
    """
    source, target = _whole(source), _whole(target)
    if source.get_backend_name() == "sqlite" and not Path(source.database or "").is_file():
        raise WrongSetting(f"There is no file {source.database}.")
    if source.set(query={}) == target.set(query={}):
        raise WrongSetting("A database cannot be copied to itself.")
    with ExitStack() as stack:
        read_from = stack.enter_context(opened(source))
        if _is_earlier(read_from):
            read_from = stack.enter_context(opened(stack.enter_context(snapshot.taken_over(read_from))))
        upgrade(target)
        write_to = stack.enter_context(opened(target))
        return _copy(_Way(read_from, write_to, shown(source), progress, Copied()), begin)


def _whole(url: URL) -> URL:
    """The address complete, a file's path from the root, so that the same one is known again."""
    url = complete(url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return url
    return url.set(database=str(Path(url.database).resolve()))


def _is_earlier(engine: Engine) -> bool:
    """Whether the source is the earlier system's. Raises WrongSetting where its schema is not this version's."""
    with engine.connect() as connection:
        if is_earlier(connection):
            return True
        found = revision(connection)
    if found != HEAD:
        raise WrongSetting(
            f"The source has {f'schema {found}' if found else 'no schema'}, this program copies {HEAD}. Run "
            "`pipesleuth db upgrade` with its address as DATABASE_URL first."
        )
    return False


def _copy(way: _Way, begin: Callable[[int], None]) -> Copied:
    with _writing(way.target) as connection:
        came_to = _start(connection, way.named)
    way.done.resumed = came_to is not None
    with way.source.connect() as connection:
        begin(sum(_count(connection, table) for table in tables()))
    for table in tables():
        last: list[Any] | None = None
        if came_to is not None:
            with way.target.connect() as connection:
                way.progress(table.name, _count(connection, table))
            if came_to["table"] != table.name:
                continue
            last, came_to = came_to["after"], None
        _copy_table(way, table, last)
    with way.source.connect() as here, _writing(way.target) as there:
        _move_sequences_on(here, there)
        _compare(here, there, way.done)
        there.execute(delete(Mark).where(Mark.name == MARK))
    checkpoint(way.target)
    return way.done


def _writing(engine: Engine) -> Any:
    return engine.execution_options(writing=True).begin()


def _start(connection: Connection, named: str) -> dict[str, Any] | None:
    """Where an earlier copy from the same source came to; None for a new one. Raises WrongSetting."""
    known = connection.execute(select(Mark.value).where(Mark.name == MARK)).scalar()
    if known is not None:
        state: dict[str, Any] = json.loads(known)
        if state["from"] != named:
            raise WrongSetting("The target holds part of a copy of another database. Name an empty one.")
        return state if state["table"] else None
    full = [table.name for table in tables() if _count(connection, table)]
    if full:
        raise WrongSetting(f"The target is not empty (there are rows in {', '.join(full)}). Name an empty database.")
    connection.execute(insert(Mark).values(name=MARK, value=_state(named, "", [])))
    return None


def _state(named: str, table: str, after: Sequence[Any]) -> str:
    return json.dumps({"from": named, "table": table, "after": list(after)})


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table).where(*_ours(table))).scalar_one()


def _ours(table: Table) -> list[Any]:
    """All rows but those that a database has of its own."""
    return [table.c.name.not_in([MARK, "epoch"])] if table.name == Mark.__tablename__ else []


def _copy_table(way: _Way, table: Table, last: list[Any] | None) -> None:
    keys = list(table.primary_key.columns)
    for number, rows in enumerate(_pieces(way.source, table, last)):
        fitted = [_fitted(row, table) for row in rows]
        with _writing(way.target) as connection:
            connection.execute(insert(table), [row for row, _ in fitted])
            state = _state(way.named, table.name, [rows[-1][key.name] for key in keys])
            connection.execute(update(Mark).where(Mark.name == MARK).values(value=state))
        way.done.cut += sum(cut for _, cut in fitted)
        way.progress(table.name, len(rows))
        if number % 20 == 19:
            checkpoint(way.target)


def _pieces(source: Engine, table: Table, last: list[Any] | None) -> Iterator[list[dict[str, Any]]]:
    keys = list(table.primary_key.columns)
    most = FEW if table.name == "payloads" else PIECE
    while True:
        page = select(table).where(*_ours(table)).order_by(*keys).limit(most)
        if last is not None:
            page = page.where(_after(keys, last))
        with source.connect() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
        if rows:
            yield rows
        if len(rows) < most:
            return
        last = [rows[-1][key.name] for key in keys]


def _after(keys: Sequence[Any], last: Sequence[Any]) -> Any:
    """Rows behind this place; written out, because SQL Server compares no rows."""
    return or_(
        *(and_(*(keys[i] == last[i] for i in range(index)), key > last[index]) for index, key in enumerate(keys))
    )


def _fitted(row: dict[str, Any], table: Table) -> tuple[Mapping[str, Any], int]:
    """The row as every database takes it, and how many texts were cut: SQLite keeps no column to its length."""
    cut = 0
    for column in table.columns:
        value = row[column.name]
        if isinstance(value, str):
            most = getattr(column.type, "length", None)
            if most is not None and len(value) > most:
                value, cut = value[:most], cut + 1
            row[column.name] = value.replace("\x00", "\ufffd")
    return row, cut


def _compare(here: Connection, there: Connection, done: Copied) -> None:
    for table in tables():
        wanted, found = _count(here, table), _count(there, table)
        if wanted != found:
            raise Uneven(
                f"{table.name} has {wanted:,} rows in the source and {found:,} in the target: somebody wrote to them. "
                "Stop the servers of both, empty the target and copy again."
            )
        done.rows[table.name] = found


# --- numbers that must not come again ---

_HIGHEST = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    "postgresql": "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_{key}_seq",
    "mssql": "SELECT CAST(IDENT_CURRENT('{table}') AS BIGINT)",
}
_NEXT = {
    "sqlite": "UPDATE sqlite_sequence SET seq = {highest} WHERE name = '{table}'",
    "postgresql": "SELECT setval(pg_get_serial_sequence('{table}', '{key}'), {highest})",
    "mssql": "DBCC CHECKIDENT ('{table}', RESEED, {highest})",
}


def _move_sequences_on(here: Connection, there: Connection) -> None:
    """Let both go on from the same number, though its row may be gone: followers of events go by them."""
    value = here.execute(select(Mark.value).where(Mark.name == "epoch")).scalar_one()
    there.execute(update(Mark).where(Mark.name == "epoch").values(value=value))
    for table in tables():
        key = table.autoincrement_column
        if key is None:
            continue
        stored = here.execute(select(func.max(key))).scalar() or 0
        names = {"table": table.name, "key": key.name}
        highest = max(stored, _highest(here, names) if stored or table.name == "audit_trail" else 0)
        if not highest:
            continue
        if there.dialect.name == "sqlite":
            _number(there, names)
        there.execute(text(_NEXT[there.dialect.name].format(**names, highest=int(highest))))


def _highest(connection: Connection, names: Mapping[str, str]) -> int:
    return int(connection.execute(text(_HIGHEST[connection.dialect.name].format(**names))).scalar() or 0)


def _number(connection: Connection, names: Mapping[str, str]) -> None:
    """A line for the table in SQLite's list of sequences, where the table is in it at all."""
    made = text("SELECT sql FROM sqlite_master WHERE name = :name")
    if "AUTOINCREMENT" in str(connection.execute(made, {"name": names["table"]}).scalar()):
        line = text(
            "INSERT INTO sqlite_sequence (name, seq) SELECT :name, 0 "
            "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)"
        )
        connection.execute(line, {"name": names["table"]})
