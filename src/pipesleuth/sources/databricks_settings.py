"""Which Databricks workspaces may be asked, and how they know us."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from pipesleuth.client import checked_base
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import WrongSetting
from pipesleuth.sources.workspace import id_in_address


class DatabricksSettings(EnvironmentSettings):
    """The workspaces that are asked about failed runs; none is, unless a host and a way to sign on are set."""

    model_config = SettingsConfigDict(populate_by_name=True)

    databricks_host: str = Field("", description="Address of the workspace that is asked about its failed runs.")
    databricks_token: SecretStr | None = Field(
        None, description="Access token for that workspace; without one a service principal or databricks-sdk signs on."
    )
    databricks_api_version: str = Field(
        "2.1", pattern=r"^2\.\d{1,2}$", description="Version of the Jobs API: 2.1 or 2.2."
    )
    databricks_workspace_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses of further workspaces that may be asked, comma-separated; no other host ever is."
    )
    databricks_workspace_tokens: SecretStr | None = Field(
        None, description="Their tokens, comma-separated in the same order; where one is missing we sign on as above."
    )
    databricks_auth_type: str = Field(
        "",
        description="How databricks-sdk signs on where neither is set, by its own variables: azure-client-secret, "
        "azure-msi…",
    )
    databricks_client_id: str = Field("", description="Service principal that signs on with OAuth, without a token.")
    databricks_client_secret: SecretStr | None = Field(None, description="Its OAuth secret.")
    databricks_succeeded_with_failures: bool = Field(
        False, description="Whether the reconciler makes tickets of runs that succeeded with failures, too."
    )
    databricks_workspace_id: str = Field(
        "", pattern=r"^\d{0,20}$", description="Number of DATABRICKS_HOST's workspace, where its address does not say."
    )

    @field_validator("databricks_workspace_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("databricks_host", "databricks_workspace_urls", mode="after")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return _address(value) if isinstance(value, str) else tuple(map(_address, value))

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.databricks_token is not None and not self.databricks_host:
            raise ValueError("DATABRICKS_TOKEN needs DATABRICKS_HOST")
        return self

    @property
    def configured(self) -> bool:
        """Whether there is a workspace, and a way to sign on."""
        signs_on = self.databricks_token or self.databricks_auth_type or self.databricks_client_id
        return bool(self.databricks_host and signs_on)

    @property
    def host_workspace_id(self) -> str | None:
        """The number of the host's workspace, where it is known."""
        return self.databricks_workspace_id or id_in_address(self.databricks_host)

    def tokens(self) -> dict[str, str]:
        """Each workspace's own token, where it has one."""
        found: dict[str, str] = {}
        if self.databricks_token is not None:
            found[self.databricks_host] = self.databricks_token.get_secret_value()
        given = (
            self.databricks_workspace_tokens.get_secret_value().split(",") if self.databricks_workspace_tokens else []
        )
        for address, token in zip(self.databricks_workspace_urls, given, strict=False):
            if token.strip():
                found[address] = token.strip()
        return found


def _address(value: str) -> str:
    """The address with its scheme and without a closing slash. Raises ValueError."""
    if not value:
        return ""
    given = value.strip() if "://" in value else f"https://{value.strip()}"
    parts = urlsplit(given)
    # People paste the address bar: what follows the host's own path is not part of the workspace.
    plain = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
    try:
        return checked_base(plain)
    except WrongSetting as error:
        raise ValueError(str(error)) from error
