"""Which Data Factories may be asked, and how Azure knows us."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from pipesleuth.client import BaseAddress
from pipesleuth.environment import EnvironmentSettings, Listed


class DataFactorySettings(EnvironmentSettings):
    """The Data Factories that are asked about failed runs; none is, unless a subscription or a principal is set."""

    model_config = SettingsConfigDict(populate_by_name=True)

    azure_subscription_id: str = Field(
        "", description="Subscription of the factories; alone it makes us sign on with the machine's managed identity."
    )
    azure_resource_group: str = Field("", description="Resource group of the factories.")
    azure_data_factory_name: Listed = Field(
        (), description="Names of the factories whose history is reconciled; comma-separated."
    )
    azure_tenant_id: str = Field("", description="Entra tenant of the service principal.")
    azure_client_id: str = Field(
        "", description="Service principal that reads run histories, or the user-assigned managed identity."
    )
    azure_client_secret: SecretStr | None = Field(
        None, description="Its secret; without one azure-identity signs on (managed identity, workload identity, CLI)."
    )
    azure_management_url: BaseAddress = Field("https://management.azure.com", description="Azure Resource Manager.")
    azure_login_url: BaseAddress = Field(
        "https://login.microsoftonline.com", description="Where tokens of Entra come from."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.azure_client_secret is not None and not (self.azure_tenant_id and self.azure_client_id):
            raise ValueError("AZURE_CLIENT_SECRET needs AZURE_TENANT_ID and AZURE_CLIENT_ID")
        return self

    @property
    def configured(self) -> bool:
        """Whether somebody wants Azure to be asked."""
        return bool(self.azure_subscription_id or self.azure_client_secret)

    @property
    def factories(self) -> tuple[str, ...]:
        """The resource paths of the factories whose history is known to us."""
        if not (self.azure_subscription_id and self.azure_resource_group):
            return ()
        group = f"/subscriptions/{self.azure_subscription_id}/resourceGroups/{self.azure_resource_group}"
        return tuple(
            f"{group}/providers/Microsoft.DataFactory/factories/{name}" for name in self.azure_data_factory_name
        )
