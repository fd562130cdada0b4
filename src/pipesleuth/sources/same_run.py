"""Gathers what several rows of one payload say about the same run into one failure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields as columns
from dataclasses import replace
from typing import Any

from pipesleuth.model import Failure
from pipesleuth.sources import text

FAILURE_LIMIT = 200
_TEXT_LIMIT = 5  # different error texts that are kept of one run
_NOT_FILLED = frozenset({"source", "pipeline", "run_id", "error_message", "tags", "facts", "unknown_shape"})
_FILLED = tuple(column.name for column in columns(Failure) if column.name not in _NOT_FILLED)


def gathered(found: Iterable[Failure]) -> list[Failure]:
    """One failure for each run, at most 200, in the order of their first rows.

    A row without a run belongs to the only run of its pipeline, where there is exactly one.
    Beyond 200 runs the first failure's fact `runs_left_out` says how many were not kept.
    """
    groups: dict[tuple[str, str], list[Failure]] = {}
    left_out: set[tuple[str, str]] = set()
    for failure in found:
        known = f"run {failure.run_id}" if failure.run_id is not None else f"pipeline {failure.pipeline}"
        key = (failure.source, known)
        if key in groups:
            groups[key].append(failure)
        elif len(groups) < FAILURE_LIMIT:
            groups[key] = [failure]
        else:
            left_out.add(key)
    if len(groups) > 1:
        _adopt_runless(groups)
    merged = [group[0] if len(group) == 1 else _merged(group) for group in groups.values()]
    if left_out:
        merged[0] = replace(merged[0], facts={**merged[0].facts, "runs_left_out": str(len(left_out))})
    return merged


def _adopt_runless(groups: dict[tuple[str, str], list[Failure]]) -> None:
    runs: dict[str, list[tuple[str, str]]] = {}
    for key, group in groups.items():
        if group[0].run_id is not None:
            runs.setdefault(group[0].pipeline, []).append(key)
    for key in [key for key, group in groups.items() if group[0].run_id is None]:
        homes = runs.get(groups[key][0].pipeline, [])
        if len(homes) == 1:
            groups[homes[0]].extend(groups.pop(key))


def _merged(group: list[Failure]) -> Failure:
    first = group[0]
    filled: dict[str, Any] = {}
    for column in _FILLED:
        if getattr(first, column) is None:
            value = next((given for one in group if (given := getattr(one, column)) is not None), None)
            if value is not None:
                filled[column] = value
    facts: dict[str, str] = {}
    tags: dict[str, str] = {}
    for failure in group[:50]:
        facts = {**failure.facts, **facts}
        tags = {**failure.tags, **tags}
    activities = dict.fromkeys(failure.activity for failure in group if failure.activity is not None)
    if len(activities) > 1:
        facts["activities"] = ", ".join(list(activities)[:10])[: text.NAME_LIMIT]
    return replace(first, **filled, error_message=_texts(group), facts=facts, tags=tags)


def _texts(group: list[Failure]) -> str:
    kept: list[str] = []
    for said in (failure.error_message for failure in group if failure.error_message):
        if any(said in other for other in kept):
            continue
        kept = [other for other in kept if other not in said]
        kept.append(said)
        if len(kept) == _TEXT_LIMIT:
            break
    return text.message("\n\n".join(kept))
