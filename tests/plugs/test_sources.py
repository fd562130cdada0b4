"""One suite over every source: each sample is read as its index says, and nothing else ever escapes `read`."""

from __future__ import annotations

import asyncio
import copy
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesleuth.model import BadPayload, Failure, NotAFailure
from pipesleuth.sources.contract import Source
from pipesleuth.sources.registry import registry, shelf

SAMPLES = Path(__file__).parents[1] / "samples" / "sources"
INDEX: list[dict[str, Any]] = yaml.safe_load((SAMPLES / "index.yaml").read_text(encoding="utf-8"))
SOURCES = registry()
WORDS_OF_BODIES = sorted(
    {"data", "essentials", "alertContext", "condition", "allOf", "dimensions", "name", "value", "properties", "context"}
    | {"SearchResults", "tables", "columns", "rows", "PipelineName", "RunId", "ErrorMessage", "error", "message", "status"}
    | {"event", "event_type", "run", "job", "task", "cluster", "run_id", "job_id", "cluster_id", "termination_reason"}
    | {"dag_id", "task_id", "exception", "dag_run", "task_instance", "map_index", "reason"}
    | {"timestamp", "alert", "state", "settings", "tags", "activityLog", "operationName", "library_statuses", "code"}
)  # fmt: skip


def body_of(entry: dict[str, Any]) -> dict[str, Any]:
    return json.loads((SAMPLES / entry["file"]).read_text(encoding="utf-8"))


def read(source: Source, payload: dict[str, Any]) -> list[Failure]:
    """What the source reads, or nothing where it refuses or ignores the body; anything else it raises is a fault."""
    good = source.good_news(payload)
    assert good is None or 0 < len(good.run) <= 200
    try:
        found = source.read(payload)
    except BadPayload as refusal:
        found, reason, pointer = [], refusal.reason, refusal.pointer
    except NotAFailure as news:
        found, reason, pointer = [], news.reason, None
    else:
        reason, pointer = "read", None
    assert 0 < len(reason) < 500
    assert pointer is None or pointer.startswith("/")
    reason.encode()
    if not found:
        return []
    assert 1 <= len(found) <= 200
    for failure in found:
        keeps_its_promises(failure)
    assert len({(one.source, one.run_id) for one in found if one.run_id}) == sum(
        one.run_id is not None for one in found
    )
    return found


def keeps_its_promises(failure: Failure) -> None:
    assert failure.source in SOURCES
    assert 0 < len(failure.pipeline) <= 300
    assert failure.run_id is None or 0 < len(failure.run_id) <= 200
    assert len(failure.error_message.encode()) <= 64 * 1024
    names = [failure.error_code, failure.failure_type, failure.activity, failure.activity_type, failure.run_group]
    names += [failure.parent_run_id, failure.logic_app_run_id, failure.processing_mode, failure.resource_type]
    assert all(name is None or 0 < len(name) <= 300 for name in names)
    assert failure.occurred_at is None or failure.occurred_at.utcoffset() is not None
    assert failure.run_url is None or failure.run_url.startswith("https://")
    everything = [
        failure.pipeline,
        failure.run_id or "",
        failure.error_message,
        failure.resource_id or "",
        *filter(None, names),
    ]
    everything += [*failure.tags, *failure.tags.values(), *failure.facts, *failure.facts.values()]
    for text in everything:
        assert isinstance(text, str)
        assert "\x00" not in text
        text.encode()  # a lone surrogate has no bytes


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_every_sample_is_read_as_its_index_says(entry: dict[str, Any]) -> None:
    source = SOURCES[entry["door"]]
    payload = body_of(entry)
    before = copy.deepcopy(payload)
    if "ignored" in entry:
        with pytest.raises(NotAFailure) as news:
            source.read(payload)
        assert entry["ignored"] in news.value.reason
    elif "refused" in entry:
        with pytest.raises(BadPayload) as refusal:
            source.read(payload)
        assert (refusal.value.pointer or "") == entry["refused"]
    else:
        found = read(source, payload)
        assert len(found) == len(entry["failures"])
        for failure, expected in zip(found, entry["failures"], strict=True):
            got = {field: getattr(failure, field) for field in expected}
            assert {field: dict(value) if field == "tags" else value for field, value in got.items()} == expected
    assert payload == before


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_a_body_is_read_the_same_twice(entry: dict[str, Any]) -> None:
    source = SOURCES[entry["door"]]
    assert read(source, body_of(entry)) == read(source, body_of(entry))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def changed(payload: dict[str, Any], path: tuple[Any, ...], change: Any) -> dict[str, Any]:
    body = copy.deepcopy(payload)
    holder: Any = body
    for key in path[:-1]:
        holder = holder[key]
    if change is DROP:
        del holder[path[-1]]
    else:
        holder[path[-1]] = change
    return body


DROP = object()
_PLAIN: list[Any] = [DROP, None, "", "N/A", 0, -7, 3.5, 1e300, math.inf, True, [], {}, [[]], [None, {}], {"name": {}}]
RETYPED = [*_PLAIN, "x\x00\ud800", "@{pipeline().RunId}", {"message": [1]}, 10**40, "{", '{"a":1}', "9" * 400]


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_no_field_of_any_sample_can_be_changed_into_an_accident(entry: dict[str, Any]) -> None:
    payload = body_of(entry)
    for at, path in enumerate(places(payload)):
        for change in [RETYPED[0], RETYPED[1], *(RETYPED[(at + shift) % len(RETYPED)] for shift in (3, 8, 13))]:
            for source in shelf():
                read(source, changed(payload, path, change))


@pytest.mark.long
@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_no_field_of_any_sample_can_be_changed_into_an_accident_by_any_type(entry: dict[str, Any]) -> None:
    payload = body_of(entry)
    for path in places(payload):
        for change in RETYPED:
            for source in shelf(host_workspace_id="1"):
                read(source, changed(payload, path, change))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(
        ["Failed", "Succeeded", "\ud800", "\x00", "jobs.on_failure", "test-metricAlertRule", "Resolved", "boom error"]
    )
)
keys = st.sampled_from(WORDS_OF_BODIES) | st.text(st.characters(), max_size=10)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=30
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(payload=st.dictionaries(keys, values, max_size=8))
def test_any_json_object_is_read_refused_or_ignored(payload: dict[str, Any]) -> None:
    for source in shelf(host_workspace_id="42"):
        read(source, payload)


def test_a_body_nested_a_thousand_levels_deep_is_refused() -> None:
    payload: dict[str, Any] = {}
    for _ in range(1000):
        payload = {"data": payload, "error": [payload]}
    for source in shelf():
        read(source, payload)


def test_the_registry_knows_every_source_by_its_name_and_its_aliases() -> None:
    assert {word: source.prefix for word, source in SOURCES.items()} == {
        "data_factory": "ADF",
        "adf": "ADF",
        "azure-monitor": "ADF",
        "azure_monitor": "ADF",
        "databricks": "DBX",
        "dbx": "DBX",
        "databricks-monitor": "DBX",
        "airflow": "AIR",
    }


def test_enriching_without_a_platform_changes_nothing() -> None:
    failure = Failure(source="databricks", pipeline="x", run_id="1")
    for source in shelf():
        told = asyncio.run(source.enrich(failure, known_since=datetime.now(UTC), seconds=1))
        assert told.failure is failure
        assert not told.asked
        assert not source.asks
