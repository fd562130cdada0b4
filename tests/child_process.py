"""Programs that tests start and stop: by their id, and never left behind."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def status(port: int, path: str) -> int:
    """What a loopback server answers to a GET, 0 where nobody does; loads no certificates, as httpx does for a call."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def wait_until_ready(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], *, log: Path, seconds: float = 30
) -> None:
    """Return once `ready` says so; fails with the end of the program's log when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            stop(process)
            tail = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{process.args!r} {'ended' if ended else 'was not ready in time'}:\n{tail}")
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], *, signal: int | None = None, seconds: float = 10) -> None:
    """End a program politely (SIGTERM, or the given signal), and for good after so many seconds."""
    if process.poll() is not None:
        return
    if signal is None:
        process.terminate()
    else:
        process.send_signal(signal)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
