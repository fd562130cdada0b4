"""The service under measurement: the real one, with a no-op route beside it, and destinations of its own."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from fastapi import Request
from fastapi.responses import Response

from pipesleuth.app import build
from pipesleuth.cli import logs
from pipesleuth.cli.serve import bound, prepare, uvicorn_config
from pipesleuth.cli.tuning import tune_for_running
from pipesleuth.destinations.contract import Destination, InboundRequest
from pipesleuth.model import Notice, Receipt, StatusChange
from pipesleuth.settings import load

PROMPT, FOR_EVER = 0.1, 3600.0  # seconds


class Vendor:
    """A destination that answers after so many seconds."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self._seconds = seconds

    async def close(self) -> None:
        """Nothing to give back."""

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        """Wait as long as a vendor does, and have it."""
        _ = in_doubt
        await asyncio.sleep(self._seconds)
        return receipt or Receipt(key=f"{self.name}-{notice.ticket_id}")

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """No news."""
        _ = request


async def no_op(request: Request) -> Response:
    """Read the body and answer nothing: what any POST route costs on this server."""
    await request.body()
    return Response(b"{}", media_type="application/json")


def main() -> None:
    port = int(sys.argv[1])
    seconds = PROMPT if "--prompt" in sys.argv else FOR_EVER if "--hang" in sys.argv else None
    logs.configure("warning")
    settings = load()
    prepare(settings)
    told: dict[str, Destination] | None = (
        {kind: Vendor(kind, seconds) for kind in ("archive", "jira", "slack")} if seconds is not None else None
    )
    app = build(settings, told=told, work="--no-work" not in sys.argv)
    app.add_api_route("/noop", no_op, methods=["POST"])
    tune_for_running()
    uvicorn.Server(uvicorn_config(app)).run(sockets=[bound("127.0.0.1", port)])


if __name__ == "__main__":
    main()
