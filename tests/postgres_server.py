"""A real PostgreSQL of the tests' own: fresh, on loopback, gone afterwards."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg

import equipment
from child_process import free_port, stop, wait_until_ready

# What a crash would lose does not matter here: the server and its files live as long as the test run.
HASTE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresServer:
    """A PostgreSQL server on a free port, run by somebody else where we are root, since it refuses root.

    `programs` is the folder with `initdb` and `postgres`. `durable` leaves its own safety on.
    """

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        self.port = free_port()
        self._programs = programs
        self._durable = durable
        self._user, self._group = _somebody_else()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="pipesleuth-postgres-"))
        if self._user is not None and self._group is not None:
            os.chown(self.folder, self._user, self._group)
        self._log = self.folder / "log"
        self._data = self.folder / "data"

    @property
    def pid(self) -> int:
        """The server's process id, for tests that pause or kill it."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether the server is there at all."""
        return self._process is not None and self._process.poll() is None

    def initialise(self) -> None:
        """Make an empty cluster: about a second."""
        options = ("--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=pipesleuth")
        subprocess.run(
            [self._programs / "initdb", *options, "-D", self._data],
            check=True,
            capture_output=True,
            cwd=self.folder,
            env={**os.environ, "LC_ALL": "C"},
            user=self._user,
            group=self._group,
        )

    def start(self) -> None:
        """Start the server, or start it again on the same port; returns when it answers queries."""
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
        ]
        settings += [] if self._durable else HASTE
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *(word for s in settings for word in ("-c", s))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C"},
                user=self._user,
                group=self._group,
            )
        wait_until_ready(self._process, self._answers, log=self._log)

    def stop(self) -> None:
        """Stop the server the fast way: open connections are cut, nothing committed is lost."""
        if self._process is not None:
            self.resume()
            stop(self._process, signal=signal.SIGINT)

    def pause(self) -> None:
        """Hold all of its processes still: connections stay open, and nothing is answered any more."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on where it was."""
        if self.runs:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        found = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False)
        # The postmaster first when it stops and last when it goes on, so that it starts no process in between.
        order = [self.pid, *map(int, found.stdout.split())]
        for pid in order if number == signal.SIGSTOP else reversed(order):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def remove(self) -> None:
        """Stop the server and delete its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """The SQLAlchemy URL of an empty database nobody else uses."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://pipesleuth@127.0.0.1:{self.port}/{name}"

    def _address(self, database: str) -> str:
        return f"postgresql://pipesleuth@127.0.0.1:{self.port}/{database}?connect_timeout=2"

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._address("postgres")):
                return True
        except psycopg.OperationalError:
            return False


@contextlib.contextmanager
def postgres_running(*, durable: bool = False) -> Generator[PostgresServer]:
    """A server that runs meanwhile and is gone afterwards; skips the test where no PostgreSQL is installed."""
    server = PostgresServer(equipment.postgres_programs(), durable=durable)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.remove()


def _somebody_else() -> tuple[int, int] | tuple[None, None]:
    """The user and group to run the server as; ourselves (None) where we are no root."""
    if os.geteuid() != 0:
        return None, None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = known.get("postgres") or known["nobody"]
    return account.pw_uid, account.pw_gid
