"""Whether a database answers: looked at twice a second at least by a thread, on a connection of its own."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.engine import URL

from pipesleuth.db.address import without_secrets
from pipesleuth.db.engine import open_engine

EVERY_SECONDS = 0.5
PATIENCE = 4  # looks that may hang in drivers at once; beyond, the database counts as away without another

# A server that lost sight of us lets go of our locks within half a minute, not after the system's two hours; and at
# once where this process sleeps in the midst of a transaction, as a paused machine does: others wait for its rows.
_POSTGRESQL_MANNERS = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    " SET idle_in_transaction_session_timeout = '5s'"
)


class Lines:
    """The network connections of some engines, so that those which hang can be cut from another thread."""

    def __init__(self) -> None:
        self._raw: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def of(self, engine: Engine) -> Engine:
        """The engine, from now on with its connections remembered."""
        if engine.dialect.name == "postgresql":
            event.listen(engine, "connect", self._remember)
        return engine

    def cut(self) -> None:
        """Whatever waits on one of them fails now. Drivers that show no socket have their own limits of time."""
        with self._lock:
            known = list(self._raw)
        for raw in known:
            # One that is closed already, or is being closed, has no socket any more.
            with (
                contextlib.suppress(Exception),
                socket.fromfd(raw.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)

    def _remember(self, raw: Any, _record: object) -> None:
        with self._lock:
            self._raw.add(raw)
        with raw.cursor() as cursor:
            cursor.execute(_POSTGRESQL_MANNERS)
        raw.commit()


class Pulse:
    """Looks at a database until it is stopped.

    `changed` is called from its thread with None when the database answers again, and with the reason when it does
    not, or not within `timeout` seconds.
    """

    def __init__(self, url: URL, timeout: float, changed: Callable[[str | None], None]) -> None:
        self._url = url
        self._timeout = timeout
        self._changed = changed
        self._lines = Lines()
        self._engine = self._lines.of(open_engine(url, connect_seconds=math.ceil(timeout)))
        self._stopped = threading.Event()
        self._looks = threading.Semaphore(PATIENCE)
        self._well_since: float | None = None
        self._last: str | None = None
        self._thread: threading.Thread | None = None

    def start(self, wrong: str | None) -> None:
        """Go on looking, in a thread of its own; `wrong` is what is known of it by now."""
        self._last = wrong
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._lines.cut()
        if self._thread is not None:
            self._thread.join(self._timeout + 1)
        self._engine.dispose()

    @property
    def well_seconds(self) -> float:
        """How long it has answered every time it was looked at."""
        since = self._well_since
        return 0.0 if since is None else time.monotonic() - since

    def doubt(self) -> None:
        """Count its good seconds anew: it answers, but could not do its work."""
        self._well_since = None

    def tell_again(self) -> None:
        """Say once more that it answers, when it does at the next look."""
        self._last = "not told"

    def look(self) -> str | None:
        """Look once, now: None, or why it does not answer. Takes about `timeout` seconds at most."""
        wrong: list[str] = []
        done = threading.Event()
        if not self._looks.acquire(blocking=False):
            return self._noted("It hangs.")
        threading.Thread(target=self._ask, args=(wrong, done), name="pulse.look", daemon=True).start()
        if not done.wait(self._timeout):
            self._lines.cut()
            return self._noted(f"No answer within {self._timeout:g} s.")
        return self._noted(wrong[0] if wrong else None)

    def _noted(self, wrong: str | None) -> str | None:
        if wrong is not None:
            self._well_since = None
        elif self._well_since is None:
            self._well_since = time.monotonic()
        return wrong

    def _ask(self, wrong: list[str], done: threading.Event) -> None:
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1")).scalar_one()
        except Exception as error:  # noqa: BLE001  # whatever it is, the database did not answer
            wrong.append(without_secrets(str(getattr(error, "orig", None) or error), self._url))
        finally:
            self._looks.release()
            done.set()

    def _beat(self) -> None:
        while not self._stopped.wait(min(EVERY_SECONDS, self._timeout / 2)):
            wrong, last = self.look(), self._last
            self._last = wrong
            if (wrong is None) != (last is None):
                self._changed(wrong)
