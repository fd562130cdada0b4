"""No vendor's answer leads elsewhere: libraries that call by themselves follow no redirect with our secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from analyst_cases import verdict_of
from canned_server import CannedServer
from notices import notice
from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.model import Permanent, Retryable
from pipesleuth.triage.analyst import Analyst, AnalystSettings
from pipesleuth.triage.prompt import Question

KEY = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYg=="
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def leading_to(server: CannedServer) -> bytes:
    return (
        f"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://localhost:{server.port}/taken\r\n"
        "content-length: 0\r\nconnection: close\r\n\r\n"
    ).encode()


async def archive(url: str) -> None:
    connection = f"DefaultEndpointsProtocol=http;AccountName=acme;AccountKey={KEY};BlobEndpoint={url}/acme"
    store = Archive(ArchiveSettings.model_validate({"azure_storage_conn": connection}))
    await store.deliver(notice(), None, in_doubt=False)


async def analyst(url: str) -> None:
    settings = AnalystSettings.model_validate(
        {"gemini_api_key": "gemini-secret-9f8e7d6c", "gemini_base_url": url, "model_fallback": "none"}
    )
    await Analyst(settings).ask(Question("data_factory", {}, "It broke.", verdict_of(), "", ""))


@pytest.mark.parametrize("call", [archive, analyst], ids=["obstore", "google-genai"])
async def test_a_redirect_takes_no_secret_and_no_payload_elsewhere(call: Callable[[str], object]) -> None:
    async with CannedServer(EMPTY) as trap, CannedServer(leading_to(trap)) as vendor:
        with pytest.raises((Retryable, Permanent)):
            await asyncio.wait_for(call(vendor.url), 30)  # pyright: ignore[reportArgumentType]  # both are coroutines
        assert vendor.requests
        assert trap.requests == []
