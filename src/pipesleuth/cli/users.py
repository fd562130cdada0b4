"""`pipesleuth users`: people who may open the dashboard."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from pipesleuth.accounts import (
    ROLES,
    Refused,
    add_user,
    all_users,
    check_password,
    disable_user,
    hashed,
    plain_email,
    set_password,
)
from pipesleuth.cli.database import written
from pipesleuth.model import PipesleuthError

T = TypeVar("T")
people = typer.Typer(help="People who may open the dashboard.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Mount `users` on the program."""
    app.add_typer(people, name="users")


@people.command("add")
def add(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    name: Annotated[str | None, typer.Option(help="Full name.")] = None,
    role: Annotated[str, typer.Option(help="viewer, responder or admin.")] = "responder",
) -> None:
    """Add a person; the password comes from a prompt or from standard input."""
    if role not in ROLES:
        raise PipesleuthError(f"--role {role}: choose one of {', '.join(ROLES)}.")
    try:
        address = plain_email(email)
        secret = hashed(_password())
        written(lambda c: add_user(c, address, secret, name, role, datetime.now(UTC)))
    except Refused as refused:
        raise PipesleuthError(refused.reason) from refused
    typer.echo(f"{address} may log in ({role}).")


@people.command("list")
def show() -> None:
    """List everybody."""
    table = Table("E-mail", "Name", "Role", "Last login", "State", box=None)
    for row in written(all_users):
        state = "disabled" if row["disabled"] else "active"
        table.add_row(row["email"], row["full_name"] or "", row["role"], (row["last_login"] or "never")[:19], state)
    Console().print(table)


@people.command("disable")
def disable(email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Shut somebody out and end their sessions."""
    _known(written(lambda c: disable_user(c, email.strip().lower())), email)
    typer.echo(f"{email} is shut out.")


@people.command("password")
def password(email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Set a new password and end all sessions; it comes from a prompt or from standard input."""
    try:
        secret = hashed(_password())
    except Refused as refused:
        raise PipesleuthError(refused.reason) from refused
    _known(written(lambda c: set_password(c, email.strip().lower(), secret)), email)
    typer.echo(f"{email} has a new password.")


def _password() -> str:
    """A password that was typed twice, or one line of standard input. Raises Refused."""
    if sys.stdin.isatty():
        secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    check_password(secret)
    return secret


def _known(found: bool, email: str) -> None:  # noqa: FBT001  # an answer that is passed on
    if not found:
        raise PipesleuthError(f"Nobody has the address {email}.")
