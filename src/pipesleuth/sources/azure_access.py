"""Tokens for Azure Resource Manager: a service principal's, or whatever azure-identity finds on this machine."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipesleuth.client import Client, Limits, Vendor
from pipesleuth.model import Permanent, Retryable
from pipesleuth.sources.client_credentials import EARLY_SECONDS, granted
from pipesleuth.sources.data_factory_settings import DataFactorySettings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

IDENTITY_SECONDS = 5
HINT = "Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."


class AzureAccess:
    """Signs calls to Azure Resource Manager."""

    def __init__(self, settings: DataFactorySettings) -> None:
        self._settings = settings
        secret = settings.azure_client_secret
        self._secret = secret.get_secret_value() if secret else None
        vendor = Vendor(
            base_urls=(settings.azure_login_url,),
            secrets=(self._secret,) if self._secret else (),
            credentials_hint=HINT,
        )
        self._client = Client(vendor, Limits(connect=3, read=IDENTITY_SECONDS, whole=IDENTITY_SECONDS))
        self._credential: TokenCredential | None = None
        self._kept: tuple[float, str] | None = None
        self._turn = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """The headers of a call. Raises Retryable and Permanent with the sentence of whoever refused."""
        async with self._turn:
            if self._kept is None or self._kept[0] < time.monotonic():
                token, seconds = await (self._principal() if self._secret else self._identity())
                self._kept = (time.monotonic() + max(0.0, seconds - EARLY_SECONDS), token)
            return {"authorization": f"Bearer {self._kept[1]}"}

    def forget(self) -> None:
        """The token was refused: ask for another at the next call."""
        self._kept = None

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _principal(self) -> tuple[str, float]:
        """The token of the service principal that is configured."""
        url = f"{self._settings.azure_login_url}/{quote(self._settings.azure_tenant_id, safe='')}/oauth2/v2.0/token"
        form = {
            "client_id": self._settings.azure_client_id,
            "client_secret": self._secret or "",
            "scope": f"{self._audience}/.default",
        }
        return await granted(self._client, url, form)

    @property
    def _audience(self) -> str:
        # Stand-ins listen elsewhere; what a token is for stays Azure's own name.
        url = self._settings.azure_management_url
        return url if url.startswith("https://") else "https://management.azure.com"

    async def _identity(self) -> tuple[str, float]:
        # Loading the library takes seconds and no network: it goes on in its thread whoever waits.
        await asyncio.to_thread(importlib.import_module, "azure.identity")
        try:
            async with asyncio.timeout(2 * IDENTITY_SECONDS):
                return await asyncio.to_thread(self._sign_on)
        except TimeoutError as error:
            raise Retryable(f"azure-identity took longer than {2 * IDENTITY_SECONDS} s.") from error

    def _sign_on(self) -> tuple[str, float]:
        # The vendor's library is loaded at first use, in a thread of its own.
        from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError  # noqa: PLC0415
        from azure.identity import CredentialUnavailableError, DefaultAzureCredential  # noqa: PLC0415

        if self._credential is None:
            self._credential = DefaultAzureCredential(
                managed_identity_client_id=self._settings.azure_client_id or None,
                exclude_interactive_browser_credential=True,
                exclude_visual_studio_code_credential=True,
                exclude_powershell_credential=True,
                connection_timeout=IDENTITY_SECONDS,
                read_timeout=IDENTITY_SECONDS,
                process_timeout=IDENTITY_SECONDS,
            )
        try:
            token = self._credential.get_token(f"{self._audience}/.default")
        except (ClientAuthenticationError, CredentialUnavailableError) as error:
            said = " ".join(str(error).split())[:200].rstrip(". ")
            raise Permanent(f"azure-identity cannot sign on: {said}.") from error
        except (ServiceRequestError, OSError) as error:
            raise Retryable(f"azure-identity reached nobody: {type(error).__name__}.") from error
        return token.token, token.expires_on - time.time()
