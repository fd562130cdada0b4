"""The pages for people: a Slack channel as people see it and a Jira board that can be worked on."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.documents import document_fault
from pipesleuth.sandbox.jira_issues import PERSON, Issue
from pipesleuth.sandbox.teams import seen
from pipesleuth.sandbox.wire import Json, Refusal, number_of, object_of, parsed, text_of
from pipesleuth.sandbox.world import World

STATIC = Path(__file__).parent / "static"
KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Pages:
    """The page at `/`, its files, and the data it polls."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        """Page, files, data, and what a person can do on the board."""
        issue = "/_jira/issues/{issue}"
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/static/{name}", self.file, methods=["GET"]),
            Route("/_pulse", self.pulse, methods=["GET"]),
            Route("/_slack/messages", self.messages, methods=["GET"]),
            Route("/_teams/posts", self.posts, methods=["GET"]),
            Route("/_jira/issues", self.issues, methods=["GET"]),
            Route("/_jira/webhooks", self.webhooks, methods=["GET"]),
            Route(issue, self.delete, methods=["DELETE"]),
            Route(f"{issue}/status", self.status, methods=["POST"]),
            Route(f"{issue}/comment", self.comment, methods=["POST"]),
            Route(f"{issue}/move", self.move, methods=["POST"]),
        ]

    async def page(self, _request: Request) -> Response:
        """The one page."""
        return FileResponse(STATIC / "index.html", headers=HEADERS)

    async def file(self, request: Request) -> Response:
        """A script, style or picture by its plain name."""
        path = STATIC / Path(request.path_params["name"]).name
        if path.suffix not in KINDS or not path.is_file():
            return Response("not found", 404)
        return FileResponse(path, headers=HEADERS, media_type=KINDS[path.suffix])

    async def pulse(self, _request: Request) -> Response:
        """Numbers that change when there is something new to see."""
        deliveries = self.world.jira.webhooks.deliveries
        attempts = sum(len(delivery.statuses) for delivery in deliveries)
        epoch = id(self.world)
        world = self.world
        pulse: Json = {"slack": world.slack.version, "jira": world.jira.version, "teams": world.teams.version}
        pulse["webhooks"] = attempts
        return JSONResponse({**pulse, "epoch": epoch})

    async def messages(self, request: Request) -> Response:
        """All channels, and their messages with threads, edits and metadata, oldest first.

        `channel` picks one by id or name, `limit` the newest messages.
        """
        team = self.world.slack
        channel = request.query_params.get("channel")
        limit = number_of(request.query_params.get("limit"), len(team.messages))
        shown: list[Json] = []
        for message in team.messages[max(0, len(team.messages) - limit) :]:
            if channel and channel not in (message.channel, team.channels.get(message.channel, {}).get("name")):
                continue
            entry = message.shown([], with_metadata=True)
            name = team.channels.get(message.channel, {}).get("name", message.channel)
            more: Json = {"channel": message.channel, "channel_name": name, "edits": message.edits}
            shown.append({**entry, **more, "is_reply": message.is_reply})
        return JSONResponse({"channels": list(team.channels.values()), "messages": shown, "version": team.version})

    async def posts(self, request: Request) -> Response:
        """The cards in all Teams channels, oldest first, and what Teams would not show; `limit` picks the newest."""
        tenant = self.world.teams
        limit = number_of(request.query_params.get("limit"), len(tenant.posts))
        shown = [seen(post) for post in tenant.posts[max(0, len(tenant.posts) - limit) :]]
        channels = sorted(set(object_of(tenant.settings["workflows"]).values()))
        return JSONResponse({"channels": channels, "posts": shown, "refused": tenant.refused})

    async def issues(self, request: Request) -> Response:
        """The board: its columns, and every issue as it really is, whatever a search can see.

        `limit` picks the newest issues.
        """
        site = self.world.jira
        columns = [{**site.status(step), "transition": step["transition"]} for step in site.workflow()]
        every = list(site.issues.values())
        limit = number_of(request.query_params.get("limit"), len(every))
        issues = [issue_shown(issue) for issue in every[max(0, len(every) - limit) :]]
        return JSONResponse({
            "projects": list(site.projects.values()), "columns": columns, "issues": issues, "version": site.version,
        })  # fmt: skip

    async def webhooks(self, _request: Request) -> Response:
        """Where Jira's events go, and what became of each."""
        return JSONResponse(self.world.jira.webhooks.seen())

    async def status(self, request: Request) -> Response:
        """A person moves a card to another column: `{"status": id or name, "user"?: name}`."""
        issue, given, user = await self.deed(request)
        wanted = text_of(given.get("status")).lower()
        for step in self.world.jira.workflow():
            if wanted in (str(step["id"]), str(step["name"]).lower()):
                if object_of(issue.fields["status"]).get("id") != step["id"]:
                    self.world.jira.move_status(issue, step, user)
                return JSONResponse(issue_shown(issue))
        raise Refusal(400, {"detail": "no such column"})

    async def comment(self, request: Request) -> Response:
        """A person writes a comment: `{"text": …}`, or a whole document as `body`."""
        issue, given, user = await self.deed(request)
        text = text_of(given.get("text")).strip()
        line: Json = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
        body = object_of(given.get("body")) or {"type": "doc", "version": 1, "content": [line]}
        if fault := document_fault(body):
            raise Refusal(400, {"detail": fault})
        return JSONResponse(self.world.jira.comment(issue, body, user), 201)

    async def move(self, request: Request) -> Response:
        """A person moves an issue to another project: `{"project": key}`; it gets a new key."""
        issue, given, user = await self.deed(request)
        project = self.world.jira.project({"key": given.get("project")})
        if project is None:
            raise Refusal(400, {"detail": "no such project"})
        self.world.jira.move_project(issue, project, user)
        return JSONResponse(issue_shown(issue))

    async def delete(self, request: Request) -> Response:
        """A person deletes an issue."""
        issue, _, user = await self.deed(request)
        self.world.jira.delete(issue, user)
        return JSONResponse({"ok": True})

    async def deed(self, request: Request) -> tuple[Issue, Json, Json]:
        """The issue, the body and the person of something done on the board.

        Only JSON is read, so that no other site's form can do it in a visitor's browser.
        """
        raw = await request.body()
        if raw and not request.headers.get("content-type", "").startswith("application/json"):
            raise Refusal(415, {"detail": "application/json is wanted"})
        try:
            given = object_of(parsed(raw)) if raw else {}
        except ValueError:
            raise Refusal(400, {"detail": "the body is no JSON"}) from None
        name = text_of(given.get("user"))
        user = {**PERSON, "displayName": name, "accountId": f"712020:{name.lower()}"} if name else dict(PERSON)
        return self.world.jira.find(request.path_params["issue"]), given, user


def issue_shown(issue: Issue) -> Json:
    """An issue as the board and the tests see it."""
    return {
        "id": issue.id, "key": issue.key, "old_keys": issue.old_keys, "fields": issue.fields,
        "properties": issue.properties, "comments": issue.comments,
    }  # fmt: skip
