"""Airflow: what the callback file posts for real contexts, and what the instance's REST API adds."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from equipment import HOUSE
from pipesleuth.doctor import Case, Mark, examine
from pipesleuth.model import NotAFailure, Permanent, Retryable
from pipesleuth.sandbox import Sandbox
from pipesleuth.settings import Settings
from pipesleuth.sources.airflow import Airflow
from pipesleuth.sources.airflow_api import AirflowSettings, tail

RUN = "scheduled__2026-11-20T02:00:00+00:00"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOG = f"""[2026-11-20, 02:11:04 UTC] {{taskinstance.py:1300}} INFO - Starting attempt 3 of 3
[2026-11-20, 02:11:05 UTC] {{logging_mixin.py:188}} INFO - {"rows " * 2000}
[2026-11-20, 02:14:18 UTC] {{taskinstance.py:1937}} ERROR - Task failed with exception
Traceback (most recent call last):
  File "/opt/airflow/dags/orders.py", line 41, in load
    cursor.execute(statement)
psycopg2.errors.UndefinedTable: relation "staging.orders" does not exist
[2026-11-20, 02:14:18 UTC] {{taskinstance.py:1400}} INFO - Marking task as FAILED. dag_id=orders_daily
"""
EVENTS: list[Any] = [
    {"timestamp": "2026-11-20T02:14:17Z", "level": "info", "event": "loading"},
    {
        "timestamp": "2026-11-20T02:14:18Z",
        "level": "error",
        "event": "Task failed with exception",
        "error_detail": [
            {
                "exc_type": "UndefinedTable",
                "exc_value": 'relation "staging.orders" does not exist',
                "frames": [{"filename": "/opt/airflow/dags/orders.py", "lineno": 41, "name": "load"}],
            }
        ],
    },
]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(port=0) as running:
        running.world.airflow.put({"runs": [run()]})
        yield running


def run(log: Any = LOG, state: str = "failed") -> dict[str, Any]:
    task = {"state": "failed", "try_number": 3, "operator": "PythonOperator", "map_index": -1}
    return {
        "dag_id": "orders_daily",
        "dag_run_id": RUN,
        "state": state,
        "run_type": "scheduled",
        "end_date": "2026-11-20T02:14:20+00:00",
        "tasks": [
            {"task_id": "publish", "state": "upstream_failed", "try_number": 1, "map_index": -1},
            {**task, "task_id": "audit", "end_date": "2026-11-20T02:14:19+00:00", "log": "second"},
            {**task, "task_id": "load_orders", "end_date": "2026-11-20T02:14:18+00:00", "log": log},
        ],
    }


def airflow(sandbox: Sandbox, **changes: Any) -> Airflow:
    values = {"airflow_url": f"{sandbox.url}/airflow", "airflow_token": "t"} | changes
    return Airflow(AirflowSettings(_env_file=None, **values), now=lambda: NOON)  # type: ignore[call-arg]


def timed_out() -> dict[str, Any]:
    return {"event": "dag_failed", "dag_id": "orders_daily", "run_id": RUN, "reason": "task_failure"}


async def asked(source: Airflow, payload: dict[str, Any], seconds: float = 10) -> Any:
    (failure,) = source.read(payload)
    told = await source.enrich(failure, known_since=NOON, seconds=seconds)
    await source.close()
    return told


BASIC = {"airflow_token": None, "airflow_username": "pipesleuth", "airflow_password": "airflow-sandbox"}


@pytest.mark.parametrize(
    ("api", "log", "sign_on"),
    [("v1", LOG, {}), ("v1", LOG, BASIC), ("v2", EVENTS, {}), ("v2", EVENTS, BASIC), ("v2", LOG.splitlines(), {})],
    ids=["2 token", "2 basic", "3 token", "3 password", "3 plain lines"],
)
async def test_the_first_failed_task_and_the_end_of_its_log_tell_why(
    api: str, log: Any, sign_on: dict[str, Any], sandbox: Sandbox
) -> None:
    sandbox.world.airflow.put({"runs": [run(log)]})
    told = await asked(airflow(sandbox, airflow_api=api, **sign_on), timed_out())
    failure = told.failure
    assert told.hindrance is None
    assert (failure.activity, failure.activity_type) == ("load_orders", "PythonOperator")
    assert 'relation "staging.orders" does not exist' in failure.error_message
    assert "orders.py" in failure.error_message
    assert "rows rows" not in failure.error_message
    assert "{taskinstance.py" not in failure.error_message
    assert failure.facts["failed_tasks"] == "audit, load_orders"
    assert failure.run_url is not None
    assert failure.run_url.startswith(f"{sandbox.url}/airflow/dags/orders_daily/")
    assert "%3A00%2B00%3A00" in failure.run_url


async def test_the_task_that_the_alert_names_is_the_one_that_is_read(sandbox: Sandbox) -> None:
    told = await asked(airflow(sandbox), {**timed_out(), "reason": None, "task_id": "audit", "exception": "It broke."})
    assert told.failure.activity == "audit"
    assert told.failure.error_message == "It broke.\n\nsecond"


@pytest.mark.parametrize("kind", ["429", "500", "hang", "wrong_json", "refuse", "truncate"])
async def test_whatever_goes_wrong_the_failure_comes_back_with_the_reason(kind: str, sandbox: Sandbox) -> None:
    sandbox.world.faults.put([{"service": "airflow", "kind": kind, "seconds": 5}])
    told = await asked(airflow(sandbox), timed_out(), seconds=0.4)
    assert isinstance(told.hindrance, Retryable)
    assert told.failure.facts["enrichment"].startswith("Airflow ")
    assert told.failure.error_message == "DAG run failed (task_failure): a task failed."


async def test_wrong_credentials_and_unknown_runs_say_what_to_do(sandbox: Sandbox) -> None:
    sandbox.world.airflow.put({"tokens": ["another"]})
    told = await asked(airflow(sandbox, airflow_token="secret-token"), timed_out())
    assert isinstance(told.hindrance, Permanent)
    assert "AIRFLOW_TOKEN" in told.hindrance.reason
    assert "secret-token" not in told.hindrance.reason
    sandbox.world.airflow.put({"tokens": []})
    told = await asked(airflow(sandbox), {**timed_out(), "run_id": "gone"})
    assert isinstance(told.hindrance, Permanent)
    assert "DAGRun not found" in told.hindrance.reason


async def test_a_run_of_another_deployment_is_not_asked_about_here(sandbox: Sandbox) -> None:
    told = await asked(airflow(sandbox), {**timed_out(), "deployment": "emea"})
    assert not told.asked
    assert told.failure.run_url is None
    assert list(sandbox.world.journal.calls) == []


async def test_failed_runs_that_no_webhook_told_of_are_found(sandbox: Sandbox) -> None:
    sandbox.world.airflow.put({"runs": [{**run(), "dag_run_id": "old", "end_date": "2026-11-01T00:00:00+00:00"}]})
    sandbox.world.airflow.put({"runs": [{**run(state="success"), "dag_run_id": "good"}]})
    source = airflow(sandbox)
    history = await source.failed_runs(NOON - timedelta(days=1), NOON)
    await source.close()
    (found,) = history.failures
    assert (found.pipeline, found.run_id) == ("orders_daily", f"orders_daily/{RUN}")
    (by_webhook,) = source.read(timed_out())
    assert by_webhook.run_id == found.run_id


def test_a_log_in_colours_and_without_an_error_is_its_own_end() -> None:
    assert tail("\x1b[31mred\x1b[0m\n[2026-11-20T02:11:04.120+0000] {x.py:1} INFO - done") == "red\ndone"
    assert len(tail("x" * 100_000)) == 4000, "one line is cut by itself"
    assert len(tail("xy\n" * 100_000)) == 6000
    assert tail("") == ""


def test_settings_that_cannot_work_are_refused_at_start() -> None:
    for wrong in ({"airflow_token": "t"}, {"airflow_url": "http://airflow.example.com", "airflow_token": "t"}):
        with pytest.raises(ValidationError):
            AirflowSettings(_env_file=None, **wrong)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize(
    ("variables", "says"),
    [({"AIRFLOW_TOKEN": "t"}, "AIRFLOW_API"), ({}, "AIRFLOW_USERNAME"), ({"AIRFLOW_TOKEN": "right"}, "")],
    ids=["refused", "no sign-on", "well"],
)
async def test_the_doctor_says_what_an_instance_wants(
    variables: dict[str, str], says: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.world.airflow.put({"tokens": ["right"]})
    for name, value in {"AIRFLOW_URL": f"{sandbox.url}/airflow", **variables}.items():
        monkeypatch.setenv(name, value)
    case = Case(Settings(_env_file=None), lambda: NOON)  # type: ignore[call-arg]
    (found,) = await examine(case, ("airflow",))
    assert says in found.repair
    assert (found.mark is Mark.OK) == (not says)


# --- the callback file ---


class Door(BaseHTTPRequestHandler):
    """A door that remembers what it was posted, and answers what the test says."""

    posted: ClassVar[list[tuple[str, dict[str, str], Any]]] = []
    answers: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.posted.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own name
        """Say nothing."""


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    Door.posted.clear()
    Door.answers.clear()
    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PIPESLEUTH_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("PIPESLEUTH_API_KEY", "key-1")
    yield Door.posted
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def callback() -> ModuleType:
    path = HOUSE / "deploy" / "airflow" / "pipesleuth_callback.py"
    spec = importlib.util.spec_from_file_location("pipesleuth_callback", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PAUSE_SECONDS = 0.01  # type: ignore[attr-defined]
    return module


class Word:
    """An enumeration's member as Airflow has them for states and kinds of runs."""

    def __init__(self, value: str) -> None:
        self.value = value


class Guarded:
    """A thing of Airflow's whose property cannot be read in a worker."""

    dag_id, run_id, task_id, map_index, try_number, state = "orders_daily", RUN, "load", 3, 2, Word("failed")

    @property
    def log_url(self) -> str:
        raise RuntimeError("Direct database access via the ORM is not allowed")


def context(**changes: Any) -> dict[str, Any]:
    """A task's context as Airflow 2.10 hands it over."""
    ti = SimpleNamespace(
        dag_id="orders_daily", run_id=RUN, task_id="load_orders", map_index=-1, try_number=3, max_tries=2,
        state=Word("failed"), operator="PythonOperator", start_date=NOON, end_date=NOON, hostname="w1", pool="default_pool",
        queue="default", log_url="https://airflow.example.com/log",
    )  # fmt: skip
    dag = SimpleNamespace(dag_id="orders_daily", tags={"team:orders", "finance"}, owner="data-eng")
    given = {
        "task_instance": ti, "ti": ti, "dag": dag, "task": SimpleNamespace(owner="data-eng", task_type="PythonOperator"),
        "dag_run": SimpleNamespace(run_id=RUN, run_type=Word("scheduled")), "run_id": RUN, "logical_date": NOON,
        "exception": ValueError("no such table"),
    }  # fmt: skip
    return {**given, **changes}


def test_what_the_callback_posts_is_what_the_source_reads(callback: ModuleType, door: list[Any]) -> None:
    callback.tell_pipesleuth(context())
    ((path, headers, body),) = door
    assert (path, headers["x-api-key"], headers["content-type"]) == ("/hooks/airflow", "key-1", "application/json")
    (failure,) = Airflow().read(body)
    assert (failure.pipeline, failure.run_id, failure.activity) == (
        "orders_daily",
        f"orders_daily/{RUN}",
        "load_orders",
    )
    assert failure.error_code == "ValueError"
    assert failure.error_message.endswith("ValueError: no such table")
    assert dict(failure.tags) == {"finance": "yes", "team": "orders", "owner": "data-eng"}
    assert failure.occurred_at == NOON


def test_a_dag_that_timed_out_and_airflow_3s_context_are_told(callback: ModuleType) -> None:
    dag = SimpleNamespace(dag_id="orders_daily", tags=[])
    body = json.loads(json.dumps(callback.report({"dag": dag, "run_id": RUN, "reason": "timed_out"})))
    (failure,) = Airflow().read(body)
    assert failure.error_message.startswith("DAG run failed (timed_out)")
    body = callback.report({"ti": Guarded(), "dag": dag, "exception": "x" * 50_000})
    (failure,) = Airflow().read(json.loads(json.dumps(body)))
    assert failure.activity == "load [3]"
    assert len(failure.error_message) < 20_100


def test_a_success_told_by_mistake_makes_no_ticket(callback: ModuleType) -> None:
    body = callback.report({"dag": SimpleNamespace(dag_id="d"), "run_id": RUN, "reason": "success"})
    with pytest.raises(NotAFailure, match="succeeded"):
        Airflow().read(body)


def test_the_callback_tries_again_and_never_fails_its_task(callback: ModuleType, door: list[Any]) -> None:
    Door.answers[:] = [503, 429, 200]
    callback.tell_pipesleuth(context())
    assert len(door) == 3
    Door.answers[:] = [401]
    callback.tell_pipesleuth(context())
    assert len(door) == 4, "a wrong key is not tried again"
    callback.tell_pipesleuth({})
    assert door[-1][2]["state"] == "failed"


def test_without_an_address_nothing_is_sent(
    callback: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PIPESLEUTH_URL", raising=False)
    callback.tell_pipesleuth(context())
    assert "PIPESLEUTH_URL" in caplog.text
    assert Path(callback.__file__ or "").name == "pipesleuth_callback.py"


def test_an_instance_that_is_not_configured_is_not_asked() -> None:
    (failure,) = Airflow().read(timed_out())
    told = asyncio.run(Airflow().enrich(failure, known_since=NOON, seconds=1))
    assert not told.asked
