"""`pipesleuth todo`: what is owed to the outside, why it stopped, and how it goes on."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from pipesleuth.cli.database import written
from pipesleuth.destinations.registry import KINDS
from pipesleuth.model import PipesleuthError
from pipesleuth.tickets import owed
from pipesleuth.tickets.owed import Filter

todo = typer.Typer(help="What is owed to the archive, the AI and the channels.", no_args_is_help=True)

Ticket = Annotated[str, typer.Option("--ticket", help="Only this ticket's.")]
Kind = Annotated[str, typer.Option("--kind", help=f"Only this kind: analyse, {', '.join(KINDS)}.")]
State = Annotated[str, typer.Option("--state", help=f"Only in this state: {', '.join(owed.STATES)}.")]
Sure = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class NothingChosen(PipesleuthError):
    """Say which: --ticket, --kind or --state."""


def register(app: typer.Typer) -> None:
    """Mount `todo` on the program."""
    app.add_typer(todo, name="todo")


@todo.command("list")
def show(
    ticket: Ticket = "",
    kind: Kind = "",
    state: State = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List what is owed, the most urgent first, with the reason where it went wrong."""
    which, now = _which(ticket, kind, state), datetime.now(UTC)
    rows, figures = written(lambda c: (owed.listing(c, which, now, limit), owed.figures(c, now)))
    table = Table("Ticket", "Kind", "P", "State", "Tries", "Next try", "Reason", box=None)
    for row in rows:
        later = row["state"] in {owed.WAITING, owed.IN_DOUBT}
        table.add_row(
            row["ticket_id"],
            row["kind"],
            str(row["rank"]),
            row["state"],
            str(row["attempts"]),
            row["next_try_at"][:19] if later else "",
            row["last_error"] or "",
        )
    console = Console(soft_wrap=True)
    if not rows:
        console.print("Nothing is owed.")
        return
    console.print(table)
    sums = ", ".join(f"{one['count']} {one['kind']} {one['state']}" for one in figures)
    console.print(f"\nIn all: {sums}.")
    if any(row["state"] == owed.STOPPED for row in rows):
        console.print("Stopped ones go on when the reason is gone and you say: pipesleuth todo retry --state stopped")


@todo.command("retry")
def retry(ticket: Ticket = "", kind: Kind = "", state: State = "") -> None:
    """Try again at once, stopped ones too."""
    which = _chosen(ticket, kind, state)
    count = _in_pieces(lambda c, after: owed.retry(c, which, _me(), datetime.now(UTC), after))
    typer.echo(f"{count} due again." if count else "Nothing of the kind is owed.")


@todo.command("drop")
def drop(ticket: Ticket = "", kind: Kind = "", state: State = "", *, yes: Sure = False) -> None:
    """Give up what is owed: the outside does not hear of it, unless the ticket changes again."""
    which, now = _chosen(ticket, kind, state), datetime.now(UTC)
    rows = written(lambda c: owed.listing(c, which, now, 100_000))
    if not rows:
        typer.echo("Nothing of the kind is owed.")
        return
    if not yes:
        typer.confirm(
            f"Give up {len(rows)} to-do(s) of {len({row['ticket_id'] for row in rows})} ticket(s)?", abort=True
        )
    count = _in_pieces(lambda c, after: owed.drop(c, which, _me(), datetime.now(UTC), after))
    typer.echo(f"{count} given up; their tickets say so.")


def _in_pieces(deed: Callable[[Connection, owed.Place], tuple[int, owed.Place | None]]) -> int:
    """Do it with all, a piece in each transaction so that servers get their turn; with how many."""
    count, place = 0, owed.START
    while place is not None:
        done, place = written(lambda c, after=place: deed(c, after))
        count += done
    return count


def _which(ticket: str, kind: str, state: str) -> Filter:
    state = state.replace("_", " ").replace("-", " ").strip().lower()
    if state and state not in owed.STATES:
        raise PipesleuthError(f"--state {state}: choose one of {', '.join(owed.STATES)}.")
    return Filter(ticket.strip(), kind.strip().lower(), state)


def _chosen(ticket: str, kind: str, state: str) -> Filter:
    which = _which(ticket, kind, state)
    if which == Filter():
        raise NothingChosen(NothingChosen.__doc__)
    return which


def _me() -> str:
    """Who types this, for the audit line."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):  # a container's user may have no name
        return "command line"
