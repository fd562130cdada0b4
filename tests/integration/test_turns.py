"""Whose turn it is on ways that have a pace: a crowd on one of them hides no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, update

from pipesleuth.db.tables import Todo
from pipesleuth.outbox import turns
from pipesleuth.outbox.kinds import Done, Kind
from pipesleuth.outbox.lanes import Lane
from pipesleuth.outbox.todos import Claim
from places import Place, adf
from told import Told

CROWD = turns.FIRST_ROWS + 10


async def nothing(claim: Claim) -> Done:
    raise AssertionError(claim)


class Channels:
    """Tickets in a busy channel, but for those that are named."""

    def __init__(self) -> None:
        self.quiet: set[str] = set()
        self.asked: list[int] = []

    def __call__(self, _: Connection, ticket_ids: Sequence[str], /) -> Mapping[str, str]:
        self.asked.append(len(ticket_ids))
        return {one: "quiet" if one in self.quiet else "busy" for one in ticket_ids}


async def turn(place: Place, lane: Lane) -> list[str]:
    """The tickets whose turn it is now."""
    now = place.clock()
    found = await place.read(lambda c: turns.due(c, lane, now, 10))
    return list(await place.parts.database.write(lambda c: turns.take(c, lane, found, 10, now)))


async def test_behind_a_crowd_another_channel_s_message_waits_a_second_at_most(open_place: Any) -> None:
    channels = Channels()
    lane = Lane(Kind("jira", nothing, creates=True, calls=10, per_second=1, ways=channels))
    async with open_place(told={"jira": Told("jira")}) as place:
        crowd = [await place.ticket(adf()) for _ in range(CROWD)]
        assert await turn(place, lane) == crowd[:1]
        late = await place.ticket(adf())
        channels.quiet.add(late)
        place.clock.turn(0.9)
        assert await turn(place, lane) == []
        assert lane.resume == place.clock() + timedelta(seconds=0.1)
        place.clock.turn(0.1)
        assert await turn(place, lane) == [crowd[0], late]
        assert channels.asked == [CROWD, turns.FIRST_ROWS, CROWD + 1]


async def test_an_edit_does_not_wait_for_the_new_messages_of_its_channel(open_place: Any) -> None:
    lane = Lane(Kind("jira", nothing, creates=True, calls=10, per_second=1, ways=Channels()))
    async with open_place(told={"jira": Told("jira")}) as place:
        crowd = [await place.ticket(adf()) for _ in range(CROWD)]
        told = update(Todo).where(Todo.ticket_id == crowd[-1], Todo.kind == "jira").values(receipt="{}")
        await place.parts.database.write(lambda c: c.execute(told).rowcount)
        assert await turn(place, lane) == [crowd[0], crowd[-1]]
        place.clock.turn(0.5)
        assert await turn(place, lane) == []


async def test_few_that_are_due_are_all_looked_at_every_time(open_place: Any) -> None:
    channels = Channels()
    lane = Lane(Kind("jira", nothing, creates=True, calls=10, per_second=1, ways=channels))
    async with open_place(told={"jira": Told("jira")}) as place:
        first = await place.ticket(adf())
        assert await turn(place, lane) == [first]
        place.clock.turn(0.3)
        quiet = await place.ticket(adf())
        channels.quiet.add(quiet)
        assert await turn(place, lane) == [quiet]
        assert lane.survey is None


async def test_where_the_pace_is_quick_as_many_go_together_as_could_go_until_the_next_look(open_place: Any) -> None:
    lane = Lane(Kind("jira", nothing, creates=True, calls=10, per_second=20, ways=Channels()))
    async with open_place(told={"jira": Told("jira")}) as place:
        crowd = [await place.ticket(adf()) for _ in range(10)]
        assert await turn(place, lane) == crowd[:4]
        place.clock.turn(0.15)
        assert await turn(place, lane) == []
        place.clock.turn(0.05)
        assert await turn(place, lane) == crowd[:4]
