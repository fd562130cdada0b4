"""`pipesleuth reconcile`: compare the platforms' own histories with the tickets, by hand."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipesleuth.cli import logs
from pipesleuth.cli.serve import prepare
from pipesleuth.model import PipesleuthError
from pipesleuth.settings import load

if TYPE_CHECKING:
    from pipesleuth.lifetime import Parts
    from pipesleuth.tickets.reconciler import Round

LISTED = 20
_AGO = re.compile(r"(\d{1,5})\s*([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class NothingToAsk(PipesleuthError):
    """No platform has a history to be read: set DATABRICKS_HOST, AZURE_SUBSCRIPTION_ID or AIRFLOW_URL."""


class NoMoment(PipesleuthError):
    """The moment cannot be read."""


def register(app: typer.Typer) -> None:
    """Mount `reconcile` on the program."""
    app.command("reconcile")(reconcile)


def reconcile(
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 7d, or a time like 2026-11-20T02:00Z.")] = "24h",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is missing; make no ticket.")] = False,
) -> None:
    """Make tickets for failed runs that no webhook told of; exit code 1 if a platform could not be read."""
    logs.configure("warning")
    settings = load()
    prepare(settings)
    start = moment_of(since, datetime.now(UTC))
    from pipesleuth.assembly import assemble  # noqa: PLC0415  # other commands start faster without it

    rounds = asyncio.run(_run(assemble(settings, work=False), start, dry_run=dry_run))
    if any(found.problem for found in rounds):
        raise typer.Exit(1)


def moment_of(text: str, now: datetime, option: str = "--since") -> datetime:
    """The moment that a person means by `24h` or by a time; a time without a zone is UTC. Raises NoMoment."""
    ago = _AGO.fullmatch(text.strip().lower())
    if ago is not None:
        return now - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise NoMoment(f"{option} {text[:40]} is neither like 90m, 24h or 7d nor a time in ISO-8601.") from error
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    if found > now:
        raise NoMoment(f"{option} {text[:40]} lies in the future.")
    return found


async def _run(parts: Parts, since: datetime, *, dry_run: bool) -> list[Round]:
    console = Console(stderr=True)
    try:
        if not parts.reconciler.platforms:
            raise NothingToAsk(str(NothingToAsk.__doc__))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("reading the histories", total=None)

            def listed(found: Round) -> None:
                _say(progress.console, found, dry_run=dry_run)
                if not dry_run:
                    progress.update(task, description=found.source, total=len(found.missing), completed=0)

            return await parts.reconciler.by_hand(
                since, dry_run=dry_run, listed=listed, made=lambda: progress.advance(task)
            )
    finally:
        await parts.close()


def _say(console: Console, found: Round, *, dry_run: bool) -> None:
    if found.problem is not None:
        console.print(f"[red]{found.source}[/red]: {escape(found.problem)}", highlight=False, soft_wrap=True)
        return
    verb = "would get" if dry_run else "get"
    text = f"{found.failed} failed runs, {len(found.missing)} without a ticket {verb} one"
    console.print(f"[bold]{found.source}[/bold]: {text}", highlight=False)
    for failure in found.missing[:LISTED]:
        ended = f"{failure.occurred_at:%Y-%m-%d %H:%M}" if failure.occurred_at else "at an unknown time"
        console.print(f"  {escape(str(failure.run_id))}  {escape(failure.pipeline)}  {ended}", highlight=False)
    if len(found.missing) > LISTED:
        console.print(f"  … and {len(found.missing) - LISTED} more", highlight=False)
