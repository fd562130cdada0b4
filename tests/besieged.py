"""A Pipesleuth that is attacked: the program as a process, with stand-ins behind it and people who may log in."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dashboards import people
from pipesleuth.sandbox import BackgroundSandbox, run_in_background
from places import ADMIN, PASSWORD, VIEWER
from served import KEY, Served

SENDER = {"x-api-key": KEY}
JIRA_SECRET = "the-secret-of-jira-s-webhooks"
SIGNING_KEY = "a-key-that-signs-the-tokens-of-these-tests"
ATTACKS = Path(__file__).parent / "hostile"


def attacks(name: str) -> list[Any]:
    """The attacks of one family."""
    return json.loads((ATTACKS / f"{name}.json").read_text("utf-8"))["attacks"]


@dataclass(slots=True)
class House:
    """The service under attack; `client` is nobody, `sender` has the key, the others are people."""

    served: Served
    sandbox: BackgroundSandbox
    folder: Path
    client: httpx.Client
    admin: dict[str, str]
    viewer: dict[str, str]

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.served.port is not None
        return self.served.port

    def post(self, body: Any, path: str = "/azure-monitor", **headers: str) -> httpx.Response:
        """A webhook from a sender who has the key."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=content, headers={**SENDER, **headers})

    def get(self, path: str, **params: Any) -> httpx.Response:
        """What a viewer is answered."""
        return self.client.get(path, params=params, headers=self.viewer)

    def read(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the service's database."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'tickets.db'}?mode=ro", uri=True)) as database:
            return database.execute(statement).fetchall()

    def wait(self, statement: str, seconds: float = 30) -> None:
        """Wait until a statement that counts what is missing gives 0."""
        until = time.monotonic() + seconds
        while (left := self.read(statement)[0][0]) and time.monotonic() < until:
            time.sleep(0.05)
        assert not left, f"{left} are still missing: {statement}"

    def log(self) -> str:
        """What the service has logged."""
        return self.served.log.read_text("utf-8", "surrogateescape")

    def raw(self, request: bytes, seconds: float = 3) -> bytes:
        """What the server sends back for these bytes, until it closes or falls silent for so long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(request)
            parts: list[bytes] = []
            with contextlib.suppress(OSError):
                while part := connection.recv(65_536):
                    parts.append(part)
            return b"".join(parts)


@contextlib.contextmanager
def besieged(folder: Path, port: int) -> Generator[House]:
    """Start it, and stop it."""
    people(folder)
    limits = ("ADDRESS_REQUESTS_PER_SECOND", "WRONG_KEYS_PER_MINUTE", "TRIES_PER_ADDRESS", "TRIES_PER_ACCOUNT")
    with run_in_background() as sandbox:
        vendors = {
            name: value for name, value in sandbox.environment().items() if name[:5] in {"SLACK", "JIRA_", "TEAMS"}
        }
        ours = {
            "JWT_SECRET_KEY": SIGNING_KEY, "JIRA_WEBHOOK_SECRET": JIRA_SECRET, "ITSM_TOOL": "jira", "SLACK_PER_SECOND": "1000",
            "TEAMS_PER_SECOND": "1000", "RCA_DEADLINE_SECONDS": "0", "REQUEST_SECONDS": "2", "REGISTRATION": "open",
            "PUBLIC_BASE_URL": f"http://localhost:{port}",
        }  # fmt: skip
        served = Served(folder, "serve", port=port, **vendors, **ours, **dict.fromkeys(limits, "100000"))
        try:
            served.start()
            with httpx.Client(base_url=served.url, timeout=20) as client:
                yield House(served, sandbox, folder, client, _signed_in(client, ADMIN), _signed_in(client, VIEWER))
        finally:
            served.end()


def _signed_in(client: httpx.Client, email: str) -> dict[str, str]:
    answer = client.post("/api/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def leaves(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names included."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield str(name)
            yield from leaves(child)
    elif isinstance(value, list):
        for child in value:
            yield from leaves(child)
    elif isinstance(value, str):
        yield value


def is_refusal(answer: httpx.Response, *statuses: int) -> None:
    """The house's one shape of errors, with one of these statuses and nobody's header."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:300])
    body = answer.json()
    assert {"detail", "code"} <= set(body) <= {"detail", "code", "field"}, body
    assert "x-evil" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
