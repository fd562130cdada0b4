"""The sums on top of the dashboard: never old where there is little, and never older than they say where there is much."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text

from pipesleuth.tickets.figures import KEPT_SECONDS, MUCH, RENEWED_SECONDS, Figures
from places import Place

MANY = """INSERT INTO audit_trail (timestamp, action) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < :many) SELECT '2026-11-20T12:00:00.000000+00:00', 'Ticket Made Up' FROM n"""


class Seconds:
    """A clock of seconds that stands still."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def counted() -> None:
    """Let the count in the background end."""
    under_way = [task for task in asyncio.all_tasks() if task.get_name() == "figures"]
    await asyncio.gather(*under_way)


async def test_sums_of_little_are_never_old(place: Place) -> None:
    figures = Figures(place.parts.database, place.clock, Seconds())
    for number in range(1, 4):
        await place.ticket()
        told = await figures.summary()
        assert told["total_tickets"] == told["open_tickets"] == number
        assert told["facets"]["category"]


async def test_sums_of_much_are_at_most_half_a_minute_old_and_say_so(place: Place) -> None:
    await place.parts.database.write(lambda c: c.execute(text(MANY), {"many": MUCH}))
    clock = Seconds()
    figures = Figures(place.parts.database, place.clock, clock)
    first = await figures.summary()
    await place.ticket()

    async def told_at(seconds: float) -> dict[str, Any]:
        place.clock.turn(seconds - clock.now)
        clock.now = seconds
        return await figures.summary()

    early = await told_at(5)
    assert early["as_of"] == first["as_of"] != early["timestamp"], "kept, and says so"
    assert (await told_at(RENEWED_SECONDS))["total_tickets"] == 0, "told as they are while they are counted again"
    await counted()
    assert (await told_at(RENEWED_SECONDS + 1))["total_tickets"] == 1
    await place.ticket()
    assert (await told_at(RENEWED_SECONDS + KEPT_SECONDS))["total_tickets"] == 2, "too old to be told"


async def test_a_search_finds_a_ticket_before_and_after_its_words_are_taken_up(place: Place) -> None:
    ticket = await place.ticket()
    headers = await place.signed_in()

    async def found() -> list[str]:
        answer = await place.client.get("/api/open-tickets", headers=headers, params={"q": ticket[-9:]})
        return [card["id"] for card in answer.json()["tickets"]]

    async def taken_up() -> bool:
        return await place.read(lambda c: c.execute(text("SELECT count(*) FROM search_due")).scalar()) == 0

    assert await found() == [ticket]
    await place.until(taken_up, seconds=20)
    assert await found() == [ticket]
