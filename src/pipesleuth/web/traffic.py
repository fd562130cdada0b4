"""How much each sender and address may send: counted in this process, because a flood hits the process it reaches.

Passwords and codes are counted over all servers instead (`accounts.attempts`): there it matters how often in all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from pydantic import Field

from pipesleuth.accounts import TooMany
from pipesleuth.accounts.attempts import network_of
from pipesleuth.environment import EnvironmentSettings, FoldedList

MOST_NAMES = 100_000  # a window that knows more is begun anew: memory is bounded whoever asks


class TrafficSettings(EnvironmentSettings):
    """What may reach the service: hosts, proxies, rates and connections."""

    allowed_hosts: FoldedList = Field(
        (),
        description="Further host names that requests may name besides the one of PUBLIC_BASE_URL; comma-separated. "
        "`localhost` and plain IP addresses always may.",
    )
    trusted_proxies: FoldedList = Field(
        (),
        description="Addresses or networks of proxies in front of the service, comma-separated; only their "
        "X-Forwarded-For and X-Forwarded-Proto are believed.",
    )
    key_requests_per_second: int = Field(
        5000, ge=2000, description="How many webhooks one API key may send in a second, to one server."
    )
    address_requests_per_second: int = Field(
        500, ge=20, description="How many requests one address may send in a second to all but the webhooks' doors."
    )
    wrong_keys_per_minute: int = Field(
        60, ge=5, description="How many wrong keys, secrets or tokens one address may present in a minute."
    )
    connections_per_address: int = Field(
        2000, ge=10, description="How many connections one address may hold; trusted proxies may hold any number."
    )
    connections: int = Field(10_000, ge=50, description="How many connections one server holds in all.")
    sockets_per_person: int = Field(50, ge=2, description="How many live dashboards one person may have on a server.")
    request_seconds: float = Field(
        30, ge=1, description="How long a request may take to arrive whole, and an answer to be read further."
    )


class Window:
    """Counts by name within one stretch of time after the other."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._ends = 0.0
        self._counts: dict[str, int] = {}

    def take(self, name: str) -> None:
        """Count one. Raises TooMany where the window is full."""
        now = self._clock()
        if now >= self._ends or len(self._counts) > MOST_NAMES:
            self._counts.clear()
            self._ends = now + self._seconds
        count = self._counts.get(name, 0)
        if count >= self._most:
            raise TooMany(self._ends - now)
        self._counts[name] = count + 1


class Traffic:
    """The windows of one process."""

    def __init__(self, settings: TrafficSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._keys = Window(settings.key_requests_per_second, 1.0, clock)
        self._addresses = Window(settings.address_requests_per_second, 1.0, clock)
        self._wrong = Window(settings.wrong_keys_per_minute, 60.0, clock)
        self._sockets: Counter[str] = Counter()

    def sender(self, name: str) -> None:
        """A sender with a good key sends one more. Raises TooMany."""
        self._keys.take(name)

    def request(self, client: str) -> None:
        """An address asks for one thing more. Raises TooMany."""
        self._addresses.take(network_of(client))

    def wrong(self, client: str) -> None:
        """An address presented what is wrong. Raises TooMany; who has a good key is never asked this."""
        self._wrong.take(network_of(client))

    @contextmanager
    def socket(self, who: str) -> Generator[None]:
        """One live dashboard of a person, as long as it lasts. Raises TooMany."""
        if self._sockets[who] >= self.settings.sockets_per_person:
            raise TooMany(30.0)
        self._sockets[who] += 1
        try:
            yield
        finally:
            self._sockets[who] -= 1
            if not self._sockets[who]:
                del self._sockets[who]
