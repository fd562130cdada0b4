"""The ARM templates hold together: nothing undeclared is referred to, and nothing declared is forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from configuration_variables import known_variables
from equipment import HOUSE

AZURE = HOUSE / "deploy" / "azure"
TEMPLATES = sorted(path for path in AZURE.glob("*.json") if not path.name.endswith(".parameters.json"))
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HIDDEN = {"secureData": {"properties": ["inputs"]}}


def read(path: Path) -> Any:
    """A file as JSON, in which no name may stand twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), f"{path.name}: {names}"
        return dict(pairs)

    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from texts(each)


def arm(value: Any) -> list[str]:
    """Resource Manager's own expressions."""
    return [text for text in texts(value) if text.startswith("[") and not text.startswith("[[")]


def balanced(text: str) -> bool:
    """Whether brackets close in the order in which they opened, quoted text left out."""
    opened: list[str] = []
    for sign in re.sub(r"'(?:[^']|'')*'", "", text):
        if sign in "([{":
            opened.append({"(": ")", "[": "]", "{": "}"}[sign])
        elif sign in ")]}" and (not opened or opened.pop() != sign):
            return False
    return not opened and text.count("'") % 2 == 0


def segments(name: str) -> tuple[str, ...]:
    """A resource's name, or the names that `resourceId` takes one by one, in its segments."""
    inside = re.fullmatch(r"concat\((.+)\)", name)
    pieces = re.findall(r"'([^']*)'|([\w.]+\('[^']*'\)|[\w.]+\(.*\))", inside[1] if inside else name)
    whole = [literal or f"{{{expression}}}" for literal, expression in pieces]
    return tuple("".join(whole).split("/")) if inside else tuple(whole)


def parameters_file(path: Path) -> dict[str, Any]:
    return read(path.with_name(f"{path.stem}.parameters.json"))


def workflow() -> Any:
    (resource,) = read(AZURE / "logic-app.json")["resources"]
    return resource["properties"]


def actions_of(actions: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Every action with its name and its neighbours."""
    for name, action in actions.items():
        yield name, action, actions
        yield from actions_of(action.get("actions", {}))
        yield from actions_of(action.get("else", {}).get("actions", {}))


def test_all_that_was_promised_is_there() -> None:
    assert [path.name for path in TEMPLATES] == ["alert.json", "logic-app.json", "roles.json", "service.json"]
    kinds = {resource["type"] for path in TEMPLATES for resource in read(path)["resources"]}
    assert kinds == {
        "Microsoft.Logic/workflows",
        "Microsoft.Insights/diagnosticSettings",
        "Microsoft.Insights/actionGroups",
        "Microsoft.Insights/scheduledQueryRules",
        "Microsoft.Insights/metricAlerts",
        "Microsoft.Authorization/roleDefinitions",
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "Microsoft.KeyVault/vaults",
        "Microsoft.KeyVault/vaults/secrets",
        "Microsoft.Sql/servers",
        "Microsoft.Sql/servers/firewallRules",
        "Microsoft.Sql/servers/databases",
        "Microsoft.App/managedEnvironments",
        "Microsoft.App/containerApps",
    }


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
class TestEveryTemplate:
    def test_has_the_parts_of_a_template(self, path: Path) -> None:
        template = read(path)
        assert template["$schema"].endswith("/2019-04-01/deploymentTemplate.json#")
        assert template["contentVersion"] == "1.0.0.0"
        for resource in template["resources"]:
            assert {"type", "apiVersion", "name", "properties"} <= resource.keys()
            assert re.fullmatch(r"20\d\d-\d\d-\d\d(-preview)?", resource["apiVersion"])
        known = {"$schema", "contentVersion", "metadata", "parameters", "variables", "resources", "outputs"}
        assert template.keys() <= known

    def test_refers_only_to_what_it_declares_and_declares_nothing_in_vain(self, path: Path) -> None:
        template = read(path)
        expressions = arm({name: part for name, part in template.items() if name != "metadata"})
        for kind in ("parameters", "variables"):
            used = {name for text in expressions for name in re.findall(rf"{kind}\('(\w+)'\)", text)}
            assert used == template.get(kind, {}).keys()

    def test_has_balanced_expressions(self, path: Path) -> None:
        assert arm(read(path))
        for text in arm(read(path)):
            assert text.endswith("]")
            assert balanced(text), text

    def test_says_what_each_parameter_is(self, path: Path) -> None:
        for parameter in read(path)["parameters"].values():
            assert parameter["metadata"]["description"].endswith(".")
            assert parameter["type"] in {"string", "securestring", "int", "array"}

    def test_has_a_parameters_file_that_fits(self, path: Path) -> None:
        given, declared = parameters_file(path), read(path)["parameters"]
        assert given["$schema"].endswith("/2019-04-01/deploymentParameters.json#")
        assert given["parameters"].keys() <= declared.keys()
        needed = {name for name, parameter in declared.items() if "defaultValue" not in parameter}
        assert needed <= given["parameters"].keys()

    def test_depends_only_on_resources_that_it_has(self, path: Path) -> None:
        template = read(path)
        names = {(resource["type"], segments(resource["name"].strip("[]"))) for resource in template["resources"]}
        for needed in (text for resource in template["resources"] for text in resource.get("dependsOn", [])):
            variable = re.fullmatch(r"\[variables\('(\w+)'\)\]", needed)
            whole = template["variables"][variable[1]] if variable else needed
            found = re.fullmatch(r"\[resourceId\('([\w./]+)', (.+)\)\]", whole)
            assert found is not None
            assert (found[1], segments(found[2])) in names


def test_no_secret_and_no_real_subscription_stands_in_a_parameters_file() -> None:
    for path in TEMPLATES:
        declared, given = read(path)["parameters"], parameters_file(path)["parameters"]
        for name, value in given.items():
            assert declared[name]["type"] != "securestring" or value.keys() == {"reference"}
        assert set(GUID.findall(json.dumps(given))) <= {"00000000-0000-0000-0000-000000000000"}


def test_the_rule_splits_by_the_six_dimensions_that_its_query_yields() -> None:
    (rule,) = [r for r in read(AZURE / "alert.json")["resources"] if r["type"].endswith("scheduledQueryRules")]
    (condition,) = rule["properties"]["criteria"]["allOf"]
    dimensions = [dimension["name"] for dimension in condition["dimensions"]]
    assert set(dimensions) == {"PipelineName", "RunId", "ErrorCode", "FailureType", "ErrorMessage", "_ResourceId"}
    columns = [column.strip() for column in condition["query"].partition("| project ")[2].split(",")]
    assert columns == ["TimeGenerated", *dimensions]
    # A log alert that resolves says that nothing failed since, not that a run was repaired.
    assert rule["properties"]["autoMitigate"] is False


def test_the_factory_writes_the_tables_that_the_rule_reads() -> None:
    (setting,) = [r for r in read(AZURE / "alert.json")["resources"] if r["type"].endswith("diagnosticSettings")]
    assert setting["properties"]["logAnalyticsDestinationType"] == "Dedicated"
    categories = {log["category"] for log in setting["properties"]["logs"] if log["enabled"]}
    assert {"PipelineRuns", "ActivityRuns"} <= categories


def test_the_roles_are_readers_and_the_archives_writer_and_no_more() -> None:
    template = read(AZURE / "roles.json")
    (role,) = [r for r in template["resources"] if r["type"].endswith("roleDefinitions")]
    (permission,) = role["properties"]["permissions"]
    assert "Microsoft.DataFactory/factories/pipelineruns/queryactivityruns/action" in permission["actions"]
    assert all(re.search(r"/(read|query\w+/action)$", action) for action in permission["actions"])
    built_in = GUID.findall(json.dumps(template["variables"]))
    assert built_in == ["acdd72a7-3385-48ef-bd42-f606fba81ae7", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"]
    assert all("scope" in r for r in template["resources"] if r["type"].endswith("roleAssignments"))


def test_the_workflow_refers_only_to_what_it_has() -> None:
    given = workflow()
    definition = given["definition"]
    whole = json.dumps(definition)
    parameters = set(re.findall(r"parameters\('(\w+)'\)", whole))
    assert parameters == definition["parameters"].keys() == given["parameters"].keys()
    variables = {v["name"] for _, a, _ in actions_of(definition["actions"])
                 if a["type"] == "InitializeVariable" for v in a["inputs"]["variables"]}  # fmt: skip
    assert set(re.findall(r"variables\('(\w+)'\)", whole)) <= variables
    found = list(actions_of(definition["actions"]))
    names = [name for name, _, _ in found]
    assert len(set(names)) == len(names)
    assert set(re.findall(r"(?:outputs|body|items)\('(\w+)'\)", whole)) <= set(names)
    for _, action, neighbours in found:
        assert set(action["runAfter"]) <= neighbours.keys()
        assert {s for after in action["runAfter"].values() for s in after} <= {"Succeeded", "Failed", "TimedOut"}
    for text in texts(definition):
        assert balanced(text) or "@" not in text, text


def test_the_workflow_hides_its_key_repeats_its_calls_and_follows_no_location() -> None:
    calls = [a for _, a, _ in actions_of(workflow()["definition"]["actions"]) if a["type"] == "Http"]
    assert {call["inputs"]["method"] for call in calls} == {"GET", "POST"}
    for call in calls:
        assert call["inputs"]["headers"]["x-api-key"] == "@parameters('rcaApiKey')"
        assert call["runtimeConfiguration"] == HIDDEN
        assert call["inputs"]["retryPolicy"]["type"] == "exponential"
        assert 1 <= call["inputs"]["retryPolicy"]["count"] <= 90
        assert call["operationOptions"] == "DisableAsyncPattern"
    assert workflow()["definition"]["parameters"]["rcaApiKey"]["type"] == "SecureString"
    (variable,) = [
        a for _, a, _ in actions_of(workflow()["definition"]["actions"]) if a["type"] == "InitializeVariable"
    ]
    # Logic Apps initialises variables at the top level only.
    assert variable in workflow()["definition"]["actions"].values()


@pytest.mark.parametrize("page", ["set-up-azure.md", "set-up-databricks.md", "doctor.md"])
def test_the_pages_name_only_settings_and_files_that_exist(page: str) -> None:
    text = (HOUSE / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", text))
    assert named - known_variables() == set()
    for path in re.findall(r"`((?:deploy|docs)/[\w./-]+\.\w+)`", text):
        assert (HOUSE / path).is_file(), path


def test_the_terraform_file_names_each_resource_that_it_uses() -> None:
    text = (HOUSE / "deploy" / "databricks" / "main.tf").read_text(encoding="utf-8")
    assert balanced(re.sub(r'"[^"\n]*"|#[^\n]*', "", text))
    declared = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    assert set(re.findall(r"\bvar\.(\w+)", text)) == declared
    resources = {".".join(pair) for pair in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE)}
    used = set(re.findall(r"\b(databricks_\w+\.\w+)\.", text))
    assert used <= resources
    assert {"databricks_notification_destination.pipesleuth", "databricks_job.nightly"} <= resources
    assert "/databricks-monitor" in text
    assert "on_failure" in text
