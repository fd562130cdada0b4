"""Tells which failed runs were made good: run again with success, or followed by another run that succeeded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pipesleuth.model import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A run that ended well.

    `group` is what it shares with its reruns and repairs, `thing` the pipeline, job or DAG that it is a run of; both
    are compared exactly, and None is like nothing. `newest` says that its group was not run once more after it.
    `how` is said of one that a body reported.
    """

    run: str
    group: str | None
    thing: str | None
    began: datetime | None
    ended: datetime | None
    url: str | None = None
    newest: bool = True
    how: str = "by its own report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A run that ended well after one of the same thing had failed.

    `failed` is the key of the run that had failed. `again` says that it was run again itself; else `succeeded` is
    only another, later run. `how` says in the platform's words what the two have in common.
    """

    failed: str
    succeeded: Success
    again: bool
    how: str


@dataclass(frozen=True, slots=True)
class Awaited:
    """A failed run as successes are compared with it."""

    failure: Failure
    group: str | None
    thing: str | None


def recoveries(awaited: Iterable[Awaited], successes: Iterable[Success], *, same: str, other: str) -> list[Recovery]:
    """For each failed run the success of its own group and the first of another run that began after it had failed.

    `same` and `other` are how these two are said.
    """
    groups: dict[str, Success] = {}
    things: dict[str, list[Success]] = {}
    for success in successes:
        if success.group is not None and success.newest:
            groups[success.group] = success
        if success.thing is not None and success.began is not None and success.ended is not None:
            things.setdefault(success.thing, []).append(success)
    found: list[Recovery] = []
    for each in awaited:
        failed, at = each.failure.run_id, each.failure.occurred_at
        if failed is None:
            continue
        if each.group is not None and each.group in groups:
            found.append(Recovery(failed=failed, succeeded=groups[each.group], again=True, how=same))
        others = (one for one in things.get(each.thing or "", ()) if one.group != each.group and _after(one, at))
        first = min(others, key=_end, default=None)
        if first is not None:
            found.append(Recovery(failed=failed, succeeded=first, again=False, how=other))
    return found


def _after(success: Success, failed_at: datetime | None) -> bool:
    # A run that had begun already when the other failed says nothing of what came after.
    return failed_at is not None and success.began is not None and success.began >= failed_at


def _end(success: Success) -> float:
    return success.ended.timestamp() if success.ended is not None else 0.0
