"""The service under measurement: the real one, with a no-op route beside it, and destinations that may hang."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from fastapi import Request
from fastapi.responses import Response

from pipesleuth.app import build
from pipesleuth.cli import logs
from pipesleuth.cli.serve import bound, prepare, tune_interpreter, uvicorn_config
from pipesleuth.destinations.contract import Destination, InboundRequest
from pipesleuth.model import Notice, Receipt, StatusChange
from pipesleuth.settings import load


class Hanging:
    """A destination that never answers."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def close(self) -> None:
        """Nothing to give back."""

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        """Wait for ever."""
        await asyncio.sleep(3600)
        raise AssertionError(notice, receipt, in_doubt)

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """No news."""
        _ = request


async def no_op(request: Request) -> Response:
    """Read the body and answer nothing: what any POST route costs on this server."""
    await request.body()
    return Response(b"{}", media_type="application/json")


def main() -> None:
    port, hang = int(sys.argv[1]), "--hang" in sys.argv
    logs.configure("warning")
    settings = load()
    prepare(settings)
    told: dict[str, Destination] | None = (
        {kind: Hanging(kind) for kind in ("archive", "jira", "slack")} if hang else None
    )
    app = build(settings, told=told, work="--no-work" not in sys.argv)
    app.add_api_route("/noop", no_op, methods=["POST"])
    tune_interpreter()
    uvicorn.Server(uvicorn_config(app)).run(sockets=[bound("127.0.0.1", port)])


if __name__ == "__main__":
    main()
