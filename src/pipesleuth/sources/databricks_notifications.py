"""Databricks' notification destinations, and which jobs tell them of their failures.

Source: https://docs.databricks.com/api/azure/workspace/notificationdestinations and …/jobs/update.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast
from urllib.parse import quote

from pipesleuth.client import Client, Vendor
from pipesleuth.model import NOTHING, Permanent
from pipesleuth.sources.databricks_access import Access
from pipesleuth.sources.databricks_api import LIMITS
from pipesleuth.sources.databricks_settings import DatabricksSettings
from pipesleuth.sources.fields import items

Json = Mapping[str, Any]
MOST_PAGES, JOBS_PER_PAGE = 1000, 100
MOST_DESTINATIONS = 3  # that a job may tell of one kind of event
USER = "pipesleuth"
HINT = "Check DATABRICKS_TOKEN."
NEEDS_ADMIN = "Only an administrator of the workspace may change notification destinations"
NEEDS_MANAGE = "The token's owner needs CAN MANAGE on the job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as far as its notifications go; `deployed_by` names the tool that would undo a change."""

    job_id: str
    name: str
    notifications: Json
    deployed_by: str = ""

    def tells(self, destination: str) -> bool:
        """Whether it tells a destination of its failures."""
        return destination in self._told()

    @property
    def full(self) -> bool:
        """Whether it tells as many destinations as Databricks allows."""
        return len(self._told()) >= MOST_DESTINATIONS

    def telling(self, destination: str) -> dict[str, Any]:
        """All its notifications, the destination's among them."""
        kept = items(self.notifications.get("on_failure"))
        return {**self.notifications, "on_failure": [*kept, {"id": destination}]}

    def _told(self) -> list[str]:
        found = items(self.notifications.get("on_failure"))
        return [str(cast("Json", entry).get("id")) for entry in found if isinstance(entry, dict)]


class Notifications:
    """One workspace's destinations and jobs. Every method raises Retryable and Permanent."""

    def __init__(self, settings: DatabricksSettings, *, key: str = "") -> None:
        """Talk to DATABRICKS_HOST; `key` is the secret that its webhooks will present to us."""
        token = settings.databricks_token
        given = token.get_secret_value() if token is not None else None
        self._host = settings.databricks_host
        self._jobs = f"{self._host}/api/{settings.databricks_api_version}/jobs"
        self._destinations = f"{self._host}/api/2.0/notification-destinations"
        self._access = Access(self._host, settings)
        self._key = key
        secrets = tuple(secret for secret in (given or "", key) if secret)
        self._client = Client(Vendor(base_urls=(self._host,), secrets=secrets, credentials_hint=HINT), LIMITS)

    async def find(self, name: str) -> str | None:
        """The id of the webhook destination of this name; None where there is none."""
        listed = self._listed(self._destinations, "results", hint=NEEDS_ADMIN)
        named = [entry async for entry in listed if entry.get("display_name") == name]
        hooks = [entry for entry in named if str(entry.get("destination_type", "WEBHOOK")).upper() == "WEBHOOK"]
        if named and not hooks:
            raise Permanent(f"The destination {name} is no webhook. Choose another name with --destination")
        return str(hooks[0].get("id")) if hooks else None

    async def create(self, name: str, url: str) -> str:
        """Make a webhook destination that presents our key; its id."""
        answer = await self._call("POST", self._destinations, self._hook(name, url), hint=NEEDS_ADMIN)
        number = answer.get("id")
        if not isinstance(number, str) or not number:
            raise Permanent("Databricks made a notification destination without saying its id. Run the command again")
        return number

    async def renew(self, destination: str, name: str, url: str) -> None:
        """Give a destination our address and our key anew: the workspace shows neither, so they cannot be compared."""
        path = f"{self._destinations}/{quote(destination, safe='')}"
        await self._call("PATCH", path, self._hook(name, url), hint=NEEDS_ADMIN)

    async def jobs(self, ids: Sequence[str], names: Sequence[str]) -> list[Job]:
        """The jobs of these ids, and those whose name fits one of the globs (upper and lower case alike)."""
        found = {number: await self.job(number) for number in dict.fromkeys(ids)}
        if names:
            async for entry in self._listed(f"{self._jobs}/list", "jobs", {"limit": str(JOBS_PER_PAGE)}):
                job = _job(entry)
                if any(fnmatchcase(job.name.lower(), glob.lower()) for glob in names):
                    found.setdefault(job.job_id, job)
        return sorted(found.values(), key=lambda job: (job.name.lower(), job.job_id))

    async def job(self, job_id: str) -> Job:
        """A job as it is at this moment."""
        return _job(await self._call("GET", f"{self._jobs}/get", params={"job_id": job_id}))

    async def attach(self, job_id: str, destination: str) -> bool:
        """Let a job tell a destination of its failures beside what it tells already; False where it tells it."""
        # Read again: the whole set of notifications is written, and somebody may have changed it since.
        job = await self.job(job_id)
        if job.tells(destination):
            return False
        if job.full:
            raise Permanent(f"It tells {MOST_DESTINATIONS} destinations already, and Databricks allows no more")
        number: str | int = int(job_id) if job_id.isdecimal() else job_id
        changed = {"job_id": number, "new_settings": {"webhook_notifications": job.telling(destination)}}
        await self._call("POST", f"{self._jobs}/update", changed, hint=NEEDS_MANAGE)
        return True

    async def close(self) -> None:
        """Let go of connections."""
        await self._access.close()
        await self._client.close()

    def _hook(self, name: str, url: str) -> dict[str, Any]:
        hook = {"url": url, "username": USER, "password": self._key}
        return {"display_name": name, "config": {"generic_webhook": hook}}

    async def _listed(
        self, url: str, name: str, asked: Mapping[str, str] = NOTHING, *, hint: str = ""
    ) -> AsyncIterator[Json]:
        more: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = await self._call("GET", url, params={**asked, **more}, hint=hint)
            for entry in items(page.get(name), 10_000):
                if isinstance(entry, dict):
                    yield cast("Json", entry)
            token = page.get("next_page_token")
            if not isinstance(token, str) or not token:
                return
            more = {"page_token": token}

    async def _call(
        self, method: str, url: str, body: Json | None = None, *, params: Mapping[str, str] = NOTHING, hint: str = ""
    ) -> Json:
        headers = await self._access.headers()
        answer = await self._client.call(method, url, json=body, params=params, headers=headers, accept=(403,))
        if answer.status == 403:
            raise self._client.refusal(answer, hint)
        return answer.json_object()


def _job(entry: Json) -> Job:
    settings = _object(entry.get("settings"))
    deployed = str(_object(settings.get("deployment")).get("kind") or "")
    return Job(
        job_id=str(entry.get("job_id", "")),
        name=str(settings.get("name") or entry.get("job_id", ""))[:200],
        notifications=_object(settings.get("webhook_notifications")),
        deployed_by=deployed.lower()[:40],
    )


def _object(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}
