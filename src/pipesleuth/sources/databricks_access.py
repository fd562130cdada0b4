"""Authorisation headers for Databricks: a token as it is, or whatever way databricks-sdk knows."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Mapping

from pipesleuth.model import Permanent, Retryable

SDK_SECONDS = 5  # the SDK's own limits hold a caller for five minutes
KEPT_SECONDS = 120.0  # the SDK renews its tokens well before they end; asking it each time would cost a thread


class Access:
    """Signs calls to one workspace."""

    def __init__(self, address: str, token: str | None, auth_type: str) -> None:
        self._address = address
        self._token = token
        self._auth_type = auth_type
        self._kept: tuple[float, Mapping[str, str]] | None = None
        self._turn = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """The headers of a call. Raises Retryable and Permanent with the sentence of whoever refused."""
        if self._token is not None:
            return {"authorization": f"Bearer {self._token}"}
        async with self._turn:
            if self._kept is None or self._kept[0] < time.monotonic():
                # Loading the library takes seconds and no network: it goes on in its thread whoever waits.
                await asyncio.to_thread(importlib.import_module, "databricks.sdk.config")
                try:
                    async with asyncio.timeout(2 * SDK_SECONDS):
                        headers = await asyncio.to_thread(self._sign_on)
                except TimeoutError as error:
                    raise Retryable(f"Signing on to Databricks took longer than {2 * SDK_SECONDS} s.") from error
                self._kept = (time.monotonic() + KEPT_SECONDS, headers)
            return self._kept[1]

    def _sign_on(self) -> Mapping[str, str]:
        # The vendor's library is loaded at first use: it is large, and a plain token needs none of it.
        from databricks.sdk.config import Config  # noqa: PLC0415
        from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415

        try:
            config = Config(
                host=self._address,
                auth_type=self._auth_type or None,  # pyright: ignore[reportArgumentType]  # None is its default
                http_timeout_seconds=SDK_SECONDS,
                retry_timeout_seconds=SDK_SECONDS,
            )
            return {name.lower(): value for name, value in config.authenticate().items()}
        except (ValueError, DatabricksError) as error:
            raise Permanent(f"databricks-sdk cannot sign on: {_one_line(error)}") from error
        except (OSError, TimeoutError) as error:
            raise Retryable(f"databricks-sdk could not reach the workspace: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    """The library's sentence, bounded; it names the missing variables and never their values."""
    return " ".join(str(error).split())[:200].rstrip(". ") + "."
