"""The program: `pipesleuth serve`, `worker`, `demo`, `send`, `triage`, `users`, `db` and the rest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipesleuth import __version__
from pipesleuth.model import PipesleuthError

# Each command and the module of this folder that has it. A module is loaded when its command is asked for:
# all of them together take a second.
ROOMS: Mapping[str, str] = {
    "serve": "serve",
    "worker": "serve",
    "demo": "demo",
    "sandbox": "sandbox",
    "send": "send",
    "reconcile": "reconcile",
    "replay": "replay",
    "triage": "triage",
    "kb": "triage",
    "eval": "eval",
    "todo": "todo",
    "users": "users",
    "keys": "keys",
    "db": "database",
    "connect": "connect",
    "doctor": "doctor",
}


class Commands(TyperGroup):
    """The commands of ROOMS, each loaded when it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]  # typer's own context class
        """The names, in the order of the help."""
        _ = ctx
        return list(ROOMS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # the same
        """The command of this name, or None."""
        return room(ROOMS[cmd_name]).get_command(ctx, cmd_name) if cmd_name in ROOMS else None


def room(name: str) -> TyperGroup:
    """The commands of one module of this folder."""
    shelf = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    import_module(f"pipesleuth.cli.{name}").register(shelf)
    shelf.callback()(lambda: None)  # keeps a single command a command with a name
    return typer.main.get_group(shelf)


app = typer.Typer(
    cls=Commands,
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
