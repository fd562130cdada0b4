"""What a worker has at hand: the running calls of each kind, and how each of them ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from pipesleuth.outbox.kinds import Done, Kind
from pipesleuth.outbox.todos import Claim


@dataclass(slots=True)
class Lane:
    """One kind's running calls, and the moments at which its pace allows more.

    Before `resume` none may start; before `survey` only the first of what is due are looked at.
    """

    kind: Kind
    running: dict[asyncio.Task[None], Claim] = field(default_factory=dict)
    resume: datetime | None = None
    survey: datetime | None = None
    faulty: bool = False
    probe: str = ""  # the claim of the one try after a pause

    def room(self, now: datetime) -> int:
        """How many more calls may start now."""
        if self.resume is not None and self.resume > now:
            return 0
        return self.kind.calls - len(self.running)


@dataclass(frozen=True, slots=True)
class Owed:
    """What of a kind may be claimed now: up to `most`; a `probe` is the one try that goes ahead after a pause.

    Where the kind has a pace, `turns` are the ways that are free, each with its first tickets.
    """

    most: int
    probe: bool = False
    turns: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How a try has ended: what was done, or what is to be written of it."""

    lane: Lane
    claim: Claim
    outcome: str
    done: Done | None = None
    write: Callable[[Connection], None] | None = None
