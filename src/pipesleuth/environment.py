"""Where settings come from besides the environment and `.env`: files, a folder of secrets, Azure Key Vault.

In this order; the first that has a value wins:
1. the environment, 2. `.env`, 3. `NAME_FILE` (the path of a file with the value), 4. the folder SECRETS_DIR with a file
for each name, 5. the vault AZURE_KEY_VAULT_URL with a secret for each name (`rca-api-key` for RCA_API_KEY).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipesleuth.model import WrongSetting

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

ENVIRONMENT = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)
LARGEST = 65_536  # bytes of one secret
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _parts(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _folded(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


# Settings of several values, comma-separated in the environment; the folded ones in lower case, as hosts and domains.
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]
FoldedList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), BeforeValidator(_folded)]


class SecretFiles(Mapping[str, str]):
    """The contents of the files that variables named `…_FILE`, or a folder of secrets, point to; read when asked."""

    def __init__(self, environment: Mapping[str, str], folder: Path | None) -> None:
        self._named = {
            name.removesuffix("_FILE").lower(): Path(path)
            for name, path in environment.items()
            if name.endswith("_FILE") and path
        }
        try:
            # Orchestrators mount secrets as links with hidden folders beside them.
            found = {path.name.lower(): path for path in folder.iterdir() if path.is_file()} if folder else {}
        except OSError as error:
            raise WrongSetting(f"SECRETS_DIR: the folder cannot be read ({error.strerror}).") from error
        self._named = found | self._named

    def __getitem__(self, name: str) -> str:
        path = self._named[name]
        try:
            with path.open("rb") as file:
                text = file.read(LARGEST).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongSetting(f"{name.upper()}_FILE: the file cannot be read ({type(error).__name__}).") from error
        return text.strip()

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


class VaultSecrets(Mapping[str, str]):
    """The secrets of an Azure Key Vault under the names of variables; each is fetched when asked, once."""

    def __init__(self, client: SecretClient) -> None:
        self._client = client
        self._named = {
            known.name.lower().replace("-", "_"): known.name
            for known in client.list_properties_of_secrets()
            if known.name and known.enabled
        }
        self._read: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        from azure.core.exceptions import AzureError  # noqa: PLC0415  # only where a vault is named

        if name not in self._read:
            try:
                self._read[name] = self._client.get_secret(self._named[name]).value or ""
            except AzureError as error:
                raise WrongSetting(f"{name.upper()}: the vault does not tell it ({type(error).__name__}).") from error
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


class Given(EnvSettingsSource):
    """Values by the names of variables, from wherever they are kept."""

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, str]) -> None:
        self._values = values
        super().__init__(settings_cls)

    def __call__(self) -> dict[str, Any]:
        """The values. Raises WrongSetting as it was raised, not as the library wraps it."""
        try:
            return super().__call__()
        except SettingsError as error:
            if isinstance(error.__cause__, WrongSetting):
                raise error.__cause__ from error
            raise

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """A field's value. What is empty counts as not set, as in the environment: no key of ours may be empty."""
        value, key, is_complex = super().get_field_value(field, field_name)
        return value or None, key, is_complex

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._values


class SecretPlaces(BaseSettings):
    """Where secrets are kept besides the environment; any variable may also name a file with its value: `…_FILE`."""

    model_config = ENVIRONMENT

    secrets_dir: Path | None = Field(
        None, description="Folder with a file for each secret, named as its variable; as orchestrators mount them."
    )
    azure_key_vault_url: str | None = Field(
        None,
        description="Azure Key Vault with a secret for each variable (`rca-api-key` for RCA_API_KEY), read with the "
        "machine's identity; needs `pip install pipesleuth[azure-key-vault]`.",
    )


def _further(settings_cls: type[BaseSettings]) -> tuple[PydanticBaseSettingsSource, ...]:
    """Files and, where one is named, the vault. Raises WrongSetting."""
    places = SecretPlaces()  # pyright: ignore[reportCallIssue]  # values come from the environment
    files = Given(settings_cls, SecretFiles(os.environ, places.secrets_dir))
    url = places.azure_key_vault_url
    return (files, Given(settings_cls, _vault(url))) if url else (files,)


@cache
def _vault(url: str) -> VaultSecrets:
    """The vault at an address, asked with the machine's own identity. Raises WrongSetting."""
    try:
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415  # an extra, and only where a vault is named
    except ImportError as error:
        raise WrongSetting("AZURE_KEY_VAULT_URL needs the extra: pip install 'pipesleuth[azure-key-vault]'.") from error
    from azure.core.exceptions import AzureError  # noqa: PLC0415  # the same
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415  # the same

    try:
        return VaultSecrets(SecretClient(vault_url=url, credential=DefaultAzureCredential(), permit_redirects=False))
    except (AzureError, ValueError) as error:
        raise WrongSetting(f"AZURE_KEY_VAULT_URL: the vault cannot be read ({type(error).__name__}).") from error


class EnvironmentSettings(BaseSettings):
    """Settings from the environment, `.env`, files and a vault, in this order; base of every settings class."""

    model_config = ENVIRONMENT

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The library's own sources but for its folder, and ours."""
        _ = file_secret_settings
        return (init_settings, env_settings, dotenv_settings, *_further(settings_cls))
