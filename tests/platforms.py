"""Platforms with failed runs for tests: the stand-ins' Databricks and Data Factory, and sources that ask them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from pipesleuth.sandbox import Sandbox
from pipesleuth.sandbox.data_factory import arm_time
from pipesleuth.sources.contract import Source
from pipesleuth.sources.data_factory_settings import DataFactorySettings
from pipesleuth.sources.databricks_settings import DatabricksSettings
from pipesleuth.sources.registry import configured

SUBSCRIPTION = "11112222-3333-4444-5555-666677778888"
FACTORY = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-data-prod/providers/microsoft.datafactory/factories/adf-sales-prod"
RUN = 41847992357943
WORKSPACE = "https://adb-7405616400000001.1.azuredatabricks.net"


class LiveClock:
    """The real time, for services that ask stand-ins which live in it; it can be set ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.ahead, UTC)

    def turn(self, seconds: float) -> datetime:
        self.ahead += seconds
        return self()


def databricks_settings(sandbox: Sandbox, **changes: Any) -> DatabricksSettings:
    known: dict[str, Any] = {"databricks_host": f"{sandbox.url}/databricks", "databricks_token": "dapi-sandbox"}
    return DatabricksSettings(_env_file=None, **(known | changes))  # pyright: ignore[reportCallIssue]


def data_factory_settings(sandbox: Sandbox, **changes: Any) -> DataFactorySettings:
    known: dict[str, Any] = {
        "azure_subscription_id": SUBSCRIPTION,
        "azure_resource_group": "rg-data-prod",
        "azure_data_factory_name": "adf-sales-prod",
        "azure_tenant_id": "contoso",
        "azure_client_id": "pipesleuth",
        "azure_client_secret": "sandbox",
        "azure_management_url": f"{sandbox.url}/azure",
        "azure_login_url": f"{sandbox.url}/azure",
    }
    return DataFactorySettings(_env_file=None, **(known | changes))  # pyright: ignore[reportCallIssue]


def asked(sandbox: Sandbox, **changes: Any) -> tuple[Source, ...]:
    """Both sources with their platforms; changes begin with `databricks_` or `azure_`."""
    bricks = {name: value for name, value in changes.items() if name.startswith("databricks_")}
    azure = {name: value for name, value in changes.items() if name.startswith("azure_")}
    return configured(databricks_settings(sandbox, **bricks), data_factory_settings(sandbox, **azure))


def ended(result: str, code: str, message: str = "") -> dict[str, Any]:
    kind = "SUCCESS" if result == "SUCCESS" else "CLIENT_ERROR"
    return {
        "state": {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": message},
        "status": {"state": "TERMINATED", "termination_details": {"code": code, "type": kind, "message": message}},
    }


def task(
    key: str, number: int, result: str = "FAILED", code: str = "RUN_EXECUTION_ERROR", **more: Any
) -> dict[str, Any]:
    return {
        "task_key": key,
        "run_id": number,
        "attempt_number": 0,
        "start_time": 1795140100000,
        "end_time": 1795140890000,
        **ended(result, code, "" if result == "SUCCESS" else "Workload failed, see run output for details"),
        **more,
    }


def job_run(tasks: list[dict[str, Any]], number: int = RUN, **more: Any) -> dict[str, Any]:
    """A failed run of a job as the Jobs API shows it."""
    return {
        "job_id": 281874479417551,
        "run_id": number,
        "job_run_id": number,
        "run_name": "nightly-etl",
        "creator_user_name": "sp-etl@example.com",
        "run_page_url": f"{WORKSPACE}/?o=7405616400000001#job/281874479417551/run/{number}",
        "trigger": "PERIODIC",
        "start_time": 1795140000000,
        "end_time": 1795140891000,
        **ended("FAILED", "RUN_EXECUTION_ERROR", "Task transform failed with message: Workload failed."),
        "tasks": tasks,
        **more,
    }


def job_webhook(number: int = RUN, **more: Any) -> dict[str, Any]:
    """What Databricks posts for it: ids and nothing else."""
    return {
        "event_type": "jobs.on_failure",
        "workspace_id": 7405616400000001,
        "run": {"run_id": number},
        "job": {"job_id": 281874479417551},
        **more,
    }


def guid() -> str:
    return str(uuid.uuid4())


def pipeline_run(number: str, name: str = "pl_load_orders", *, at: float, **more: Any) -> dict[str, Any]:
    """A failed run of a pipeline as Data Factory shows it."""
    return {
        "id": f"{FACTORY}/pipelineruns/{number}",
        "runId": number,
        "runGroupId": number,
        "pipelineName": name,
        "invokedBy": {"id": "b7b1", "name": "tr_daily_0200", "invokedByType": "ScheduleTrigger"},
        "runStart": arm_time(at - 600),
        "runEnd": arm_time(at),
        "status": "Failed",
        "message": "Operation on target copy_orders failed: It broke.",
        "lastUpdated": arm_time(at),
        "isLatest": True,
        **more,
    }


def activity(run: str, name: str, message: str, *, at: float, kind: str = "Copy", **more: Any) -> dict[str, Any]:
    """A failed activity's run as Data Factory shows it."""
    number = guid()
    return {
        "id": f"{FACTORY}/pipelineruns/{run}/activityruns/{number}",
        "activityName": name,
        "activityType": kind,
        "activityRunId": number,
        "activityRunStart": arm_time(at - 500),
        "activityRunEnd": arm_time(at),
        "pipelineName": "pl_load_orders",
        "pipelineRunId": run,
        "status": "Failed",
        "output": {},
        "error": {"errorCode": "2200", "message": message, "failureType": "UserError", "target": name},
        **more,
    }


def metric_alert(at: float, origin: str = "metric-alert-1") -> dict[str, Any]:
    """A metric alert for failed runs: it names the pipeline and a window, and no run."""
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertRule": "adf-metric-failed",
                "monitorCondition": "Fired",
                "monitoringService": "Platform",
                "alertTargetIDs": [FACTORY],
                "configurationItems": ["adf-sales-prod"],
                "originAlertId": origin,
                "firedDateTime": arm_time(at + 30),
            },
            "alertContext": {
                "conditionType": "SingleResourceMultipleMetricCriteria",
                "condition": {
                    "windowSize": "PT5M",
                    "allOf": [
                        {
                            "metricName": "PipelineFailedRuns",
                            "threshold": "0",
                            "dimensions": [{"name": "Name", "value": "pl_load_orders"}],
                            "metricValue": 2.0,
                        }
                    ],
                    "windowStartTime": arm_time(at - 300),
                    "windowEndTime": arm_time(at),
                },
            },
        },
    }
