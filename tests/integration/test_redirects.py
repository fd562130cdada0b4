"""No vendor's answer leads elsewhere: whoever calls a vendor for us follows no redirect with our secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from analyst_cases import verdict_of
from canned_server import CannedServer, answer
from notices import notice
from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.model import Permanent, Retryable
from pipesleuth.sources.azure_access import AzureAccess
from pipesleuth.sources.data_factory_settings import DataFactorySettings
from pipesleuth.sources.databricks_access import Access
from pipesleuth.sources.databricks_settings import DatabricksSettings
from pipesleuth.triage.analyst import Analyst, AnalystSettings
from pipesleuth.triage.prompt import Question

KEY = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYg=="
SECRET = "a-secret-9f8e7d6c5b4a"
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

Call = Callable[[str, pytest.MonkeyPatch], Awaitable[object]]


def leading_to(server: CannedServer) -> bytes:
    return (
        f"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://localhost:{server.port}/taken\r\n"
        "content-length: 0\r\nconnection: close\r\n\r\n"
    ).encode()


async def archive(url: str, _: pytest.MonkeyPatch) -> None:
    connection = f"DefaultEndpointsProtocol=http;AccountName=acme;AccountKey={KEY};BlobEndpoint={url}/acme"
    store = Archive(ArchiveSettings.model_validate({"azure_storage_conn": connection}))
    await store.deliver(notice(), None, in_doubt=False)


async def s3(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "acme", "SECRET_ACCESS_KEY": SECRET}
    for name, value in given.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    store = Archive(ArchiveSettings.model_validate({"archive_url": "s3://bodies", "aws_allow_http": True}))
    await store.deliver(notice(), None, in_doubt=False)


async def gemini(url: str, _: pytest.MonkeyPatch) -> None:
    await asked(gemini_api_key=SECRET, gemini_base_url=url)


async def openai(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    await asked(model_id="openai:gpt-5")


async def azure_openai(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", url)
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    await asked(model_id="azure:gpt-5")


async def anthropic(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    await asked(model_id="anthropic:claude-opus-5")


async def asked(**settings: str) -> None:
    analyst = Analyst(AnalystSettings.model_validate({"model_fallback": "none", **settings}))
    try:
        await analyst.ask(Question("data_factory", {}, "It broke.", verdict_of(), "", ""))
    finally:
        await analyst.close()


async def databricks(url: str, _: pytest.MonkeyPatch) -> None:
    given = {"databricks_host": url, "databricks_client_id": "principal", "databricks_client_secret": SECRET}
    await signed_on(Access(url, DatabricksSettings.model_validate(given)))


async def entra(url: str, _: pytest.MonkeyPatch) -> None:
    given = {"azure_login_url": url, "azure_tenant_id": "t", "azure_client_id": "c", "azure_client_secret": SECRET}
    await signed_on(AzureAccess(DataFactorySettings.model_validate(given)))


async def azure_identity(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a machine of Azure's App Service, whose endpoint for tokens wants a secret header."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", SECRET)
    await signed_on(AzureAccess(DataFactorySettings()))  # pyright: ignore[reportCallIssue]  # values come from the environment


async def signed_on(access: Access | AzureAccess) -> None:
    try:
        await access.headers()
    finally:
        await access.close()


@pytest.mark.parametrize(
    "call",
    [archive, s3, gemini, openai, azure_openai, anthropic, databricks, entra, azure_identity],
    ids=lambda c: c.__name__,
)
async def test_a_redirect_takes_no_secret_and_no_payload_elsewhere(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async with CannedServer(EMPTY) as trap, CannedServer(leading_to(trap)) as vendor:
        with pytest.raises((Retryable, Permanent)):
            await asyncio.wait_for(call(vendor.url, monkeypatch), 60)
        assert vendor.requests
        assert trap.requests == []


async def test_databricks_sdk_follows_a_redirect_without_our_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "databrickscfg"
    async with (
        CannedServer(answer(200, b"{}", content_type="application/json")) as trap,
        CannedServer(leading_to(trap)) as vendor,
    ):
        profile.write_text(f"[DEFAULT]\nhost = {vendor.url}\ntoken = {SECRET}\n", encoding="utf-8")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(profile))
        monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "DEFAULT")
        given = {"databricks_host": vendor.url, "databricks_auth_type": "pat"}
        access = Access(vendor.url, DatabricksSettings.model_validate(given))
        headers = await asyncio.wait_for(access.headers(), 60)
        await access.close()
        assert headers == {"authorization": f"Bearer {SECRET}"}
        assert trap.requests
        assert SECRET.encode() not in b"".join(trap.requests)
