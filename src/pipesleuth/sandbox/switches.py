"""The switches for tests and demos: faults, platform data, failures, and all that was remembered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.faults import KINDS, SERVICES
from pipesleuth.sandbox.incidents import Incidents
from pipesleuth.sandbox.wire import Json, Refusal, is_object, number_of, object_of, parsed, seconds_of
from pipesleuth.sandbox.world import World

GENERATED_AT_ONCE = 5000


class Switches:
    """Everything below a path that begins with an underscore, the pages' own data apart."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        """Faults, calls, state, generated failures, reset."""
        return [
            Route("/_faults", self.faults, methods=["GET", "PUT", "POST", "DELETE"]),
            Route("/_calls", self.calls, methods=["GET", "DELETE"]),
            Route("/_state/{service}", self.state, methods=["GET", "PUT"]),
            Route("/_generate/{service}", self.generate, methods=["POST"]),
            Route("/_environment", self.environment, methods=["GET"]),
            Route("/_reset", self.reset, methods=["POST"]),
        ]

    async def faults(self, request: Request) -> Response:
        """PUT replaces the list of faults, GET shows it with its hits, DELETE empties it."""
        plan = self.world.faults
        if request.method in {"PUT", "POST"}:
            plan.put(await read_json(request))
        elif request.method == "DELETE":
            plan.clear()
        body: Json = {"faults": [fault.seen() for fault in plan.faults], "kinds": KINDS, "services": SERVICES}
        return JSONResponse(body)

    async def calls(self, request: Request) -> Response:
        """The requests newer than `since`, of one `service` and one part of the `path`; secrets masked."""
        journal = self.world.journal
        if request.method == "DELETE":
            journal.reset()
        query = request.query_params
        service = {"data_factory": "azure"}.get(query.get("service", ""), query.get("service", ""))
        found = journal.since(number_of(query.get("since"), 0), service, query.get("path"))
        return JSONResponse({"calls": [call.seen() for call in found], "last": journal.last})

    async def state(self, request: Request) -> Response:
        """PUT adds data and changes settings of one stand-in, GET shows what it has."""
        service = request.path_params["service"]
        empty: Json = {}
        given = await read_json(request) if request.method == "PUT" else empty
        if not is_object(given):
            raise Refusal(400, {"detail": "a JSON object is wanted"})
        world = self.world
        match service:
            case "slack":
                world.slack.put(given)
                shown = {**without_secrets(world.slack.settings), "channels": list(world.slack.channels.values())}
            case "jira":
                world.jira.put(given)
                shown = {**without_secrets(world.jira.settings), "projects": list(world.jira.projects)}
                shown["webhook"] = {name: v for name, v in world.jira.webhooks.seen().items() if name != "deliveries"}
            case "gemini":
                world.gemini.put(given)
                shown = world.gemini.seen()
            case "databricks":
                world.databricks.put(given)
                shown = world.databricks.seen()
            case "data_factory" | "azure":
                world.data_factory.put(given)
                shown = world.data_factory.seen()
            case "airflow":
                world.airflow.put(given)
                shown = world.airflow.seen()
            case "teams":
                world.teams.put(given)
                shown = {**world.teams.settings, "refused": world.teams.refused}
            case _:
                raise Refusal(404, {"detail": "slack, jira, gemini, databricks, data_factory, airflow or teams"})
        return JSONResponse(shown)

    async def generate(self, request: Request) -> Response:
        """Fail `count` runs on a platform, ended within the last `spread_seconds`; returns ids and webhooks."""
        given = object_of(await read_json(request))
        count = number_of(given.get("count"), 1)
        if not 1 <= count <= GENERATED_AT_ONCE:
            raise Refusal(400, {"detail": f"count must be from 1 to {GENERATED_AT_ONCE}"})
        spread = seconds_of(given.get("spread_seconds"), 0.0)
        incidents = Incidents(given.get("seed", self.world.journal.clock()), self.world.clock())
        lines: list[Json] = []
        for _ in range(count):
            match request.path_params["service"]:
                case "databricks":
                    state, line = incidents.job_run(spread)
                    self.world.databricks.put(state)
                case "data_factory":
                    state, line = incidents.pipeline_run(spread)
                    self.world.data_factory.put(state)
                case _:
                    raise Refusal(404, {"detail": "databricks or data_factory"})
            lines.append(line)
        return JSONResponse({"runs": lines})

    async def environment(self, request: Request) -> Response:
        """The settings that point Pipesleuth at these stand-ins."""
        base = f"{request.url.scheme}://{request.url.netloc}"
        return JSONResponse(self.world.environment(base))

    async def reset(self, _request: Request) -> Response:
        """Forget everything."""
        self.world.reset()
        return JSONResponse({"ok": True})


def without_secrets(settings: Json) -> Json:
    """Settings without the credentials among them."""
    return {name: value for name, value in settings.items() if name not in {"tokens", "accounts"}}


async def read_json(request: Request) -> object:
    """A JSON body, or an empty object where there is none; 400."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        return parsed(raw)
    except ValueError:
        raise Refusal(400, {"detail": "the body is no JSON"}) from None
