"""What all servers share of the AI: how many analyses this hour has left, and the answers of late."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Unicode, cast, delete, insert, select, update

from pipesleuth.db.rivals import wrote_first
from pipesleuth.db.tables import Mark
from pipesleuth.model import timestamp

BUDGET, ANSWER = "ai.budget:", "ai.answer:"


def take(connection: Connection, per_hour: int, now: datetime) -> bool:
    """Take one analysis out of this clock hour's budget; False where none is left. Atomic for all servers."""
    if per_hour <= 0:
        return False
    name = _hour(now)
    if _count(connection, name, 1, below=per_hour):
        return True
    if connection.execute(select(Mark.name).where(Mark.name == name)).first() is not None:
        return False
    _prune(connection, BUDGET, now)
    until = timestamp(now + timedelta(hours=2))
    began = wrote_first(connection, insert(Mark).values(name=name, value="1", until=until))
    return began or _count(connection, name, 1, below=per_hour)  # where another server has begun the hour


def give_back(connection: Connection, now: datetime) -> None:
    """Return one that came to nothing, so that an outage does not eat the hour's budget."""
    _count(connection, _hour(now), -1)


def recall(connection: Connection, key: str, now: datetime) -> Mapping[str, Any] | None:
    """The answer that is remembered under this key, if its time is not over."""
    value = connection.execute(
        select(Mark.value).where(Mark.name == ANSWER + key, Mark.until > timestamp(now))
    ).scalar_one_or_none()
    return json.loads(value) if value else None


def remember(connection: Connection, key: str, answer: Mapping[str, Any], until: datetime, now: datetime) -> None:
    """Keep an answer for others who ask the same; old ones go."""
    _prune(connection, ANSWER, now)
    name, value = ANSWER + key, json.dumps(answer, ensure_ascii=False)
    known = connection.execute(
        update(Mark).where(Mark.name == name).values(value=value, until=timestamp(until))
    ).rowcount
    if not known:  # where another server is told the same at this moment, its answer will do
        wrote_first(connection, insert(Mark).values(name=name, value=value, until=timestamp(until)))


def _hour(now: datetime) -> str:
    return f"{BUDGET}{now.astimezone(UTC):%Y-%m-%dT%H}"


def _count(connection: Connection, name: str, step: int, *, below: int | None = None) -> bool:
    """Count up or down in one statement; whether the row was there and the limit held."""
    number = cast(Mark.value, Integer)
    limit = number < below if below is not None else number > 0
    counted = update(Mark).where(Mark.name == name, limit).values(value=cast(number + step, Unicode(20)))
    return connection.execute(counted).rowcount == 1


def _prune(connection: Connection, beginning: str, now: datetime) -> None:
    connection.execute(delete(Mark).where(Mark.name.startswith(beginning), Mark.until <= timestamp(now)))
