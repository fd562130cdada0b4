"""The program as processes: several on one file, polite ends, and sentences when something is in the way."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import stat
import time
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from child_process import free_port
from served import KEY, Served, run

Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    """Starts processes on one data folder, and ends them with the test."""
    there: list[Served] = []

    def start_one(*words: str, port: int | None = None, **more: str) -> Served:
        there.append(Served(tmp_path, *words, port=port, **more))
        there[-1].start()
        return there[-1]

    yield start_one
    for one in there:
        one.end()


def failure(run_id: str) -> bytes:
    return json.dumps({"PipelineName": "pl_orders", "PipelineRunId": run_id, "ErrorMessage": "It broke."}).encode()


def ask(folder: Path, statement: str) -> list[Any]:
    with sqlite3.connect(folder / "tickets.db", timeout=30) as raw:
        return raw.execute(statement).fetchall()


def drained(folder: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while ask(folder, "SELECT count(*) FROM todos WHERE wanted_version > done_version") != [(0,)]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_two_servers_started_together_on_one_new_file_make_one_ticket_for_each_run(tmp_path: Path) -> None:
    both = [Served(tmp_path, "serve", port=free_port()) for _ in range(2)]
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: one.start(), both))
            runs = [str(uuid.uuid4()) for _ in range(100)]

            def post(job: tuple[str, Served]) -> dict[str, Any]:
                headers = {"x-api-key": KEY}
                return httpx.post(
                    f"{job[1].url}/azure-monitor", content=failure(job[0]), headers=headers, timeout=30
                ).json()

            answers = list(pool.map(post, [(one, service) for one in runs for service in both]))
        assert sum(answer["status"] == "success" for answer in answers) == 100
        drained(tmp_path)
        assert ask(tmp_path, "SELECT count(*), count(DISTINCT run_id) FROM tickets") == [(100, 100)]
        assert len(list((tmp_path / "archive").rglob("*.json"))) == 100
        keys = {path.name: path for path in (tmp_path / "secrets").iterdir()}
        assert stat.S_IMODE(keys["jwt_secret_key"].stat().st_mode) == 0o600
    finally:
        for one in both:
            one.end()


def test_a_server_without_a_worker_and_a_worker_share_the_work(start: Start, tmp_path: Path) -> None:
    server = start("serve", "--no-worker", port=free_port())
    for _ in range(20):
        httpx.post(f"{server.url}/azure-monitor", content=failure(str(uuid.uuid4())), headers={"x-api-key": KEY})
    time.sleep(1)
    assert ask(tmp_path, "SELECT count(*) FROM todos WHERE done_version > 0") == [(0,)]
    worker = start("worker")
    drained(tmp_path)
    assert len(list((tmp_path / "archive").rglob("*.json"))) == 20
    assert worker.end() == 0
    assert server.end() == 0


def test_told_to_end_in_the_midst_of_work_a_server_loses_nothing(start: Start, tmp_path: Path) -> None:
    server = start("serve", port=free_port())
    answered: list[str] = []
    headers = {"x-api-key": KEY}

    def post(_: int) -> None:
        run_id = str(uuid.uuid4())
        try:
            answer = httpx.post(f"{server.url}/azure-monitor", content=failure(run_id), headers=headers, timeout=30)
        except httpx.HTTPError:
            return
        if answer.status_code == 200:
            answered.append(run_id)

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(post, n) for n in range(400)]
        while len(answered) < 60:
            time.sleep(0.005)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        for job in jobs:
            job.result()
    assert server.process.wait(30) == 0
    stored = {row[0] for row in ask(tmp_path, "SELECT run_id FROM tickets")}
    assert set(answered) <= stored
    assert "Traceback" not in server.log.read_text()
    server.start()
    drained(tmp_path)
    assert len(list((tmp_path / "archive").rglob("*.json"))) == len(stored)


def test_a_port_that_is_taken_gets_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run(tmp_path, "serve", "--port", str(port))
    assert ended.returncode == 1
    assert f"Port {port} is taken" in ended.stderr
    assert f"--port {port + 1}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("worker",), ("db", "upgrade"), ("users", "list")])
def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = run(tmp_path, *words, DATA_DIR=str(tmp_path / "file" / "data"))
    assert ended.returncode == 1
    assert "DATA_DIR" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RCA_DEADLINE_SECONDS", "soon"),
        ("DB_TYPE", "oracle"),
        ("DATABASE_URL", "nonsense"),
        ("PUBLIC_BASE_URL", "example.com"),
        ("REGISTRATION", "perhaps"),
        ("FINOPS_RULES", "missing.yaml"),
        ("KNOWLEDGE_PATH", "missing"),
    ],
)
def test_a_wrong_setting_is_refused_at_start_by_its_name(tmp_path: Path, name: str, value: str) -> None:
    ended = run(tmp_path, "serve", "--port", "0", **{name: value})
    assert ended.returncode == 1
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_version_is_said(tmp_path: Path) -> None:
    ended = run(tmp_path, "--version")
    assert (ended.returncode, ended.stdout) == (0, "pipesleuth 0.1.0\n")


def test_the_database_is_upgraded_and_checked(tmp_path: Path) -> None:
    unmade = run(tmp_path, "db", "check")
    assert unmade.returncode == 1
    assert "db upgrade" in unmade.stderr
    made = run(tmp_path, "db", "upgrade")
    assert (made.returncode, "upgraded" in made.stdout) == (0, True)
    again = run(tmp_path, "db", "upgrade")
    assert (again.returncode, "has schema" in again.stdout) == (0, True)
    assert run(tmp_path, "db", "check").returncode == 0


def test_people_are_added_listed_given_passwords_and_shut_out(tmp_path: Path) -> None:
    email = "dana@sigmoidanalytics.com"
    added = run(tmp_path, "users", "add", email, "--name", "Dana", "--role", "admin", said="correct horse\n")
    assert added.returncode == 0, added.stderr
    again = run(tmp_path, "users", "add", email, said="correct horse\n")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    short = run(tmp_path, "users", "password", email, said="short\n")
    assert (short.returncode, "8 characters" in short.stderr) == (1, True)
    assert run(tmp_path, "users", "password", email, said="another horse\n").returncode == 0
    assert run(tmp_path, "users", "password", "nobody@x.com", said="another horse\n").returncode == 1
    listed = run(tmp_path, "users", "list").stdout
    assert email in listed
    assert "active" in listed
    assert run(tmp_path, "users", "disable", email).returncode == 0
    assert "disabled" in run(tmp_path, "users", "list").stdout
    assert run(tmp_path, "users", "add", "x", "--role", "king", said="correct horse\n").returncode == 1


def test_payloads_are_sent_from_files_and_folders_and_refusals_are_counted(start: Start, tmp_path: Path) -> None:
    server = start("serve", port=free_port())
    folder = tmp_path / "bodies"
    folder.mkdir()
    (folder / "adf.json").write_bytes(failure(str(uuid.uuid4())))
    (folder / "dbx.json").write_text('{"job_name": "j", "run_id": 5, "error_message": "It broke."}')
    sent = run(tmp_path, "send", str(folder), "--url", server.url, "--key", KEY)
    assert sent.returncode == 0, sent.stderr
    assert sorted(prefix for (prefix,) in ask(tmp_path, "SELECT substr(id, 1, 3) FROM tickets")) == ["ADF", "DBX"]
    (folder / "bad.json").write_text("[]")
    assert run(tmp_path, "send", str(folder), "--url", server.url, "--key", KEY).returncode == 1
    assert run(tmp_path, "send", str(folder), "--url", server.url, "--key", "wrong").returncode == 1
    nobody = run(tmp_path, "send", str(folder), "--url", f"http://127.0.0.1:{free_port()}", "--key", KEY)
    assert (nobody.returncode, "pipesleuth serve" in nobody.stderr) == (1, True)


def test_the_first_key_is_shown_once_and_kept(tmp_path: Path) -> None:
    server = Served(tmp_path, "serve", port=free_port(), RCA_API_KEY="")
    try:
        server.start()
        kept = tmp_path / "secrets" / "rca_api_key"
        key = kept.read_text()
        assert len(key) >= 40
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert server.log.read_text().count(key) == 1
        answer = httpx.post(f"{server.url}/azure-monitor", content=failure("x"), headers={"x-api-key": key})
        assert answer.json()["status"] == "success"
        server.end()
        server.start()
        assert server.log.read_text().count(key) == 1
    finally:
        server.end()
