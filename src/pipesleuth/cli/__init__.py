"""The program: `pipesleuth serve`, `worker`, `demo`, `send`, `triage`, `users`, `db` and the rest."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipesleuth import __version__
from pipesleuth.cli import (
    connect,
    database,
    demo,
    doctor,
    eval,  # noqa: A004  # named as the command
    reconcile,
    sandbox,
    send,
    serve,
    todo,
    triage,
    users,
)
from pipesleuth.model import PipesleuthError

app = typer.Typer(
    help="One ticket, with its root cause, for every failed data-pipeline run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(*, value: bool) -> None:
    if value:
        typer.echo(f"pipesleuth {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """One ticket, with its root cause, for every failed data-pipeline run."""
    _ = version


for room in (serve, demo, sandbox, send, reconcile, triage, eval, todo, users, database, connect, doctor):
    room.register(app)


def main() -> None:
    """Run the program; what went wrong is one sentence on standard error and exit code 1."""
    try:
        app()
    except PipesleuthError as error:
        typer.echo(f"pipesleuth: {error}", err=True)
        sys.exit(1)
    except PermissionError as error:
        typer.echo(
            f"pipesleuth: {error.filename} cannot be written: {error.strerror}. Set DATA_DIR to a folder of yours.",
            err=True,
        )
        sys.exit(1)
