"""Authorisation headers for Databricks: a token as it is, a service principal's, or what databricks-sdk finds."""

from __future__ import annotations

import asyncio
import base64
import importlib
import time
from collections.abc import Mapping

from pipesleuth.client import Client, Limits, Vendor
from pipesleuth.model import Permanent, Retryable
from pipesleuth.sources.client_credentials import EARLY_SECONDS, granted
from pipesleuth.sources.databricks_settings import DatabricksSettings

SIGN_ON_SECONDS = 5  # databricks-sdk's own limits hold a caller for five minutes
KEPT_SECONDS = 120.0  # well before a token ends; one that was taken back is asked for anew soon
OURS = frozenset({"", "oauth-m2m"})
HINT = "Check DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET."


class Access:
    """Signs calls to the workspace at `address`."""

    def __init__(self, address: str, settings: DatabricksSettings) -> None:
        self._address = address
        self._token = settings.tokens().get(address)
        self._auth_type = settings.databricks_auth_type
        secret = settings.databricks_client_secret.get_secret_value() if settings.databricks_client_secret else ""
        name = settings.databricks_client_id
        self._principal = base64.b64encode(f"{name}:{secret}".encode()).decode() if name and secret else ""
        vendor = Vendor(base_urls=(address,), secrets=(secret, self._principal), credentials_hint=HINT)
        self._client = Client(vendor, Limits(connect=3, read=SIGN_ON_SECONDS, whole=SIGN_ON_SECONDS))
        self._kept: tuple[float, Mapping[str, str]] | None = None
        self._turn = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """The headers of a call. Raises Retryable and Permanent with the sentence of whoever refused."""
        if self._token is not None:
            return {"authorization": f"Bearer {self._token}"}
        async with self._turn:
            if self._kept is None or self._kept[0] < time.monotonic():
                ours = self._principal and self._auth_type in OURS
                headers, seconds = await (self._granted() if ours else self._from_the_sdk())
                self._kept = (time.monotonic() + seconds, headers)
            return self._kept[1]

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _granted(self) -> tuple[Mapping[str, str], float]:
        """A service principal's headers, and for how many seconds they are kept.

        Not by databricks-sdk, which follows redirects on the way to where it sends the secret.
        Endpoint: https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m
        """
        headers = {"authorization": f"Basic {self._principal}"}
        token, seconds = await granted(
            self._client, f"{self._address}/oidc/v1/token", {"scope": "all-apis"}, headers=headers
        )
        return {"authorization": f"Bearer {token}"}, max(0.0, min(KEPT_SECONDS, seconds - EARLY_SECONDS))

    async def _from_the_sdk(self) -> tuple[Mapping[str, str], float]:
        # Loading the library takes seconds and no network: it goes on in its thread whoever waits.
        await asyncio.to_thread(importlib.import_module, "databricks.sdk.config")
        try:
            async with asyncio.timeout(2 * SIGN_ON_SECONDS):
                return await asyncio.to_thread(self._sign_on), KEPT_SECONDS
        except TimeoutError as error:
            raise Retryable(f"Signing on to Databricks took longer than {2 * SIGN_ON_SECONDS} s.") from error

    def _sign_on(self) -> Mapping[str, str]:
        # The vendor's library is loaded at first use: it is large, and a plain token needs none of it.
        from databricks.sdk.config import Config  # noqa: PLC0415
        from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415

        try:
            config = Config(
                host=self._address,
                auth_type=self._auth_type or None,  # pyright: ignore[reportArgumentType]  # None is its default
                http_timeout_seconds=SIGN_ON_SECONDS,
                retry_timeout_seconds=SIGN_ON_SECONDS,
            )
            return {name.lower(): value for name, value in config.authenticate().items()}
        except (ValueError, DatabricksError) as error:
            raise Permanent(f"databricks-sdk cannot sign on: {_one_line(error)}") from error
        except (OSError, TimeoutError) as error:
            raise Retryable(f"databricks-sdk could not reach the workspace: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    """The library's sentence, bounded; it names the missing variables and never their values."""
    return " ".join(str(error).split())[:200].rstrip(". ") + "."
