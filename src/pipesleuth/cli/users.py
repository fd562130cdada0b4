"""`pipesleuth users`: people who may open the dashboard."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipesleuth.accounts.people import (
    ROLES,
    Refused,
    add_user,
    all_users,
    check_password,
    disable_user,
    enable_user,
    hashed,
    of_our_domains,
    plain_email,
    set_password,
    set_role,
)
from pipesleuth.accounts.registration import INVITATION_DAYS, new_invitation
from pipesleuth.cli.database import written
from pipesleuth.model import PipesleuthError
from pipesleuth.settings import load

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
    _check_role(role)
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
    table = Table("E-mail", "Name", "Role", "Comes in by", "Last login", "State", box=None)
    for row in written(all_users):
        state = "disabled" if row["disabled"] else "active"
        way = "password" if row["password_hash"] else "sign-on"
        table.add_row(
            row["email"], row["full_name"] or "", row["role"], way, (row["last_login"] or "never")[:19], state
        )
    Console().print(table)


@people.command("disable")
def disable(email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Shut somebody out and end their sessions."""
    _known(written(lambda c: disable_user(c, email.strip().lower())), email)
    typer.echo(f"{email} is shut out.")


@people.command("enable")
def enable(email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Let somebody in again who was shut out."""
    _known(written(lambda c: enable_user(c, email.strip().lower())), email)
    typer.echo(f"{email} may come in again.")


@people.command("role")
def change_role(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    role: Annotated[str, typer.Argument(help="viewer, responder or admin.")],
) -> None:
    """Give somebody another role, also in the sessions they have."""
    _check_role(role)
    _known(written(lambda c: set_role(c, email.strip().lower(), role)), email)
    typer.echo(f"{email} is {role} now.")


@people.command("invite")
def invite(
    email: Annotated[str, typer.Argument(help="E-mail address, of an allowed domain.")],
    role: Annotated[str, typer.Option(help="viewer, responder or admin.")] = "responder",
) -> None:
    """Make an invitation and show its link, this once."""
    _check_role(role)
    settings = load()
    login = f"{settings.public_base_url}/login"
    try:
        address = of_our_domains(email, settings.allowed_email_domains)
        made = written(lambda c: new_invitation(c, address, role, "the command line", login, datetime.now(UTC)))
    except Refused as refused:
        raise PipesleuthError(refused.reason) from refused
    typer.echo(f"For {address}, good for {INVITATION_DAYS} days, shown this once:\n", err=True)
    typer.echo(made.link)


@people.command("password")
def password(email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Set a new password and end all sessions; it comes from a prompt or from standard input."""
    try:
        secret = hashed(_password())
    except Refused as refused:
        raise PipesleuthError(refused.reason) from refused
    _known(written(lambda c: set_password(c, email.strip().lower(), secret)), email)
    typer.echo(f"{email} has a new password.")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise PipesleuthError(f"--role {role}: choose one of {', '.join(ROLES)}.")


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
