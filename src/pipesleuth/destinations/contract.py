"""What every outbound destination promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

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

        In doubt, look for our own mark before creating. Raises Retryable or Permanent.
        """
        ...

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """Read the vendor's news about something we created; None when it is not for us."""
        ...
