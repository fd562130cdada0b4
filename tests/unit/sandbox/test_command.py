"""`pipesleuth sandbox` starts, says where it is, and stops when asked to."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

PROGRAM = "import typer; from pipesleuth.cli.sandbox import register; app = typer.Typer(); register(app); app()"


def test_the_command_serves_prints_its_settings_and_ends_on_sigterm(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "--port", "0", "--webhook-secret", "s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        said = ""
        while "Faults on demand" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert address
        assert httpx.get(f"{address[0]}/_pulse").status_code == 200
        assert f"SLACK_API_URL={address[0]}/slack/api/" in said
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-c", PROGRAM, "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr
