"""Azure Resource Manager's Data Factory API: pipeline runs, their activity runs, and reruns.

Source: https://learn.microsoft.com/rest/api/datafactory (api-version 2018-06-01)
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.refusals import arm_error
from pipesleuth.sandbox.wire import (
    Json,
    Refusal,
    bearer_of,
    is_object,
    list_of,
    number_of,
    object_of,
    objects_of,
    parsed,
    seconds_of,
    text_of,
)

API_VERSION = "2018-06-01"
FACTORY = re.compile(
    r"(?i)^/?(subscriptions/([^/]+)/resourcegroups/([^/]+)/providers/microsoft\.datafactory/factories/([^/]+))(?:/(.*))?$"
)
OPERANDS = {
    "pipelinename": "pipelineName", "status": "status", "runstart": "runStart", "runend": "runEnd",
    "activityname": "activityName", "activitytype": "activityType", "activityrunstart": "activityRunStart",
    "activityrunend": "activityRunEnd", "rungroupid": "runGroupId", "latestonly": "isLatest",
}  # fmt: skip


class DataFactoryState:
    """What the factories know; change it with `PUT /_state/data_factory`.

    State: `pipeline_runs` and `activity_runs` as the API answers them; their `id` names the factory, and
    one without belongs to every factory. `pipelines` are names that can be run. Settings: `page_size`,
    `rerun_seconds` and `rerun_status` (what becomes of a createRun), `tokens` (empty takes any).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Factories without history."""
        self.settings: Json = {"tokens": [], "page_size": 100, "rerun_seconds": 5, "rerun_status": "Succeeded"}
        self.pipeline_runs: dict[str, Json] = {}
        self.activity_runs: list[Json] = []
        self.pipelines: set[str] = set()

    def put(self, state: Json) -> None:
        """Add runs (a known run id is replaced) and change settings."""
        for run in objects_of(state.get("pipeline_runs")):
            self.pipeline_runs[str(run.get("runId")).lower()] = run
            self.pipelines.add(str(run.get("pipelineName")))
        fresh = objects_of(state.get("activity_runs"))
        ids = {run.get("activityRunId") for run in fresh if run.get("activityRunId")}
        self.activity_runs = [run for run in self.activity_runs if run.get("activityRunId") not in ids] + fresh
        self.pipelines |= {str(name) for name in list_of(state.get("pipelines"))}
        data = {"pipeline_runs", "activity_runs", "pipelines"}
        self.settings |= {name: value for name, value in state.items() if name not in data}

    def seen(self) -> Json:
        """The data as `GET /_state/data_factory` shows it."""
        return {
            "settings": {name: value for name, value in self.settings.items() if name != "tokens"},
            "pipeline_runs": list(self.pipeline_runs.values()),
            "activity_runs": self.activity_runs,
            "pipelines": sorted(self.pipelines),
        }

    def settled(self, run: Json) -> Json:
        """A rerun after its time has come."""
        due = run.get("_due")
        if due is not None and self.clock() >= due:
            end = arm_time(due)
            status = text_of(self.settings["rerun_status"], "Succeeded")
            message = "" if status == "Succeeded" else "Operation on target rerun failed: the same error again"
            run |= {"status": status, "runEnd": end, "lastUpdated": end, "message": message}
            del run["_due"]
        return run

    def run(self, factory: str, number: str) -> Json:
        """The pipeline run of this id in a factory; 404."""
        run = self.pipeline_runs.get(number.lower())
        if run is None or not belongs(run, factory):
            text = f"The pipeline run {number} was not found."
            raise Refusal(404, {"error": arm_error(404, "PipelineRunNotFound", text, factory)})
        return self.settled(run)

    def rerun(self, factory: str, name: str, request: Request, parameters: Json) -> Json:
        """Start a pipeline; in recovery the new run joins the group of the run it refers to."""
        if name not in self.pipelines:
            text = f"The document cannot be found since the pipeline {name} does not exist."
            raise Refusal(404, {"error": arm_error(404, "PipelineNotFound", text, factory)})
        query = {key.lower(): value for key, value in request.query_params.items()}
        number = str(uuid.uuid4())
        group = number
        if reference := query.get("referencepipelinerunid"):
            before = self.run(factory, reference)
            if query.get("isrecovery", "").lower() == "true":
                group = text_of(before.get("runGroupId"), reference)
                parameters = object_of(before.get("parameters"))
                for run in self.pipeline_runs.values():
                    if run.get("runGroupId") == group:
                        run["isLatest"] = False
        now = arm_time(self.clock())
        self.put({"pipeline_runs": [{
            "id": f"/{factory}/pipelineruns/{number}", "runId": number, "debugRunId": None, "runGroupId": group,
            "pipelineName": name, "parameters": parameters, "runDimensions": {}, "annotations": [],
            "invokedBy": {"id": number, "name": "Manual", "invokedByType": "Manual"},
            "runStart": now, "runEnd": None, "durationInMs": None, "status": "InProgress", "message": "",
            "lastUpdated": now, "isLatest": True, "_due": self.clock() + seconds_of(self.settings["rerun_seconds"], 5),
        }]})  # fmt: skip
        return {"runId": number}


class DataFactoryApi:
    """Every factory under its full resource path, which is not case-sensitive."""

    def __init__(self, state: DataFactoryState) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        """One route: the path is read here, because ARM reads it without regard to case."""
        return [Route("/azure/subscriptions/{rest:path}", self.answer, methods=["GET", "POST"])]

    async def answer(self, request: Request) -> Response:
        """Read the resource path and answer as Resource Manager does."""
        path = request.url.path.removeprefix("/azure")
        found = FACTORY.match(path)
        self.check_token(request)
        if request.query_params.get("api-version") is None:
            text = "The api-version query parameter (?api-version=) is required for all requests."
            raise Refusal(400, {"error": arm_error(400, "MissingApiVersionParameter", text)})
        if request.query_params["api-version"] != API_VERSION:
            text = f"The api-version is not supported; use {API_VERSION}."
            raise Refusal(400, {"error": arm_error(400, "NoRegisteredProviderFound", text)})
        if found is None:
            raise Refusal(404, {"error": arm_error(404, "InvalidResourceType", "No such resource.", path)})
        return JSONResponse(without_notes(await self.resource(request, found[1], found[4], found[5] or "")))

    def check_token(self, request: Request) -> None:
        """401 with the header that says where tokens are to be had."""
        token = bearer_of(request)
        known = list_of(self.state.settings["tokens"])
        if not token or (known and token not in known and not token.startswith("sandbox-entra-")):
            where = 'Bearer authorization_uri="https://login.windows.net/common", error="invalid_token"'
            raise Refusal(401, {"error": arm_error(401)}, {"www-authenticate": where})

    async def resource(  # noqa: PLR0911  # one answer for each operation
        self, request: Request, factory: str, name: str, rest: str
    ) -> Json:
        """The answer for one path below a factory."""
        parts = [part for part in rest.split("/") if part]
        words = [part.lower() for part in parts]
        match (request.method, words):
            case ("GET", []):
                return {"id": f"/{factory}", "name": name, "type": "Microsoft.DataFactory/factories"}
            case ("GET", ["pipelineruns", _]):
                return self.state.run(factory, parts[1])
            case ("POST", ["pipelineruns", _, "queryactivityruns"]):
                number = str(self.state.run(factory, parts[1]).get("runId"))
                runs = [run for run in self.state.activity_runs if same(run.get("pipelineRunId"), number)]
                return self.page(runs, await read_query(request), factory, "activityRunStart")
            case ("POST", ["pipelineruns", _, "cancel"]):
                self.state.run(factory, parts[1]).update({"status": "Canceled"})
                return {}
            case ("POST", ["querypipelineruns"]):
                runs = [self.state.settled(run) for run in list(self.state.pipeline_runs.values())]
                return self.page(runs, await read_query(request), factory, "runStart")
            case ("GET", ["pipelines"]):
                return {"value": [{"name": pipeline} for pipeline in sorted(self.state.pipelines)]}
            case ("POST", ["pipelines", _, "createrun"]):
                body = await request.body()
                return self.state.rerun(factory, parts[1], request, await read_object(request) if body else {})
            case _:
                raise Refusal(404, {"error": arm_error(404, None, f"No such operation: {rest}", f"/{factory}")})

    def page(self, runs: list[Json], query: Json, factory: str, moment: str) -> Json:
        """One page of the runs that a query means."""
        after, before = read_time(query.get("lastUpdatedAfter")), read_time(query.get("lastUpdatedBefore"))
        filters = objects_of(query.get("filters"))
        found = [
            run
            for run in runs
            if belongs(run, factory) and after <= updated(run) <= before and all(meets(run, rule) for rule in filters)
        ]
        orders = objects_of(query.get("orderBy"))
        name = OPERANDS.get(text_of(orders[0].get("orderBy")).lower(), moment) if orders else moment
        descending = bool(orders) and orders[0].get("order") == "DESC"
        found.sort(key=lambda run: text_of(run.get(name)), reverse=descending)
        start = number_of(query.get("continuationToken"), 0)
        size = max(1, number_of(self.state.settings["page_size"], 100))
        more = start + size < len(found)
        value = [without_notes(run) for run in found[start : start + size]]
        return {"value": value, "continuationToken": str(start + size) if more else None}


def meets(run: Json, rule: Json) -> bool:
    """Whether a run satisfies one filter; 400 for a filter Data Factory does not know."""
    operand = text_of(rule.get("operand")).lower()
    values = [str(value).lower() for value in list_of(rule.get("values"))]
    operator = text_of(rule.get("operator"))
    if operand not in OPERANDS or operator not in {"Equals", "NotEquals", "In", "NotIn"} or not values:
        raise Refusal(400, {"error": arm_error(400, "InvalidFilter", "The filter is not valid.")})
    if operand == "latestonly":
        return run.get("isLatest") is not False or values[0] != "true"
    value = text_of(run.get(OPERANDS[operand])).lower()
    inside = value in (values if operator in {"In", "NotIn"} else values[:1])
    return inside is (operator in {"Equals", "In"})


async def read_object(request: Request) -> Json:
    """A JSON object from the body; 400 in ARM's form."""
    try:
        body = parsed(await request.body())
    except ValueError:
        body = None
    if not is_object(body):
        raise Refusal(400, {"error": arm_error(400, "InvalidRequestContent", "The request content is not valid.")})
    return body


async def read_query(request: Request) -> Json:
    """A query for runs; both ends of its window are required."""
    body = await read_object(request)
    for name in ("lastUpdatedAfter", "lastUpdatedBefore"):
        if not isinstance(body.get(name), str):
            raise Refusal(400, {"error": arm_error(400, "BadRequest", f"{name} is required.", name)})
    return body


def read_time(value: object) -> float:
    """A time of ARM's (up to seven digits of a second) as epoch seconds; 400 for anything else."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text_of(value))
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, {"error": arm_error(400, "BadRequest", "A time is not valid.")}) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def updated(run: Json) -> float:
    """When a run changed last."""
    names = ("lastUpdated", "activityRunEnd", "runEnd", "activityRunStart", "runStart")
    return read_time(next((run[name] for name in names if run.get(name)), "1970-01-01T00:00:00Z"))


def arm_time(moment: float) -> str:
    """Epoch seconds as Data Factory writes a time: seven digits after the second."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def belongs(run: Json, factory: str) -> bool:
    """Whether a run is this factory's; one without an id is everyone's."""
    number = text_of(run.get("id")).lower().lstrip("/")
    return not number.startswith("subscriptions/") or number.startswith(factory.lower() + "/")


def same(one: object, other: object) -> bool:
    """Whether two ids are the same, which has nothing to do with case."""
    return str(one).lower() == str(other).lower()


def without_notes(run: Json) -> Json:
    """An answer without our own notes."""
    return {name: value for name, value in run.items() if not name.startswith("_")}
