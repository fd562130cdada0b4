"""Ready-made failures: runs of both platforms that failed with nested, realistic errors.

Every failure comes with the webhook that the platform would have sent for it.
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipesleuth.sandbox.data_factory import arm_time
from pipesleuth.sandbox.wire import Json

SUBSCRIPTION = "11112222-3333-4444-5555-666677778888"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-data-prod"
FACTORY = f"{GROUP}/providers/microsoft.datafactory/factories/adf-sales-prod"
WORKSPACE = "https://adb-7405616400000001.1.azuredatabricks.net"
SUBJECTS = ("orders", "invoices", "customers", "inventory", "payments", "shipments", "prices", "returns", "clicks")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of failure: where it happens, its code and its text with a `{subject}` in it."""

    step: str
    kind: str
    code: str
    text: str
    failure: str = "UserError"
    layer: str = "RUN_EXECUTION_ERROR"


@cache
def patterns(platform: str) -> tuple[Pattern, ...]:
    """The kinds of failure of `pipelines` or `jobs`, from `incidents.json` beside this file."""
    text = (Path(__file__).parent / "incidents.json").read_text("utf-8")
    return tuple(Pattern(**entry) for entry in json.loads(text)[platform])


class Incidents:
    """Makes failures; the same seed makes the same ones, but for the time."""

    def __init__(self, seed: object, now: float) -> None:
        self.dice = random.Random(str(seed))  # noqa: S311  # dice, not a secret
        self.now = now

    def guid(self) -> str:
        """A run id."""
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def ended(self, spread: float) -> float:
        """A moment in the last `spread` seconds."""
        return self.now - self.dice.random() * max(0.0, spread)

    def pipeline_run(self, spread: float) -> tuple[Json, Json]:
        """A failed Data Factory run: the state to put, and a line with its ids and its alert.

        Every third failure sits in a child pipeline, so that the parent only says that a child failed.
        """
        subject, pattern = self.dice.choice(SUBJECTS), self.dice.choice(patterns("pipelines"))
        text = pattern.text.replace("{subject}", subject)
        step = pattern.step.replace("{subject}", subject)
        parent, end = self.guid(), self.ended(spread)
        pipeline = f"pl_load_{subject}"
        activity = activity_run(parent, pipeline, step, pattern, text, self.guid(), end)
        runs: list[Json] = []
        activities = [activity]
        message = f"Operation on target {step} failed: {text}"
        if self.dice.random() < 1 / 3:
            child = self.guid()
            activity["pipelineRunId"], activity["pipelineName"] = child, f"{pipeline}_child"
            activity["id"] = f"{FACTORY}/pipelineruns/{child}/activityruns/{activity['activityRunId']}"
            runs.append(pipeline_run(child, f"{pipeline}_child", message, end, "PipelineActivity"))
            message = f"Operation on target run_child failed: {message}"
            call = Pattern("run_child", "ExecutePipeline", "2011", message)
            outer = activity_run(parent, pipeline, "run_child", call, message, self.guid(), end)
            outer["output"] = {"pipelineName": f"{pipeline}_child", "pipelineRunId": child}
            activities.append(outer)
        runs.append(pipeline_run(parent, pipeline, message, end, "ScheduleTrigger"))
        line: Json = {
            "run_id": parent, "pipeline": pipeline, "error_code": pattern.code, "ended": end,
            "webhook": alert(parent, pipeline, pattern, message, end, self.guid()),
        }  # fmt: skip
        return {"pipeline_runs": runs, "activity_runs": activities}, line

    def job_run(self, spread: float) -> tuple[Json, Json]:
        """A failed Databricks job: the state to put, and a line with its ids and its webhook (ids only)."""
        subject, pattern = self.dice.choice(SUBJECTS), self.dice.choice(patterns("jobs"))
        text = pattern.text.replace("{subject}", subject)
        run_id = self.dice.randrange(10**14, 10**15)
        job_id = 281_874_479_417_500 + SUBJECTS.index(subject)
        end = int(self.ended(spread) * 1000)
        name = f"nightly_{subject}"
        message = f"Task {pattern.step} failed with message: Workload failed, see run output for details."
        good = ended_task("prepare", run_id + 1, end, "SUCCESS", "SUCCESS", "")
        bad = ended_task(
            pattern.step, run_id + 2, end, "FAILED", pattern.layer, "Workload failed, see run output for details"
        )
        late = ended_task("notify", run_id + 3, end, "UPSTREAM_FAILED", pattern.layer, "")
        path: Json = {f"{pattern.kind}_path": f"/Repos/etl/{subject}/{pattern.step}", "source": "WORKSPACE"}
        bad |= {"depends_on": [{"task_key": "prepare"}], f"{pattern.kind}_task": path}
        bad["cluster_instance"] = {"cluster_id": "1120-020011-abcd123", "spark_context_id": "8712312312"}
        late["depends_on"] = [{"task_key": pattern.step}]
        run: Json = {
            "job_id": job_id, "run_id": run_id, "job_run_id": run_id, "number_in_job": run_id, "run_name": name,
            "original_attempt_run_id": run_id, "creator_user_name": "sp-etl@example.com", "run_type": "JOB_RUN",
            "run_page_url": f"{WORKSPACE}/?o=7405616400000001#job/{job_id}/run/{run_id}", "trigger": "PERIODIC",
            "start_time": end - 900_000, "end_time": end, "run_duration": 900_000,
            "state": {"life_cycle_state": "INTERNAL_ERROR", "result_state": "FAILED", "state_message": message},
            "status": {
                "state": "TERMINATED",
                "termination_details": {"code": pattern.layer, "type": "CLIENT_ERROR", "message": message},
            },
            "tasks": [good, bad, late],
        }  # fmt: skip
        trace = (
            f"---------------------------------------------------------------------------\n{text}\nFile <command-1>:3"
        )
        job: Json = {"job_id": job_id, "settings": {"name": name, "tags": {"team": "DataEngineering"}, "tasks": []}}
        line: Json = {
            "run_id": run_id, "job_id": job_id, "job_name": name, "error_type": pattern.code, "ended": end / 1000,
            "webhook": {
                "event_type": "jobs.on_failure", "workspace_id": 7405616400000001,
                "run": {"run_id": run_id}, "job": {"job_id": job_id, "name": name},
            },
        }  # fmt: skip
        output: Json = {"error": text.splitlines()[0], "error_trace": trace, "logs": "", "logs_truncated": False}
        return {"runs": [run], "jobs": [job], "outputs": {str(run_id + 2): output}}, line


def ended_task(key: str, number: int, end: int, result: str, code: str, message: str) -> Json:  # its parts
    """A task's run that is over."""
    kind = "SUCCESS" if result == "SUCCESS" else "CLIENT_ERROR"
    return {
        "task_key": key, "run_id": number, "attempt_number": 0, "start_time": end - 600_000, "end_time": end,
        "state": {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": message},
        "status": {"state": "TERMINATED", "termination_details": {"code": code, "type": kind, "message": message}},
    }  # fmt: skip


def pipeline_run(number: str, name: str, message: str, end: float, invoked: str) -> Json:
    """A failed pipeline run as the API shows it."""
    return {
        "id": f"{FACTORY}/pipelineruns/{number}", "runId": number, "debugRunId": None, "runGroupId": number,
        "pipelineName": name, "parameters": {"load_date": "2026-11-19"},
        "invokedBy": {"id": "b7b1", "name": "tr_daily_0200", "invokedByType": invoked},
        "runStart": arm_time(end - 600), "runEnd": arm_time(end), "durationInMs": 600_000, "status": "Failed",
        "message": message, "lastUpdated": arm_time(end), "annotations": [], "runDimensions": {}, "isLatest": True,
    }  # fmt: skip


def activity_run(  # noqa: PLR0917  # its parts
    run: str, pipeline: str, name: str, pattern: Pattern, text: str, number: str, end: float
) -> Json:
    """A failed activity run as the API shows it."""
    error: Json = {
        "errorCode": pattern.code,
        "message": text,
        "failureType": pattern.failure,
        "target": name,
        "details": [],
    }
    return {
        "id": f"{FACTORY}/pipelineruns/{run}/activityruns/{number}", "activityName": name, "activityType": pattern.kind,
        "activityRunId": number, "activityRunStart": arm_time(end - 500), "activityRunEnd": arm_time(end),
        "durationInMs": 500_000, "pipelineName": pipeline, "pipelineRunId": run, "linkedServiceName": "",
        "status": "Failed", "retryAttempt": None, "iterationHash": "", "userProperties": {}, "input": {},
        "output": {}, "error": error,
    }  # fmt: skip


def alert(run: str, pipeline: str, pattern: Pattern, message: str, end: float, number: str) -> Json:  # its parts
    """The log alert (common schema, six dimensions) that Azure Monitor sends for a failed run."""
    values = {
        "PipelineName": pipeline, "RunId": run, "ErrorCode": pattern.code, "FailureType": pattern.failure,
        "ErrorMessage": message, "_ResourceId": FACTORY,
    }  # fmt: skip
    condition: dict[str, Any] = {
        "searchQuery": "ADFPipelineRun | where Status == 'Failed'", "metricMeasureColumn": None,
        "operator": "GreaterThan",
        "targetResourceTypes": "['Microsoft.DataFactory/factories']", "threshold": "0", "timeAggregation": "Count",
        "dimensions": [{"name": name, "value": value} for name, value in values.items()], "metricValue": 1.0,
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
    }  # fmt: skip
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/{number}",
                "alertRule": "adf-pipeline-failed", "severity": "Sev1", "signalType": "Log",
                "monitorCondition": "Fired", "monitoringService": "Log Alerts V2", "alertTargetIDs": [FACTORY],
                "configurationItems": [FACTORY], "originAlertId": number, "firedDateTime": arm_time(end + 60),
                "description": "A pipeline run failed", "essentialsVersion": "1.0", "alertContextVersion": "1.0",
            },
            "alertContext": {
                "properties": None, "conditionType": "LogQueryCriteria",
                "condition": {
                    "windowSize": "PT5M", "allOf": [condition],
                    "windowStartTime": arm_time(end - 240), "windowEndTime": arm_time(end + 60),
                },
            },
        },
    }  # fmt: skip
