"""`pipesleuth sandbox`: stand-ins for Slack, Teams, Jira, Gemini, Databricks, Data Factory and Airflow on one port."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Annotated

import typer

from pipesleuth.cli.tuning import tune_for_running


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @app.command()
    def sandbox(
        port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8010,
        host: Annotated[str, typer.Option(help="Address to listen on. The sandbox has no sign-on: keep it local.")] = (
            "127.0.0.1"
        ),
        webhook_url: Annotated[
            str, typer.Option(help="Where the board's changes are sent, such as http://127.0.0.1:8000/webhook/jira.")
        ] = "",
        webhook_secret: Annotated[
            str, typer.Option(envvar="JIRA_WEBHOOK_SECRET", help="Signs what is sent to the webhook.")
        ] = "",
    ) -> None:
        """Run stand-ins for the vendors, with a Slack channel and a Jira board to look at."""
        try:
            asyncio.run(run(port, host, webhook_url, webhook_secret))
        except OSError as error:
            typer.secho(f"The sandbox cannot listen on {host}:{port}: {error.strerror or error}", fg="red", err=True)
            raise typer.Exit(1) from None


async def run(port: int, host: str, webhook_url: str, webhook_secret: str) -> None:
    """Serve until SIGINT or SIGTERM; OSError when the port is taken."""
    # The stand-ins bring their own server, which other commands need not load.
    from pipesleuth.sandbox import Sandbox  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in a loop
            loop.add_signal_handler(number, stop.set)
    tune_for_running()  # what was sent is kept: there is little to collect, and walking it would stall every stand-in
    async with Sandbox(port, host, webhook_url=webhook_url, webhook_secret=webhook_secret) as running:
        typer.secho(f"Sandbox on {running.url}: Slack channel and Jira board to look at", fg="green")
        typer.echo("Settings for Pipesleuth, to be put into .env:\n")
        for name, value in running.environment().items():
            typer.echo(f"{name}={value}")
        typer.echo(f"\nFaults on demand: PUT {running.url}/_faults. Everything asked: {running.url}/_calls")
        await stop.wait()
