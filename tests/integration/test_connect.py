"""`pipesleuth connect databricks` against a workspace's API: it says first, does it when told, and takes nothing away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from pipesleuth.cli import app as program
from pipesleuth.model import PipesleuthError
from pipesleuth.sandbox.server import BackgroundSandbox, run_in_background
from places import API_KEY, Place

JOBS = "/_state/databricks"


class Workspace:
    """A workspace with jobs, and the command that connects it."""

    def __init__(self, sandbox: BackgroundSandbox) -> None:
        self.url = sandbox.url

    def connect(self, *words: str) -> Result:
        """Run the command."""
        return CliRunner().invoke(program, ["connect", "databricks", *words], env={"COLUMNS": "200"})

    def state(self) -> dict[str, Any]:
        """What the workspace has."""
        return httpx.get(f"{self.url}{JOBS}").json()

    def put(self, **state: Any) -> None:
        """Give the workspace something."""
        httpx.put(f"{self.url}{JOBS}", json=state).raise_for_status()

    def told(self, job: int) -> list[str]:
        """The destinations that a job tells of its failures."""
        (found,) = [one for one in self.state()["jobs"] if one["job_id"] == job]
        return [entry["id"] for entry in found["settings"].get("webhook_notifications", {}).get("on_failure", [])]

    def fault(self, **fault: Any) -> None:
        """Let requests go wrong."""
        httpx.put(f"{self.url}/_faults", json=[{"service": "databricks", **fault}]).raise_for_status()

    def changes(self) -> list[str]:
        """The calls that changed something."""
        calls = httpx.get(f"{self.url}/_calls", params={"service": "databricks"}).json()["calls"]
        return [call["path"] for call in calls if call["method"] in {"POST", "PATCH", "PUT", "DELETE"}]


def job(number: int, name: str, **settings: Any) -> dict[str, Any]:
    return {"job_id": number, "settings": {"name": name, **settings}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[BackgroundSandbox]:
    with run_in_background() as running:
        yield running


@pytest.fixture
def workspace(sandbox: BackgroundSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    httpx.post(f"{sandbox.url}/_reset").raise_for_status()
    monkeypatch.chdir(tmp_path)
    known = {name: value for name, value in sandbox.environment().items() if name.startswith("DATABRICKS")}
    for name, value in (known | {"RCA_API_KEY": API_KEY, "DATA_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    found = Workspace(sandbox)
    found.put(
        jobs=[
            job(11, "nightly-orders"),
            job(
                12,
                "Nightly-Returns",
                webhook_notifications={"on_failure": [{"id": "pager"}], "on_start": [{"id": "x"}]},
            ),
            job(13, "hourly-clicks"),
        ]
    )
    return found


def test_a_dry_run_says_what_would_change_and_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    said = workspace.connect("--name", "nightly-*")
    assert said.exit_code == 0
    assert "+ destination Pipesleuth → http://localhost:8000/databricks-monitor" in said.output
    assert "+ job 11 nightly-orders: on_failure" in said.output
    assert "+ job 12 Nightly-Returns: on_failure" in said.output
    assert "13" not in said.output
    assert "Nothing was changed" in said.output
    assert workspace.changes() == []
    assert list(tmp_path.iterdir()) == []


def test_applied_it_makes_the_destination_and_adds_it_beside_what_is_there(workspace: Workspace) -> None:
    said = workspace.connect("--name", "nightly-*", "--apply")
    assert said.exit_code == 0
    (made,) = workspace.state()["destinations"]
    assert made["display_name"] == "Pipesleuth"
    hook = made["config"]["generic_webhook"]
    assert hook["url"] == "http://localhost:8000/databricks-monitor"
    assert hook["password"] == API_KEY
    assert workspace.told(11) == [made["id"]]
    assert workspace.told(12) == ["pager", made["id"]]
    assert workspace.told(13) == []
    (second,) = [one for one in workspace.state()["jobs"] if one["job_id"] == 12]
    assert second["settings"]["webhook_notifications"]["on_start"] == [{"id": "x"}]
    assert second["settings"]["name"] == "Nightly-Returns"
    assert API_KEY not in said.output


def test_applied_twice_it_doubles_nothing(workspace: Workspace) -> None:
    workspace.connect("--all", "--apply")
    said = workspace.connect("--all", "--apply")
    assert said.exit_code == 0
    assert "~ destination Pipesleuth" in said.output
    assert said.output.count("tells it already") == 3
    assert len(workspace.state()["destinations"]) == 1
    assert len(workspace.told(12)) == 2
    assert workspace.changes().count("/databricks/api/2.1/jobs/update") == 3


def test_a_job_can_be_named_by_its_id(workspace: Workspace) -> None:
    assert workspace.connect("--job", "13", "--apply").exit_code == 0
    assert [len(workspace.told(number)) for number in (11, 12, 13)] == [0, 1, 1]


def test_all_pages_of_the_workspaces_jobs_are_read(workspace: Workspace) -> None:
    workspace.put(jobs=[job(1000 + number, f"etl-{number}") for number in range(230)])
    said = workspace.connect("--name", "etl-*")
    assert said.output.count("+ job") == 230


def test_a_job_that_tells_three_destinations_is_left_alone_and_named(workspace: Workspace) -> None:
    full = {"on_failure": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}
    workspace.put(jobs=[job(14, "nightly-full", webhook_notifications=full)])
    said = workspace.connect("--name", "nightly-*", "--apply")
    assert said.exit_code == 1
    assert "job 14 nightly-full: it tells as many destinations already as Databricks allows" in said.output
    assert workspace.told(14) == ["a", "b", "c"]
    assert len(workspace.told(11)) == 1


def test_a_job_that_a_bundle_deploys_is_marked(workspace: Workspace) -> None:
    workspace.put(jobs=[job(15, "bundled", deployment={"kind": "BUNDLE"})])
    assert "deployed by a bundle" in workspace.connect("--name", "bundled").output


def test_one_refused_job_does_not_stop_the_others(workspace: Workspace) -> None:
    workspace.fault(route="jobs/update", kind="status", status=403, count=1)
    said = workspace.connect("--name", "nightly-*", "--apply")
    assert said.exit_code == 1
    assert "CAN MANAGE" in said.output
    assert [len(workspace.told(11)), len(workspace.told(12))] == [0, 2]


def test_without_an_administrators_token_it_says_who_is_needed(workspace: Workspace) -> None:
    workspace.fault(route="notification-destinations", kind="status", status=403)
    said = workspace.connect("--all", "--apply")
    assert isinstance(said.exception, PipesleuthError)
    assert "administrator" in str(said.exception)


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"DATABRICKS_HOST": "https://adb-1.1.azuredatabricks.net"}, "PUBLIC_BASE_URL"),
        ({"DATABRICKS_HOST": "https://a.cloud.databricks.com", "PUBLIC_BASE_URL": "http://pipes.example.com"}, "https"),
        ({"DATABRICKS_TOKEN": ""}, "DATABRICKS_TOKEN"),
    ],
)
def test_what_could_not_work_is_refused_before_anything_is_called(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = workspace.connect("--all", "--apply")
    assert wanted in str(said.exception)
    assert workspace.changes() == []


def test_without_a_choice_of_jobs_the_command_is_used_wrongly(workspace: Workspace) -> None:
    assert workspace.connect().exit_code == 2


def test_no_job_that_fits_is_said(workspace: Workspace) -> None:
    assert "No job fits" in str(workspace.connect("--name", "nobody-*").exception)


async def test_what_the_destination_presents_opens_our_door(workspace: Workspace, place: Place) -> None:
    await asyncio.to_thread(workspace.connect, "--all", "--apply")
    (made,) = (await asyncio.to_thread(workspace.state))["destinations"]
    hook = made["config"]["generic_webhook"]
    body = {
        "event_type": "jobs.on_failure",
        "workspace_id": 1,
        "job": {"job_id": 11, "name": "n"},
        "run": {"run_id": 9},
    }
    path = httpx.URL(hook["url"]).path
    answer = await place.client.post(path, json=body, auth=(hook["username"], hook["password"]))
    assert answer.json()["status"] == "success", answer.text
