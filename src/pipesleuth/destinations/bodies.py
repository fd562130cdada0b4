"""The archive read back: its bodies day by day, one at a time, from a folder or from the store that is configured."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipesleuth.destinations.archive import Archive
from pipesleuth.model import Permanent

LARGEST = 16 * 1024 * 1024  # bytes; intake takes in far less
_NAME = re.compile(r"^(\d{4}-\d{2}-\d{2})/([A-Za-z]+-(\d{8}T\d{6})-[A-Za-z0-9]+)-payload\.json$")


@dataclass(frozen=True, slots=True)
class Body:
    """A file of the archive: its name, the ticket that it belongs to, when that was made, and its size in bytes."""

    name: str
    ticket_id: str
    made: datetime
    size: int


class Bodies:
    """What is in a folder, or without one in the configured archive; nothing is written."""

    def __init__(self, archive: Archive, folder: Path | None) -> None:
        self._archive = archive
        self._folder = folder
        self.passed_over = 0

    def listed(self, since: datetime | None, until: datetime | None) -> Iterator[Body]:
        """The bodies of tickets made in this stretch, by day; for a thread. Raises Permanent.

        Files with another name than the archive gives are counted in `passed_over`.
        """
        for name, size in self._files(since):
            body = _body(name, size)
            if body is None:
                self.passed_over += 1
            elif (since is None or body.made >= since) and (until is None or body.made < until):
                yield body

    async def read(self, body: Body) -> bytes:
        """The bytes of one. Raises Permanent with the reason where it cannot be read, Retryable from the store."""
        if body.size > LARGEST:
            raise Permanent(f"It has {body.size} bytes; more than {LARGEST} are not read")
        if self._folder is not None:
            try:
                return await asyncio.to_thread((self._folder / body.name).read_bytes)
            except OSError as error:
                raise Permanent(f"It cannot be read: {error.strerror}") from error
        found = await self._archive.read(body.name)
        if found is None:
            raise Permanent("It is not there any more")
        return found

    def _files(self, since: datetime | None) -> Iterator[tuple[str, int]]:
        # A ticket's day is the day on which it was made; an hour before midnight is kept for clocks that differ.
        first = f"{(since - timedelta(hours=1)).astimezone(UTC):%Y-%m-%d}" if since is not None else ""
        if self._folder is None:
            yield from self._archive.files(after=first)
            return
        try:
            for day in sorted(each for each in self._folder.iterdir() if each.is_dir() and each.name >= first):
                for path in sorted(day.iterdir()):
                    if path.is_file():
                        yield f"{day.name}/{path.name}", path.stat().st_size
        except OSError as error:
            raise Permanent(f"{self._folder} cannot be read: {error.strerror}") from error


def _body(name: str, size: int) -> Body | None:
    match = _NAME.match(name)
    if match is None:
        return None
    try:
        made = datetime.strptime(match[3], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Body(name, match[2], made, size)
