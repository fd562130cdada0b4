"""Jira and Slack for a test: the stand-ins in this process, and the destinations that talk to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pipesleuth.destinations.contract import Destination
from pipesleuth.destinations.jira import Jira, JiraSettings
from pipesleuth.destinations.slack import Slack, SlackSettings
from pipesleuth.sandbox import Sandbox
from pipesleuth.tickets.identity import run_mark

WEBHOOK_SECRET = "the-secret-of-jira-s-webhooks"
CATEGORY = {"new": "open", "indeterminate": "in_progress", "done": "acknowledged"}


def told(sandbox: Sandbox, clock: Callable[[], datetime], **changes: Any) -> dict[str, Destination]:
    """Jira and Slack as a service talks to them; `changes` are settings of either."""
    values = {name.lower(): value for name, value in sandbox.environment().items()}
    values |= {"jira_webhook_secret": WEBHOOK_SECRET, "slack_per_second": 1000, **changes}
    return {
        "jira": Jira(JiraSettings.model_validate(values), now=clock),
        "slack": Slack(SlackSettings.model_validate(values)),
    }


def issues_of(sandbox: Sandbox, ticket: dict[str, Any]) -> list[Any]:
    """The issues of a ticket's run."""
    mark = run_mark(ticket["source"], ticket["run_id"], ticket["id"])
    return [issue for issue in sandbox.world.jira.issues.values() if mark in issue.fields["labels"]]


def roots_of(sandbox: Sandbox, ticket: dict[str, Any]) -> list[Any]:
    """The Slack messages of a ticket's run, without their notes."""
    mark = run_mark(ticket["source"], ticket["run_id"], ticket["id"])
    return [one for one in sandbox.world.slack.messages if not one.is_reply and payload(one).get("run_mark") == mark]


def notes_of(sandbox: Sandbox, root: Any) -> list[Any]:
    """The notes in a message's thread, oldest first."""
    return [one for one in sandbox.world.slack.messages if one.is_reply and one.thread_ts == root.ts]


def payload(message: Any) -> dict[str, Any]:
    """What a message's metadata carries."""
    return message.content.get("metadata", {}).get("event_payload", {})


def status_of(issue: Any) -> str:
    """Our word for where an issue stands."""
    return CATEGORY[issue.fields["status"]["statusCategory"]["key"]]
