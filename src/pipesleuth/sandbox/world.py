"""Everything the stand-ins remember, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipesleuth.sandbox.airflow import AirflowInstance
from pipesleuth.sandbox.data_factory import DataFactoryState
from pipesleuth.sandbox.databricks_runs import Workspace
from pipesleuth.sandbox.faults import FaultPlan
from pipesleuth.sandbox.gemini import GeminiState
from pipesleuth.sandbox.jira_issues import JiraSite
from pipesleuth.sandbox.journal import Journal
from pipesleuth.sandbox.slack_team import SlackTeam
from pipesleuth.sandbox.teams import TeamsTenant


@dataclass(slots=True)
class World:
    """The memory of one sandbox."""

    clock: Callable[[], float]
    journal: Journal
    faults: FaultPlan
    slack: SlackTeam
    jira: JiraSite
    gemini: GeminiState
    databricks: Workspace
    data_factory: DataFactoryState
    airflow: AirflowInstance
    teams: TeamsTenant

    def reset(self) -> None:
        """Forget everything: messages, issues, runs, calls, faults and changed settings."""
        self.journal.reset()
        self.faults.clear()
        self.slack.reset()
        self.jira.reset()
        self.gemini.reset()
        self.databricks.reset()
        self.data_factory.reset()
        self.airflow.reset()
        self.teams.reset()

    def environment(self, url: str) -> dict[str, str]:
        """Pipesleuth's settings for the stand-ins below this address."""
        channel = next(iter(self.slack.channels.values()))["name"]
        settings = {
            "SLACK_API_URL": f"{url}/slack/api/",
            "SLACK_BOT_TOKEN": "xoxb-sandbox",
            "SLACK_ALERT_CHANNEL": str(channel),
            "ITSM_TOOL": "jira",
            "JIRA_DOMAIN": f"{url}/jira",
            "JIRA_USER_EMAIL": "pipesleuth@example.com",
            "JIRA_API_TOKEN": "jira-sandbox",
            "JIRA_PROJECT_KEY": next(iter(self.jira.projects)),
            "GEMINI_BASE_URL": f"{url}/gemini",
            "GEMINI_API_KEY": "gemini-sandbox",
            "DATABRICKS_HOST": f"{url}/databricks",
            "DATABRICKS_TOKEN": "dapi-sandbox",
            "AZURE_MANAGEMENT_URL": f"{url}/azure",
            "AZURE_LOGIN_URL": f"{url}/azure",
            "AIRFLOW_URL": f"{url}/airflow",
            "AIRFLOW_TOKEN": "airflow-sandbox",
            "TEAMS_WEBHOOK_URL": self.teams.address(url, next(iter(self.teams.settings["workflows"]))),
        }
        if self.jira.webhooks.secret:
            settings["JIRA_WEBHOOK_SECRET"] = self.jira.webhooks.secret
        return settings


def new_world(clock: Callable[[], float]) -> World:
    """A fresh memory; `clock` gives epoch seconds."""
    return World(
        clock=clock,
        journal=Journal(clock),
        faults=FaultPlan(),
        slack=SlackTeam(clock),
        jira=JiraSite(clock),
        gemini=GeminiState(),
        databricks=Workspace(clock),
        data_factory=DataFactoryState(clock),
        airflow=AirflowInstance(clock),
        teams=TeamsTenant(clock),
    )
