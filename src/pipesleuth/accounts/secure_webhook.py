"""Azure Monitor's secure webhook: an action group presents a token of Entra ID instead of a key.

Source: https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#configure-authentication-for-secure-webhook
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator

from pipesleuth.accounts.people import Unknown
from pipesleuth.accounts.tokens import KeyRing
from pipesleuth.client import BaseAddress, Client, Vendor
from pipesleuth.environment import EnvironmentSettings

SENDER = "azure-secure-webhook"
MOST_REMEMBERED = 500


class SecureWebhookSettings(EnvironmentSettings):
    """Azure Monitor's secure webhook; closed unless an audience is set."""

    azure_webhook_audience: str = Field(
        "",
        description="Application ID URI or client id of the app registration that stands for this service in Entra ID; "
        "with it, action groups may present its tokens at the doors.",
    )
    azure_webhook_tenant_id: str = Field("", description="Tenant id (a GUID) that the tokens must come from.")
    azure_webhook_app_id: str = Field(
        "461e8683-5575-4561-ac7f-899cc907d62a",
        description="Who may present them: the application id of Azure Monitor's action groups.",
    )
    azure_webhook_role: str = Field(
        "ActionGroupsSecureWebhook", description="App role that must be assigned to that application."
    )
    azure_login_url: BaseAddress = Field(
        "https://login.microsoftonline.com", description="Where tokens of Entra come from."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        tenant = self.azure_webhook_tenant_id
        if self.azure_webhook_audience and not (len(tenant) == 36 and tenant.replace("-", "").isalnum()):
            raise ValueError("AZURE_WEBHOOK_AUDIENCE needs AZURE_WEBHOOK_TENANT_ID, the tenant's id")
        if not self.azure_webhook_role or not self.azure_webhook_app_id:
            raise ValueError("AZURE_WEBHOOK_ROLE and AZURE_WEBHOOK_APP_ID must not be empty")
        return self


class SecureWebhook:
    """Knows the tokens of one tenant's action groups."""

    def __init__(self, settings: SecureWebhookSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._client = Client(Vendor(base_urls=(settings.azure_login_url,)), now=now)
        self._ring = KeyRing(self._fetch, now)
        # Azure presents one token for about an hour; a storm need not verify it a thousand times.
        self._good: dict[bytes, float] = {}

    async def sender(self, token: str) -> str:
        """The sender's name. Raises Unknown, Away."""
        mark = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        if self._good.get(mark, 0.0) > self._now().timestamp():
            return SENDER
        known = self._settings
        tenant, audience = known.azure_webhook_tenant_id.lower(), known.azure_webhook_audience
        claims = await self._ring.claims(
            token,
            # Version 2 tokens carry the client id where version 1 tokens carry the whole URI.
            audiences={audience, audience.removeprefix("api://")},
            issuers={f"https://sts.windows.net/{tenant}/", f"{known.azure_login_url}/{tenant}/v2.0"},
        )
        self._check(claims, tenant)
        if len(self._good) >= MOST_REMEMBERED:
            self._good.clear()
        self._good[mark] = float(claims["exp"])
        return SENDER

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()

    def _check(self, claims: Mapping[str, Any], tenant: str) -> None:
        known = self._settings
        roles = claims.get("roles")
        caller = claims.get("azp", claims.get("appid"))  # version 2, version 1
        if str(claims.get("tid", "")).lower() != tenant or str(caller).lower() != known.azure_webhook_app_id.lower():
            raise Unknown("The token is not one of this tenant's action groups.")
        if not isinstance(roles, list) or known.azure_webhook_role not in roles:
            raise Unknown(f"The token lacks the app role {known.azure_webhook_role}.")

    async def _fetch(self) -> Mapping[str, Any]:
        url = f"{self._settings.azure_login_url}/{self._settings.azure_webhook_tenant_id}/discovery/v2.0/keys"
        return (await self._client.call("GET", url)).json_object()
