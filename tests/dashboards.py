"""A Pipesleuth in a process of its own and a browser in front of it, for the dashboard's tests."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page

from child_process import status, stop, wait_until_ready
from pipesleuth.db.database import Database
from pipesleuth.db.upgrade import upgrade
from pipesleuth.sandbox.server import BackgroundSandbox
from places import API_KEY, PASSWORD, RESPONDER, SENDER, SIGNING_KEY, add_people, adf, alert, cheap_hash, settings_in

PATIENCE = 10_000


@dataclass(slots=True)
class Dashboards:
    """A running service: how it is filled and asked, from outside only."""

    url: str
    folder: Path
    client: httpx.Client
    sandbox: BackgroundSandbox | None
    tokens: dict[str, str] = field(default_factory=dict[str, str])

    def fail(self, body: Mapping[str, Any] | None = None, path: str = "/azure-monitor") -> dict[str, Any]:
        """Send a failure; the answer."""
        content = json.dumps(adf() if body is None else body)  # ASCII: half a surrogate pair travels too
        answer = self.client.post(path, content=content, headers=SENDER)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ticket(self, **how: Any) -> str:
        """The id of the ticket of a new failure; named as in `places.adf`."""
        return self.fail(adf(**how))["ticket_id"]

    def many(self, number: int, name: str = "pl_bulk") -> None:
        """Let many runs fail, up to 200 in one alert."""
        for start in range(0, number, 200):
            runs = [(f"{name}_{at % 17}", f"{os.urandom(16).hex()}") for at in range(start, min(number, start + 200))]
            self.fail(alert(runs))

    def token(self, email: str = RESPONDER) -> str:
        """A session's token, made once for each person."""
        if email not in self.tokens:
            answer = self.client.post("/api/login", json={"email": email, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            self.tokens[email] = answer.json()["access_token"]
        return self.tokens[email]

    def get(self, path: str, email: str = RESPONDER, **asked: Any) -> Any:
        """What the API answers a person."""
        answer = self.client.get(path, params=asked, headers={"authorization": f"Bearer {self.token(email)}"})
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    def act(self, ticket_id: str, deed: str, note: str | None = None) -> None:
        """Take, close or reopen a ticket as the responder."""
        headers = {"authorization": f"Bearer {self.token()}"}
        answer = self.client.post(f"/api/tickets/{ticket_id}/{deed}", json={"note": note}, headers=headers)
        assert answer.status_code == 200, answer.text

    def change(self, ticket_id: str, **columns: Any) -> None:
        """Set columns of a ticket behind the service's back, as time would."""
        names = ", ".join(f"{name} = ?" for name in columns)
        with contextlib.closing(sqlite3.connect(self.folder / "tickets.db", timeout=10)) as database, database:
            database.execute(f"UPDATE tickets SET {names} WHERE id = ?", [*columns.values(), ticket_id])  # noqa: S608  # the test's own names


def people(folder: Path) -> None:
    """A viewer, a responder and an admin, with a hash that is cheap to check."""
    settings = settings_in(folder)
    upgrade(settings.database)
    with contextlib.closing(Database(settings.database)) as database, database.engine.begin() as connection:
        add_people(connection, cheap_hash(), datetime.now(UTC))


@contextlib.contextmanager
def service(folder: Path, port: int, environment: Mapping[str, str]) -> Generator[None]:
    """The service in a process of its own, in this folder, from ready to stopped."""
    log = folder / "service.log"
    known = {
        name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH"}
    }
    settings = {"DATA_DIR": str(folder), "RCA_API_KEY": API_KEY, "JWT_SECRET_KEY": SIGNING_KEY}
    settings |= {"PUBLIC_BASE_URL": f"http://127.0.0.1:{port}"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipesleuth", "serve", "--port", str(port)],
            env={**known, **settings, **environment},
            cwd=folder,
            stdout=out,
            stderr=out,
        )
        try:
            wait_until_ready(process, lambda: status(port, "/readyz") == 200, log=log)
            yield
        finally:
            stop(process)


@dataclass(slots=True)
class Desk:
    """Where a person sits: opens pages with their session, and notes what must not happen."""

    dashboards: Dashboards
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list[BrowserContext])
    outside: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])

    def context(self, email: str | None = RESPONDER, **how: Any) -> BrowserContext:
        """A browser profile of its own, logged in unless `email` is None."""
        how.setdefault("viewport", {"width": 1280, "height": 800})
        context = self.browser.new_context(**how)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self._asked(request.url))
        if email is not None:
            token = json.dumps(self.dashboards.token(email))
            # Once: a page that logs out stays logged out.
            once = "if (!sessionStorage.given) localStorage.setItem('authToken', %s); sessionStorage.given = 'yes';"
            context.add_init_script(once % token)
        # The policy's own report is the console's error and this event.
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (one) => console.error('CSP', one.violatedDirective))"
        )
        self.contexts.append(context)
        return context

    def open(self, path: str = "/dashboard", email: str | None = RESPONDER, **how: Any) -> Page:
        """A page, in a profile of its own."""
        return self.page(self.context(email, **how), path)

    def page(self, context: BrowserContext, path: str = "/dashboard") -> Page:
        """One more page of a profile."""
        page = context.new_page()
        page.on("console", lambda said: self.complaints.extend([said.text] if said.type == "error" else []))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self.dashboards.url}{path}")
        return page

    def _asked(self, url: str) -> None:
        if not url.startswith((self.dashboards.url, f"blob:{self.dashboards.url}")):
            self.outside.append(url)
