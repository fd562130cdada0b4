"""A Jira site's memory: projects, workflow, issues, comments, and what a search can already see of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipesleuth.sandbox.jira_index import JiraIndex
from pipesleuth.sandbox.jira_webhooks import WebhookSender
from pipesleuth.sandbox.jql import Query
from pipesleuth.sandbox.wire import Json, Refusal, list_of, object_of, seconds_of, text_of

CATEGORIES: dict[str, Json] = {
    "new": {"id": 2, "key": "new", "colorName": "blue-gray", "name": "To Do"},
    "indeterminate": {"id": 4, "key": "indeterminate", "colorName": "yellow", "name": "In Progress"},
    "done": {"id": 3, "key": "done", "colorName": "green", "name": "Done"},
}
WORKFLOW: tuple[Json, ...] = (
    {"transition": "11", "id": "10000", "name": "To Do", "category": "new"},
    {"transition": "21", "id": "3", "name": "In Progress", "category": "indeterminate"},
    {"transition": "25", "id": "10001", "name": "In Review", "category": "indeterminate"},
    {"transition": "31", "id": "10002", "name": "Done", "category": "done"},
)
PRIORITIES = ("Highest", "High", "Medium", "Low", "Lowest")
ISSUE_TYPES = {"10001": "Task", "10004": "Bug", "10005": "Incident"}
SCREEN = ("summary", "description", "labels", "priority", "assignee", "reporter", "duedate", "components")
PERSON: Json = {"accountId": "712020:sandbox-dana", "displayName": "Dana Ng", "timeZone": "Europe/Berlin"}


@dataclass(slots=True)
class Issue:
    """One issue; `fields` are as the API shows them, `seen` what the search index knows since when."""

    id: str
    key: str
    fields: Json
    creator: Json
    created_at: float
    properties: Json = field(default_factory=dict[str, object])
    comments: list[Json] = field(default_factory=list[Json])
    old_keys: list[str] = field(default_factory=list[str])
    seen: list[tuple[float, str, Json]] = field(default_factory=list[tuple[float, str, Json]])


class JiraSite:
    """What the site knows; `settings` holds what tests may change.

    Settings: `accounts` ({email: token}; empty takes any), `search_lag_seconds`, `screen` (fields that can
    be set), `required` (further fields that must be), `workflow`, `forbidden` (projects without Create).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.version = 0
        self.webhooks = WebhookSender(clock)
        self.first_projects: tuple[str, ...] = ("OPS", "DATA")
        self.first_lag = 0.0
        self.reset()

    def reset(self) -> None:
        """An empty site with its projects and the four columns."""
        self.settings: Json = {
            "accounts": {},
            "search_lag_seconds": self.first_lag,
            "screen": list(SCREEN),
            "required": [],
            "workflow": list(WORKFLOW),
            "forbidden": [],
        }
        self.projects: dict[str, Json] = {}
        self.add_projects(self.first_projects)
        self.issues: dict[str, Issue] = {}
        self._keys: dict[str, str] = {}
        self._index = JiraIndex()
        self.numbers: dict[str, int] = {}
        self.last_id = 10_000
        self.webhooks.reset()
        self.version += 1

    def put(self, state: Json) -> None:
        """Change settings; `projects` replaces the projects, `webhook` sets where events go."""
        for name, value in state.items():
            if name == "projects":
                self.projects = {}
                self.add_projects(tuple(str(key) for key in list_of(value)))
            elif name == "webhook":
                self.webhooks.put(object_of(value))
            elif name == "workflow" and not sound_workflow(value):
                detail = "workflow: a list of {transition, id, name, category: new|indeterminate|done} is wanted"
                raise Refusal(400, {"detail": detail})
            else:
                self.settings[name] = value
        self.version += 1

    def add_projects(self, keys: tuple[str, ...]) -> None:
        """Projects by their keys."""
        names = {"OPS": "Operations", "DATA": "Data Platform"}
        for key in keys:
            number = str(10_000 + len(self.projects))
            self.projects[key] = {"id": number, "key": key, "name": names.get(key, key), "projectTypeKey": "software"}

    def next_id(self) -> str:
        """An id never given before, for issues, comments and change logs."""
        self.last_id += 1
        return str(self.last_id)

    def next_key(self, project: str) -> str:
        """The project's next issue key; a failed create may burn one."""
        self.numbers[project] = self.numbers.get(project, 0) + 1
        return f"{project}-{self.numbers[project]}"

    def now_text(self) -> str:
        """The present moment as Jira writes it."""
        return jira_time(self.clock())

    def user(self, email: str) -> Json:
        """The account behind an e-mail address."""
        name = email.partition("@")[0].replace(".", " ").title()
        number = hashlib.sha256(email.lower().encode()).hexdigest()[:24]
        return {"accountId": f"712020:{number}", "displayName": name, "emailAddress": email, "timeZone": "Etc/UTC"}

    def find(self, name: str) -> Issue:
        """The issue of an id, key or former key; 404."""
        wanted = name.upper()
        issue = self.issues.get(self._keys.get(wanted, wanted))
        if issue is None:
            raise no_issue()
        return issue

    def add(self, issue: Issue, user: Json) -> None:
        """Take a new issue in and tell the webhook."""
        self.issues[issue.id] = issue
        self.touch(issue)
        self.webhooks.issue_created(issue.id, issue.key, issue.fields, user)

    def candidates(self, query: Query) -> Iterable[Issue]:
        """The issues among which all are that the query means, oldest first."""
        numbers = self._index.candidates(query)
        if numbers is None:
            return self.issues.values()
        return [self.issues[number] for number in numbers if number in self.issues]

    def project(self, wanted: object) -> Json | None:
        """The project that an issue's `project` field names by key or id."""
        entry = object_of(wanted)
        for project in self.projects.values():
            if entry.get("key") == project["key"] or str(entry.get("id", "")) == project["id"]:
                return project
        return None

    def status(self, transition: Json) -> Json:
        """A status as fields and transitions show it."""
        category = CATEGORIES.get(text_of(transition.get("category")), CATEGORIES["new"])
        return {"id": transition["id"], "name": transition["name"], "statusCategory": dict(category)}

    def workflow(self) -> list[Json]:
        """The transitions, each to its status; all are possible from everywhere."""
        return [object_of(entry) for entry in list_of(self.settings["workflow"])]

    def touch(self, issue: Issue) -> None:
        """Note a change: the index will see it when the lag has passed."""
        now = self.clock()
        issue.fields["updated"] = jira_time(now)
        self._keys[issue.key] = issue.id
        self._index.note(issue.id, issue.fields)
        issue.seen.append((now, issue.key, dict(issue.fields)))  # a field's value is replaced, never changed
        lag = seconds_of(self.settings["search_lag_seconds"], 0)
        while len(issue.seen) > 1 and issue.seen[1][0] <= now - lag:
            issue.seen.pop(0)
        self.version += 1

    def indexed(self, issue: Issue) -> tuple[str, Json] | None:
        """Key and fields of the issue as the search sees them now; None while it sees nothing."""
        horizon = self.clock() - seconds_of(self.settings["search_lag_seconds"], 0)
        visible = [(key, fields) for moment, key, fields in issue.seen if moment <= horizon]
        return visible[-1] if visible else None

    def move_status(self, issue: Issue, transition: Json, user: Json) -> None:
        """Change an issue's status and tell the webhook."""
        before = object_of(issue.fields["status"])
        after = self.status(transition)
        items = [change("status", before.get("id"), before.get("name"), after["id"], after["name"])]
        done = after["statusCategory"]["key"] == "done"
        old = object_of(issue.fields.get("resolution"))
        if done != bool(old):
            new: Json | None = {"id": "10000", "name": "Done"} if done else None
            issue.fields["resolution"] = new
            issue.fields["resolutiondate"] = self.now_text() if done else None
            items.insert(
                0, change("resolution", old.get("id"), old.get("name"), *(("10000", "Done") if done else (None, None)))
            )
        issue.fields["status"] = after
        self.touch(issue)
        self.webhooks.issue_updated(issue.id, issue.key, issue.fields, user, self.next_id(), items)

    def move_project(self, issue: Issue, project: Json, user: Json) -> None:
        """Give an issue a key in another project; the old one still finds it."""
        before = issue.key
        old = object_of(issue.fields["project"])
        issue.old_keys.append(before)
        issue.key = self.next_key(str(project["key"]))
        issue.fields["project"] = dict(project)
        self.touch(issue)
        items = [
            change("project", old.get("id"), old.get("name"), project["id"], project["name"]),
            change("Key", None, before, None, issue.key),
        ]
        self.webhooks.issue_updated(issue.id, issue.key, issue.fields, user, self.next_id(), items)

    def delete(self, issue: Issue, user: Json) -> None:
        """Take an issue away and tell the webhook."""
        del self.issues[issue.id]
        self.version += 1
        self.webhooks.issue_deleted(issue.id, issue.key, issue.fields, user)

    def comment(self, issue: Issue, body: Json, user: Json) -> Json:
        """Add a comment and tell the webhook."""
        now = self.now_text()
        entry: Json = {
            "id": self.next_id(), "author": user, "updateAuthor": user, "body": body,
            "created": now, "updated": now, "jsdPublic": True,
        }  # fmt: skip
        issue.comments.append(entry)
        self.touch(issue)
        self.webhooks.comment_created(issue.id, issue.key, issue.fields, user, entry)
        return entry


def sound_workflow(value: object) -> bool:
    """Whether a workflow has steps, and each all its parts."""
    steps = [object_of(step) for step in list_of(value)]
    parts = ("transition", "id", "name")
    return bool(steps) and all(
        all(isinstance(step.get(part), str) for part in parts) and step.get("category") in CATEGORIES for step in steps
    )


def change(name: str, old: object, old_text: object, new: object, new_text: object) -> Json:
    """One item of a change log."""
    return {
        "field": name, "fieldtype": "jira", "fieldId": name.lower(),
        "from": old, "fromString": old_text, "to": new, "toString": new_text,
    }  # fmt: skip


def jira_time(moment: float) -> str:
    """Epoch seconds as Jira writes a time: milliseconds, and an offset without a colon."""
    when = datetime.fromtimestamp(moment, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}+0000"


def no_issue() -> Refusal:
    """Jira's 404, the same for issues that are not there and those one may not see."""
    text = "Issue does not exist or you do not have permission to see it."
    return Refusal(404, {"errorMessages": [text], "errors": {}})
