"""What every outbound destination promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pipesleuth.model import Notice, Receipt, StatusChange


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """A vendor's call to one of our doors: lower-case header names, raw body."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class Destination(Protocol):
    """A place that is told about tickets; `name` is its to-do's kind."""

    name: str

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        """Create what stands for the ticket there (no receipt), or bring it up to date.

        In doubt, look for our own mark before creating. Raises Retryable or Permanent; a fault after a first
        of several steps is a Retryable in doubt, so that the next try looks what is there already. A receipt
        without a key says that nothing was created and nothing has to be (a closed ticket never told).
        """
        ...

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """Read the vendor's news about something we created; None when it is not for us.

        Raises BadPayload when the body is no JSON object.
        """
        ...

    async def close(self) -> None:
        """Give connections and threads back."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A destination whose ways (a Slack channel, a Teams webhook) each take only so many messages a second."""

    per_second: float

    def way(self, fields: Mapping[str, str | None]) -> str:
        """The way that a ticket with these columns goes."""
        ...
