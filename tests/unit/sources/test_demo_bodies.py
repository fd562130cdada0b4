"""The webhooks that the demo sends are read as their notes say."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
import yaml

from pipesleuth.model import Failure, NotAFailure
from pipesleuth.sources.registry import registry

FOLDER = files("pipesleuth.sandbox") / "failures"
INDEX: list[dict[str, str]] = yaml.safe_load((FOLDER / "failures.yaml").read_text(encoding="utf-8"))
SOURCES = registry()


def body(entry: dict[str, str]) -> dict[str, Any]:
    text = (FOLDER / entry["file"]).read_text(encoding="utf-8")
    for word, value in {
        "__NOW__": "2026-11-23T08:00:00.000Z",
        "__EPOCH_MS__": "1795420800000",
        "__RUN__": "123456789012",
    }.items():
        text = text.replace(word, value)
    assert "__" not in text.replace("__init__", "")
    return json.loads(text)


def read(entry: dict[str, str]) -> list[Failure]:
    return SOURCES[entry["door"].removeprefix("hooks/")].read(body(entry))


FAILING = [entry for entry in INDEX if "no failure" not in entry["note"]]


@pytest.mark.parametrize("entry", FAILING, ids=lambda entry: entry["file"])
def test_every_failure_of_the_demo_names_its_pipeline_and_run(entry: dict[str, str]) -> None:
    for failure in read(entry):
        assert not failure.unknown_shape
        assert not failure.pipeline.startswith(("unknown", "job ", "run "))
        assert failure.run_id is not None
        assert (
            failure.occurred_at is not None or failure.source == "databricks" or "customProperties" not in body(entry)
        )


@pytest.mark.parametrize("entry", [entry for entry in INDEX if entry not in FAILING], ids=lambda entry: entry["file"])
def test_good_news_of_the_demo_is_no_failure(entry: dict[str, str]) -> None:
    with pytest.raises(NotAFailure):
        read(entry)


def test_the_demo_repeats_only_what_its_notes_call_a_repeat() -> None:
    runs: dict[str, int] = {}
    for entry in FAILING:
        for failure in read(entry):
            assert failure.run_id is not None
            runs[failure.run_id] = runs.get(failure.run_id, 0) + 1
    repeats = sum("no second ticket" in entry["note"] for entry in FAILING)
    assert sum(times - 1 for times in runs.values()) == repeats == 3


def test_every_file_of_the_demo_is_in_its_index() -> None:
    names = {path.name for path in FOLDER.iterdir() if path.name.endswith(".json")}
    assert names == {entry["file"] for entry in INDEX}
