"""Jira Cloud: one issue for each ticket, found again by its mark, told of every news once, moved when we close it.

API: https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from pipesleuth.client import CUT_AFTER, Answer, Client, Limits
from pipesleuth.destinations import jira_document, jira_news
from pipesleuth.destinations.answers import at, items_at, names_at, text_at
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.jira_news import secret_valid, signature_valid
from pipesleuth.destinations.jira_settings import JiraSettings
from pipesleuth.model import News, Notice, Permanent, Receipt, Retryable, Status, StatusChange

__all__ = ["Jira", "JiraSettings", "secret_valid", "signature_valid"]

READ_SECONDS = 10.0  # a doubt begins when it ends: with the look for our mark all is told within 25 s
PROPERTY = "pipesleuth.ticket"
OPTIONAL_FIELDS = ("priority", "labels", "description")
# Audit lines that the issue shows anyway, or that come from Jira itself.
UNTOLD = ("Jira", "Slack Sent", "Blob Saved", "Ticket Created")
CATEGORIES: Mapping[Status, str] = {
    Status.OPEN: "new",
    Status.IN_PROGRESS: "indeterminate",
    Status.ACKNOWLEDGED: "done",
}


class Jira:
    """Issues in one project, written by one account."""

    name = "jira"

    def __init__(self, settings: JiraSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._api = f"{settings.base_url}/rest/api/3"
        self._ours = {settings.jira_account_id, settings.jira_user_email.lower()} - {""}
        self._asked_who = bool(settings.jira_account_id)
        self._client = Client(settings.vendor, Limits(read=READ_SECONDS), now=now)

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        """Create the ticket's issue, or tell it the news since the receipt. Raises Retryable or Permanent.

        An issue is moved to another status only where `notice.fields["status_by"]` is `pipesleuth`.
        """
        if receipt is not None and receipt.key and _knows_all(notice, receipt):
            return receipt
        await self.recognise_ourselves()
        if receipt is not None and receipt.key:
            return await self._brought_up_to_date(notice, receipt)
        adopted = await self._find(notice) if in_doubt else None
        if adopted is not None:
            return await self._brought_up_to_date(notice, adopted)
        if notice.status is Status.ACKNOWLEDGED:
            return Receipt(key="")
        return await self._create(notice)

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """The issue's status after a webhook whose secret or signature was checked; None when it is not for us."""
        ours = frozenset(self._ours) if self._settings.jira_ignore_own_changes else frozenset[str]()
        return jira_news.read(request, ours=ours)

    async def recognise_ourselves(self) -> None:
        """Learn our own account id, once, so that our own changes can be told from other people's."""
        if self._asked_who:
            return
        answer = await self._client.call("GET", f"{self._api}/myself", accept={403, 404})
        if answer.status == 200:
            self._ours |= {text_at(answer.json(), "accountId")} - {""}
        self._asked_who = True

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()

    # --- the issue ---

    async def _create(self, notice: Notice) -> Receipt:
        fields = self._fields(notice)
        body: dict[str, Any] = {"fields": fields, "properties": [_property(notice)]}
        left_out: list[str] = []
        for _ in range(len(OPTIONAL_FIELDS) + 3):
            answer = await self._client.call("POST", f"{self._api}/issue", json=body, accept={400, 403, 404})
            if answer.status < 300:
                return self._first_receipt(answer, notice, body, left_out)
            refused = self._refused(answer, body)
            if not refused:
                raise self._create_refusal(answer)
            if "CONTENT_LIMIT_EXCEEDED" in refused:
                fields["description"] = jira_document.description(notice, short=True)
            left_out += [name for name in refused if fields.pop(name, body.pop(name, None)) is not None]
        raise Permanent("Jira went on refusing the issue, whatever was left out of it")

    def _fields(self, notice: Notice) -> dict[str, Any]:
        settings = self._settings
        fields: dict[str, Any] = {
            **settings.jira_fields,
            "project": {"key": settings.jira_project_key},
            "issuetype": {"name": settings.jira_issue_type},
            "summary": jira_document.summary(notice),
            "description": jira_document.description(notice),
            "labels": [notice.run_mark, notice.ticket_id],
        }
        priority = settings.jira_priority_map.get((notice.fields.get("priority") or "").upper())
        return fields | ({"priority": {"name": priority}} if priority else {})

    def _refused(self, answer: Answer, body: Mapping[str, Any]) -> list[str]:
        """What may be left out or shortened of a create that was refused with 400."""
        if answer.status != 400:
            return []
        problems = _problems(answer)
        wrong = names_at(problems, "errors")
        refused = [name for name in wrong if name in OPTIONAL_FIELDS and name in body["fields"]]
        if "properties" in wrong and "properties" in body:
            refused.append("properties")
        too_long = "CONTENT_LIMIT_EXCEEDED" in items_at(problems, "errorMessages")
        shortened = jira_document.size(body["fields"].get("description") or {}) < jira_document.SHORT_DOCUMENT
        return refused or (["CONTENT_LIMIT_EXCEEDED"] if too_long and not shortened else [])

    def _create_refusal(self, answer: Answer) -> Permanent:
        project = self._settings.jira_project_key
        if answer.status == 403:
            refusal = self._client.refusal(answer, f"Let the account create issues in {project}, then retry")
        elif answer.status == 404:
            refusal = self._client.refusal(answer, "Check JIRA_DOMAIN, then retry")
        else:
            hint = "Check JIRA_PROJECT_KEY, JIRA_ISSUE_TYPE and JIRA_FIELDS, then retry"
            refusal = self._client.refusal(answer, hint)
        names = set(names_at(_problems(answer), "errors"))
        of_this_ticket = bool(names) and names <= {"summary", *OPTIONAL_FIELDS}
        return Permanent(refusal.reason, everyone=not of_this_ticket)

    def _first_receipt(self, answer: Answer, notice: Notice, body: Mapping[str, Any], left_out: list[str]) -> Receipt:
        issue = answer.json_object()
        key, identity = text_at(issue, "key"), text_at(issue, "id")
        if not key:
            raise Retryable("Jira's answer to the create names no issue", in_doubt=True)
        more = {"issue_id": identity, "bytes": str(len(json.dumps(body)))}
        if left_out:
            more["left_out"] = ", ".join(left_out)
        newest = _newest(notice)
        return Receipt(key=key, url=self._link(key), told_digest=_told(notice, newest), told_audit_id=newest, more=more)

    def _link(self, key: str) -> str:
        return f"{self._settings.site_url}/browse/{quote(key, safe='')}"

    async def _find(self, notice: Notice) -> Receipt | None:
        """The issue that carries the run's mark: as label, else in its text where the screen has no labels."""
        mark = notice.run_mark
        for query, where in ((f'labels = "{mark}"', "labels"), (f'text ~ "{mark}"', "description")):
            answer = await self._client.call(
                "GET",
                f"{self._api}/search/jql",
                params={"jql": query, "fields": "labels,description,created", "maxResults": "20"},
                accept={400} if where == "description" else (),
            )
            found = [] if answer.status == 400 else items_at(answer.json_object(), "issues")
            ours = [issue for issue in found if _carries(issue, notice, where)]
            if ours:
                return self._adopted(min(ours, key=lambda issue: text_at(issue, "id").zfill(30)), notice)
        return None

    def _adopted(self, issue: object, notice: Notice) -> Receipt:
        """A receipt for an issue that an earlier try made: what happened before its creation stands in it."""
        key = text_at(issue, "key")
        try:
            created = datetime.fromisoformat(text_at(issue, "fields", "created")).astimezone(UTC)
        except ValueError:
            created = notice.created_at
        # The try that made it had read the ticket up to one cut-off call earlier.
        told = [news.audit_id for news in notice.news if news.at <= created - timedelta(seconds=CUT_AFTER)]
        more = {"issue_id": text_at(issue, "id")}
        return Receipt(key=key, url=self._link(key), told_audit_id=max(told, default=0), more=more)

    # --- its news ---

    async def _brought_up_to_date(self, notice: Notice, receipt: Receipt) -> Receipt:
        issue = f"{self._api}/issue/{quote(receipt.more.get('issue_id') or receipt.key, safe='')}"
        sent = 0
        news = _to_tell(notice, receipt)
        if news:
            # Always looked at first: a process that died after a comment left no other trace of it.
            there = await self._told_already(issue)
            for line in news:
                if line.audit_id not in there:
                    body = {"body": jira_document.comment(line)}
                    await self._call_issue("POST", f"{issue}/comment", json=body)
                    sent += len(json.dumps(body))
        wanted = _move_to_make(notice, receipt)
        if wanted:
            await self._move(issue, wanted)
        more = {**receipt.more, "bytes": str(sent)} | ({"moved": wanted} if wanted else {})
        newest = max(_newest(notice), receipt.told_audit_id)
        return replace(receipt, told_digest=_told(notice, newest), told_audit_id=newest, more=more)

    async def _told_already(self, issue: str) -> set[int | None]:
        params = {"orderBy": "-created", "maxResults": "100"}
        answer = await self._call_issue("GET", f"{issue}/comment", params=params)
        comments = items_at(answer.json_object(), "comments")
        return {jira_document.audit_id_of(at(comment, "body")) for comment in comments}

    async def _move(self, issue: str, wanted: str) -> None:
        answer = await self._call_issue("GET", issue, params={"fields": "status"})
        current = at(answer.json_object(), "fields", "status")
        if text_at(current, "statusCategory", "key") != wanted:
            await self._transition(issue, wanted, text_at(current, "name"))

    async def _transition(self, issue: str, wanted: str, now_in: str) -> None:
        answer = await self._call_issue("GET", f"{issue}/transitions")
        open_to_us = [
            one
            for one in items_at(answer.json_object(), "transitions")
            if text_at(one, "to", "statusCategory", "key") == wanted and at(one, "isAvailable") is not False
        ]
        if not open_to_us:
            raise Permanent(f"No transition leads from “{now_in[:60]}” to a status of the category {wanted}")
        # One without a screen asks for nothing more.
        chosen = min(open_to_us, key=lambda one: at(one, "hasScreen") is True)
        body = {"transition": {"id": text_at(chosen, "id")}}
        answer = await self._call_issue("POST", f"{issue}/transitions", json=body, accept={409}, creates=False)
        if answer.status == 409:
            raise Retryable("Somebody else is changing the issue at this moment")

    async def _call_issue(self, method: str, url: str, **request: Any) -> Answer:
        accept = {404, *request.pop("accept", ())}
        answer = await self._client.call(method, url, accept=accept, **request)
        if answer.status == 404:
            raise Permanent("The issue is gone, or the account may not see it any more")
        return answer


def _property(notice: Notice) -> dict[str, Any]:
    return {"key": PROPERTY, "value": {"ticket_id": notice.ticket_id, "run_mark": notice.run_mark}}


def _carries(issue: object, notice: Notice, where: str) -> bool:
    if not text_at(issue, "key"):
        return False
    if where == "labels":
        labels = items_at(issue, "fields", "labels")
        return not labels or notice.run_mark in labels
    return notice.run_mark in json.dumps(at(issue, "fields", "description"), default=str)


def _to_tell(notice: Notice, receipt: Receipt) -> list[News]:
    """The news that the issue has not heard and that did not come from Jira, in order."""
    by_jira = notice.fields.get("status_by") == "jira"
    untold = (*UNTOLD, "Ticket Closed", "Ticket Reopened", "Ticket Taken", "Ticket Put Back") if by_jira else UNTOLD
    fresh = (news for news in notice.news if news.audit_id > receipt.told_audit_id)
    return sorted((news for news in fresh if not news.action.startswith(untold)), key=lambda news: news.audit_id)


def _move_to_make(notice: Notice, receipt: Receipt) -> str:
    """The status category to follow, where our side moved the ticket, once; a person's later move is not undone."""
    wanted, moved = CATEGORIES[notice.status], receipt.more.get("moved", "")
    unsure = not receipt.told_digest  # an earlier try may have moved it
    closes_or_reopens = notice.status is Status.ACKNOWLEDGED or moved == "done" or unsure
    ours = notice.fields.get("status_by") == "pipesleuth"
    return wanted if ours and closes_or_reopens and wanted != moved else ""


def _knows_all(notice: Notice, receipt: Receipt) -> bool:
    """Whether there is nothing to tell: no call is made, and the receipt stays as it is."""
    return not _to_tell(notice, receipt) and not _move_to_make(notice, receipt)


def _newest(notice: Notice) -> int:
    return max((news.audit_id for news in notice.news), default=0)


def _told(notice: Notice, newest: int) -> str:
    """A digest of what the issue was told last."""
    return hashlib.sha256(json.dumps([notice.ticket_id, notice.status, newest]).encode()).hexdigest()


def _problems(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
