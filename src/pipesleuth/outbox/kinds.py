"""What a kind of to-do is: who does it, what is written of it, and the worker's numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from pipesleuth.model import PipesleuthError, Receipt
from pipesleuth.outbox.todos import Claim


@dataclass(frozen=True, slots=True)
class Done:
    """What a handler has done: up to which version, and what to write with the settling.

    `effects` is called in the transaction that settles, only if the claim was still ours. `called` says whether the
    other side was asked at all: what was done without it does not show that it works. `messages` is how many went
    out besides the one that the pace counts.
    """

    version: int
    receipt: Receipt | None = None
    effects: Callable[[Connection], None] | None = None
    called: bool = True
    messages: int = 0


class ClaimLost(PipesleuthError):
    """The claim ended before the other side was called: this process was held up, and somebody else has taken over."""


class Handler(Protocol):
    """Does one kind of to-do. Raises Retryable or Permanent."""

    async def __call__(self, claim: Claim) -> Done:
        """Do it, and say what is to be written."""
        ...


class Ways(Protocol):
    """Tells which way each ticket goes to a destination that has several."""

    def __call__(self, connection: Connection, ticket_ids: Sequence[str], /) -> Mapping[str, str]:
        """The way of each ticket."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of to-do: who does it, how many at once, and whether it creates something outside.

    `per_second` is the rate the other side allows on each of the `ways` that tickets go to it (one, where it has no
    ways), for all workers together. `stopped` is called in the transaction that gives up. `holds`
    says whether its faults make the whole kind wait: not where others of its kind can be done all the same.
    """

    name: str
    handler: Handler
    creates: bool
    calls: int
    per_second: float | None = None
    ways: Ways | None = None
    stopped: Callable[[Connection, Claim, str], None] | None = None
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Tempo:
    """The worker's numbers, in seconds."""

    lease: float = 15
    call: float = 30
    mark_visible: float = 10
    backoff_first: float = 2
    backoff_most: float = 600
    breaker_faults: int = 5
