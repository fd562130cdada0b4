"""How tests ask the API for lists."""

from __future__ import annotations

import random
from typing import Any

from places import Place, adf

SORTS = ("urgency", "newest", "oldest", "closed", "pipeline", "severity")


async def get(place: Place, path: str, headers: dict[str, str], **params: Any) -> Any:
    answer = await place.client.get(f"/api/{path}", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def some(place: Place, number: int) -> list[str]:
    """Tickets of many pipelines, times and severities."""
    chance = random.Random(7)  # noqa: S311  # no secret hangs on it
    tickets: list[str] = []
    for _ in range(number):
        place.clock.turn(chance.choice([0, 0, 1, 30]))
        body = adf(
            pipeline=f"pl_{chance.randrange(4)}",
            message=chance.choice(["Login failed for user 'x'.", "It broke.", "OutOfMemoryError: Java heap space"]),
        )
        tickets.append(await place.ticket(body))
    return tickets


async def walked(place: Place, path: str, headers: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    """A whole list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(500):
        page = await get(place, path, headers, **params, **({"cursor": cursor} if cursor else {}))
        found += page["tickets"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
    raise AssertionError("the list never ends")
