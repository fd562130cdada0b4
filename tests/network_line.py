"""A line between us and a server that can be slow, deaf, cut or refused, as networks are."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from child_process import free_port

CHUNK = 65_536


class NetworkLine:
    """Listens on a port of its own and passes on to another; everything about it may change while it is in use.

    `delay` is in seconds for each piece that goes either way. A `deaf` line loses what the server says.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.delay = 0.0
        self.deaf = False
        self._target = target
        self._open: list[socket.socket] = []
        self._door: socket.socket | None = None
        self.listen()

    def listen(self) -> None:
        """Accept connections."""
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", self.port))
        door.listen(64)
        self._door = door
        threading.Thread(target=self._accept, args=(door,), daemon=True).start()

    def refuse(self) -> None:
        """Cut what is open and accept nothing more."""
        door, self._door = self._door, None
        if door is not None:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            door.close()
        self.cut()

    def cut(self) -> None:
        """Break every open connection."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self, door: socket.socket) -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._open += [client, server]
            for source, sink, says in ((client, server, False), (server, client, True)):
                with contextlib.suppress(OSError):  # cut already
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, sink, says), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, says: bool) -> None:  # noqa: FBT001  # of the server
        with contextlib.suppress(OSError):
            while piece := source.recv(CHUNK):
                if self.delay:
                    time.sleep(self.delay)
                if says and self.deaf:
                    continue
                sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
