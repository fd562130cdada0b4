"""Whether Jira takes our issues: the account, the project, its issue type and fields, and the way back.

API: https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

from __future__ import annotations

from urllib.parse import quote

from pipesleuth.client import Answer, Client
from pipesleuth.destinations.answers import at, items_at, text_at
from pipesleuth.destinations.jira import Jira
from pipesleuth.destinations.jira_settings import JiraSettings
from pipesleuth.doctor.finding import Case, Chart, Mark
from pipesleuth.model import Notice, Permanent, Retryable, Status

ACCOUNT = "Check JIRA_USER_EMAIL and JIRA_API_TOKEN."
NEEDED = {
    "BROWSE_PROJECTS": ("see", True),
    "CREATE_ISSUES": ("create", True),
    "ADD_COMMENTS": ("comment on", False),
    "TRANSITION_ISSUES": ("move", False),
}
OURS = frozenset({"project", "issuetype", "summary", "description", "labels", "priority"})


async def look(case: Case, chart: Chart) -> None:
    """Whether the account may create what we create in the project, and whether news comes back."""
    settings = JiraSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    if not settings.configured:
        chart.off("ITSM_TOOL is `none`: tickets get no issue.")
        return
    site = _Site(settings)
    try:
        await site.look(chart)
        if case.send_test and not any(finding.mark is Mark.FAULT for finding in chart.findings):
            await site.test(case, chart)
    finally:
        await site.close()


class _Site:
    """A site as our account sees it."""

    def __init__(self, settings: JiraSettings) -> None:
        self._settings = settings
        self._api = f"{settings.base_url}/rest/api/3"
        self._client = Client(settings.vendor)

    async def look(self, chart: Chart) -> None:
        """Look at account, project, type, permissions, fields, priorities and webhook. Raises Retryable, Permanent."""
        settings, key = self._settings, quote(self._settings.jira_project_key, safe="")
        me = await self._get("myself", 403, 404)
        if me.status != 200:
            chart.fault(f"The account is not taken (HTTP {me.status}).", f"{ACCOUNT} Check JIRA_DOMAIN too.")
            return
        chart.ok(f"The account is taken: {text_at(me.json(), 'displayName') or settings.jira_user_email}.")
        project = await self._get(f"project/{key}", 403, 404)
        if project.status != 200:
            seen = f"There is no project {settings.jira_project_key} that the account can see."
            chart.fault(seen, "Correct JIRA_PROJECT_KEY, or let the account browse the project.")
            return
        await self._permissions(chart, key)
        kinds = items_at(project.json(), "issueTypes")
        names = [text_at(kind, "name") for kind in kinds]
        if settings.jira_issue_type not in names:
            chart.fault(
                f"The project has no issue type {settings.jira_issue_type}.",
                f"Set JIRA_ISSUE_TYPE to one of: {', '.join(names)[:200]}.",
            )
        else:
            await self._screen(chart, key, text_at(kinds[names.index(settings.jira_issue_type)], "id"))
        await self._priorities(chart)
        if settings.jira_webhook_secret is None:
            chart.warn(
                "JIRA_WEBHOOK_SECRET is not set: what people do in Jira does not come back.",
                "Set JIRA_WEBHOOK_SECRET, and the same secret in Jira's webhook to /webhook/jira.",
            )
        else:
            chart.ok("Jira's webhook has its secret.")

    async def test(self, case: Case, chart: Chart) -> None:
        """Create an issue as tickets do, and delete it again."""
        now = case.now()
        notice = Notice(
            ticket_id=f"DOCTOR-{now:%Y%m%dT%H%M%S}",
            version=1,
            run_mark=f"doctor-{now:%Y%m%dT%H%M%S}",
            created_at=now,
            status=Status.OPEN,
            fields={
                "pipeline": "pipesleuth-doctor",
                "rca_result": "A test issue of `pipesleuth doctor`.",
                "priority": "P4",
            },
        )
        jira = Jira(self._settings, case.now)
        try:
            receipt = await jira.deliver(notice, None, in_doubt=False)
            gone = await self._client.call(
                "DELETE", f"{self._api}/issue/{quote(receipt.key, safe='')}", accept=(403, 404)
            )
        except (Retryable, Permanent) as error:
            seen, _, hint = error.reason.partition(". ")
            chart.fault(f"The test issue failed: {seen.rstrip('. ')}.", hint or "Run it again in a while.")
            return
        finally:
            await jira.close()
        rest = "and deleted again" if gone.status == 204 else "and may not be deleted by the account; close it by hand"
        left_out = receipt.more.get("left_out")
        if left_out:
            chart.warn(
                f"{receipt.key} was created without {left_out}, {rest}.", "Put these fields on the create screen."
            )
        else:
            chart.ok(f"{receipt.key} was created {rest}.")

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _get(self, path: str, *accept: int, **params: str) -> Answer:
        return await self._client.call("GET", f"{self._api}/{path}", params=params or None, accept=accept)

    async def _permissions(self, chart: Chart, key: str) -> None:
        answer = await self._get("mypermissions", projectKey=key, permissions=",".join(NEEDED))
        held = answer.json_object()
        missing = [name for name in NEEDED if at(held, "permissions", name, "havePermission") is not True]
        for name in missing:
            deed, needed = NEEDED[name]
            tell = chart.fault if needed else chart.warn
            tell(
                f"The account may not {deed} issues in {self._settings.jira_project_key}.",
                f"Give it the permission {name} in the project's permission scheme.",
            )
        if not missing:
            chart.ok(f"The account may create, comment on and move issues in {self._settings.jira_project_key}.")

    async def _screen(self, chart: Chart, key: str, kind: str) -> None:
        """What the create screen demands that we do not give."""
        path = f"issue/createmeta/{key}/issuetypes/{quote(kind, safe='')}"
        answer = await self._get(path, 403, 404, maxResults="200")
        fields = items_at(answer.json(), "fields") if answer.status == 200 else []
        given = OURS | self._settings.jira_fields.keys()
        demanded = [
            text_at(field, "fieldId")
            for field in fields
            if at(field, "required") is True and at(field, "hasDefaultValue") is not True
        ]
        wanting = [name for name in demanded if name not in given]
        kind_name = self._settings.jira_issue_type
        if wanting:
            chart.fault(f"A {kind_name} needs {', '.join(wanting)[:200]}.", "Give a value for each in JIRA_FIELDS.")
        else:
            chart.ok(f"A {kind_name} can be created with what we give.")

    async def _priorities(self, chart: Chart) -> None:
        wanted = set(self._settings.jira_priority_map.values())
        if not wanted:
            return
        known = {text_at(one, "name") for one in items_at((await self._get("priority")).json())}
        unknown = sorted(wanted - known)
        if unknown:
            chart.warn(
                f"Jira has no priority {', '.join(unknown)[:100]}.",
                f"Use in JIRA_PRIORITY_MAP: {', '.join(sorted(known))[:150]}.",
            )
