"""Alerts with many rows: one failure for each run, bounded, with an identity of its own."""

from __future__ import annotations

import contextlib
import copy
import time
from typing import Any

import pytest

from pipesleuth.model import BadPayload, NotAFailure
from pipesleuth.sources.data_factory import DataFactory

ALERT: dict[str, Any] = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertRule": "adf-failed",
            "monitorCondition": "Fired",
            "originAlertId": "o-1",
            "firedDateTime": "2026-11-20T02:16:31.4410000Z",
            "alertTargetIDs": ["/subscriptions/s/resourceGroups/r/providers/Microsoft.DataFactory/factories/adf-x"],
        },
        "alertContext": {"condition": {"allOf": []}},
    },
}


def alert(*rows: dict[str, str]) -> dict[str, Any]:
    body = copy.deepcopy(ALERT)
    body["data"]["alertContext"]["condition"]["allOf"] = [
        {"dimensions": [{"name": name, "value": value} for name, value in row.items()]} for row in rows
    ]
    return body


def test_two_pipelines_without_a_run_keep_two_identities() -> None:
    found = DataFactory().read(alert({"PipelineName": "a"}, {"PipelineName": "b"}))
    assert [(failure.pipeline, failure.run_id) for failure in found] == [
        ("a", "alert:o-1:2026-11-20T02:16:31.4410000Z:a"),
        ("b", "alert:o-1:2026-11-20T02:16:31.4410000Z:b"),
    ]


def test_a_row_without_a_run_belongs_to_the_only_run_of_its_pipeline() -> None:
    found = DataFactory().read(
        alert({"PipelineName": "a", "ErrorMessage": "why"}, {"PipelineName": "a", "RunId": "r-1", "ErrorCode": "2200"})
    )
    assert [(one.run_id, one.error_message, one.error_code) for one in found] == [("r-1", "why", "2200")]


def test_an_error_that_repeats_a_shorter_one_stands_alone() -> None:
    rows = [{"RunId": "r", "PipelineName": "a", "ErrorMessage": said} for said in ("boom", "boom: disk full", "boom")]
    [failure] = DataFactory().read(alert(*rows))
    assert failure.error_message == "boom: disk full"


def test_two_hundred_runs_are_kept_and_the_rest_is_counted() -> None:
    found = DataFactory().read(alert(*({"PipelineName": f"p{at}", "RunId": f"r{at}"} for at in range(250))))
    assert len(found) == 200
    assert found[0].facts["runs_left_out"] == "50"


def test_an_alert_without_a_time_is_told_apart_by_its_body() -> None:
    body = alert({"PipelineName": "a"})
    del body["data"]["essentials"]["firedDateTime"]
    [one] = DataFactory().read(body)
    [again] = DataFactory().read(copy.deepcopy(body))
    body["data"]["essentials"]["severity"] = "Sev0"
    [other] = DataFactory().read(body)
    assert one.run_id is not None
    assert one.run_id.startswith("alert:o-1:")
    assert one.run_id == again.run_id != other.run_id


def test_the_run_page_names_the_run_and_the_factory() -> None:
    [failure] = DataFactory().read(alert({"PipelineName": "a", "RunId": "7D0C5A0E-9B1F-4B1E-8F7A-2F3F0A5D9E11"}))
    assert failure.run_url == (
        "https://adf.azure.com/en/monitoring/pipelineruns/7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"
        "?factory=%2Fsubscriptions%2Fs%2FresourceGroups%2Fr%2Fproviders%2FMicrosoft.DataFactory%2Ffactories%2Fadf-x"
    )


def test_a_real_rule_whose_name_starts_with_test_is_no_test_notification() -> None:
    body = alert({})
    body["data"]["essentials"]["alertRule"] = "test-adf-failed"
    [failure] = DataFactory().read(body)
    assert failure.pipeline == "adf-x"


def test_a_rule_of_the_portals_test_about_its_machine_is_one() -> None:
    body = alert({})
    machine = "/subscriptions/1/resourcegroups/test-RG/providers/Microsoft.Compute/virtualMachines/test-VM"
    body["data"]["essentials"] |= {"alertRule": "test-something", "alertTargetIDs": [machine]}
    with pytest.raises(NotAFailure, match="Azure portal"):
        DataFactory().read(body)


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"alertContext": {"condition": {"allOf": [{}] * 300_000}}, "essentials": {"alertRule": "x"}}},
        {"SearchResult": {"tables": [{"rows": [[]] * 300_000}]}},
        {"SearchResult": {"tables": [{"columns": ["RunId"] * 50_000, "rows": [["x"] * 50_000] * 3}]}},
        {"data": {"customProperties": {f"k{at}": "v" for at in range(60_000)}, "essentials": {"alertRule": "x"}}},
        alert(*({"RunId": "r", "ErrorMessage": "x" * 400 + str(at)} for at in range(2_000))),
        {f"k{at}": {"a": ["b"]} for at in range(60_000)},
    ],
    ids=["criteria", "rows", "columns", "properties", "messages", "fields"],
)
def test_a_mebibyte_of_rows_is_read_in_bounded_time(body: dict[str, Any]) -> None:
    start = time.process_time()
    with contextlib.suppress(BadPayload, NotAFailure):
        DataFactory().read(body)
    assert time.process_time() - start < 1.0
