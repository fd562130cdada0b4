"""How fast one change reaches a thousand dashboards, and how large an event is."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request

import uvloop
import websockets

from intake import KEY, alert, service

SOCKETS = 1000
ROUNDS = 8
GOAL_MS = 500
LARGEST = 2048


def token(port: int) -> str:
    """A signed-in user's token."""
    body = json.dumps({"email": "bench@sigmoidanalytics.com", "password": "bench-password"}).encode()
    request = urllib.request.Request(  # our own server
        f"http://127.0.0.1:{port}/api/register", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # the same
        return json.load(answer)["access_token"]


async def listen(port: int, who: str, ready: asyncio.Event, seen: list[tuple[float, int]], stop: asyncio.Event) -> None:
    """One dashboard: note when each event came, and its size."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None, open_timeout=60) as socket:
        await socket.send(json.dumps({"token": who}))
        await socket.recv()
        ready.set()
        while not stop.is_set():
            text = str(await socket.recv())
            if '"new_ticket"' in text[:40]:
                seen.append((time.perf_counter(), len(text.encode())))


def send(port: int, number: int) -> float:
    """Post one failure with long names; when it was answered."""
    body = json.dumps(
        alert(f"pipeline_{number}_" + "ü" * 280, f"run-{number}-" + "x" * 180, "Timeout expired. " + "é" * 900)
    )
    request = urllib.request.Request(  # our own server
        f"http://127.0.0.1:{port}/azure-monitor", body.encode(), {"x-api-key": KEY, "content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # the same
        answer.read()
    return time.perf_counter()


async def measure(port: int, who: str) -> None:
    """Connect everybody, send a failure at a time, and print what they saw."""
    seen: list[tuple[float, int]] = []
    stop = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    for start in range(0, SOCKETS, 50):
        waits: list[asyncio.Event] = []
        for _ in range(start, min(start + 50, SOCKETS)):
            ready = asyncio.Event()
            waits.append(ready)
            tasks.append(asyncio.create_task(listen(port, who, ready, seen, stop)))
        await asyncio.gather(*(ready.wait() for ready in waits))
    delays: list[float] = []
    largest = 0
    for number in range(ROUNDS):
        seen.clear()
        answered = await asyncio.to_thread(send, port, number)
        until = time.perf_counter() + 20
        while len(seen) < SOCKETS and time.perf_counter() < until:  # noqa: ASYNC110  # a thousand tasks write to it
            await asyncio.sleep(0.02)
        assert len(seen) == SOCKETS, f"only {len(seen)} of {SOCKETS} heard"
        delays.extend(max(0.0, at - answered) * 1000 for at, _ in seen)
        largest = max(largest, *(size for _, size in seen))
        assert largest <= LARGEST, largest
        await asyncio.sleep(1.0)
    delays.sort()
    p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
    times = f"p50 {p50:.0f} ms, p99 {p99:.0f} ms (goal {GOAL_MS} ms)"
    print(f"one change to {SOCKETS} sockets: {times}, largest event {largest} of {LARGEST} bytes")
    stop.set()
    for task in tasks:
        task.cancel()


def main() -> None:
    with service() as port:
        uvloop.run(measure(port, token(port)))


if __name__ == "__main__":
    main()
