"""How long the service takes from its start to its first ready answer, beside what Python itself takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request

from intake import free_port

GOAL = 1.5
RUNS = 5


def start_to_ready(folder: str) -> float:
    """Seconds from the command to `/readyz` answering 200."""
    port = free_port()
    command = [sys.executable, "-m", "pipesleuth", "serve", "--port", str(port)]
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "DATA_DIR": folder}, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < 60:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)  # our own server
            except OSError:
                time.sleep(0.01)
            else:
                return time.perf_counter() - began
        raise SystemExit("the service did not become ready")
    finally:
        process.terminate()
        process.wait(timeout=30)


def bare() -> float:
    """Seconds for Python to start and load FastAPI and SQLAlchemy, without anything of ours."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import fastapi, sqlalchemy, pydantic_settings, uvicorn"], check=True)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = start_to_ready(folder)
        times = sorted(start_to_ready(folder) for _ in range(RUNS))
        floor = sorted(bare() for _ in range(RUNS))[RUNS // 2]
    middle = times[RUNS // 2]
    print(f"{'libraries alone':<42} {floor:>6.2f} s")
    print(f"{'first start (makes database and secrets)':<42} {first:>6.2f} s  {first / floor:>5.2f} × libraries")
    print(f"{'start to ready':<42} {middle:>6.2f} s  {middle / floor:>5.2f} × libraries  goal {GOAL} s")


if __name__ == "__main__":
    main()
