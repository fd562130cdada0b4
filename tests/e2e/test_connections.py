"""A real server and clients that are slow, many, or never read."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Generator

import httpx
import pytest
import uvicorn

from pipesleuth.cli.serve import bound
from pipesleuth.web.connections import limited
from pipesleuth.web.traffic import TrafficSettings

SECONDS = 1.0


async def app(scope: dict[str, object], receive: object, send: object) -> None:
    """Reads the body and answers; `/large` with more than anybody's buffers hold."""
    from starlette.requests import ClientDisconnect, Request  # noqa: PLC0415  # used once
    from starlette.responses import Response, StreamingResponse  # noqa: PLC0415  # the same

    if scope["type"] != "http":
        return
    request = Request(scope, receive)  # pyright: ignore[reportArgumentType]  # plain ASGI
    with contextlib.suppress(ClientDisconnect):
        await request.body()
    piece = b"x" * 1_000_000
    large = StreamingResponse(iter([piece] * 60)) if scope["path"] == "/large" else Response("yes")
    await large(scope, receive, send)  # pyright: ignore[reportArgumentType]  # the same


@pytest.fixture(scope="module")
def port() -> Generator[int]:
    """Where a server listens that gives a request one second, and an address ten connections."""
    listening = bound("127.0.0.1", 0)
    settings = TrafficSettings.model_construct(
        connections=100, connections_per_address=10, request_seconds=SECONDS, trusted_proxies=()
    )
    config = uvicorn.Config(app, http=limited(settings), log_level="critical", lifespan="off", timeout_keep_alive=5)  # pyright: ignore[reportArgumentType]  # the same
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=10)


def opened(port: int, said: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(said)
    return connection


def ended_after(connection: socket.socket) -> tuple[bytes, float]:
    """What was answered until the server ended the connection, and after how many seconds."""
    began, said = time.monotonic(), b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            said += piece
    return said, time.monotonic() - began


SLOW = {
    "nothing": b"",
    "half a line": b"GET / HT",
    "no end of the headers": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    "a body that does not come": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
    "a chunk that does not end": b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc",
    "blank lines": b"\r\n\r\n",
}


@pytest.mark.parametrize("said", SLOW.values(), ids=SLOW.keys())
def test_a_request_that_does_not_come_is_not_waited_for(port: int, said: bytes) -> None:
    with opened(port, said) as connection:
        answer, seconds = ended_after(connection)
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 408")
    assert f"content-length: {len(body)}".encode() in head.split(b"\r\n")
    assert json.loads(body) == {"detail": "The request did not come in time.", "code": "too_slow"}
    assert SECONDS * 0.5 < seconds < SECONDS * 8


def test_blank_lines_do_not_keep_an_idle_connection(port: int) -> None:
    with opened(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        assert b"200 OK" in connection.recv(65_536)
        connection.sendall(b"\r\n")
        _, seconds = ended_after(connection)
    assert seconds < 5  # uvicorn's own clock, which the blank line has ended, would take as long


def test_an_answer_that_nobody_reads_is_not_kept(port: int) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(SECONDS * 2.5)
        connection.settimeout(10)
        said, _ = ended_after(connection)
    assert len(said) < 60_000_000


def test_one_address_holds_so_many_connections_and_others_are_let_in_when_they_end(port: int) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(10):
            connection = held.enter_context(opened(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            assert b"200 OK" in connection.recv(65_536)
        with opened(port) as more:
            answer, _ = ended_after(more)
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"retry-after" in answer
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/").status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail("the connections were not let go")


def test_a_usual_client_notices_nothing(port: int) -> None:
    with httpx.Client() as client:
        for _ in range(50):
            assert client.post(f"http://127.0.0.1:{port}/", content=b"x" * 100_000).text == "yes"
        time.sleep(SECONDS * 1.3)  # idle for longer than a request may take
        assert client.get(f"http://127.0.0.1:{port}/").text == "yes"
