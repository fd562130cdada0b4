"""The Data Factory API as far as failed runs need it: pipeline runs and their activity runs.

Source: https://learn.microsoft.com/rest/api/datafactory (api-version 2018-06-01).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

from pipesleuth.client import Client, Limits, Vendor
from pipesleuth.sources.azure_access import AzureAccess
from pipesleuth.sources.data_factory_settings import DataFactorySettings
from pipesleuth.sources.fields import items
from pipesleuth.sources.hindrance import Gone

Json = Mapping[str, Any]
API_VERSION = {"api-version": "2018-06-01"}
LIMITS = Limits(connect=4, read=8, whole=10)
MOST_PAGES = 50
HINT = "Give the identity the role Reader on the factory (and queryActivityruns/action in a custom role)."
_FACTORY = re.compile(
    r"/subscriptions/([0-9a-f-]{36})/resourcegroups/([\w().-]{1,90})/providers/microsoft\.datafactory/factories"
    r"/([a-z0-9-]{3,63})",
    re.IGNORECASE | re.ASCII,
)


def factory_path(resource_id: str | None) -> str | None:
    """A factory's resource path, rebuilt from its checked parts; None where the id names no factory."""
    found = _FACTORY.match(resource_id or "")
    if found is None:
        return None
    subscription, group, name = (quote(piece, safe="()") for piece in found.groups())
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataFactory/factories/{name}"


class Factories:
    """Azure Resource Manager's view of Data Factory. Every method raises Retryable and Permanent."""

    def __init__(
        self, settings: DataFactorySettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._base = settings.azure_management_url
        self._access = AzureAccess(settings)
        self._client = Client(Vendor(base_urls=(self._base,), credentials_hint=HINT), LIMITS, now)

    async def pipeline_run(self, factory: str, run_id: str) -> Json:
        """A pipeline's run."""
        return await self._call("GET", f"{factory}/pipelineruns/{quote(run_id, safe='')}")

    async def failed_activities(self, factory: str, run_id: str, since: datetime, until: datetime) -> Sequence[Json]:
        """The activity runs of a pipeline's run that failed, whatever number of pages they come in."""
        path = f"{factory}/pipelineruns/{quote(run_id, safe='')}/queryActivityruns"
        return [each async for each in self._pages(path, since, until, [("Status", ["Failed", "TimedOut"])])]

    async def failed_runs(
        self, factory: str, since: datetime, until: datetime, pipeline: str | None = None
    ) -> Sequence[Json]:
        """A factory's runs that failed and changed last between two moments."""
        filters = [("Status", ["Failed"]), *([("PipelineName", [pipeline])] if pipeline else [])]
        return [each async for each in self._pages(f"{factory}/queryPipelineRuns", since, until, filters)]

    async def succeeded_runs(
        self, factory: str, since: datetime, until: datetime, pipelines: Sequence[str]
    ) -> Sequence[Json]:
        """Those of some pipelines' runs that succeeded and changed last between two moments."""
        filters = [("Status", ["Succeeded"]), ("PipelineName", list(pipelines))]
        return [each async for each in self._pages(f"{factory}/queryPipelineRuns", since, until, filters)]

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
        await self._access.close()

    async def _pages(
        self, path: str, since: datetime, until: datetime, filters: Sequence[tuple[str, list[str]]]
    ) -> AsyncIterator[Json]:
        asked: dict[str, Any] = {
            "lastUpdatedAfter": _arm_time(since),
            "lastUpdatedBefore": _arm_time(until),
            "filters": [
                {"operand": name, "operator": "In" if len(values) > 1 else "Equals", "values": values}
                for name, values in filters
            ],
        }
        for _ in range(MOST_PAGES):
            page = await self._call("POST", path, asked)
            for each in items(page.get("value"), 10_000):
                if isinstance(each, dict):
                    yield cast("Json", each)
            token = page.get("continuationToken")
            if not token:
                return
            asked["continuationToken"] = token

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = await self._client.call(
            method,
            f"{self._base}{path}",
            json=body,
            params=API_VERSION,
            headers=await self._access.headers(),
            creates=False,
            accept=(401, 403, 404),
        )
        if 200 <= answer.status < 300:
            return answer.json_object()
        if answer.status == 401:
            self._access.forget()
        if answer.status == 404:
            said = self._client.sentence(answer)
            raise Gone(f"Data Factory does not know it, or no longer does (it keeps runs for 45 days): {said}.")
        raise self._client.refusal(answer, HINT)


def _arm_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
