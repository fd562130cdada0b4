"""Which Databricks addresses are believed, and when a run's id carries its workspace."""

from __future__ import annotations

from typing import Any

import pytest

from pipesleuth.sources.databricks import Databricks
from pipesleuth.sources.workspace import address

EVENT: dict[str, Any] = {
    "event_type": "jobs.on_failure",
    "workspace_id": 7405616400000001,
    "run": {"run_id": 41},
    "job": {"job_id": 5, "name": "nightly"},
}


@pytest.mark.parametrize(
    ("host", "workspace", "expected"),
    [
        (None, 7405616400000001, "41"),
        ("7405616400000001", 7405616400000001, "41"),
        ("7405616400000001", "7405616400000001", "41"),
        ("99", 7405616400000001, "7405616400000001:41"),
        ("99", None, "41"),
        ("99", 7.4e30, "41"),
    ],
)
def test_a_run_is_prefixed_only_where_its_workspace_is_known_to_be_another(
    host: str | None, workspace: Any, expected: str
) -> None:
    [failure] = Databricks(host_workspace_id=host).read({**EVENT, "workspace_id": workspace})
    assert failure.run_id == expected


def test_a_workspace_is_also_known_by_its_address() -> None:
    body = {
        "job_name": "x",
        "job_id": 1,
        "run_id": 2,
        "workspace_url": "https://adb-1122334455667788.9.azuredatabricks.net",
    }
    [failure] = Databricks(host_workspace_id="99").read(body)
    assert failure.run_id == "1122334455667788:2"
    assert failure.run_url == "https://adb-1122334455667788.9.azuredatabricks.net/#job/1/run/2"


@pytest.mark.parametrize(
    "believed",
    ["https://adb-1.2.azuredatabricks.net", "https://dbc-a1b2.cloud.databricks.com/", "https://x.databricks.azure.cn"],
)
def test_an_https_address_of_databricks_is_believed(believed: str) -> None:
    assert address(believed) == believed.rstrip("/")


@pytest.mark.parametrize(
    "refused",
    [
        "http://adb-1.2.azuredatabricks.net",
        "https://azuredatabricks.net.evil.example",
        "https://evil.example/azuredatabricks.net",
        "https://evil.example?x=.azuredatabricks.net",
        "https://user:pw@adb-1.2.azuredatabricks.net",
        "https://evil.example#.databricks.com",
        "https://evil.example\\.databricks.com",
        "https://notdatabricks.com",
        "javascript:alert(1)//.databricks.com",
        "https://adb-1.2.azuredatabricks.net\n.evil.example",
        "https://" + "a." * 5000 + "databricks.com",
        None,
        5,
    ],
)
def test_no_other_address_is_believed(refused: object) -> None:
    assert address(refused) is None
