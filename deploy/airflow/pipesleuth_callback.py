"""Tells Pipesleuth of failed Airflow tasks and DAG runs: put this file beside your DAGs, in `plugins/` or `include/`.

    from pipesleuth_callback import tell_pipesleuth

    with DAG("orders", default_args={"on_failure_callback": tell_pipesleuth}, on_failure_callback=tell_pipesleuth):
        ...

`default_args` tells of each task that failed for good (not of tries that are repeated), the DAG's own argument of runs
that timed out or could not go on; both belong to one run, and one run makes one ticket. Workers and the DAG processor
need two variables: PIPESLEUTH_URL (such as https://pipesleuth.example.com) and PIPESLEUTH_API_KEY. PIPESLEUTH_AIRFLOW,
a short name, keeps several Airflow deployments with the same DAGs apart.

It needs nothing but Python, works with Airflow 2 and 3, and never fails a task: what goes wrong is logged.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

LONGEST_TEXT = 20_000  # characters of an exception and of its traceback, from the end
TRIES, PAUSE_SECONDS, CALL_SECONDS = 3, 2.0, 10.0
TRY_AGAIN = frozenset({408, 429, 502, 503, 504})

log = logging.getLogger(__name__)


def tell_pipesleuth(context: Mapping[str, Any]) -> None:
    """An `on_failure_callback` for tasks, for DAGs and for both."""
    base, key = os.environ.get("PIPESLEUTH_URL", ""), os.environ.get("PIPESLEUTH_API_KEY", "")
    if not base.startswith(("https://", "http://")) or not key:
        log.error("Pipesleuth was not told: set PIPESLEUTH_URL and PIPESLEUTH_API_KEY for the workers.")
        return
    body = json.dumps(report(context)).encode()
    headers = {"content-type": "application/json", "x-api-key": key}
    request = urllib.request.Request(f"{base.rstrip('/')}/hooks/airflow", body, headers)  # noqa: S310  # checked above
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310  # the same
                log.info("Pipesleuth was told: %s", answer.read(2000).decode("utf-8", "replace"))
                return
        except urllib.error.HTTPError as refusal:
            reason, again = f"HTTP {refusal.code}", refusal.code in TRY_AGAIN
            refusal.close()
        except OSError as error:
            reason, again = type(error).__name__, True
        if not again or attempt == TRIES:
            log.error("Pipesleuth was not told: %s", reason)
            return
        time.sleep(PAUSE_SECONDS * attempt)


def report(context: Mapping[str, Any]) -> dict[str, Any]:
    """What is posted: only texts and numbers, whatever Airflow's version has in its context."""
    task_run = context.get("task_instance") or context.get("ti")
    dag, dag_run, task = context.get("dag"), context.get("dag_run"), context.get("task")
    reason = context.get("reason")
    found = {
        # A DAG's callback comes with a reason, also where the run succeeded.
        "event": f"dag_{'succeeded' if reason == 'success' else 'failed'}" if reason else "task_failed",
        "deployment": os.environ.get("PIPESLEUTH_AIRFLOW"),
        "dag_id": _of(task_run, "dag_id") or _of(dag, "dag_id") or _of(dag_run, "dag_id"),
        "run_id": context.get("run_id") or _of(task_run, "run_id") or _of(dag_run, "run_id"),
        "task_id": _of(task_run, "task_id"),
        "map_index": _of(task_run, "map_index"),
        "try_number": _of(task_run, "try_number"),
        "max_tries": _of(task_run, "max_tries"),
        "state": _of(task_run, "state") or "failed",
        "operator": _of(task_run, "operator") or _of(task, "task_type"),
        "owner": _of(task, "owner") or _of(dag, "owner"),
        "tags": sorted(str(tag) for tag in (_of(dag, "tags") or ()))[:30],
        "run_type": _of(dag_run, "run_type"),
        # Airflow 2 called the logical date the execution date; a run made by hand in Airflow 3 may have none.
        "logical_date": context.get("logical_date") or context.get("execution_date") or _of(dag_run, "logical_date"),
        "start_date": _of(task_run, "start_date") or _of(dag_run, "start_date"),
        "end_date": _of(task_run, "end_date") or _of(dag_run, "end_date"),
        "hostname": _of(task_run, "hostname"),
        "pool": _of(task_run, "pool") or _of(task, "pool"),
        "queue": _of(task_run, "queue") or _of(task, "queue"),
        "log_url": _of(task_run, "log_url"),
        "reason": reason,
        "exception": _exception(context.get("exception")),
    }
    return {name: _plain(value) for name, value in found.items() if value is not None}


def _of(thing: object, name: str) -> Any:
    """An attribute of Airflow's, or None: some are properties that ask a database which a worker may not reach."""
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001  # whatever Airflow raises there, the rest is worth telling
        log.debug("Airflow did not tell %s.", name)
        return None


def _exception(given: object) -> dict[str, str] | None:
    if isinstance(given, BaseException):
        lines = traceback.format_exception(type(given), given, given.__traceback__)
        kind = f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")
        return {"type": kind, "message": _tail(str(given)), "traceback": _tail("".join(lines))}
    return {"message": _tail(str(given))} if given else None


def _tail(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else "… " + text[-LONGEST_TEXT:]


def _plain(value: Any) -> Any:
    """The value as JSON can hold it: moments as ISO-8601, states as their words."""
    if isinstance(value, dict | list | bool | int | float):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return _tail(str(getattr(value, "value", value)))
