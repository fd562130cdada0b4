"""The doctor over the stand-ins: what is well is ticked, and each fault is named with the sentence that repairs it."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from canned_server import CannedServer
from pipesleuth.cli import app as program
from pipesleuth.doctor import PARTS, Case, Finding, Mark, examine
from pipesleuth.sandbox.server import Sandbox, run_in_background
from pipesleuth.settings import Settings

FACTORY = "adf-sales-prod"
GROUP = "/subscriptions/11112222-3333-4444-5555-666677778888/resourceGroups/rg-data"
RUN = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"
AZURE = {
    "AZURE_SUBSCRIPTION_ID": "11112222-3333-4444-5555-666677778888",
    "AZURE_RESOURCE_GROUP": "rg-data",
    "AZURE_DATA_FACTORY_NAME": FACTORY,
    "AZURE_TENANT_ID": "tenant",
    "AZURE_CLIENT_ID": "client",
    "AZURE_CLIENT_SECRET": "secret-of-the-client",
}
WELL = {"MODEL_ID": "gemini-3.8-flash", "JIRA_WEBHOOK_SECRET": "a-secret-of-jira", **AZURE}
# Whose stand-in is set to what, which variables are changed, and what the doctor is to say of which part.
Trouble = tuple[str, dict[str, Any], dict[str, str], str, Mark, str, str]


class Ward:
    """A service with every vendor configured, and the doctor who looks at it."""

    def __init__(self, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = sandbox.world
        self.folder = folder
        self._patch = monkeypatch
        self.ahead = timedelta()
        self.set(**sandbox.environment(), **WELL, DATA_DIR=str(folder))

    def set(self, **variables: str) -> None:
        """Set variables of the environment."""
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def fault(self, service: str, route: str, status: int = 403, **more: Any) -> None:
        """Let requests go wrong."""
        self.world.faults.put([{"service": service, "route": route, "kind": "status", "status": status, **more}])

    async def look(self, *parts: str, send_test: bool = False) -> list[Finding]:
        """What the doctor finds."""
        settings = Settings()  # pyright: ignore[reportCallIssue]  # values come from the environment
        case = Case(settings, lambda: datetime.now(UTC) + self.ahead, send_test=send_test)
        return await examine(case, parts or tuple(PARTS))

    async def complaint(self, part: str) -> Finding:
        """The one thing that is wrong with a part."""
        (found,) = [finding for finding in await self.look(part) if finding.repair]
        return found

    @property
    def writes(self) -> list[str]:
        """The calls that could have changed something at a vendor."""
        asking = ("token", "queryPipelineRuns", "queryActivityruns")
        calls = self.world.journal.since(0, "", None)
        return [c.path for c in calls if c.method != "GET" and not c.path.endswith(asking)]


@pytest.fixture
async def ward(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Ward]:
    shutil.copy(empty_database, tmp_path / "tickets.db")
    monkeypatch.chdir(tmp_path)
    async with Sandbox() as sandbox:
        found = Ward(sandbox, tmp_path, monkeypatch)
        now = int(datetime.now(UTC).timestamp() * 1000)
        found.world.databricks.put({"runs": [{
            "run_id": 9, "job_id": 1, "start_time": now, "end_time": now, "tasks": [],
            "state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"},
        }]})  # fmt: skip
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found.world.data_factory.put({"pipeline_runs": [{
            "id": f"{GROUP}/providers/Microsoft.DataFactory/factories/{FACTORY}/pipelineruns/{RUN}", "runId": RUN,
            "pipelineName": "p", "status": "Failed", "lastUpdated": stamp, "runStart": stamp, "runEnd": stamp,
        }]})  # fmt: skip
        yield found


async def test_what_is_well_is_ticked_and_nothing_is_written(ward: Ward) -> None:
    before = sorted(path for path in ward.folder.rglob("*") if not path.name.startswith("tickets.db"))
    found = await ward.look()
    # No service runs in this test; it is not the doctor who starts one.
    wrong = [finding for finding in found if finding.repair and finding.part != "public address"]
    assert wrong == []
    assert {finding.part for finding in found if finding.mark is Mark.OK} == {*PARTS} - {"public address", "worker"}
    assert ward.writes == []
    assert sorted(path for path in ward.folder.rglob("*") if not path.name.startswith("tickets.db")) == before


async def test_with_nothing_configured_nothing_is_wrong(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*WELL, "SLACK_BOT_TOKEN", "SLACK_ALERT_CHANNEL", "ITSM_TOOL", "GEMINI_API_KEY", "DATABRICKS_HOST",
                 "DATABRICKS_TOKEN", "TEAMS_WEBHOOK_URL", "AIRFLOW_URL", "AIRFLOW_TOKEN"):  # fmt: skip
        monkeypatch.delenv(name)
    parts = ("ai", "jira", "slack", "teams", "databricks", "data factory", "airflow", "time")
    assert {finding.mark for finding in await ward.look(*parts)} == {Mark.OFF}


async def test_a_test_goes_everywhere_and_takes_its_issue_back(ward: Ward) -> None:
    found = await ward.look("archive", "ai", "jira", "slack", send_test=True)
    assert [finding for finding in found if finding.repair] == []
    (message,) = ward.world.slack.messages
    assert "pipesleuth doctor" in message.content["text"]
    assert ward.world.jira.issues == {}
    assert ward.writes.count("/jira/rest/api/3/issue") == 1
    (file,) = (ward.folder / "archive").rglob("*.json")
    assert b"doctor" in file.read_bytes()
    assert ward.world.gemini.calls == 1


# --- the house ---


async def test_a_database_that_is_not_there_yet_is_a_warning_and_stays_away(ward: Ward) -> None:
    ward.set(DB_PATH=str(ward.folder / "none.db"))
    found = await ward.complaint("database")
    assert found.mark is Mark.WARNING
    assert "pipesleuth db upgrade" in found.repair
    assert not (ward.folder / "none.db").exists()


async def test_a_database_that_is_away_is_a_fault(ward: Ward) -> None:
    ward.set(DATABASE_URL="postgresql+psycopg://u:hidden-password@127.0.0.1:1/x")
    found = await ward.complaint("database")
    assert found.mark is Mark.FAULT
    assert "DATABASE_URL" in found.repair
    assert "hidden-password" not in found.seen


async def test_a_file_that_is_no_database_is_a_fault(ward: Ward) -> None:
    (ward.folder / "tickets.db").write_bytes(b"this is no database, " * 400)
    assert (await ward.complaint("database")).mark is Mark.FAULT


async def test_an_empty_database_wants_its_schema(ward: Ward) -> None:
    (ward.folder / "tickets.db").write_bytes(b"")
    found = await ward.complaint("database")
    assert found.mark is Mark.FAULT
    assert "pipesleuth db upgrade" in found.repair


async def test_a_driver_that_is_not_installed_is_named(ward: Ward) -> None:
    ward.set(DATABASE_URL="mysql+pymysql://u:p@127.0.0.1/x")
    found = await ward.complaint("database")
    assert found.mark is Mark.FAULT
    assert "pymysql" in found.seen


async def test_folders_are_looked_at_and_not_made(ward: Ward) -> None:
    ward.set(DATA_DIR="/proc/pipesleuth", ARCHIVE_URL=(ward.folder / "elsewhere").as_uri())
    assert [found.mark for found in await ward.look("disk", "archive")] == [Mark.FAULT, Mark.OK]
    assert not (ward.folder / "elsewhere").exists()


# --- the vendors ---


@pytest.mark.parametrize(
    "trouble",
    [
        ("slack", {"scopes": ["channels:read", "channels:history"]}, {}, "slack", Mark.FAULT, "chat:write", "scope"),
        ("slack", {"scopes": ["chat:write", "channels:read"]}, {}, "slack", Mark.WARNING, "twice", "channels:history"),
        ("slack", {"scopes": ["chat:write"]}, {}, "slack", Mark.WARNING, "cannot be seen", "channels:read"),
        ("slack", {"tokens": {"xoxb-another": []}}, {}, "slack", Mark.FAULT, "invalid_auth", "SLACK_BOT_TOKEN"),
        ("slack", {}, {"SLACK_ALERT_CHANNEL": "#platform"}, "slack", Mark.FAULT, "not in #platform", "/invite"),
        ("slack", {}, {"SLACK_ALERT_CHANNEL": "C0SANDBOX03"}, "slack", Mark.FAULT, "not in C0SANDBOX03", "/invite"),
        ("slack", {}, {"SLACK_ALERT_CHANNEL": "no-such"}, "slack", Mark.FAULT, "#no-such", "SLACK_ALERT_CHANNEL"),
        ("slack", {}, {"SLACK_ALERT_CHANNEL": "old-alerts"}, "slack", Mark.FAULT, "archived", "Unarchive"),
        ("slack", {}, {"SLACK_ALERT_CHANNEL": ""}, "slack", Mark.WARNING, "SLACK_ALERT_CHANNEL", "SLACK_ALERT_CHANNEL"),
        ("slack", {}, {"SLACK_API_URL": "ftp://x"}, "slack", Mark.FAULT, "SLACK_API_URL", "variable"),
        ("slack", {}, {"SLACK_API_URL": "http://127.0.0.1:1/api"}, "slack", Mark.FAULT, "reached", "SLACK_API_URL"),
        ("jira", {"accounts": {"a@b.example": "x"}}, {}, "jira", Mark.FAULT, "401", "JIRA_API_TOKEN"),
        ("jira", {}, {"JIRA_PROJECT_KEY": "NOPE"}, "jira", Mark.FAULT, "no project NOPE", "JIRA_PROJECT_KEY"),
        ("jira", {}, {"JIRA_ISSUE_TYPE": "Epos"}, "jira", Mark.FAULT, "Epos", "Task, Bug, Incident"),
        ("jira", {"forbidden": ["OPS"]}, {}, "jira", Mark.FAULT, "may not create", "CREATE_ISSUES"),
        ("jira", {"required": ["customfield_7"]}, {}, "jira", Mark.FAULT, "customfield_7", "JIRA_FIELDS"),
        ("jira", {}, {"JIRA_PRIORITY_MAP": "P1=Blocker"}, "jira", Mark.WARNING, "Blocker", "Highest"),
        ("jira", {}, {"JIRA_WEBHOOK_SECRET": ""}, "jira", Mark.WARNING, "come back", "JIRA_WEBHOOK_SECRET"),
        ("jira", {}, {"JIRA_PROJECT_KEY": ""}, "jira", Mark.FAULT, "JIRA_PROJECT_KEY", "variable"),
        ("gemini", {"keys": ["another"]}, {}, "ai", Mark.FAULT, "key was refused", "GEMINI_API_KEY"),
        ("gemini", {"retired": ["gemini-3.8-flash"]}, {}, "ai", Mark.WARNING, "not served", "gemini-3.5-flash-lite"),
        ("gemini", {"models": []}, {}, "ai", Mark.FAULT, "no MODEL_FALLBACK", "MODEL_ID"),
        ("gemini", {"retired": ["gemini-3.5-flash-lite"]}, {}, "ai", Mark.WARNING, "is not", "MODEL_FALLBACK"),
        ("gemini", {}, {"MODEL_ID": "gemini-2.5-flash"}, "ai", Mark.WARNING, "2026-12-01", "gemini-3.5-flash-lite"),
        ("databricks", {"tokens": ["another"]}, {}, "databricks", Mark.FAULT, "401", "DATABRICKS_TOKEN"),
        ("databricks", {}, {"DATABRICKS_TOKEN": ""}, "databricks", Mark.WARNING, "sign on", "DATABRICKS_TOKEN"),
        ("azure", {}, {"AZURE_CLIENT_SECRET": "wrong"}, "data factory", Mark.FAULT, "sign us on", "AZURE_CLIENT_SECRET"),
        ("azure", {}, {"AZURE_DATA_FACTORY_NAME": ""}, "data factory", Mark.WARNING, "history", "FACTORY_NAME"),
    ],
)  # fmt: skip
async def test_each_fault_is_named_with_its_repair(ward: Ward, trouble: Trouble) -> None:
    service, state, variables, part, mark, seen, repair = trouble
    states = {
        "slack": ward.world.slack,
        "jira": ward.world.jira,
        "gemini": ward.world.gemini,
        "databricks": ward.world.databricks,
        "azure": ward.world.data_factory,
    }
    states[service].put(state)
    ward.set(**variables)
    found = await ward.complaint(part)
    assert found.mark is mark, found
    assert seen in found.seen, found
    assert repair in found.repair, found
    assert ward.writes == []


@pytest.mark.parametrize(
    ("service", "route", "part", "repair"),
    [
        ("azure", "queryPipelineRuns", "data factory", "Reader"),
        ("azure", "queryActivityruns", "data factory", "queryactivityruns/action"),
        ("databricks", "jobs/runs/list", "databricks", "CAN VIEW"),
    ],
)
async def test_a_missing_role_is_named(ward: Ward, service: str, route: str, part: str, repair: str) -> None:
    ward.fault(service, route)
    found = await ward.complaint(part)
    assert found.mark is Mark.FAULT
    assert repair in found.repair


async def test_a_factory_that_is_not_there_is_named(ward: Ward) -> None:
    ward.fault("azure", "queryPipelineRuns", 404)
    assert "AZURE_DATA_FACTORY_NAME" in (await ward.complaint("data factory")).repair


async def test_a_workspace_without_runs_may_be_one_whose_runs_we_may_not_see(ward: Ward) -> None:
    ward.world.databricks.reset()
    found = await ward.complaint("databricks")
    assert found.mark is Mark.WARNING
    assert "CAN VIEW" in found.repair


@pytest.mark.parametrize("part", ["slack", "jira", "ai", "databricks", "data factory"])
async def test_a_vendor_that_breaks_is_said_to_break(ward: Ward, part: str) -> None:
    service = {"ai": "gemini", "data factory": "azure"}.get(part, part)
    ward.fault(service, "", 500)
    found = await ward.complaint(part)
    assert found.mark is Mark.FAULT
    assert "500" in found.seen


async def test_no_secret_is_repeated(ward: Ward) -> None:
    for status in (400, 401, 403, 500):
        ward.world.faults.put([{"kind": "status", "status": status}])
        said = str(await ward.look())
        for secret in ("xoxb-sandbox", "jira-sandbox", "gemini-sandbox", "dapi-sandbox", "secret-of-the-client"):
            assert secret not in said


# --- the world ---


async def test_a_clock_that_is_off_is_told_by_the_vendors_own(ward: Ward) -> None:
    ward.ahead = timedelta(seconds=60)
    assert (await ward.complaint("time")).mark is Mark.WARNING
    ward.ahead = timedelta(seconds=-900)
    found = await ward.complaint("time")
    assert found.mark is Mark.FAULT
    assert "behind" in found.seen
    assert "NTP" in found.repair


async def test_a_public_address_in_the_open_is_a_fault(ward: Ward) -> None:
    ward.set(PUBLIC_BASE_URL="http://pipesleuth.example.com")
    found = await ward.complaint("public address")
    assert found.mark is Mark.FAULT
    assert "https://" in found.repair


async def test_a_service_that_is_not_running_is_a_warning_on_its_own_machine(ward: Ward) -> None:
    ward.set(PUBLIC_BASE_URL="http://127.0.0.1:1")
    found = await ward.look("public address", "worker")
    assert [finding.mark for finding in found] == [Mark.WARNING, Mark.WARNING, Mark.OFF]


@pytest.mark.parametrize(
    ("status", "body", "marks"),
    [
        (200, {"status": "alive", "checks": {"worker": True}}, [Mark.OK, Mark.OK]),
        (503, {"status": "not_ready", "checks": {"worker": False}}, [Mark.FAULT, Mark.FAULT]),
        (200, {"status": "alive", "checks": {"database": True}}, [Mark.OK, Mark.OFF]),
        (404, {"detail": "somebody else's"}, [Mark.FAULT, Mark.OFF]),
    ],
)
async def test_what_answers_at_the_public_address_is_looked_at(
    ward: Ward, status: int, body: dict[str, Any], marks: list[Mark]
) -> None:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode()
    async with CannedServer(head + content) as server:
        ward.set(PUBLIC_BASE_URL=server.url)
        found = await ward.look("public address", "worker")
    # That nobody else reaches a loopback address is said besides.
    assert [finding.mark for finding in found[1:]] == marks


# --- the command ---


def test_the_command_prints_lines_for_people_and_json_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    with run_in_background() as sandbox:
        for name, value in (sandbox.environment() | {"DATA_DIR": str(tmp_path)}).items():
            monkeypatch.setenv(name, value)
        said = runner.invoke(program, ["doctor", "jira", "ai"], env={"COLUMNS": "200"})
        assert said.exit_code == 0, said.output
        assert "✓ jira" in said.output
        assert "! ai" in said.output
        assert "→" in said.output
        monkeypatch.setenv("JIRA_PROJECT_KEY", "[bold]NOPE")
        said = runner.invoke(program, ["doctor", "jira"])
        assert said.exit_code == 1
        assert "✗ jira" in said.output
        assert "[bold]NOPE" in said.output
        said = runner.invoke(program, ["doctor", "--json", "jira"])
        assert said.exit_code == 1
        told = json.loads(said.output)
        assert told["ok"] is False
        assert {"part", "mark", "seen", "repair"} == told["findings"][0].keys()
        assert "fault" in {finding["mark"] for finding in told["findings"]}
    monkeypatch.setenv("DB_TYPE", "abacus")
    said = runner.invoke(program, ["doctor", "--json"])
    assert said.exit_code == 1
    assert "DB_TYPE" in json.loads(said.output)["findings"][0]["seen"]
    monkeypatch.delenv("DB_TYPE")
    assert runner.invoke(program, ["doctor", "teeth"]).exit_code == 2
    assert list(tmp_path.iterdir()) == []
