"""`pipesleuth keys`: the keys that webhook senders present."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipesleuth.accounts.keys import SCOPES, add_key, all_keys, revoke_keys
from pipesleuth.cli.database import written
from pipesleuth.model import PipesleuthError, timestamp

keys = typer.Typer(help="API keys of webhook senders, besides RCA_API_KEY.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Mount `keys` on the program."""
    app.add_typer(keys, name="keys")


@keys.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is, such as logic-app.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="intake (send webhooks) or read (look runs up); may be given twice.")
    ] = None,
    old_hours: Annotated[
        float | None, typer.Option(min=0, help="Let older keys of this name end after so many hours.")
    ] = None,
) -> None:
    """Make a key and show it, this once. Older keys of the same name stay valid until they end or are revoked."""
    scopes = tuple(dict.fromkeys(scope or SCOPES))
    if unknown := [one for one in scopes if one not in SCOPES]:
        raise PipesleuthError(f"--scope {unknown[0]}: choose one of {', '.join(SCOPES)}.")
    plain = name.strip()
    if not plain or len(plain) > 100 or not plain.isprintable() or plain.isdigit():
        raise PipesleuthError("A key's name is a word of up to 100 characters that is no number.")
    key = written(lambda c: add_key(c, plain, scopes, datetime.now(UTC), old_hours=old_hours))
    typer.echo(f"The key of {plain} ({', '.join(scopes)}), shown this once:\n", err=True)
    typer.echo(key)


@keys.command("list")
def show() -> None:
    """List every key with its scopes and when it was last used, to the minute."""
    now = timestamp(datetime.now(UTC))
    table = Table("No.", "Name", "For", "Made", "Last used", "State", box=None)
    for row in written(all_keys):
        ended = row["expires_at"] is not None and row["expires_at"] <= now
        until = f"until {row['expires_at'][:16]}" if row["expires_at"] else "active"
        state = "revoked" if row["revoked_at"] else "ended" if ended else until
        used = (row["last_used_at"] or "never")[:16]
        table.add_row(str(row["id"]), row["name"], row["scopes"], row["created_at"][:10], used, state)
    Console().print(table)


@keys.command("revoke")
def revoke(
    which: Annotated[str, typer.Argument(help="Number of one key, or the name of all keys that have it.")],
) -> None:
    """End keys at once; running servers follow within five seconds."""
    ended = written(lambda c: revoke_keys(c, which.strip(), datetime.now(UTC)))
    if not ended:
        raise PipesleuthError(f"No living key is called {which}.")
    typer.echo(f"{ended} key{'s' if ended > 1 else ''} of {which} ended.")
