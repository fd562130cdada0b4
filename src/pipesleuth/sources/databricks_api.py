"""The Databricks API as far as failed runs need it: runs, their output, clusters' events, jobs' tags.

Source: https://docs.databricks.com/api/azure/workspace/jobs and …/clusters/events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from pipesleuth.client import Client, Limits, Vendor
from pipesleuth.model import NOTHING
from pipesleuth.sources.databricks_access import Access
from pipesleuth.sources.fields import items
from pipesleuth.sources.hindrance import Gone

Json = Mapping[str, Any]
LIMITS = Limits(connect=4, read=8, whole=10)
MOST_TASK_PAGES, MOST_RUN_PAGES, RUNS_PER_PAGE = 40, 400, 25
REMEMBERED_JOBS = 512
HINT = "Check DATABRICKS_TOKEN and that its owner may view the job (CAN VIEW)."


class Workspace:
    """One workspace's API. Every method raises Retryable and Permanent."""

    def __init__(
        self,
        address: str,
        access: Access,
        *,
        version: str = "2.1",
        secrets: tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.address = address
        self._access = access
        self._jobs = f"{address}/api/{version}/jobs"
        self._client = Client(Vendor(base_urls=(address,), secrets=secrets, credentials_hint=HINT), LIMITS, now)
        self._tags: dict[str, Mapping[str, str]] = {}

    async def run(self, run_id: str, *, history: bool = False) -> Json:
        """A run with all its tasks (or iterations), whatever number of pages they come in."""
        asked = {"run_id": run_id} | ({"include_history": "true"} if history else {})
        whole = dict(await self._get(f"{self._jobs}/runs/get", asked))
        tasks, turns = list(items(whole.get("tasks"))), list(items(whole.get("iterations")))
        page: Json = whole
        for _ in range(MOST_TASK_PAGES):
            token = page.get("next_page_token")
            if not isinstance(token, str) or not token:
                break
            page = await self._get(f"{self._jobs}/runs/get", {**asked, "page_token": token})
            tasks += items(page.get("tasks"))
            turns += items(page.get("iterations"))
        return {**whole, "tasks": tasks, "iterations": turns}

    async def state(self, run_id: str) -> Json:
        """A run as it stands, with the first of its tasks only."""
        return await self._get(f"{self._jobs}/runs/get", {"run_id": run_id})

    async def output(self, run_id: str) -> Json:
        """What a task's run left behind: `error`, `error_trace` and the tail of its logs."""
        return await self._get(f"{self._jobs}/runs/get-output", {"run_id": run_id})

    async def runs(self, *, since: datetime | None = None, active: bool = False) -> AsyncIterator[Json]:
        """Runs that started since a moment, newest first: those that have ended, or those that are `active`."""
        asked = {"limit": str(RUNS_PER_PAGE), ("active_only" if active else "completed_only"): "true"}
        if since is not None:
            asked["start_time_from"] = str(round(since.timestamp() * 1000))
        seen = 0
        more: dict[str, str] = {}
        for _ in range(MOST_RUN_PAGES):
            page = await self._get(f"{self._jobs}/runs/list", asked | more)
            found = items(page.get("runs"))
            for run in found:
                if isinstance(run, dict):
                    yield cast("dict[str, Any]", run)
            seen += len(found)
            token = page.get("next_page_token")
            if isinstance(token, str) and token:
                more = {"page_token": token}
            elif page.get("has_more") is True and found:
                more = {"offset": str(seen)}  # how 2.1 turned its pages before it had tokens
            else:
                return

    async def cluster_events(self, cluster_id: str) -> Json:
        """A cluster's newest events."""
        asked = {"cluster_id": cluster_id, "order": "DESC", "limit": 50}
        url = f"{self.address}/api/2.1/clusters/events"
        answer = await self._client.call("POST", url, json=asked, headers=await self._access.headers(), creates=False)
        return answer.json_object()

    async def job_tags(self, job_id: str) -> Mapping[str, str]:
        """The tags on a job; a job's tags are asked for once."""
        if job_id not in self._tags:
            job = await self._get(f"{self._jobs}/get", {"job_id": job_id})
            settings: object = job.get("settings")
            tags: object = cast("Json", settings).get("tags") if isinstance(settings, dict) else None
            named: Json = cast("Json", tags) if isinstance(tags, dict) else NOTHING
            if len(self._tags) >= REMEMBERED_JOBS:
                self._tags.clear()
            self._tags[job_id] = {str(name)[:100]: str(value)[:300] for name, value in list(named.items())[:30]}
        return self._tags[job_id]

    async def close(self) -> None:
        """Let go of connections."""
        await self._access.close()
        await self._client.close()

    async def _get(self, url: str, params: Mapping[str, str]) -> Json:
        answer = await self._client.call(
            "GET", url, params=params, headers=await self._access.headers(), accept=(400, 404)
        )
        if 200 <= answer.status < 300:
            return answer.json_object()
        refusal = self._client.refusal(answer)
        said = self._client.sentence(answer)
        if answer.status == 404 or "does not exist" in said:
            raise Gone(f"Databricks does not know it, or no longer does (it keeps runs for 60 days): {said}.")
        raise refusal
