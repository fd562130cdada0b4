"""A sandbox with a clock of its own, and the vendors' example bodies."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipesleuth.sandbox import Sandbox

# Loading the machine's certificates for every client would take longer than most tests.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SAMPLES = Path(__file__).parent / "samples"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_795_140_999.0

    def __call__(self) -> float:
        return self.now


async def eventually(check: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits until the check holds; TimeoutError when it never does."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110  # what is waited for happens elsewhere and rings no bell
            await asyncio.sleep(0.01)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Awaitable[None]]:
    return eventually


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sample() -> Callable[[str], Any]:
    def read(name: str) -> Any:
        return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))

    return read


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(clock=clock) as running:
        yield running


def client(path: str, **how: Any) -> Any:
    """A fixture: somebody who calls the stand-in under this path."""

    @pytest.fixture
    async def opened(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(verify=PLAIN, base_url=f"{sandbox.url}{path}", timeout=10, **how) as one:
            yield one

    return opened


http = client("")
slack = client("/slack/api/", headers={"authorization": "Bearer xoxb-1"})
jira = client("/jira/rest/api/3/", auth=("bot@example.com", "token"))
databricks = client("/databricks/api/", headers={"authorization": "Bearer dapi-1"})
azure = client("/azure", headers={"authorization": "Bearer entra"})
