"""Where the archive is, according to the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipesleuth.destinations.archive import ArchiveSettings
from pipesleuth.destinations.azure_blob import account
from pipesleuth.model import WrongSetting

KEY = "c2VjcmV0LWtleS1mb3ItdGVzdHM="


def settings(**values: object) -> ArchiveSettings:
    return ArchiveSettings(_env_file=None, **values)  # type: ignore[arg-type]


def test_with_nothing_set_the_archive_is_a_local_folder(tmp_path: Path) -> None:
    assert settings(data_dir=tmp_path).account() is None


def test_the_mission_s_connection_string_names_account_key_and_endpoint() -> None:
    found = account(f"DefaultEndpointsProtocol=https;AccountName=acc;AccountKey={KEY};EndpointSuffix=core.windows.net")
    assert (found.name, found.endpoint, found.key) == ("acc", "https://acc.blob.core.windows.net", KEY)


def test_a_sas_connection_string_takes_the_account_from_its_endpoint() -> None:
    found = account("BlobEndpoint=https://acc.blob.core.windows.net/;SharedAccessSignature=?sv=2022&sig=abc%3D")
    assert (found.name, found.sas) == ("acc", "sv=2022&sig=abc%3D")
    assert "abc%3D" in found.secrets


def test_development_storage_is_the_emulator_on_this_machine() -> None:
    assert account("UseDevelopmentStorage=true").endpoint == "http://127.0.0.1:10000/devstoreaccount1"


@pytest.mark.parametrize(
    "connection",
    [
        "",
        "nonsense",
        "AccountName=acc",
        "AccountName=acc;AccountKey=not base64!",
        f"AccountName=acc;AccountKey={KEY};BlobEndpoint=http://blobs.example.com",
        f"AccountName=acc;AccountKey={KEY};BlobEndpoint=ftp://blobs",
        f"AccountName=acc;AccountKey={KEY};BlobEndpoint=https://[broken",
    ],
)
def test_a_wrong_connection_string_is_refused_without_being_repeated(connection: str) -> None:
    with pytest.raises(WrongSetting) as refusal:
        account(connection)
    assert KEY not in str(refusal.value)


def test_a_wrong_connection_string_is_refused_at_start_with_the_variable_s_name() -> None:
    with pytest.raises(ValidationError, match="AZURE_STORAGE_CONN needs AccountKey") as refusal:
        settings(azure_storage_conn="AccountName=acc")
    assert "AccountName=acc" not in str(refusal.value.errors(include_input=False))


def test_blob_can_be_switched_off_in_spite_of_a_connection_string() -> None:
    text = f"AccountName=acc;AccountKey={KEY}"
    assert settings(azure_storage_conn=text, azure_blob_enabled=False).account() is None
    assert settings(azure_storage_conn=text).account() is not None


def test_without_a_key_the_account_s_address_alone_means_the_machine_s_identity() -> None:
    found = settings(azure_blob_account_url="https://acc.blob.core.windows.net").account()
    assert found is not None
    assert (found.name, found.key, found.sas) == ("acc", "", "")


@pytest.mark.parametrize("wrong", [{"archive_url": "ftp://x"}, {"azure_blob_container_name": "Not_Allowed"}])
def test_other_wrong_values_are_refused_at_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)
