"""Where settings come from: environment, files, a folder of secrets, a key vault; in this order."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipesleuth import environment
from pipesleuth.destinations.slack import SlackSettings
from pipesleuth.environment import EnvironmentSettings, Given, VaultSecrets
from pipesleuth.model import WrongSetting
from pipesleuth.settings import Settings, from_environment

SECRETS = {"slack-bot-token": "xoxb-from-the-vault", "RCA-API-KEY": "key-from-the-vault", "odd": "x"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where no .env lies


def token_of(kind: type[Any] = SlackSettings) -> str | None:
    secret = from_environment(kind).slack_bot_token
    return secret.get_secret_value() if secret else None


def test_a_variable_named_file_gives_the_files_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("xoxb-from-a-file\n")
    monkeypatch.setenv("SLACK_BOT_TOKEN_FILE", str(tmp_path / "token"))
    assert token_of() == "xoxb-from-a-file"
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-from-the-environment")
    assert token_of() == "xoxb-from-the-environment"


def test_a_folder_of_secrets_is_read_as_orchestrators_mount_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "secrets" / "..2026_11_23"
    data.mkdir(parents=True)
    (data / "SLACK_BOT_TOKEN").write_text("xoxb-mounted")
    (tmp_path / "secrets" / "slack_bot_token").symlink_to(data / "SLACK_BOT_TOKEN")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets"))
    assert token_of() == "xoxb-mounted"
    (tmp_path / "token").write_text("xoxb-named")
    monkeypatch.setenv("SLACK_BOT_TOKEN_FILE", str(tmp_path / "token"))
    assert token_of() == "xoxb-named"


def test_what_cannot_be_read_is_named_without_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCA_API_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(WrongSetting, match="RCA_API_KEY_FILE"):
        from_environment(Settings)
    monkeypatch.delenv("RCA_API_KEY_FILE")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("RCA_API_KEY_FILE", str(tmp_path / "bytes"))
    with pytest.raises(WrongSetting, match="RCA_API_KEY_FILE"):
        from_environment(Settings)
    monkeypatch.delenv("RCA_API_KEY_FILE")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(WrongSetting, match="SECRETS_DIR"):
        from_environment(Settings)


def test_variables_of_other_programs_that_end_alike_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all")
    monkeypatch.setenv("X_FILE", "/nowhere/at/all")
    from_environment(Settings)


def test_every_settings_class_of_the_house_reads_them() -> None:
    from configuration_variables import settings_kinds  # noqa: PLC0415  # loads every module

    assert [kind.__name__ for kind in settings_kinds() if not issubclass(kind, EnvironmentSettings)] == ["SecretPlaces"]


class Credential:
    """Somebody whom the stand-in knows."""

    def get_token(self, *_scopes: str, **_how: Any) -> AccessToken:
        return AccessToken("a-token", 2_000_000_000)


class Vault(BaseHTTPRequestHandler):
    """A key vault: it asks who is there, lists names, and tells one secret at a time."""

    asked: list[str] = []  # noqa: RUF012  # of this one test

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self.headers.get("authorization") != "Bearer a-token":
            self.send_response(401)
            tenant = "https://login.microsoftonline.com/7b1a53f0-5d3e-4b7a-9c5e-2f6d8e1c4a90"
            self.send_header("WWW-Authenticate", f'Bearer authorization="{tenant}", resource="https://vault.azure.net"')
            self.send_header("content-length", "0")
            self.end_headers()
            return
        self.asked.append(path)
        base = f"https://127.0.0.1:{self.connection.getsockname()[1]}/secrets"
        attributes = {"enabled": True}
        body: dict[str, Any] = {
            "value": [{"id": f"{base}/{name}", "attributes": {"enabled": name != "odd"}} for name in SECRETS]
        }
        if path != "/secrets":
            name = path.split("/")[2]
            body = {"id": f"{base}/{name}/1", "value": SECRETS[name], "attributes": attributes}
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        pass


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine's own address, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def vault(tmp_path: Path) -> Generator[VaultSecrets]:
    """The stand-in vault, asked through Azure's own library over TLS."""
    cert, key = certificate(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    Vault.asked.clear()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    client = SecretClient(url, Credential(), connection_verify=str(cert), verify_challenge_resource=False)
    with client:
        yield VaultSecrets(client)
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_vault_gives_what_nothing_else_has(vault: VaultSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    class FromVault(SlackSettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, *sources: Any, **named: Any) -> Any:
            _ = sources
            return (named["init_settings"], named["env_settings"], Given(settings_cls, vault))

    assert set(vault) == {"slack_bot_token", "rca_api_key"}
    assert token_of(FromVault) == "xoxb-from-the-vault"
    assert token_of(FromVault) == "xoxb-from-the-vault"
    assert Vault.asked == ["/secrets", "/secrets/slack-bot-token/"]  # only what is wanted, and once
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-from-the-environment")
    assert token_of(FromVault) == "xoxb-from-the-environment"


def test_a_vault_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    environment._vault.cache_clear()
    monkeypatch.setenv("AZURE_KEY_VAULT_URL", "not an address")
    with pytest.raises(WrongSetting, match="AZURE_KEY_VAULT_URL"):
        from_environment(Settings)


def test_an_empty_file_or_secret_sets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("\n")
    monkeypatch.setenv("JWT_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert from_environment(Settings).jwt_secret_key is None
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "metrics_key").touch()
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "mounted"))
    assert from_environment(Settings).metrics_key is None
