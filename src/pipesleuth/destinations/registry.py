"""The destinations there are: a new one is one file beside this, and one word here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.destinations.contract import Destination
from pipesleuth.destinations.jira import Jira, JiraSettings
from pipesleuth.destinations.slack import Slack, SlackSettings
from pipesleuth.destinations.teams import Teams, TeamsSettings

KINDS = ("archive", "jira", "slack", "teams")
CHANNELS = tuple(kind for kind in KINDS if kind != "archive")  # those that people read, and that create something


def configured(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Mapping[str, Destination]:
    """The destinations that the environment configures, by the kind of their to-dos.

    Raises pydantic's ValidationError that names the variable with a wrong value.
    """
    archive, jira = ArchiveSettings(), JiraSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    slack, teams = SlackSettings(), TeamsSettings()  # pyright: ignore[reportCallIssue]  # the same
    shelf: dict[str, Destination] = {"archive": Archive(archive, now)}
    if jira.configured:
        shelf["jira"] = Jira(jira, now)
    if slack.configured:
        shelf["slack"] = Slack(slack)
    if teams.configured:
        shelf["teams"] = Teams(teams, now)
    return shelf
