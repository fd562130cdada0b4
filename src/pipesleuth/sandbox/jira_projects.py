"""Jira's searches and all that a client asks about the site before it creates an issue."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.jira import ROOT, caller, issue_json, read_object
from pipesleuth.sandbox.jira_fields import field_refusal
from pipesleuth.sandbox.jira_issues import ISSUE_TYPES, PRIORITIES, JiraSite
from pipesleuth.sandbox.jql import BadQuery, Query
from pipesleuth.sandbox.wire import Json, Refusal, list_of, number_of, text_of


class JiraProjects:
    """The site's searches, projects, priorities, permissions and create screens."""

    def __init__(self, site: JiraSite) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """The routes that must stand before `/issue/{issue}`."""
        meta = f"{ROOT}/issue/createmeta"
        return [
            Route(f"{ROOT}/search/jql", self.search, methods=["GET", "POST"]),
            Route(f"{ROOT}/search", self.old_search, methods=["GET", "POST"]),
            Route(f"{ROOT}/myself", self.myself, methods=["GET"]),
            Route(f"{ROOT}/mypermissions", self.permissions, methods=["GET"]),
            Route(f"{ROOT}/serverInfo", self.server, methods=["GET"]),
            Route(f"{ROOT}/priority", self.priorities, methods=["GET"]),
            Route(f"{ROOT}/priority/search", self.priority_page, methods=["GET"]),
            Route(f"{ROOT}/project/search", self.projects, methods=["GET"]),
            Route(f"{ROOT}/project/{{project}}", self.project, methods=["GET"]),
            Route(f"{ROOT}/project/{{project}}/statuses", self.statuses, methods=["GET"]),
            Route(f"{ROOT}/status", self.status_list, methods=["GET"]),
            Route(f"{meta}/{{project}}/issuetypes", self.types, methods=["GET"]),
            Route(f"{meta}/{{project}}/issuetypes/{{type}}", self.create_screen, methods=["GET"]),
            Route("/jira/browse/{issue}", self.browse, methods=["GET"]),
        ]

    async def search(self, request: Request) -> Response:
        """One page of the issues that the index can see; there is no total."""
        caller(self.site, request)
        if request.method == "POST":
            arguments = await read_object(request)
        else:
            query = request.query_params
            arguments = {**query, "fields": query.get("fields", "id").split(",")}
            arguments["reconcileIssues"] = query.get("reconcileIssues", "").split(",")
        wanted = [text_of(name) for name in list_of(arguments.get("fields"))] or ["id"]
        try:
            query_read = Query(text_of(arguments.get("jql")), self.site.clock())
        except (BadQuery, RecursionError) as error:
            raise field_refusal({}, [str(error)]) from None
        fresh = {str(entry) for entry in list_of(arguments.get("reconcileIssues"))}
        if len(fresh - {""}) > 50:
            raise field_refusal({}, ["No more than 50 issues can be reconciled."])
        found = self.found(request, query_read, fresh, wanted)
        most = min(max(1, number_of(arguments.get("maxResults"), 50)), 5000 if wanted == ["id"] else 100)
        start = place_of(text_of(arguments.get("nextPageToken")))
        page: Json = {"issues": found[start : start + most], "isLast": start + most >= len(found)}
        if not page["isLast"]:
            page["nextPageToken"] = base64.urlsafe_b64encode(f"from:{start + most}".encode()).decode()
        return JSONResponse(page)

    def found(self, request: Request, query: Query, fresh: set[str], wanted: list[str]) -> list[Json]:
        """All issues that the query meets, in its order."""
        answers: list[Json] = []
        for issue in self.site.candidates(query):
            seen = (issue.key, issue.fields) if issue.id in fresh else self.site.indexed(issue)
            if seen is None or not query.meets(issue.id, *seen):
                continue
            only_ids = wanted == ["id"]
            answers.append({"id": issue.id} if only_ids else issue_json(request, issue, *seen, wanted))
        return answers[::-1] if query.newest_first else answers

    async def old_search(self, request: Request) -> Response:
        """410: the search with totals was removed in 2025."""
        caller(self.site, request)
        text = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
        raise Refusal(410, {"errorMessages": [text], "errors": {}})

    async def myself(self, request: Request) -> Response:
        """The caller's own account."""
        return JSONResponse({"active": True, "accountType": "atlassian", **caller(self.site, request)})

    async def permissions(self, request: Request) -> Response:
        """Which of the asked permissions the caller has."""
        caller(self.site, request)
        asked = [name for name in request.query_params.get("permissions", "").split(",") if name]
        if not asked:
            raise field_refusal({}, ["The 'permissions' query parameter is required."])
        closed = request.query_params.get("projectKey") in list_of(self.site.settings["forbidden"])
        have: Json = {
            name: {"key": name, "name": name, "havePermission": not (closed and name == "CREATE_ISSUES")}
            for name in asked
        }
        return JSONResponse({"permissions": have})

    async def server(self, request: Request) -> Response:
        """What runs here, and what time it has."""
        caller(self.site, request)
        time = self.site.now_text()
        return JSONResponse({"baseUrl": str(request.base_url), "deploymentType": "Cloud", "serverTime": time})

    async def priorities(self, request: Request) -> Response:
        """All priorities, highest first."""
        caller(self.site, request)
        return JSONResponse(priority_list())

    async def priority_page(self, request: Request) -> Response:
        """The same in a page."""
        caller(self.site, request)
        return JSONResponse(one_page(priority_list(), "values"))

    async def projects(self, request: Request) -> Response:
        """All projects in one page."""
        caller(self.site, request)
        return JSONResponse(one_page(list(self.site.projects.values()), "values"))

    async def project(self, request: Request) -> Response:
        """One project with its issue types."""
        return JSONResponse({**self.named_project(request), "issueTypes": type_list()})

    def named_project(self, request: Request) -> Json:
        """The project of the path; 404."""
        caller(self.site, request)
        name = request.path_params["project"]
        found = self.site.project({"key": name.upper()}) or self.site.project({"id": name})
        if found is None:
            raise Refusal(404, {"errorMessages": [f"No project could be found with key '{name}'."], "errors": {}})
        return found

    async def statuses(self, request: Request) -> Response:
        """The statuses of each issue type."""
        self.named_project(request)
        statuses = [self.site.status(step) for step in self.site.workflow()]
        return JSONResponse([{**kind, "statuses": statuses} for kind in type_list()])

    async def status_list(self, request: Request) -> Response:
        """All statuses of the site."""
        caller(self.site, request)
        return JSONResponse([self.site.status(step) for step in self.site.workflow()])

    async def types(self, request: Request) -> Response:
        """The issue types that can be created in a project."""
        self.named_project(request)
        return JSONResponse(one_page(type_list(), "issueTypes"))

    async def create_screen(self, request: Request) -> Response:
        """The fields of the create screen."""
        self.named_project(request)
        if request.path_params["type"] not in ISSUE_TYPES:
            raise Refusal(404, {"errorMessages": ["Issue type not found."], "errors": {}})
        required = {"project", "issuetype", "summary", *list_of(self.site.settings["required"])}
        names = [*sorted(required), *(name for name in list_of(self.site.settings["screen"]) if name not in required)]
        fields: list[Json] = [
            {
                "fieldId": name, "key": name, "name": name.capitalize(), "required": name in required,
                "hasDefaultValue": name == "priority", "operations": ["set"],
                **({"allowedValues": priority_list()} if name == "priority" else {}),
            }
            for name in names
        ]  # fmt: skip
        return JSONResponse(one_page(fields, "fields"))

    async def browse(self, request: Request) -> Response:
        """The page of an issue for people: the sandbox's own board."""
        return RedirectResponse(f"/#jira/{self.site.find(request.path_params['issue']).key}", 302)


def place_of(token: str) -> int:
    """Where the page of a token starts; 400 for a token we did not give."""
    if not token:
        return 0
    try:
        place = base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        place = ""
    if not place.startswith("from:"):
        raise field_refusal({}, ["The nextPageToken is invalid."])
    return max(0, number_of(place.removeprefix("from:"), 0))


def priority_list() -> list[Json]:
    """The priorities with their ids."""
    return [{"id": str(number), "name": name} for number, name in enumerate(PRIORITIES, 1)]


def type_list() -> list[Json]:
    """The issue types with their ids."""
    return [{"id": number, "name": name, "subtask": False} for number, name in ISSUE_TYPES.items()]


def one_page(entries: list[Json], name: str) -> Json:
    """All entries in Jira's page form."""
    return {"startAt": 0, "maxResults": max(50, len(entries)), "total": len(entries), "isLast": True, name: entries}
