"""An Airflow instance: DAG runs, their tasks and logs, by REST API v1 (Airflow 2) and v2 (Airflow 3).

Source: https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from datetime import datetime

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.refusals import airflow_refusal
from pipesleuth.sandbox.wire import (
    Json,
    Refusal,
    bearer_of,
    list_of,
    number_of,
    object_of,
    objects_of,
    parsed,
    text_of,
)


class AirflowInstance:
    """What the instance knows; change it with `PUT /_state/airflow`.

    State: `runs`, each `{dag_id, dag_run_id, state, end_date, tasks: [{task_id, state, try_number, operator, end_date,
    map_index?, log}]}`; a log is text, or for v2 a list of structured events. Settings: `tokens` (empty takes any),
    `username`, `password`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """An instance without runs."""
        self.settings: Json = {"tokens": [], "username": "pipesleuth", "password": "airflow-sandbox"}
        self.runs: dict[tuple[str, str], Json] = {}
        self.tokens_given: set[str] = set()

    def put(self, state: Json) -> None:
        """Add runs (one of the same id is replaced) and change settings."""
        for run in objects_of(state.get("runs")):
            self.runs[text_of(run.get("dag_id")), text_of(run.get("dag_run_id"))] = run
        self.settings |= {name: value for name, value in state.items() if name != "runs"}

    def seen(self) -> Json:
        """The runs, without credentials."""
        return {"runs": list(self.runs.values())}


class AirflowApi:
    """The API below `/airflow`."""

    def __init__(self, instance: AirflowInstance) -> None:
        self.instance = instance

    def routes(self) -> list[Route]:
        """Sign-on, runs, tasks and logs."""
        run = "/airflow/api/{version}/dags/{dag}/dagRuns"
        return [
            Route("/airflow/auth/token", self.token, methods=["POST"]),
            Route(run, self.list_runs, methods=["GET"]),
            Route(f"{run}/{{run}}/taskInstances", self.list_tasks, methods=["GET"]),
            Route(f"{run}/{{run}}/taskInstances/{{task}}/logs/{{number}}", self.log, methods=["GET"]),
        ]

    async def token(self, request: Request) -> Response:
        """Airflow 3's sign-on with user and password: 201 with a token."""
        try:
            given = object_of(parsed(await request.body()))
        except ValueError:
            raise Refusal(422, {"detail": "the body is no JSON"}) from None
        known = self.instance.settings
        if (given.get("username"), given.get("password")) != (known["username"], known["password"]):
            raise Refusal(401, {"detail": "Invalid credentials"})
        made = f"ey-sandbox-{uuid.uuid4().hex}"
        self.instance.tokens_given.add(made)
        return JSONResponse({"access_token": made}, 201)

    async def list_runs(self, request: Request) -> Response:
        """Runs of one DAG or (`~`) of all, by state and by when they ended."""
        self.check(request)
        asked, dag = request.query_params, request.path_params["dag"]
        since, until = moment_of(asked.get("end_date_gte")), moment_of(asked.get("end_date_lte"))
        found = [
            {name: value for name, value in run.items() if name != "tasks"}
            for run in self.instance.runs.values()
            if dag in ("~", run.get("dag_id"))
            and asked.get("state") in (None, run.get("state"))
            and (since is None or (moment_of(run.get("end_date")) or since) >= since)
            and (until is None or (moment_of(run.get("end_date")) or until) <= until)
        ]
        return paged(asked, "dag_runs", found)

    async def list_tasks(self, request: Request) -> Response:
        """The tasks of a run, all or those of one state."""
        self.check(request)
        asked = request.query_params
        tasks = [
            {name: value for name, value in task.items() if name != "log"}
            for task in objects_of(self.run(request).get("tasks"))
            if asked.get("state") in (None, task.get("state"))
        ]
        return paged(asked, "task_instances", tasks)

    async def log(self, request: Request) -> Response:
        """The log of one try: text or JSON in v1, JSON in v2."""
        self.check(request)
        number = number_of(request.path_params["number"], 0)
        index = number_of(request.query_params.get("map_index"), -1)
        for task in objects_of(self.run(request).get("tasks")):
            named = task.get("task_id") == request.path_params["task"] and task.get("map_index", -1) == index
            if named and 1 <= number <= number_of(task.get("try_number"), 1):
                log = task.get("log", "")
                if request.path_params["version"] == "v2":
                    return JSONResponse({"content": list_of(log) or [text_of(log)], "continuation_token": None})
                if request.headers.get("accept") == "text/plain":
                    return Response(f"airflow-worker-1\n{text_of(log)}", media_type="text/plain")
                return JSONResponse({"content": f"[('airflow-worker-1', {text_of(log)!r})]", "continuation_token": "x"})
        raise self.missing(request, "TaskInstance not found")

    def run(self, request: Request) -> Json:
        """The run that the path names; 404."""
        found = self.instance.runs.get((request.path_params["dag"], request.path_params["run"]))
        if found is None:
            raise self.missing(request, "DAGRun not found")
        return found

    def check(self, request: Request) -> None:
        """401 without credentials: Basic in v1, a token in both."""
        version, known = request.path_params["version"], self.instance.settings
        if version not in {"v1", "v2"}:
            raise Refusal(404, {"detail": "Not Found"})
        token, tokens = bearer_of(request), list_of(known["tokens"])
        pair = base64.b64encode(f"{known['username']}:{known['password']}".encode()).decode()
        basic = version == "v1" and request.headers.get("authorization") == f"Basic {pair}"
        if not basic and not (token and (not tokens or token in tokens or token in self.instance.tokens_given)):
            raise Refusal(401, airflow_refusal(401))

    def missing(self, request: Request, title: str) -> Refusal:
        """404 as the version says it."""
        v1 = request.path_params["version"] == "v1"
        return Refusal(404, airflow_refusal(404, title) if v1 else {"detail": title})


def paged(asked: QueryParams, name: str, found: list[Json]) -> Response:
    """A page by `limit` (100) and `offset`."""
    start, size = number_of(asked.get("offset"), 0), min(100, max(1, number_of(asked.get("limit"), 100)))
    return JSONResponse({name: found[start : start + size], "total_entries": len(found)})


def moment_of(value: object) -> datetime | None:
    """A moment from ISO-8601 text with a zone."""
    try:
        found = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return found if found.tzinfo else None
