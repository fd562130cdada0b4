"""The program itself, as processes: started, killed, started again, and asked over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from child_process import status, stop, wait_until_ready

KEY = "a-key-that-senders-present-to-real-processes"
OURS = ("PATH", "HOME", "LANG", "SYSTEMROOT", "VIRTUAL_ENV", "SSL_CERT_DIR")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a process of ours is told; nothing of the machine's own settings."""
    kept = {name: value for name, value in os.environ.items() if name in OURS}
    return kept | {"DATA_DIR": str(folder), "RCA_API_KEY": KEY, "PYTHONUNBUFFERED": "1"} | more


def run(folder: Path, *words: str, said: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """A command of the program, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pipesleuth", *words],
        cwd=folder,
        env=environment(folder, **more),
        input=said,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Served:
    """A process of ours that goes on until it is stopped; on a port where it answers."""

    def __init__(self, folder: Path, *words: str, port: int | None = None, **more: str) -> None:
        self.folder, self.words, self.port, self.more = folder, words, port, more
        self.log = folder / f"{words[0]}-{port or os.urandom(3).hex()}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, seconds: float = 60) -> None:
        """Start it, and wait until it is ready."""
        words = [*self.words, *(["--port", str(self.port)] if self.port else [])]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipesleuth", *words],
                cwd=self.folder,
                env=environment(self.folder, **self.more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until_ready(self.process, self._ready, log=self.log, seconds=seconds)

    def _ready(self) -> bool:
        if self.port is None:
            return b"works off" in self.log.read_bytes()
        return status(self.port, "/readyz?for=intake") == 200

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        """End it politely; its exit code."""
        if self.process is None:
            return 0
        stop(self.process, seconds=30)
        return self.process.wait()
