"""A Databricks workspace: Jobs API 2.1 and 2.2, clusters, notification destinations and sign-on.

Source: https://docs.databricks.com/api/azure/workspace/jobs
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.databricks_runs import ENDED, Workspace
from pipesleuth.sandbox.refusals import databricks_refusal
from pipesleuth.sandbox.wire import (
    Json,
    Refusal,
    bearer_of,
    form_of,
    is_object,
    list_of,
    number_of,
    object_of,
    objects_of,
    parsed,
    text_of,
)

RUNS_PER_PAGE = 26
Handler = Callable[[Json], Json]


class DatabricksApi:
    """The workspace's API below `/databricks` and, for clients that cut the path, at the root."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.handlers: dict[tuple[str, str], Handler] = {
            ("GET", "jobs/runs/get"): self.run_get,
            ("GET", "jobs/runs/get-output"): lambda given: workspace.output(run_number(given)),
            ("GET", "jobs/runs/list"): self.run_list,
            ("POST", "jobs/runs/repair"): workspace.repair,
            ("POST", "jobs/run-now"): workspace.run_now,
            ("POST", "jobs/runs/cancel"): self.run_cancel,
            ("GET", "jobs/get"): self.job_get,
            ("GET", "jobs/list"): self.job_list,
            ("POST", "jobs/update"): self.job_update,
            ("GET", "clusters/get"): self.cluster_get,
            ("POST", "clusters/events"): self.cluster_events,
            ("GET", "preview/scim/v2/Me"): lambda _given: {"userName": "sp-pipesleuth", "active": True, "id": "1"},
        }

    def routes(self) -> list[Route]:
        """The API twice, and what databricks-sdk asks before it signs on."""
        api = "/api/{version}"
        routes: list[Route] = []
        for root in ("/databricks", ""):
            routes += [
                Route(f"{root}{api}/notification-destinations", self.destinations, methods=["GET", "POST"]),
                Route(f"{root}{api}/notification-destinations/{{id}}", self.destination,
                      methods=["GET", "PATCH", "DELETE"]),
                Route(f"{root}{api}/{{path:path}}", self.answer, methods=["GET", "POST"]),
                Route(f"{root}/.well-known/databricks-config", self.discovery, methods=["GET"]),
                Route(f"{root}/oidc/.well-known/oauth-authorization-server", self.oidc, methods=["GET"]),
                Route(f"{root}/oidc/v1/token", self.token, methods=["POST"]),
            ]  # fmt: skip
        return routes

    async def answer(self, request: Request) -> Response:
        """Any method of the API by its path."""
        self.check_token(request)
        handler = self.handlers.get((request.method, request.path_params["path"].rstrip("/")))
        if handler is None or request.path_params["version"] not in {"2.0", "2.1", "2.2"}:
            text = f"No API found for '{request.method} {request.url.path}'"
            raise Refusal(404, databricks_refusal(404, text, "ENDPOINT_NOT_FOUND"))
        given = {**request.query_params, **await read_body(request)}
        return JSONResponse({name: value for name, value in handler(given).items() if not name.startswith("_")})

    def check_token(self, request: Request) -> None:
        """401 as plain text, like the real gateway, when the token is missing or wrong."""
        token = bearer_of(request)
        known = list_of(self.workspace.settings["tokens"])
        if not token or (known and token not in known and not token.startswith("sandbox-oauth-")):
            raise Refusal(401, databricks_refusal(401))

    def run_get(self, given: Json) -> Json:
        """A run with one page of its tasks; the history of repairs only when asked for."""
        run = dict(self.workspace.run(run_number(given)))
        if str(given.get("include_history", "")).lower() != "true":
            run.pop("repair_history", None)
        tasks = objects_of(run.get("tasks"))
        size = max(1, number_of(self.workspace.settings["tasks_per_page"], 100))
        start = page_start(given)
        run["tasks"] = tasks[start : start + size]
        if len(tasks) > size:
            run["has_more"] = start + size < len(tasks)
            if run["has_more"]:
                run["next_page_token"] = f"from-{start + size}"
        return run

    def run_list(self, given: Json) -> Json:
        """Runs, newest first, by state, job and start time (milliseconds)."""
        completed = str(given.get("completed_only", "")).lower() == "true"
        active = str(given.get("active_only", "")).lower() == "true"
        if completed and active:
            raise Refusal(400, databricks_refusal(400, "completed_only and active_only cannot both be true."))
        job = number_of(given.get("job_id"), 0)
        since, until = number_of(given.get("start_time_from"), 0), number_of(given.get("start_time_to"), 1 << 62)
        found: list[Json] = []
        for kept in self.workspace.runs.values():
            run = self.workspace.settled(kept)
            ended = object_of(run.get("state")).get("life_cycle_state") in ENDED
            start = number_of(run.get("start_time"), 0)
            if (completed and not ended) or (active and ended) or not since <= start <= until:
                continue
            if job and number_of(run.get("job_id"), 0) != job:
                continue
            found.append(run)
        found.sort(key=lambda run: number_of(run.get("start_time"), 0), reverse=True)
        limit = number_of(given.get("limit"), 20)
        if not 1 <= limit <= RUNS_PER_PAGE:
            raise Refusal(400, databricks_refusal(400, f"limit must be from 1 to {RUNS_PER_PAGE}."))
        start = page_start(given) or max(0, number_of(given.get("offset"), 0))
        left_out = {"repair_history", *(() if str(given.get("expand_tasks", "")).lower() == "true" else ("tasks",))}
        page: list[Json] = [
            {name: value for name, value in run.items() if name not in left_out and not name.startswith("_")}
            for run in found[start : start + limit]
        ]
        more = start + limit < len(found)
        frame: Json = {"next_page_token": f"from-{start + limit}"} if more else {}
        return {**({"runs": page} if page else {}), "has_more": more, **frame}

    def run_cancel(self, given: Json) -> Json:
        """End a run that is still going."""
        run = self.workspace.run(run_number(given))
        if object_of(run.get("state")).get("life_cycle_state") not in ENDED:
            run.pop("_due", None)
            run["state"] = {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"}
            run["end_time"] = int(self.workspace.clock() * 1000)
        return {}

    def job_get(self, given: Json) -> Json:
        """A job with its settings."""
        number = number_of(given.get("job_id"), 0)
        if number not in self.workspace.jobs:
            raise self.workspace.missing("Job", number)
        return self.workspace.jobs[number]

    def job_list(self, given: Json) -> Json:
        """Jobs in pages, all or those of one name."""
        name = text_of(given.get("name")).lower()
        found = [
            job
            for job in self.workspace.jobs.values()
            if not name or text_of(object_of(job.get("settings")).get("name")).lower() == name
        ]
        limit, start = min(100, max(1, number_of(given.get("limit"), 20))), page_start(given)
        more = start + limit < len(found)
        frame: Json = {"next_page_token": f"from-{start + limit}"} if more else {}
        return {"jobs": found[start : start + limit], "has_more": more, **frame}

    def job_update(self, given: Json) -> Json:
        """Replace the given top-level settings of a job, and remove others."""
        job = self.job_get(given)
        settings = object_of(job.get("settings"))
        settings |= object_of(given.get("new_settings"))
        for name in list_of(given.get("fields_to_remove")):
            settings.pop(str(name), None)
        job["settings"] = settings
        return {}

    def cluster_get(self, given: Json) -> Json:
        """A cluster; job clusters are gone after a while."""
        name = text_of(given.get("cluster_id"))
        if name not in self.workspace.clusters:
            text = f"Cluster {name} does not exist"
            raise Refusal(400, databricks_refusal(400, text))
        return self.workspace.clusters[name]

    def cluster_events(self, given: Json) -> Json:
        """A cluster's events, newest first unless asked otherwise, in pages by offset."""
        name = text_of(given.get("cluster_id"))
        if name not in self.workspace.cluster_events and name not in self.workspace.clusters:
            raise Refusal(400, databricks_refusal(400, f"Cluster {name} does not exist"))
        events = sorted(self.workspace.cluster_events.get(name, []), key=lambda e: number_of(e.get("timestamp"), 0))
        if text_of(given.get("order"), "DESC") == "DESC":
            events.reverse()
        kinds = list_of(given.get("event_types"))
        events = [event for event in events if not kinds or event.get("type") in kinds]
        limit, start = min(500, max(1, number_of(given.get("limit"), 50))), max(0, number_of(given.get("offset"), 0))
        answer: Json = {"events": events[start : start + limit], "total_count": len(events)}
        if start + limit < len(events):
            answer["next_page"] = {"cluster_id": name, "offset": start + limit, "limit": limit}
        return answer

    async def destinations(self, request: Request) -> Response:
        """List the notification destinations, or add one."""
        self.check_token(request)
        if request.method == "GET":
            return JSONResponse({"results": [shown(entry) for entry in self.workspace.destinations.values()]})
        given = await read_body(request)
        if not text_of(given.get("display_name")) or not object_of(given.get("config")):
            raise Refusal(400, databricks_refusal(400, "display_name and config are required."))
        entry = {"id": str(uuid.uuid4()), "display_name": given["display_name"], "config": given["config"]}
        self.workspace.destinations[entry["id"]] = entry
        return JSONResponse(shown(entry))

    async def destination(self, request: Request) -> Response:
        """Read, change or remove one notification destination."""
        self.check_token(request)
        number = request.path_params["id"]
        entry = self.workspace.destinations.get(number)
        if entry is None:
            raise Refusal(404, databricks_refusal(404, f"Notification destination {number} does not exist."))
        if request.method == "DELETE":
            del self.workspace.destinations[number]
            return JSONResponse({})
        if request.method == "PATCH":
            given = await read_body(request)
            entry |= {name: given[name] for name in ("display_name", "config") if name in given}
        return JSONResponse(shown(entry))

    async def discovery(self, request: Request) -> Response:
        """What databricks-sdk asks of every host when it is constructed."""
        number = str(self.workspace.settings["workspace_id"])
        return JSONResponse({"oidc_endpoint": f"{base_of(request)}/oidc", "workspace_id": number, "cloud": "Azure"})

    async def oidc(self, request: Request) -> Response:
        """Where OAuth tokens are to be had."""
        base = f"{base_of(request)}/oidc"
        return JSONResponse({"authorization_endpoint": f"{base}/v1/authorize", "token_endpoint": f"{base}/v1/token"})

    async def token(self, request: Request) -> Response:
        """An OAuth token for a service principal."""
        grant = form_of(await request.body()).get("grant_type")
        if grant != "client_credentials" or not request.headers.get("authorization", "").startswith("Basic "):
            raise Refusal(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        token = f"sandbox-oauth-{uuid.uuid4().hex}"
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "all-apis"})


def run_number(given: Json) -> int:
    """The run id of a call; 400 without one."""
    number = number_of(given.get("run_id"), -1)
    if number < 0:
        raise Refusal(400, databricks_refusal(400, "Missing required field: run_id"))
    return number


def page_start(given: Json) -> int:
    """Where the page of a token starts."""
    token = text_of(given.get("page_token"))
    place = number_of(token.removeprefix("from-"), -1) if token else 0
    if place < 0:
        raise Refusal(400, databricks_refusal(400, "Invalid page_token."))
    return place


def base_of(request: Request) -> str:
    """The workspace's own address, as the caller reached it."""
    root = "/databricks" if request.url.path.startswith("/databricks") else ""
    return f"{request.url.scheme}://{request.url.netloc}{root}"


def shown(entry: Json) -> Json:
    """A destination as the API shows it: that there are credentials, not which."""
    generic = object_of(object_of(entry.get("config")).get("generic_webhook"))
    config = {"generic_webhook": {f"{name}_set": True for name in ("url", "username", "password") if generic.get(name)}}
    kind = "WEBHOOK" if generic else next(iter(object_of(entry.get("config"))), "WEBHOOK").upper()
    return {"id": entry["id"], "display_name": entry["display_name"], "destination_type": kind, "config": config}


async def read_body(request: Request) -> Json:
    """A JSON object from the body, or nothing where there is no body; 400 for anything else."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        body = parsed(raw)
    except ValueError:
        body = None
    if not is_object(body):
        raise Refusal(400, databricks_refusal(400, "Could not parse request object.", "MALFORMED_REQUEST"))
    return body
