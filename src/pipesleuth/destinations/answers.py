"""Reading JSON whose shape nobody promised: what is not there, or is something else, is None."""

from __future__ import annotations

from typing import cast


def at(value: object, *path: str | int) -> object:
    """What lies under `path` (names of objects, numbers of lists), or None."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = cast("dict[str, object]", value).get(step)
        elif isinstance(step, int) and isinstance(value, list):
            items = cast("list[object]", value)
            value = items[step] if -len(items) <= step < len(items) else None
        else:
            return None
    return value


def text_at(value: object, *path: str | int) -> str:
    """The text under `path`, at most 1,000 characters; empty where there is none. Whole numbers count as text."""
    found = at(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        # Digits by themselves would take quadratic time for a hostile number.
        return str(found) if -(10**30) < found < 10**30 else ""
    return found[:1000] if isinstance(found, str) else ""


def items_at(value: object, *path: str | int) -> list[object]:
    """The list under `path`; empty where there is none."""
    found = at(value, *path)
    return cast("list[object]", found) if isinstance(found, list) else []


def names_at(value: object, *path: str | int) -> list[str]:
    """The names in the object under `path`; empty where there is none."""
    found = at(value, *path)
    return list(cast("dict[str, object]", found)) if isinstance(found, dict) else []
