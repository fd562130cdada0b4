"""Image and compose file agree with the program: commands, variables, ports, probes, users."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from configuration_variables import known_variables
from deployed import DEPLOY, SERVER, USER, WORKER, asked, documents, known, understood
from equipment import HOUSE
from pipesleuth import probe

DOCKERFILE = (HOUSE / "Dockerfile").read_text(encoding="utf-8")


def test_an_unknown_option_variable_or_probe_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option"):
        understood(["serve", "--prot", "8000"])
    with pytest.raises(AssertionError):
        understood(["server"])
    with pytest.raises(AssertionError):
        known({"DATA_DIRECTORY"})
    for path in ("/ready", "/readyz?for=tea", "/healthz?for=intake"):
        with pytest.raises(AssertionError):
            asked(path)


# --- the image ---


def instructions() -> list[tuple[str, str]]:
    lines = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def last(word: str) -> str:
    return [rest for each, rest in instructions() if each == word][-1]


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([linter, HOUSE / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_serves_as_nobody_special_on_the_port_that_it_exposes() -> None:
    stages = [rest for word, rest in instructions() if word == "FROM"]
    assert stages == ["python:${PYTHON} AS build", "python:${PYTHON}"]
    assert "slim" in DOCKERFILE
    assert "alpine" not in DOCKERFILE.lower()
    assert last("USER") == f"{USER}:{USER}"
    assert f"--uid {USER}" in DOCKERFILE
    assert json.loads(last("ENTRYPOINT")) == ["pipesleuth"]
    options = understood(json.loads(last("CMD")))
    assert (options["host"], options["port"]) == ("0.0.0.0", int(last("EXPOSE")))  # noqa: S104  # inside a container
    assert int(last("EXPOSE")) == SERVER
    assert json.loads(last("VOLUME")) == ["/data"]
    names = set(re.findall(r"\b([A-Z_]+)=", last("ENV")))
    known(names)
    assert "DATA_DIR=/data" in last("ENV")


def test_the_image_checks_its_health_by_the_program_itself() -> None:
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[:3] == ["python", "-m", probe.__name__]
    assert int(command[3]) == SERVER
    asked(command[4])
    asked(probe.PATH)


def test_everything_that_the_image_copies_is_let_through_to_its_build() -> None:
    ignored = (HOUSE / ".dockerignore").read_text(encoding="utf-8").split()
    for rest in (rest for word, rest in instructions() if word == "COPY" and "--from" not in rest):
        for name in rest.split()[:-1]:
            assert (HOUSE / name).exists(), name
            assert f"!{name.removeprefix('./')}" in {one.rstrip("/") for one in ignored}, name


def test_every_lock_of_the_image_has_hashes_and_the_versions_of_the_others() -> None:
    pins = {}
    for name in ("requirements.lock", "requirements-azure.lock", "requirements-build.lock"):
        text = (HOUSE / name).read_text()
        packages = re.split(r"\n(?=[a-zA-Z0-9])", text)
        assert [package.split("\n")[0] for package in packages if "--hash=sha256:" not in package] == []
        pins[name] = set(re.findall(r"^[a-zA-Z0-9][^ ;\\]*==[^ ;\\]+", text, re.MULTILINE))
    assert pins["requirements.lock"] - pins["requirements-azure.lock"] == set()
    assert {pin.partition("==")[0] for pin in pins["requirements-azure.lock"]} >= {
        "mssql-python",
        "azure-keyvault-secrets",
    }


# --- compose ---


def test_the_compose_file_starts_what_there_is_in_the_right_order() -> None:
    (file,) = documents(HOUSE / "compose.yaml")
    services = file["services"]
    assert services.keys() == {"migrate", "server", "worker", "database"}
    for name in ("migrate", "server", "worker"):
        one = services[name]
        understood(one["command"])
        known(set(one["environment"]))
        assert (one["read_only"], one["tmpfs"], one["cap_drop"]) == (True, ["/tmp"], ["ALL"])  # noqa: S108  # in it
        assert "data:/data" in one["volumes"]
        assert one["environment"]["DATA_DIR"] == "/data"
        assert {name.upper() for name in one["secrets"]} <= known_variables()
    assert services["server"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert understood(services["server"]["command"])["port"] == SERVER
    assert services["server"]["ports"][0].endswith(f":{SERVER}")
    worker = understood(services["worker"]["command"])
    _, *command, port, path = services["worker"]["healthcheck"]["test"]
    assert command == ["python", "-m", probe.__name__]
    assert int(port) == worker["port"] == WORKER
    asked(path)


def test_the_compose_files_secrets_are_files_that_a_script_makes_once(tmp_path: Path) -> None:
    (file,) = documents(HOUSE / "compose.yaml")
    folder = tmp_path / "compose"
    shutil.copytree(DEPLOY / "compose", folder, ignore=shutil.ignore_patterns("secrets"))
    made = subprocess.run(["sh", folder / "make-secrets.sh"], capture_output=True, text=True, check=True)
    content = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    subprocess.run(["sh", folder / "make-secrets.sh"], capture_output=True, check=True)
    assert {path.name: path.read_text() for path in (folder / "secrets").iterdir()} == content
    assert content.keys() == file["secrets"].keys()
    assert {Path(one["file"]).name for one in file["secrets"].values()} == content.keys()
    assert content["database_password"] in content["database_url"]
    assert all(len(value) >= 64 for value in content.values())
    assert not any(value in made.stdout for value in content.values())
    assert "/deploy/compose/secrets/" in (HOUSE / ".gitignore").read_text()
