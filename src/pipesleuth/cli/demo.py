"""`pipesleuth demo`: everything at once on this machine, with failures that look real."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from pipesleuth.cli import demo_runs, logs
from pipesleuth.cli.serve import bound, prepare, uvicorn_config
from pipesleuth.cli.tuning import tune_for_running
from pipesleuth.model import timestamp
from pipesleuth.settings import Settings, kept_secret, load, secret

if TYPE_CHECKING:
    import socket

    import httpx
    import uvicorn
    from fastapi import FastAPI

    from pipesleuth.web.deps import House

EMAIL = "demo@sigmoidanalytics.com"
FOLDER = "pipesleuth.sandbox"


@dataclass(frozen=True, slots=True)
class Sending:
    """One webhook of the demo."""

    file: str
    door: str
    note: str
    text: str


def register(app: typer.Typer) -> None:
    """Mount `demo` on the program."""
    app.command("demo")(demo)


def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service.")] = 8000,
    sandbox_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the stand-ins.")] = 8010,
    pace: Annotated[float, typer.Option(min=0.0, help="Seconds between two failures.")] = 1.5,
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop when everything was sent and told.")] = False,
) -> None:
    """Start the service and stand-ins for Slack, Jira and Gemini here, and send failures at a human pace."""
    logs.configure("warning")
    service, stand_ins = bound("127.0.0.1", port), bound("127.0.0.1", sandbox_port)
    stand_ins.close()
    try:
        asyncio.run(_run(service, sandbox_port, pace, once=once))
    except KeyboardInterrupt:
        typer.echo("\n  Stopped.")


async def _run(service: socket.socket, sandbox_port: int, pace: float, *, once: bool) -> None:
    from pipesleuth.sandbox import Sandbox  # noqa: PLC0415  # only the demo wants it

    address = f"http://localhost:{service.getsockname()[1]}"
    secret = secrets.token_urlsafe(16)
    async with Sandbox(sandbox_port, webhook_url=f"{address}/webhook/jira", webhook_secret=secret) as stand_ins:
        os.environ.update(_environment(address, stand_ins.environment()))
        settings = load()
        prepare(settings)
        from pipesleuth.app import build  # noqa: PLC0415  # other commands start faster without it

        app = build(settings)
        tune_for_running()
        await _serve(app, service, settings, address, stand_ins.url, pace=pace, once=once)


def _environment(address: str, stand_ins: Mapping[str, str]) -> dict[str, str]:
    """The settings of the demo: the stand-ins instead of the vendors, a folder of its own."""
    settings = load()
    folder = str(settings.data_dir if "data_dir" in settings.model_fields_set else settings.data_dir / "demo")
    return {**stand_ins, "DATA_DIR": folder, "PUBLIC_BASE_URL": address, "REGISTRATION": "open"}


async def _serve(
    app: FastAPI, listening: socket.socket, settings: Settings, address: str, board: str, *, pace: float, once: bool
) -> None:
    import uvicorn  # noqa: PLC0415  # other commands start faster without it

    server = uvicorn.Server(uvicorn_config(app))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await asyncio.wait({serving, asyncio.create_task(_started(server))}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        password, _ = kept_secret(settings.data_dir / "secrets", "demo_password")
        await _make_user(app, password)
        _say_where(address, board, password, settings)
        showing = asyncio.create_task(_show(app, address, board, settings, pace))
        await asyncio.wait({serving, showing}, return_when=asyncio.FIRST_COMPLETED)
        if showing.done() and not showing.cancelled():
            showing.result()
            if once:
                server.should_exit = True
        showing.cancel()
    await serving


async def _started(server: uvicorn.Server) -> None:
    """Return once the server answers."""
    while not server.started:  # noqa: ASYNC110  # uvicorn has a flag and no event
        await asyncio.sleep(0.02)


async def _make_user(app: FastAPI, password: str) -> None:
    """The demo's user, an administrator; one that is there already keeps its place."""
    from pipesleuth.accounts.people import Refused, add_user, hashed  # noqa: PLC0415  # bcrypt is loaded here only

    house: House = app.state.house
    secret = await asyncio.to_thread(hashed, password)
    try:
        await house.database.write(lambda c: add_user(c, EMAIL, secret, "Demo User", "admin", datetime.now(UTC)))
    except Refused as refused:
        if refused.code != "email_taken":
            raise


def _say_where(address: str, board: str, password: str, settings: Settings) -> None:
    typer.echo(
        f"""
  Pipesleuth is running.

    Dashboard            {address}/dashboard
    Log in with          {EMAIL}
    Password             {password}

    Slack and Jira       {board}
                         (stand-ins: close a card on the board and watch ticket, Slack and dashboard follow)

    Data                 {settings.data_dir.resolve()}

  Failures come in now; Ctrl-C stops everything.
"""
    )


async def _show(app: FastAPI, address: str, board: str, settings: Settings, pace: float) -> None:
    """Send the failures one after the other, and say what each was answered."""
    import httpx  # noqa: PLC0415  # other commands start faster without it

    failures = sendings()
    jobs = [sending.text for sending in failures if sending.door == "databricks-monitor"]
    async with httpx.AsyncClient(base_url=board, timeout=30) as stand_ins:
        await stand_ins.put("/_state/databricks", json=demo_runs.state(jobs))
    headers = {"x-api-key": secret(settings, "rca_api_key"), "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
        for sending in failures:
            answer = await client.post(f"/{sending.door}", content=sending.text.encode())
            typer.echo(f"  {_line(sending, answer)}")
            await asyncio.sleep(pace)
    await _all_told(app)
    typer.echo("\n  Everything was sent. Look around; Ctrl-C stops everything.\n")


async def _all_told(app: FastAPI) -> None:
    """Wait until nothing is owed to the channels, a minute at most."""
    from pipesleuth.outbox.todos import owed  # noqa: PLC0415  # other commands start faster without it

    for _ in range(240):
        if not await app.state.house.database.read(owed):
            return
        await asyncio.sleep(0.25)


def sendings() -> Sequence[Sending]:
    """The webhooks of one demo, with fresh times and run ids."""
    folder = files(FOLDER) / "failures"
    run = f"{secrets.randbelow(10**12):012d}"
    found: list[Sending] = []
    for entry in yaml.safe_load((folder / "failures.yaml").read_text("utf-8")):
        now = datetime.now(UTC)
        text = (folder / entry["file"]).read_text("utf-8")
        for word, value in {
            "__NOW__": timestamp(now),
            "__EPOCH_MS__": str(int(now.timestamp() * 1000)),
            "__RUN__": run,
        }.items():
            text = text.replace(word, value)
        found.append(Sending(entry["file"], entry["door"], entry["note"], text))
    return found


def _line(sending: Sending, answer: httpx.Response) -> str:
    try:
        said: dict[str, Any] = answer.json()
    except json.JSONDecodeError:
        said = {"status": str(answer.status_code), "reason": answer.text}
    tickets: list[dict[str, Any]] = said.get("tickets") or [said]
    ids = ", ".join(str(one["ticket_id"]) for one in tickets if one.get("ticket_id"))
    word = str(said.get("status") or said.get("code"))
    return f"{word:<18} {ids or said.get('reason') or said.get('detail')}\n      {sending.note}"
