"""An outage of the primary database, as everybody above may know of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection


@dataclass(slots=True)
class Outage:
    """Since when the primary has been away and why; `returning` while what came in meanwhile is brought to it."""

    since: datetime
    reason: str
    returning: bool = False


def stands_in(connection: Connection) -> bool:
    """Whether this is a connection to a file that stands in for another database."""
    return bool(connection.get_execution_options().get("stands_in"))
