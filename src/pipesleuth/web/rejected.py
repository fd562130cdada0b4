"""Bodies of authenticated senders that could not be read, kept on disk for a person to look at; bounded."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

LOOK_EVERY = 50


class Rejected:
    """The folder of unreadable bodies: the oldest go when there are too many or too much."""

    def __init__(self, folder: Path, *, most_files: int, most_bytes: int) -> None:
        self._folder = folder
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._since_look = LOOK_EVERY

    def keep(self, door: str, body: bytes, now: datetime) -> Path | None:
        """Store a body; None where none are to be kept. Blocks: for a thread. Raises OSError."""
        if not self._most_files or not self._most_bytes:
            return None
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{door}-{hashlib.sha256(body).hexdigest()[:12]}.body"
        path = self._folder / name
        path.write_bytes(body)
        path.chmod(0o600)
        self._since_look += 1
        if self._since_look >= min(LOOK_EVERY, self._most_files):
            self._since_look = 0
            self._trim()
        return path

    def _trim(self) -> None:
        kept = sorted(self._folder.glob("*.body"), reverse=True)
        total = 0
        for index, path in enumerate(kept):
            total += path.stat().st_size
            if index >= self._most_files or total > self._most_bytes:
                path.unlink(missing_ok=True)
