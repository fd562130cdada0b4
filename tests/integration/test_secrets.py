"""One look over everything that leaves: no secret of the house stands in a log, an error, an answer or an export."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from mail_server import MailServer
from pipesleuth.accounts.keys import add_key
from places import ADMIN, API_KEY, PASSWORD, SIGNING_KEY, Place, adf
from served import Served, environment

OURS = {
    "SLACK_BOT_TOKEN": "xoxb-9f8e7d6c5b4a-a-token-of-ours",
    "SLACK_ALERT_CHANNEL": "C0123456789",
    "JIRA_DOMAIN": "https://jira.sigmoidanalytics.example",
    "JIRA_USER_EMAIL": "robot@sigmoidanalytics.com",
    "JIRA_API_TOKEN": "jira-9f8e7d6c5b4a-a-token-of-ours",
    "JIRA_PROJECT_KEY": "OPS",
    "JIRA_WEBHOOK_SECRET": "hook-9f8e7d6c5b4a-a-secret-of-ours",
    "OIDC_ISSUER": "http://127.0.0.1:9/issuer",
    "OIDC_CLIENT_ID": "pipesleuth",
    "OIDC_CLIENT_SECRET": "oidc-9f8e7d6c5b4a-a-secret-of-ours",
    "SMTP_PASSWORD": "smtp-9f8e7d6c5b4a-a-password-of-ours",
    "SMTP_USERNAME": "robot",
    "GEMINI_API_KEY": "gemini-9f8e7d6c5b4a-a-key-of-ours",
}
KNOWN = {name: value for name, value in OURS.items() if "9f8e7d6c5b4a" in value}


def told(text: str, *more: str) -> list[str]:
    """Which secrets a text tells, by name."""
    found = [name for name, value in KNOWN.items() if value in text]
    found += [value for value in (API_KEY, SIGNING_KEY, PASSWORD, *more) if value in text]
    return found + re.findall(r"\$2b\$\d\d\$|eyJhbGciOi[\w-]+\.[\w-]+\.[\w-]+", text)


@pytest.fixture
def _configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_configured")
async def test_no_secret_of_ours_is_told(
    open_place: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    async with MailServer() as mail:
        for name, value in (mail.environment() | {"REGISTRATION": "verify"}).items():
            monkeypatch.setenv(name, value)
        async with open_place(registration="verify") as place:
            key = await place.parts.database.write(
                lambda c: add_key(c, "team", ("intake",), place.clock(), old_hours=None)
            )
            answers = await everything(place, key)
    said = capsys.readouterr()
    secrets = (key, "a new password")
    assert told("\n".join(answers), *secrets) == []
    assert told(said.out + said.err + caplog.text, *secrets) == []


async def everything(place: Place, key: str) -> list[str]:
    """The text of every answer a curious person can get."""
    admin = await place.signed_in(ADMIN)
    ticket = await place.ticket(adf(message="It broke."))
    answers: list[str] = []

    async def ask(method: str, path: str, **how: Any) -> None:
        answer = await place.client.request(method, path, **how)
        answers.append(f"{answer.status_code} {answer.headers} {answer.text}")

    gets = ("config", "me", "summary", "inbound", "audit-trail", "insights", "handover", "register/invitations")
    exports = ("export/open-tickets", "export/closed-tickets", "export/audit-trail", f"tickets/{ticket}", "events")
    for path in (*gets, *exports):
        await ask("GET", f"/api/{path}", headers=admin)
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/login", "/nowhere", "/auth/login"):
        await ask("GET", path)
    new = {"email": "new@sigmoidanalytics.com", "password": "a new password"}
    for path, body in (
        ("login", {"email": ADMIN, "password": PASSWORD + "x"}),
        ("login", {"email": [PASSWORD], "password": PASSWORD}),
        ("register", new),
        ("register", new | {"email": ADMIN}),
        ("register", new | {"full_name": 5}),
        ("register/verify", new | {"code": "WRONGONE"}),
    ):
        await ask("POST", f"/api/{path}", json=body)
    for headers in (
        {"x-api-key": f"{API_KEY}x"},
        {"authorization": f"Bearer {SIGNING_KEY}"},
        {"authorization": "Basic eDp5"},
    ):
        await ask("POST", "/azure-monitor", json=adf(), headers=headers)
    await ask("POST", f"/azure-monitor?key={key}", json=adf())
    await ask("POST", f"/azure-monitor?key={key}&dry_run=1", json=adf())
    await ask("POST", f"/azure-monitor?key={key}", content=b"{")
    await ask("POST", "/webhook/jira?secret=wrong", json={})
    await ask("POST", f"/webhook/jira?secret={OURS['JIRA_WEBHOOK_SECRET']}", content=b"{")
    await ask("GET", f"/api/check-ticket-exists/x?key={API_KEY}")
    for _ in range(3):
        await place.work_off()
        await asyncio.sleep(0)
    await ask("GET", f"/api/tickets/{ticket}", headers=admin)
    return answers


def test_no_secret_stands_in_the_list_of_processes_or_the_log_of_a_start(tmp_path: Path) -> None:
    from child_process import free_port  # noqa: PLC0415  # used once

    kept = {name: value for name, value in OURS.items() if not name.startswith(("SMTP", "GEMINI"))}
    served = Served(tmp_path, "serve", "--no-worker", port=free_port(), JWT_SECRET_KEY=SIGNING_KEY, **kept)
    served.start()
    try:
        assert served.process is not None
        line = Path(f"/proc/{served.process.pid}/cmdline").read_bytes().decode()
        assert "serve" in line
        assert told(line, environment(tmp_path)["RCA_API_KEY"]) == []
    finally:
        served.end()
    assert told(served.log.read_text(), environment(tmp_path)["RCA_API_KEY"]) == []
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "secrets").glob("*")}
    assert not any(modes.values()), modes
