"""`pipesleuth db`: the database's schema, moving to another one, and what is kept how long."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import typer
from sqlalchemy import URL, Connection

from pipesleuth.cli.serve import make_folder, prepare
from pipesleuth.db import upgrade as schema
from pipesleuth.db.address import read, shown
from pipesleuth.db.database import Database
from pipesleuth.model import WrongSetting
from pipesleuth.settings import load

T = TypeVar("T")
ADDRESS = "Database address, path of a SQLite file, or env:NAME for the address in that variable."


class Kind(StrEnum):
    """Kinds of database."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    MSSQL = "mssql"


database = typer.Typer(help="The database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Mount `db` on the program."""
    app.add_typer(database, name="db")


@database.command("upgrade")
def upgrade(
    *,
    sql: Annotated[
        Kind | None,
        typer.Option(help="Change nothing; print the statements that make an empty database of this kind."),
    ] = None,
) -> None:
    """Bring the database to this version's schema; an earlier system's tickets.db is copied aside and taken over."""
    if sql is not None:
        typer.echo(schema.script(sql.value))
        return
    settings = load()
    make_folder(settings.data_dir)
    done = schema.upgrade(settings.database)
    typer.echo(f"{shown(settings.database)} {'is upgraded to' if done else 'has'} schema {schema.HEAD}.")


@database.command("check")
def check() -> None:
    """Say whether the database's schema is right; exit code 1 if it is not."""
    settings = load()
    wrong = schema.check(settings.database)
    if wrong:
        typer.echo(wrong, err=True)
        raise typer.Exit(1)
    typer.echo(f"The schema is right ({schema.HEAD}).")


@database.command("copy")
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=ADDRESS)],
    target: Annotated[str, typer.Argument(metavar="TO", help="The same; it must be empty, or made by this command.")],
) -> None:
    """Copy a database to another of any kind. Stop the servers of both first. Cut off, it goes on where it was."""
    from pipesleuth.db import copying  # noqa: PLC0415  # other commands start faster without it

    here, there = _address(source), _address(target)
    with _bar(f"{shown(here)} → {shown(there)}") as (begin, step):
        done = copying.copy(here, there, begin=begin, progress=step)
    for table, rows in done.rows.items():
        typer.echo(f"{table:<16}{rows:>12,} rows in both")
    if done.cut:
        typer.echo(f"{done.cut:,} texts were longer than their columns and have been cut.")


def _address(said: str) -> URL:
    """An address, or the one in an environment variable, so that no password stands in the list of processes."""
    if not said.startswith("env:"):
        return read(said)
    value = os.environ.get(said.removeprefix("env:"))
    if not value:
        raise WrongSetting(f"{said.removeprefix('env:')} is not set in the environment.")
    return read(value)


@database.command("prune")
def prune(
    older_than: Annotated[str, typer.Option(help="How long ago it was closed at least, such as 180d or 26w.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much would go.")] = False,
) -> None:
    """Delete what was closed long ago, with its audit lines, to-dos and payloads. Archived payloads are kept."""
    from pipesleuth.db import retention  # noqa: PLC0415  # other commands start faster without it

    settings = load()
    before = datetime.now(UTC) - retention.span(older_than)
    if dry_run:
        for table, rows in retention.expected(settings.database, before).items():
            typer.echo(f"{table:<16}{rows:>12,} rows would go")
        return
    with _bar(shown(settings.database)) as (begin, step):
        gone = retention.prune(settings.database, before, begin=begin, progress=step)
    for table, rows in gone.items():
        typer.echo(f"{table:<16}{rows:>12,} rows are gone")


@contextlib.contextmanager
def _bar(title: str) -> Generator[tuple[Callable[[int], None], Callable[[str, int], None]]]:
    """A bar on standard error: how to tell it the whole, and each step."""
    from rich.console import Console  # noqa: PLC0415  # other commands start faster without it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    typer.echo(title, err=True)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        yield (
            lambda whole: progress.update(task, total=whole),
            lambda table, rows: progress.update(task, advance=rows, description=table),
        )


def written(work: Callable[[Connection], T]) -> T:
    """What `work` returns, once it is committed to the database that the settings name; brought up to date first."""
    settings = load()
    prepare(settings)
    store = Database(settings.database)
    try:
        return asyncio.run(_write(store, work))
    finally:
        store.close()


async def _write(store: Database, work: Callable[[Connection], T]) -> T:
    return await store.write(work)
