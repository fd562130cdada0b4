"""`pipesleuth serve` and `pipesleuth worker`."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipesleuth.cli import logs
from pipesleuth.cli.tuning import tune_for_loading, tune_for_running
from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import PipesleuthError, StoreUnavailable, WrongSetting
from pipesleuth.settings import Settings, from_environment, kept_secret, load

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

BACKLOG = 2048
STOP_SECONDS = 15
NOT_STARTED = 3


class PortTaken(PipesleuthError):
    """Another program listens on the port."""


def register(app: typer.Typer) -> None:
    """Mount `serve` and `worker` on the program."""
    app.command("serve")(serve)
    app.command("worker")(worker)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")] = 8000,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    *,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only answer; to-dos are worked off elsewhere.")
    ] = False,
) -> None:
    """Answer webhooks, serve the dashboard, and work off to-dos."""
    tune_for_loading()
    logs.configure(log_level)
    settings = load()
    prepare(settings, patient=True)
    show_first_key(settings)
    listening = bound(host, port)
    from pipesleuth.app import build  # noqa: PLC0415  # other commands start faster without it
    from pipesleuth.cli.server import Server  # noqa: PLC0415  # the same

    service = build(settings, work=not no_worker)
    typer.echo(f"Pipesleuth listens on http://{_shown(host)}:{listening.getsockname()[1]}", err=True)
    tune_for_running()
    server = Server(uvicorn_config(service), service.state.house, drain_seconds=settings.drain_seconds)
    server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(NOT_STARTED)


def uvicorn_config(service: FastAPI) -> uvicorn.Config:
    """How the server is run: no access log (it prints query strings), bounded sockets, a clean end."""
    import uvicorn  # noqa: PLC0415  # other commands start faster without it

    from pipesleuth.web.connections import limited  # noqa: PLC0415  # the same
    from pipesleuth.web.traffic import TrafficSettings  # noqa: PLC0415  # the same

    return uvicorn.Config(
        service,
        http=limited(from_environment(TrafficSettings)),
        proxy_headers=False,  # the app believes the proxies that it was told of, and nobody by default
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
        server_header=False,
        ws_max_size=65_536,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def worker(
    host: Annotated[str, typer.Option(help="Address to answer on, where --port is given.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Answer /healthz, /readyz and /metrics on this port.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Work off to-dos beside one or more `serve --no-worker`."""
    tune_for_loading()
    logs.configure(log_level)
    settings = load()
    prepare(settings, patient=True)
    asyncio.run(_work(settings, bound(host, port) if port is not None else None))


async def _work(settings: Settings, listening: socket.socket | None) -> None:
    from pipesleuth.app import operations  # noqa: PLC0415  # other commands start faster without it
    from pipesleuth.assembly import assemble  # noqa: PLC0415  # the same
    from pipesleuth.cli.server import Server  # noqa: PLC0415  # the same
    from pipesleuth.lifetime import running  # noqa: PLC0415  # the same

    parts = assemble(settings)
    tune_for_running()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(parts, serves=False):
        typer.echo("Pipesleuth works off to-dos.", err=True)
        if listening is None:
            await stop.wait()
        elif not stop.is_set():
            await Server(uvicorn_config(operations(parts.house)), parts.house).serve(sockets=[listening])


def prepare(settings: Settings, *, patient: bool = False) -> None:
    """Make the data folder and bring the database up to date. Raises WrongSetting, StoreUnavailable.

    Whoever is `patient` goes on without a server's database: it is brought up to date as soon as it can be reached.
    """
    make_folder(settings.data_dir)
    try:
        upgrade(settings.database)
    except StoreUnavailable as error:
        if not patient or settings.database.get_backend_name() == "sqlite":
            raise
        typer.echo(f"The database cannot be reached yet: {error}", err=True)


def make_folder(folder: Path) -> None:
    """Make the data folder, and see that it can be written. Raises WrongSetting."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # another container may have the same process id
    except OSError as error:
        raise WrongSetting(
            f"DATA_DIR: {folder.resolve()} cannot be written ({error.strerror}). Set DATA_DIR to a folder of yours."
        ) from error


def show_first_key(settings: Settings) -> None:
    """Show a freshly made API key, once."""
    if settings.rca_api_key is not None:
        return
    key, fresh = kept_secret(settings.data_dir / "secrets", "rca_api_key")
    if fresh:
        place = settings.data_dir / "secrets" / "rca_api_key"
        typer.echo(f"Your API key for webhooks (shown this once; kept in {place}):\n\n    {key}\n", err=True)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortTaken, WrongSetting with a sentence that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, or else asyncio leaves Nagle's delay of 40 ms on.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} is taken by another program. Stop it, or choose another port with --port {port + 1}."
            ) from error
        if error.errno == errno.EACCES:
            raise WrongSetting(f"Port {port} may not be opened by you; choose one above 1023 with --port.") from error
        raise WrongSetting(f"--host {host}: {error.strerror}.") from error
    listening.setblocking(False)
    return listening


def _shown(host: str) -> str:
    return "localhost" if host in {"0.0.0.0", "::", "127.0.0.1"} else host  # noqa: S104  # compared, not bound
