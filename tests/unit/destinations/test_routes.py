"""Which channel hears of which ticket."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from notices import FIELDS
from pipesleuth.destinations.routes import channel_for, read_routes
from pipesleuth.destinations.slack import SlackSettings
from pipesleuth.model import WrongSetting

RULES = """
routes:
  - channel: "#finance"
    team: [Finance, Treasury]
    severity: high
  - {channel: C0123456789, pipeline: "stream_*"}
  - {channel: "#databricks", source: databricks, priority: [P1, P2]}
"""


def file(folder: Path, text: str) -> Path:
    path = folder / "routes.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("fields", "channel"),
    [
        ({"finops_team": "treasury"}, "#finance"),
        ({"finops_team": "treasury", "severity": "Low"}, "#data-alerts"),
        ({"pipeline": "Stream_orders"}, "C0123456789"),
        ({"source": "databricks", "priority": "P2"}, "#databricks"),
        ({"source": "databricks", "priority": "P4"}, "#data-alerts"),
        ({"finops_team": None}, "#data-alerts"),
    ],
)
def test_the_first_rule_that_fits_decides(tmp_path: Path, fields: dict[str, str | None], channel: str) -> None:
    assert (
        channel_for({**FIELDS, **fields}, read_routes(file(tmp_path, RULES), "SLACK_ROUTES"), "#data-alerts") == channel
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("routes: {}", "needs a list named routes"),
        ("- x", "needs a list named routes"),
        ("", "needs a list named routes"),
        ("routes: [{team: x}]", "rule 1 names no channel"),
        ("routes: [{channel: a}, {channel: b, colour: red}]", "rule 2 has an unknown condition colour"),
        ("routes: [{channel: a, team: []}]", "rule 1 says nothing for team"),
        ("routes: [", "cannot be read as YAML"),
        ("routes: !!python/object:os.system x", "cannot be read as YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_rule(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(WrongSetting, match=reason):
        read_routes(file(tmp_path, text), "SLACK_ROUTES")


def test_a_missing_file_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="SLACK_ROUTES"):
        SlackSettings(_env_file=None, slack_routes=tmp_path / "none.yaml")  # type: ignore[call-arg]


def test_slack_needs_a_token_and_a_channel() -> None:
    def configured(**values: str) -> bool:
        return SlackSettings(_env_file=None, **values).configured  # type: ignore[arg-type,call-arg]

    assert not configured()
    assert not configured(slack_bot_token="xoxb-1")
    assert configured(slack_bot_token="xoxb-1", slack_alert_channel="#x")


def test_slack_s_address_must_be_https_or_near() -> None:
    with pytest.raises(ValidationError, match="SLACK_API_URL must begin with https"):
        SlackSettings(_env_file=None, slack_api_url="http://slack.example.com/api/")  # type: ignore[call-arg]
