"""How a process ends when it is told to: it says so first, answers what it took in, and its exit code is 0."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import time
import uuid
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from child_process import free_port
from dashboards import people
from pipesleuth import probe
from places import PASSWORD, RESPONDER
from served import KEY, Served

HEADERS = {"x-api-key": KEY}


@pytest.fixture
def server(tmp_path: Path) -> Generator[Served]:
    people(tmp_path)
    one = Served(tmp_path, "serve", port=free_port(), DRAIN_SECONDS="2")
    one.start()
    yield one
    one.end()


def body() -> bytes:
    run = str(uuid.uuid4())
    return json.dumps({"PipelineName": "pl", "PipelineRunId": run, "ErrorMessage": "It broke."}).encode()


def told_to_end(server: Served) -> float:
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    return time.monotonic()


def test_told_to_end_it_says_so_takes_what_comes_answers_what_is_on_its_way_and_ends_well(
    server: Served, tmp_path: Path
) -> None:
    token = httpx.post(f"{server.url}/api/login", json={"email": RESPONDER, "password": PASSWORD}, timeout=30).json()
    content = body()
    head = (
        f"POST /azure-monitor HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY}\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    with (
        connect(f"{server.url.replace('http', 'ws')}/ws") as browser,
        socket.create_connection(("127.0.0.1", server.port or 0), timeout=20) as sender,
        httpx.Client(base_url=server.url, timeout=10) as client,
    ):
        browser.send(json.dumps({"token": token["access_token"]}))
        assert json.loads(browser.recv(10))["event"] == "hello"
        sender.sendall(head.encode() + content[:10])
        assert client.get("/readyz").json()["status"] == "ready"
        began = told_to_end(server)
        while (said := client.get("/readyz")).status_code == 200:
            assert time.monotonic() - began < 0.5
        assert said.json()["status"] == "draining"
        assert client.get("/healthz").status_code == 200
        with pytest.raises(ConnectionClosedError) as closed:
            list(browser)
        assert time.monotonic() - began < 1.5  # before the draining is over
        late = httpx.post(f"{server.url}/azure-monitor", content=body(), headers=HEADERS, timeout=10)
        assert late.json()["status"] == "success"
        time.sleep(max(0.0, began + 2.5 - time.monotonic()))  # new senders are refused by now
        sender.sendall(content[10:])
        answered = b"".join(iter(lambda: sender.recv(65_536), b""))  # until the server hangs up
    assert answered.startswith(b"HTTP/1.1 200"), answered
    assert b'"success"' in answered
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "The service restarts; please reconnect.")
    assert server.process is not None
    assert server.process.wait(20) == 0
    with sqlite3.connect(tmp_path / "tickets.db") as raw:
        assert raw.execute("SELECT count(*) FROM tickets").fetchone() == (2,)
        assert raw.execute("SELECT count(*) FROM marks WHERE name LIKE 'beat:%'").fetchone() == (0,)
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_worker_that_answers_for_itself_ends_as_politely(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    worker = Served(tmp_path, "worker", port=port)
    worker.start()
    try:
        assert httpx.get(f"{worker.url}/readyz").json()["checks"] == {
            "database": True, "migrations": True, "worker": True,
        }  # fmt: skip
        assert "pipesleuth_processes" in httpx.get(f"{worker.url}/metrics").text
        assert httpx.post(f"{worker.url}/azure-monitor", content=body(), headers=HEADERS).status_code == 404
        assert probe.main([str(port), "/readyz"]) == 0
        assert worker.process is not None
        worker.process.send_signal(number)
        assert worker.process.wait(20) == 0
        assert probe.main([str(port)]) == 1
    finally:
        worker.end()
