"""The systemd unit and Azure's template agree with the program: commands, variables, ports, probes, users."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from deployed import DEPLOY, SERVER, WORKER, asked, known, understood
from equipment import HOUSE, MISSING

UNIT = (DEPLOY / "systemd" / "pipesleuth.service").read_text(encoding="utf-8")


def test_the_unit_starts_a_command_that_there_is_with_variables_that_are_ours() -> None:
    (start,) = re.findall(r"^ExecStart=(.+)$", UNIT, re.MULTILINE)
    binary, *words = start.split()
    assert binary.endswith("/bin/pipesleuth")
    assert understood(words)["port"] == SERVER
    (environment,) = re.findall(r"^Environment=(.+)$", UNIT, re.MULTILINE)
    values = dict(one.partition("=")[::2] for one in environment.split())
    known(set(values))
    (state,) = re.findall(r"^StateDirectory=(.+)$", UNIT, re.MULTILINE)
    assert values["DATA_DIR"] == f"/var/lib/{state}"
    (user,) = re.findall(r"^User=(.+)$", UNIT, re.MULTILINE)
    assert re.search(rf"^u {user} ", (DEPLOY / "systemd" / "pipesleuth.sysusers.conf").read_text(), re.MULTILINE)
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert int(seconds) >= 15 + 5 + 5


def test_systemd_itself_finds_no_fault_and_little_exposure() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip(f"{MISSING}systemd-analyze")
    unit = DEPLOY / "systemd" / "pipesleuth.service"
    found = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    faults = [line for line in found.stderr.splitlines() if unit.name in line and "is not executable" not in line]
    assert faults == []
    said = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", unit], capture_output=True, text=True, check=False
    ).stdout
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", said)
    if exposure is not None:  # older versions cannot judge a file
        assert float(exposure[1]) < 2.5


# --- Azure ---


def service_template() -> Any:
    return json.loads((DEPLOY / "azure" / "service.json").read_text(encoding="utf-8"))


def test_the_azure_template_runs_the_same_two_commands_with_variables_that_are_ours() -> None:
    template = service_template()
    apps = {one["name"]: one["properties"] for one in template["resources"] if one["type"].endswith("containerApps")}
    assert len(apps) == 2
    variables = template["variables"]
    for (name, port, probes), found in zip(
        (("server", SERVER, "probes"), ("worker", WORKER, "workerProbes")), apps.values(), strict=True
    ):
        (container,) = found["template"]["containers"]
        assert container["name"] == name
        assert understood(container["args"])["port"] == port
        assert container["probes"] == f"[variables('{probes}')]"
        for one in variables[probes]:
            assert one["httpGet"]["port"] == port
            asked(one["httpGet"]["path"])
        named = set(re.findall(r"'name', '(\w+)'", container["env"]))
        known(named | {one["name"] for kind in ("plainVariables", "secretVariables") for one in variables[kind]})
        secrets = {one["name"] for one in found["configuration"]["secrets"]}
        assert {one["secretRef"] for one in variables["secretVariables"]} == secrets
        assert found["template"]["scale"]["minReplicas"] >= (2 if name == "server" else 1)
    server, worker = apps.values()
    assert server["configuration"]["ingress"]["targetPort"] == SERVER
    assert "ingress" not in worker["configuration"]
    plain = {one["name"]: one["value"] for one in variables["plainVariables"]}
    assert plain["DATA_DIR"] in {mount["mountPath"] for mount in variables["mounts"]}
    assert (plain["DB_TYPE"], plain["AZURE_SQL_DRIVER"]) == ("azuresql", "mssqlpython")
    assert server["template"]["terminationGracePeriodSeconds"] >= int(plain["DRAIN_SECONDS"]) + 25


def test_nothing_in_azure_is_reached_without_a_managed_identity() -> None:
    resources = {one["type"]: one["properties"] for one in service_template()["resources"]}
    assert resources["Microsoft.Sql/servers"]["administrators"]["azureADOnlyAuthentication"] is True
    assert resources["Microsoft.Storage/storageAccounts"]["allowSharedKeyAccess"] is False
    assert resources["Microsoft.KeyVault/vaults"]["enableRbacAuthorization"] is True
    roles = [one["properties"] for one in service_template()["resources"] if one["type"].endswith("roleAssignments")]
    assert len(roles) == 2
    assert all(role["principalType"] == "ServicePrincipal" for role in roles)


def test_the_page_on_deployment_names_only_what_there_is() -> None:
    page = (HOUSE / "docs" / "deployment.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", page))
    known(named)
    for path in re.findall(r"\b((?:deploy|docs)/[\w./-]+\.\w+)", page):
        assert (HOUSE / path).is_file(), path
    for command in re.findall(
        r"(?:^|\s)(?:/opt/pipesleuth/\.venv/bin/)?pipesleuth ((?:serve|worker|db|users|keys|doctor)\b[^`#\n|]*)", page
    ):
        words = [word for word in command.split() if word != "\\"]
        if words[:1] in (["serve"], ["worker"]):
            understood(words)
