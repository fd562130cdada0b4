"""What the demo's Databricks remembers of the runs that its webhooks tell of, so that it can be asked about them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from pipesleuth.model import Failure, NotAFailure
from pipesleuth.sources.databricks import Databricks
from pipesleuth.sources.databricks_run import key_of

UNTOLD = (
    "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `sales`.`orders` cannot be found. "
    "Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42P01"
)


def state(bodies: Iterable[str]) -> dict[str, Any]:
    """The failed runs behind the bodies, as the stand-in takes them at `PUT /_state/databricks`."""
    source = Databricks()
    runs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    events: dict[str, list[Any]] = {}
    for body in bodies:
        try:
            failures = source.read(json.loads(body))
        except NotAFailure:
            continue
        for failure in failures:
            if cluster := failure.facts.get("cluster_id"):
                events[cluster] = []
            key = key_of(failure.run_id)
            # A notification of the task and one of its job tell of one run; the first says which task it was.
            if key is not None and key.run not in runs:
                task = int(failure.facts.get("task_run_id") or int(key.run) + 1)
                runs[key.run] = _run(failure, int(key.run), task)
                outputs[str(task)] = {"error": failure.error_message or UNTOLD}
    return {"runs": list(runs.values()), "outputs": outputs, "cluster_events": events}


def _run(failure: Failure, number: int, task: int) -> dict[str, Any]:
    now = int(time.time() * 1000)
    code = failure.facts.get("termination_code", "RUN_EXECUTION_ERROR")
    ended = {
        "state": {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": ""},
        "status": {"state": "TERMINATED", "termination_details": {"code": code, "type": "CLIENT_ERROR", "message": ""}},
        "start_time": now - 600_000,
        "end_time": now,
    }
    key = failure.activity or "main"
    notebook = {"notebook_path": f"/Repos/etl/{key}", "source": "WORKSPACE"}
    broken = {"task_key": key, "run_id": task, "attempt_number": 0, "notebook_task": notebook, **ended}
    return {"run_id": number, "job_run_id": number, "run_name": failure.pipeline, "tasks": [broken], **ended}
