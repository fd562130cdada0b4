"""`pipesleuth connect`: let a platform tell us of its failures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from pipesleuth.environment import LOOPBACK
from pipesleuth.model import Permanent, Retryable, WrongSetting
from pipesleuth.settings import Settings, from_environment, load, secret

if TYPE_CHECKING:
    from pipesleuth.sources.databricks_notifications import Job, Notifications
    from pipesleuth.sources.databricks_settings import DatabricksSettings

DOOR = "databricks-monitor"

connecting = typer.Typer(help="Let a platform tell us of its failures.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Mount `connect` on the program."""
    connecting.callback()(_platforms)
    app.add_typer(connecting, name="connect")


def _platforms() -> None:
    """Let a platform tell us of its failures."""


@connecting.command("databricks")
def databricks(
    job: Annotated[list[str] | None, typer.Option(help="Id of a job; may be repeated.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Jobs by name, with * and ?; may be repeated.")] = None,
    destination: Annotated[str, typer.Option(help="Name of the notification destination.")] = "Pipesleuth",
    *,
    every: Annotated[bool, typer.Option("--all", help="Every job of the workspace.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this, only say what would change.")] = False,
) -> None:
    """Make the notification destination, and let jobs tell it of their failures; exit code 1 if a job was refused."""
    if not (job or name or every):
        raise typer.BadParameter("Say which jobs: --job ID, --name GLOB or --all.")
    from pipesleuth.sources.databricks_notifications import Notifications  # noqa: PLC0415  # other commands start faster

    settings = load()
    workspace = _workspace()
    address = _address(settings, workspace)
    key = secret(settings, "rca_api_key") if apply else ""
    connection = _Connection(Notifications(workspace, key=key), destination, address, apply=apply)
    refused = asyncio.run(connection.make(job or [], ["*"] if every else name or []))
    if refused:
        raise typer.Exit(1)


class _Connection:
    """One workspace on its way to us; it says what it does, or what it would."""

    def __init__(self, workspace: Notifications, name: str, address: str, *, apply: bool) -> None:
        self._workspace = workspace
        self._name = name
        self._address = address
        self._apply = apply
        self._console = Console()

    async def make(self, ids: list[str], names: list[str]) -> int:
        """Connect the jobs; how many were refused. Raises Retryable, Permanent."""
        try:
            number = await self._destination()
            jobs = await self._workspace.jobs(ids, names)
            if not jobs:
                raise Permanent("No job fits what was named, or the token's owner may see none (CAN VIEW).")
            refused = [job for job in jobs if not await self._job(job, number)]
        finally:
            await self._workspace.close()
        if not self._apply:
            self._say("[bold]Nothing was changed.[/bold] Say the same with --apply to do it.")
        return len(refused)

    async def _destination(self) -> str | None:
        number = await self._workspace.find(self._name)
        shown = f"destination {escape(self._name)} → {escape(self._address)}"
        if number is None:
            if self._apply:
                number = await self._workspace.create(self._name, self._address)
            self._say(f"[green]+[/green] {shown}")
        else:
            if self._apply:
                await self._workspace.renew(number, self._name, self._address)
            self._say(f"[cyan]~[/cyan] {shown} (there already: address and key are set anew)")
        return number

    async def _job(self, job: Job, number: str | None) -> bool:
        """Connect one job; whether that went well."""
        shown = f"job {escape(job.job_id)} {escape(job.name)}"
        if number is not None and job.tells(number):
            self._say(f"[dim]=[/dim] {shown} (tells it already)")
            return True
        if job.full:
            full = "it tells as many destinations already as Databricks allows; take one away first"
            self._say(f"[red]✗[/red] {shown}: {full}.")
            return False
        if self._apply and number is not None:
            try:
                await self._workspace.attach(job.job_id, number)
            except (Retryable, Permanent) as error:
                self._say(f"[red]✗[/red] {shown}: {escape(error.reason.rstrip('. '))}.")
                return False
        undone = f" ([yellow]deployed by a {escape(job.deployed_by)}: add it there too, or it is undone[/yellow])"
        self._say(f"[green]+[/green] {shown}: on_failure{undone if job.deployed_by else ''}")
        return True

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def _workspace() -> DatabricksSettings:
    """The workspace of the environment. Raises WrongSetting."""
    from pipesleuth.sources.databricks_settings import DatabricksSettings  # noqa: PLC0415  # other commands start faster

    settings = from_environment(DatabricksSettings)
    if not settings.configured:
        raise WrongSetting("Set DATABRICKS_HOST and DATABRICKS_TOKEN: the token of a workspace administrator.")
    return settings


def _address(settings: Settings, workspace: DatabricksSettings) -> str:
    """Where Databricks is to post. Raises WrongSetting where it could not, or would send the key in the open."""
    near = urlsplit(workspace.databricks_host).hostname in LOOPBACK
    if not near and (settings.on_loopback or not settings.public_base_url.startswith("https://")):
        raise WrongSetting(
            f"PUBLIC_BASE_URL is {settings.public_base_url}: Databricks needs an https:// address that it can reach."
        )
    return f"{settings.public_base_url}/{DOOR}"
