"""`pipesleuth send`: post payloads from files and show each answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipesleuth.destinations.legible import clean_line
from pipesleuth.model import PipesleuthError
from pipesleuth.settings import load, secret

SECONDS = 30.0
SHOWN = 140


class NothingToSend(PipesleuthError):
    """No payload was found."""


def register(app: typer.Typer) -> None:
    """Mount `send` on the program."""
    app.command("send")(send)


def send(
    files: Annotated[list[Path], typer.Argument(help="Files with a payload each, or folders of *.json.")],
    url: Annotated[str, typer.Option(help="Where Pipesleuth is reached.")] = "http://localhost:8000",
    key: Annotated[
        str | None, typer.Option(envvar="RCA_API_KEY", help="API key; by default the one kept under DATA_DIR.")
    ] = None,
    door: Annotated[
        str | None, typer.Option(help="azure-monitor, databricks-monitor or hooks/NAME; by the payload where not said.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask what would happen.")] = False,
) -> None:
    """Post payloads to a running service; exit code 1 if one was refused."""
    found = payloads(files)
    presented = key or secret(load(), "rca_api_key")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    refused = 0
    with (
        httpx.Client(base_url=url, timeout=SECONDS, headers={"x-api-key": presented}) as client,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("sending", total=len(found))
        for path in found:
            body = content(path)
            try:
                answer = client.post(
                    f"/{(door or door_of(body)).strip('/')}",
                    content=body,
                    params={"dry_run": "1"} if dry_run else None,
                    headers={"content-type": "application/json"},
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise PipesleuthError(f"{url} does not answer: {error}. Is `pipesleuth serve` running?") from error
            refused += answer.status_code != 200
            progress.console.print(line(path, answer), highlight=False, soft_wrap=True)
            progress.advance(task)
    if refused:
        raise typer.Exit(1)


def payloads(files: Sequence[Path]) -> list[Path]:
    """The payload files that were named, folders opened. Raises NothingToSend."""
    found = [inner for path in files for inner in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise NothingToSend(f"There is no file {missing[0]}.")
    if not found:
        raise NothingToSend("There is no *.json in what was named.")
    return found


def content(path: Path) -> bytes:
    """A payload as it is in its file. Raises NothingToSend."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NothingToSend(f"{path} cannot be read: {error.strerror}.") from error


def door_of(body: bytes) -> str:
    """The door a payload belongs to, by what it looks like."""
    try:
        text = json.dumps(json.loads(body)).lower()
    except (ValueError, RecursionError):
        return "azure-monitor"
    if '"dag_id"' in text:
        return "hooks/airflow"
    azure = '"schemaid"' in text or '"essentials"' in text or '"pipelinename"' in text or '"context"' in text
    return "azure-monitor" if azure else "databricks-monitor"


def line(path: Path, answer: httpx.Response) -> str:
    """One answer as one line for a person."""
    try:
        body: object = answer.json()
    except ValueError:
        body = None
    said: dict[str, Any] = cast("dict[str, Any]", body) if isinstance(body, dict) else {"detail": answer.text}
    if answer.status_code != 200:
        detail = clean_line(str(said.get("detail")))[:SHOWN]
        return f"[red]{answer.status_code}[/red] {escape(path.name)}: {escape(detail)}"
    status = str(said.get("status"))
    tickets: list[dict[str, Any]] = said.get("tickets") or [said]
    colour = {"success": "green", "ignored": "dim", "dry_run": "cyan"}.get(status, "yellow")
    rest = " ".join(str(one.get("message") or one.get("reason") or one.get("ticket_id") or "") for one in tickets)
    return f"[{colour}]{status:<17}[/{colour}] {escape(path.name)}  {escape(clean_line(rest)[:SHOWN])}"
