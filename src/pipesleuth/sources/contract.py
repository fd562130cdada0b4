"""What every inbound source promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pipesleuth.model import Failure


class Source(Protocol):
    """A platform whose failures arrive by webhook.

    `name` is the word in `/hooks/{name}` and in a ticket's `source` column; `prefix` starts its ticket ids;
    `aliases` are other words for the same door.
    """

    name: str
    prefix: str
    aliases: tuple[str, ...]

    def read(self, payload: Mapping[str, Any]) -> list[Failure]:
        """Read a webhook's body: pure, and at least one failure.

        Raises BadPayload when nothing usable is in it, NotAFailure when it reports no failure.
        """
        ...

    async def enrich(self, failure: Failure) -> Failure:
        """Ask the platform for what the alert left out; the failure itself where nothing is configured."""
        ...
