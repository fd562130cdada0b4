"""The failure a ticket was made of, kept on its row so that it can be analysed later and again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import RowMapping

from pipesleuth.model import Failure, timestamp

_STORED = tuple(
    name
    for name in Failure.__dataclass_fields__
    if name not in {"error_message", "source", "pipeline", "run_id", "occurred_at", "tags", "facts"}
)


def stored(failure: Failure) -> str:
    """What a later analysis needs of the failure besides the ticket's own columns, as JSON."""
    values: dict[str, Any] = {name: value for name in _STORED if (value := getattr(failure, name))}
    if failure.occurred_at is not None:
        values["occurred_at"] = timestamp(failure.occurred_at)
    return to_json(values | {"tags": dict(failure.tags), "facts": dict(failure.facts)}).decode()


def recalled(row: Mapping[str, Any] | RowMapping) -> Failure:
    """The failure that a ticket was made of."""
    values = json.loads(row["failure"])
    occurred_at = values.pop("occurred_at", None)
    return Failure(
        source=row["source"],
        pipeline=row["pipeline"],
        run_id=row["run_id"],
        error_message=row["error_message"],
        occurred_at=datetime.fromisoformat(occurred_at) if occurred_at else None,
        **values,
    )
