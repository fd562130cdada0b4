"""`pipesleuth db`: the database's schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import typer
from sqlalchemy import Connection

from pipesleuth.cli.serve import make_folder, prepare
from pipesleuth.db import upgrade as schema
from pipesleuth.db.database import Database
from pipesleuth.settings import load

T = TypeVar("T")
database = typer.Typer(help="The database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Mount `db` on the program."""
    app.add_typer(database, name="db")


@database.command("upgrade")
def upgrade() -> None:
    """Bring the database to this version's schema."""
    settings = load()
    make_folder(settings.data_dir)
    done = schema.upgrade(settings.database)
    shown = settings.database.render_as_string(hide_password=True)
    typer.echo(f"{shown} {'is upgraded to' if done else 'has'} schema {schema.HEAD}.")


@database.command("check")
def check() -> None:
    """Say whether the database's schema is right; exit code 1 if it is not."""
    settings = load()
    wrong = schema.check(settings.database)
    if wrong:
        typer.echo(wrong, err=True)
        raise typer.Exit(1)
    typer.echo(f"The schema is right ({schema.HEAD}).")


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
