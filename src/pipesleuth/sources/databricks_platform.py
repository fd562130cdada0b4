"""The Databricks workspaces that may be asked: which one a failure belongs to, why it failed, what else failed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from pipesleuth.model import Failure, Permanent
from pipesleuth.sources import databricks_run as reading
from pipesleuth.sources.contract import History, Told
from pipesleuth.sources.databricks_access import Access
from pipesleuth.sources.databricks_api import Workspace
from pipesleuth.sources.databricks_cause import Cause
from pipesleuth.sources.databricks_run import Json, Key, key_of
from pipesleuth.sources.databricks_settings import DatabricksSettings
from pipesleuth.sources.hindrance import Gone
from pipesleuth.sources.recovery import Awaited, Recovery, Success, recoveries
from pipesleuth.sources.workspace import id_in_address, run_key

LOOK_BACK = timedelta(hours=24)  # runs are listed by when they began: so long may one have run that ends just now
MOST_ASKED_AGAIN = 200
_RUN_IN_PAGE = re.compile(r"/runs?/(\d{7,20})(?!\d)")


@dataclass(slots=True)
class _Found:
    """What a reading of the history has shown so far, by the runs' keys."""

    failures: dict[str, Failure] = field(default_factory=dict[str, Failure])
    going: dict[str, None] = field(default_factory=dict[str, None])
    succeeded: dict[str, Success] = field(default_factory=dict[str, Success])


class DatabricksPlatform:
    """Every configured workspace; no other host is ever called."""

    def __init__(
        self, settings: DatabricksSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        tokens = settings.tokens()
        self._host_id = settings.host_workspace_id
        addresses = (settings.databricks_host, *settings.databricks_workspace_urls)
        self._workspaces = {
            address: Workspace(
                address,
                Access(address, settings),
                version=settings.databricks_api_version,
                secrets=tuple(tokens.values()),
                now=now,
            )
            for address in addresses
        }
        self._ids = {address: id_in_address(address) for address in addresses} | {addresses[0]: self._host_id}
        self._host = addresses[0]
        self._partly = settings.databricks_succeeded_with_failures

    async def enrich(self, failure: Failure, *, known_since: datetime, seconds: float) -> Told:
        """What the workspace knows of the failure, as far as `seconds` allow; raises nothing."""
        key, cluster = key_of(failure.run_id), failure.facts.get("cluster_id")
        if key is None and not (cluster and (failure.run_id or "").startswith("cluster:")):
            return Told(failure=failure, asked=False)
        workspace = self._workspace(failure, key)
        if workspace is None:
            return _not_ours(failure)
        cause = Cause(workspace, failure, known_since, lambda run: self._keyed(workspace, run))
        try:
            async with asyncio.timeout(seconds):
                await (cause.of_run(key) if key is not None else cause.of_cluster(cluster or ""))
        except TimeoutError:
            cause.hindrances.late("Databricks", seconds)
        return cause.told()

    async def of_page(self, page: str, failure: Failure, *, known_since: datetime, seconds: float) -> Told | None:
        """What is known of the run at a page's address, for others that started it; None where it is none of ours."""
        host, run = urlsplit(page).hostname or "", _run_in(page)
        workspace = next((w for address, w in self._workspaces.items() if urlsplit(address).hostname == host), None)
        number = id_in_address(page)
        if workspace is None and number is not None and self._host_id in {None, number}:
            workspace = self._workspaces[self._host]
        if workspace is None or run is None:
            return None
        asked = Failure(source="databricks", pipeline=failure.pipeline, run_id=self._keyed(workspace, run))
        cause = Cause(workspace, asked, known_since, lambda child: self._keyed(workspace, child))
        try:
            async with asyncio.timeout(seconds):
                await cause.of_run(Key(None, run))
        except TimeoutError:
            cause.hindrances.late("Databricks", seconds)
        return cause.told()

    async def failed_runs(self, since: datetime, until: datetime, running: Sequence[str] | None = None) -> History:
        """Runs of all workspaces that failed in between. Raises Retryable and Permanent."""
        found = _Found()
        for workspace in self._workspaces.values():
            await self._listed(workspace, since, until, found, first=running is None)
        left = [key for key in running or () if key not in found.going and key not in found.failures]
        for key in left[:MOST_ASKED_AGAIN]:
            await self._looked_at_again(key, until, found)
        found.going |= dict.fromkeys(left[MOST_ASKED_AGAIN:])
        return History(
            failures=tuple(found.failures.values()),
            running=tuple(found.going),
            succeeded=tuple(found.succeeded.values()),
        )

    async def recovered(self, failures: Sequence[Failure], history: History) -> list[Recovery]:
        """Which of these failed runs were made good: by runs in the history, or by a repair. Raises Retryable.

        A repair may begin and end between two readings of the history, so each failed run is looked at itself.
        """
        good = {success.run: success for success in history.succeeded}
        awaited: list[Awaited] = []
        for failure in failures:
            key = key_of(failure.run_id)
            workspace = self._workspace(failure, key) if key is not None else None
            if key is None or workspace is None:
                continue
            run = self._keyed(workspace, key.run)
            if run not in good and (repaired := await self._made_good(workspace, key.run)) is not None:
                good[run] = repaired
            awaited.append(Awaited(failure, run, reading.thing_of(workspace.address, failure.facts.get("job_id"))))
        return recoveries(awaited, good.values(), same="repaired, or tried again", other="the same job")

    async def _made_good(self, workspace: Workspace, run_id: str) -> Success | None:
        """A run that had failed, where it has ended well by now."""
        try:
            run = await workspace.state(run_id)
        except Permanent:
            return None  # gone from the history, or a job that nobody here may view
        # The id of a task's run is answered with that task alone.
        same = reading.number(run.get("run_id")) == run_id and reading.succeeded(run)
        return reading.success_of(run, self._keyed(workspace, run_id), workspace.address) if same else None

    async def close(self) -> None:
        """Let go of connections."""
        for workspace in self._workspaces.values():
            await workspace.close()

    async def _listed(
        self,
        workspace: Workspace,
        since: datetime,
        until: datetime,
        found: _Found,
        *,
        first: bool,
    ) -> None:
        # What goes on is listed first: a run that ends in between is then in one of the two lists, or in both.
        async for run in workspace.runs(active=True):
            if (number := reading.number(run.get("run_id"))) is not None:
                found.going[self._keyed(workspace, number)] = None
        async for run in workspace.runs(since=since - LOOK_BACK if first else since):
            self._sort(workspace, run, since, until, found)

    async def _looked_at_again(self, key: str, until: datetime, found: _Found) -> None:
        """A run that went on when history was read before."""
        parts = key_of(key)
        workspace = self._by_number(parts.workspace) if parts is not None else None
        if parts is None or workspace is None:
            return
        try:
            run = await workspace.run(parts.run)
        except Gone:
            return
        if reading.is_over(run):
            self._sort(workspace, run, datetime.min.replace(tzinfo=UTC), until, found)
        else:
            found.going[key] = None

    def _sort(self, workspace: Workspace, run: Json, since: datetime, until: datetime, found: _Found) -> None:
        number = reading.number(run.get("run_id"))
        if number is None:
            return
        key = self._keyed(workspace, number)
        if reading.succeeded(run):
            found.succeeded[key] = reading.success_of(run, key, workspace.address)
        if not (reading.failed(run) or (self._partly and reading.partly(run))):
            return
        failure = reading.failure_of(run, key, self._ids[workspace.address])
        ended = failure.occurred_at
        if ended is None or ended > until:
            found.going[key] = None
        elif ended >= since:
            found.going.pop(key, None)
            found.failures[key] = failure

    def _keyed(self, workspace: Workspace, run: str) -> str:
        return run_key(run, self._ids[workspace.address], self._host_id)

    def _workspace(self, failure: Failure, key: Key | None) -> Workspace | None:
        """The configured workspace that a failure belongs to; None where it is known to be another."""
        named = failure.facts.get("workspace_url", "")
        for address, workspace in self._workspaces.items():
            if named and urlsplit(named).hostname == urlsplit(address).hostname:
                return workspace
        number = (key.workspace if key else None) or failure.facts.get("workspace_id") or id_in_address(named)
        return self._by_number(number)

    def _by_number(self, number: str | None) -> Workspace | None:
        for address, known in self._ids.items():
            if number is not None and number == known:
                return self._workspaces[address]
        if number is not None and self._host_id is not None:
            return None
        return self._workspaces[self._host]


def _not_ours(failure: Failure) -> Told:
    where = failure.facts.get("workspace_url") or f"workspace {failure.facts.get('workspace_id', 'of unknown number')}"
    said = f"{where} is not among the workspaces that may be asked: name it in DATABRICKS_WORKSPACE_URLS."
    return Told(failure=failure, hindrance=Permanent(said), asked=True)


def _run_in(page: str) -> str | None:
    """The run's number in a page's address; older pages count a job's runs from one, which names none."""
    found = _RUN_IN_PAGE.search(page[:1_000])
    return found.group(1) if found is not None else None
