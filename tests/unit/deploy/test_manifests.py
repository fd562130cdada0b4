"""The Kubernetes manifests agree with the program: commands, variables, ports, probes, users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest

from deployed import DEPLOY, SERVER, USER, WORKER, asked, documents, known, understood

KUBERNETES = ("1.30", "1.34")
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def objects() -> Iterator[Any]:
    for path in MANIFESTS:
        yield from (one for one in documents(path) if one["kind"] != "Kustomization")


def of_kind(kind: str) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in objects() if one["kind"] == kind}


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_what_the_servers_schema_wants(version: str) -> None:
    for one in objects():
        kubernetes_validate.validate(one, version, strict=True)


def test_the_kustomization_applies_every_file_but_the_example() -> None:
    (file,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    there = {path.name for path in MANIFESTS} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(file["resources"]) == there
    assert [image["name"] for image in file["images"]] == ["pipesleuth"]


def test_pods_run_without_any_right_and_write_only_where_they_may() -> None:
    for one in of_kind("Deployment").values():
        pod = one["spec"]["template"]["spec"]
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (USER, True)
        assert pod["automountServiceAccountToken"] is False
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["image"] == "pipesleuth"
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            understood(container["args"])
            mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            assert set(mounts.values()) == volumes.keys()
            assert {"/data", "/tmp"} < mounts.keys()  # noqa: S108  # in the container
            assert container["resources"]["limits"]["memory"]


def test_servers_and_worker_answer_on_the_ports_that_are_probed() -> None:
    deployments = of_kind("Deployment")
    assert deployments["pipesleuth-server"]["spec"]["replicas"] == 2
    for name, number in (("pipesleuth-server", SERVER), ("pipesleuth-worker", WORKER)):
        (container,) = deployments[name]["spec"]["template"]["spec"]["containers"]
        (port,) = container["ports"]
        assert understood(container["args"])["port"] == port["containerPort"] == number
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[kind]["httpGet"]["port"] == port["name"]
            asked(container[kind]["httpGet"]["path"])
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    # Without a worker webhooks must still come in.
    (server,) = deployments["pipesleuth-server"]["spec"]["template"]["spec"]["containers"]
    assert server["readinessProbe"]["httpGet"]["path"] == "/readyz?for=intake"
    (service,) = of_kind("Service").values()
    assert service["spec"]["ports"][0]["targetPort"] == "http"


def test_everything_that_selects_pods_selects_the_right_ones() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind("Deployment").values()]
    selectors = [one["spec"]["selector"] for one in of_kind("Service").values()]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget").values()]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in of_kind("Deployment").values()]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy").values()]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector
    for policy in of_kind("NetworkPolicy").values():
        ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert ports <= {SERVER, WORKER}
    assert of_kind("PodDisruptionBudget").keys() == {"pipesleuth-server", "pipesleuth-worker"}


def test_the_manifests_variables_are_ours_and_pods_have_time_to_end() -> None:
    (configuration,) = of_kind("ConfigMap").values()
    (secret,) = of_kind("Secret").values()
    known(set(configuration["data"]) | set(secret["stringData"]))
    assert not set(configuration["data"]) & set(secret["stringData"])
    folder = configuration["data"]["SECRETS_DIR"]
    for one in of_kind("Deployment").values():
        pod = one["spec"]["template"]["spec"]
        assert any(mount["mountPath"] == folder for mount in pod["containers"][0]["volumeMounts"])
        assert pod["terminationGracePeriodSeconds"] >= 15 + 5 + 5
    server = of_kind("Deployment")["pipesleuth-server"]["spec"]["template"]["spec"]
    assert server["terminationGracePeriodSeconds"] >= int(configuration["data"]["DRAIN_SECONDS"]) + 15 + 5 + 5
