"""A Jira Cloud site: the REST API, version 3, as far as a ticketing client goes.

Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.documents import document_fault
from pipesleuth.sandbox.jira_fields import checked_fields, checked_properties, field_refusal, over_limit
from pipesleuth.sandbox.jira_issues import Issue, JiraSite, change
from pipesleuth.sandbox.wire import Json, Refusal, is_object, list_of, number_of, object_of, objects_of, parsed, text_of

ROOT = "/jira/rest/api/3"
NO_CONTENT = 204


class JiraApi:
    """Issues, transitions, comments and properties below `/jira/rest/api/3`."""

    def __init__(self, site: JiraSite) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """The routes of issues; projects and searches have their own files."""
        issue = f"{ROOT}/issue/{{issue}}"
        return [
            Route(f"{ROOT}/issue", self.create, methods=["POST"]),
            Route(issue, self.read, methods=["GET"]),
            Route(issue, self.edit, methods=["PUT"]),
            Route(issue, self.remove, methods=["DELETE"]),
            Route(f"{issue}/transitions", self.transitions, methods=["GET"]),
            Route(f"{issue}/transitions", self.transition, methods=["POST"]),
            Route(f"{issue}/comment", self.comments, methods=["GET"]),
            Route(f"{issue}/comment", self.comment, methods=["POST"]),
            Route(f"{issue}/properties", self.property_keys, methods=["GET"]),
            Route(f"{issue}/properties/{{key}}", self.property_read, methods=["GET"]),
            Route(f"{issue}/properties/{{key}}", self.property_write, methods=["PUT"]),
            Route(f"{issue}/properties/{{key}}", self.property_remove, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """201 with id and key; the search sees the issue when its lag has passed."""
        user = caller(self.site, request)
        body = await read_object(request)
        fields = checked_fields(self.site, object_of(body.get("fields")), creating=True)
        project = str(object_of(fields["project"])["key"])
        if project in list_of(self.site.settings["forbidden"]):
            raise Refusal(403, {"errorMessages": ["You do not have permission to create issues."], "errors": {}})
        properties = checked_properties(body.get("properties"))
        key = self.site.next_key(project)
        if over_limit(fields):
            raise field_refusal({}, ["CONTENT_LIMIT_EXCEEDED"])
        now = self.site.now_text()
        first = self.site.status(self.site.workflow()[0])
        defaults: Json = {
            "labels": [], "description": None, "priority": {"id": "3", "name": "Medium"}, "assignee": None,
            "resolution": None, "status": first, "created": now, "creator": user, "reporter": user,
        }  # fmt: skip
        number = self.site.next_id()
        issue = Issue(number, key, {**defaults, **fields}, user, self.site.clock(), properties)
        self.site.add(issue, user)
        return JSONResponse({"id": number, "key": key, "self": self_of(request, issue)}, 201)

    async def read(self, request: Request) -> Response:
        """One issue, with the wanted fields and properties."""
        issue = self.issue(request)
        wanted = [name for name in request.query_params.get("fields", "*all").split(",") if name]
        names = [name for name in request.query_params.get("properties", "").split(",") if name]
        shown = issue_json(request, issue, issue.key, self.full(issue), wanted)
        if names:
            every = "*all" in names
            shown["properties"] = {key: value for key, value in issue.properties.items() if every or key in names}
        return JSONResponse(shown)

    def full(self, issue: Issue) -> Json:
        """All fields, comments among them."""
        comments = issue.comments
        frame: Json = {"comments": comments, "total": len(comments), "startAt": 0, "maxResults": len(comments)}
        return {**issue.fields, "comment": frame}

    async def edit(self, request: Request) -> Response:
        """204; a changed field is told to the webhook."""
        user = caller(self.site, request)
        issue = self.issue(request)
        body = await read_object(request)
        given = dict(object_of(body.get("fields")))
        labels = list_of(issue.fields.get("labels"))
        for operation in objects_of(object_of(body.get("update")).get("labels")):
            kept = [label for label in labels if label != operation.get("remove")]
            labels = [*kept, operation["add"]] if "add" in operation and operation["add"] not in kept else kept
            given["labels"] = operation.get("set", labels)
        fields = checked_fields(self.site, given, creating=False)
        if over_limit(fields):
            raise field_refusal({}, ["CONTENT_LIMIT_EXCEEDED"])
        checked = checked_properties(body.get("properties"))
        issue.properties.update(checked)
        items = [change(name, None, None, None, None) for name in fields if fields[name] != issue.fields.get(name)]
        issue.fields.update(fields)
        if items:
            self.site.touch(issue)
            self.site.webhooks.issue_updated(issue.id, issue.key, issue.fields, user, self.site.next_id(), items)
        return Response(status_code=NO_CONTENT)

    async def remove(self, request: Request) -> Response:
        """204, and the webhook says that the issue is gone."""
        self.site.delete(self.issue(request), caller(self.site, request))
        return Response(status_code=NO_CONTENT)

    async def transitions(self, request: Request) -> Response:
        """The ways out of the issue's status; here every column can be reached from every other."""
        self.issue(request)
        entries: list[Json] = [
            {
                "id": step["transition"], "name": step["name"], "to": self.site.status(step), "hasScreen": False,
                "isGlobal": True, "isInitial": False, "isAvailable": True, "isConditional": False, "isLooped": False,
            }
            for step in self.site.workflow()
        ]  # fmt: skip
        return JSONResponse({"expand": "transitions", "transitions": entries})

    async def transition(self, request: Request) -> Response:
        """204; 400 for an unknown transition."""
        user = caller(self.site, request)
        issue = self.issue(request)
        wanted = str(object_of((await read_object(request)).get("transition")).get("id", ""))
        for step in self.site.workflow():
            if step["transition"] == wanted:
                self.site.move_status(issue, step, user)
                return Response(status_code=NO_CONTENT)
        raise field_refusal({}, [f"Transition id '{wanted}' is not valid for this issue."])

    async def comments(self, request: Request) -> Response:
        """The comments, oldest first (newest with `orderBy=-created`), in pages."""
        issue = self.issue(request)
        start = max(0, number_of(request.query_params.get("startAt"), 0))
        most = min(max(0, number_of(request.query_params.get("maxResults"), 50)), 5000)
        backwards = request.query_params.get("orderBy", "").startswith("-")
        found = issue.comments[::-1] if backwards else issue.comments
        page = [self.comment_json(request, issue, entry) for entry in found[start : start + most]]
        return JSONResponse({"startAt": start, "maxResults": most, "total": len(found), "comments": page})

    async def comment(self, request: Request) -> Response:
        """201 with the comment; its body must be a document."""
        user = caller(self.site, request)
        issue = self.issue(request)
        body = (await read_object(request)).get("body")
        reason = document_fault(body)
        if reason or not object_of(body).get("content"):
            raise field_refusal({"comment": "Comment body is not valid!"}, reason=reason or "empty")
        if over_limit({"description": body}):
            raise field_refusal({}, ["CONTENT_LIMIT_EXCEEDED"])
        entry = self.site.comment(issue, object_of(body), user)
        return JSONResponse(self.comment_json(request, issue, entry), 201)

    def comment_json(self, request: Request, issue: Issue, entry: Json) -> Json:
        """A comment with its address."""
        return {"self": f"{self_of(request, issue)}/comment/{entry['id']}", **entry}

    async def property_keys(self, request: Request) -> Response:
        """The keys of the issue's properties."""
        issue = self.issue(request)
        keys = [{"key": key, "self": f"{self_of(request, issue)}/properties/{key}"} for key in issue.properties]
        return JSONResponse({"keys": keys})

    async def property_read(self, request: Request) -> Response:
        """One property."""
        issue = self.issue(request)
        key = request.path_params["key"]
        if key not in issue.properties:
            raise Refusal(404, {"errorMessages": [f"The property '{key}' does not exist."], "errors": {}})
        return JSONResponse({"key": key, "value": issue.properties[key]})

    async def property_write(self, request: Request) -> Response:
        """201 for a new property, 200 for a changed one."""
        issue = self.issue(request)
        key = request.path_params["key"]
        try:
            value = parsed(await request.body())
        except ValueError:
            raise field_refusal({}, ["The property value is no JSON."]) from None
        status = 200 if key in issue.properties else 201
        issue.properties |= checked_properties([{"key": key, "value": value}])
        self.site.version += 1
        return JSONResponse({}, status)

    async def property_remove(self, request: Request) -> Response:
        """204; 404 when it is not there."""
        issue = self.issue(request)
        if issue.properties.pop(request.path_params["key"], None) is None:
            raise Refusal(404, {"errorMessages": ["The property does not exist."], "errors": {}})
        return Response(status_code=NO_CONTENT)

    def issue(self, request: Request) -> Issue:
        """The issue of the path, for a caller who may ask."""
        caller(self.site, request)
        return self.site.find(request.path_params["issue"])


def caller(site: JiraSite, request: Request) -> Json:
    """The user of a Basic header (e-mail and API token); 401 in Jira's own form."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    try:
        email, _, token = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        email = token = ""
    accounts = object_of(site.settings["accounts"])
    right = accounts.get(email) == token if accounts else "@" in email and bool(token)
    if scheme.lower() != "basic" or not right:
        text = "Client must be authenticated to access this resource."
        headers = {"www-authenticate": 'OAuth realm="https%3A%2F%2Fsandbox.atlassian.net"'}
        raise Refusal(401, {"errorMessages": [text], "errors": {}}, headers)
    return site.user(email)


async def read_object(request: Request) -> Json:
    """A JSON object from the body; 415 and 400 in Jira's form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, {"errorMessages": ["Unsupported Media Type"], "errors": {}})
    try:
        body = parsed(await request.body())
    except ValueError:
        body = None
    if not is_object(body):
        raise field_refusal({}, ["There was an error parsing JSON. Check that your request body is valid."])
    return body


def self_of(request: Request, issue: Issue) -> str:
    """An issue's own address in the API."""
    return f"{request.url.scheme}://{request.url.netloc}{ROOT}/issue/{issue.id}"


def issue_json(request: Request, issue: Issue, key: str, fields: Json, wanted: list[str]) -> Json:
    """An issue with the wanted fields, as reads and searches show it."""
    every = bool({"*all", "*navigable"} & set(wanted))
    left_out = {name.removeprefix("-") for name in wanted if name.startswith("-")}
    shown = {name: value for name, value in fields.items() if (every or name in wanted) and name not in left_out}
    return {"id": issue.id, "key": text_of(key), "self": self_of(request, issue), "fields": shown}
