"""A small HTTP client for load: keep-alive connections that each post one body after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Run:
    """What a load run saw."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list[float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    answers: list[bytes] = field(default_factory=list[bytes])

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took) / self.seconds

    def at(self, share: float) -> float:
        """The time that this share of the answers took at most, in milliseconds."""
        return sorted(self.took)[min(len(self.took) - 1, int(len(self.took) * share))] * 1000


async def post(port: int, path: str, bodies: Iterator[bytes], *, key: str, connections: int, keep: bool = False) -> Run:
    """Post every body, over so many connections at once."""
    run = Run()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n".encode()
    started = time.perf_counter()
    await asyncio.gather(*(_one(port, head, bodies, run, keep) for _ in range(connections)))
    run.seconds = time.perf_counter() - started
    return run


async def _one(port: int, head: bytes, bodies: Iterator[bytes], run: Run, keep: bool) -> None:  # noqa: FBT001
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for body in bodies:
        began = time.perf_counter()
        writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        text = await reader.readexactly(length)
        run.took.append(time.perf_counter() - began)
        run.statuses[status] = run.statuses.get(status, 0) + 1
        if keep:
            run.answers.append(text)
    writer.close()
