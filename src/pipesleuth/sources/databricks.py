"""Databricks: job and task notifications, delivered events, cluster and library events, SQL alerts, flat bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipesleuth.model import Failure
from pipesleuth.sources import alert_runs, databricks_body, job_run
from pipesleuth.sources.alert import alert
from pipesleuth.sources.contract import History, Told
from pipesleuth.sources.databricks_platform import DatabricksPlatform
from pipesleuth.sources.outcome import Outcome
from pipesleuth.sources.recovery import Recovery, Success
from pipesleuth.sources.unread import known_or_inner, scattered, subject


class Databricks:
    """Failures of Databricks jobs, tasks, clusters and SQL alerts.

    `host_workspace_id` is the number of the workspace that is asked for details. Ids of runs in a
    workspace known to be another one are prefixed with that one's number; None prefixes nothing.
    `platform` is what may be asked about failed runs, None where nothing is.
    """

    name: str = "databricks"
    prefix: str = "DBX"
    aliases: tuple[str, ...] = ("dbx", "databricks-monitor")

    def __init__(self, *, host_workspace_id: str | None = None, platform: DatabricksPlatform | None = None) -> None:
        self._host_workspace_id = host_workspace_id
        self._platform = platform

    @property
    def asks(self) -> bool:
        """Whether a workspace can be asked."""
        return self._platform is not None

    @property
    def has_history(self) -> bool:
        """Whether failed runs can be listed."""
        return self._platform is not None

    @property
    def fails_again(self) -> bool:
        """A repaired run keeps its id; a workspace that can be asked knows its repairs."""
        return not self.asks

    def read(self, payload: Mapping[str, Any]) -> list[Failure]:
        """The failures in a body, at most 200; raises BadPayload or NotAFailure, each with its reason."""
        found = known_or_inner(payload, self._known)
        return found if found is not None else [self._unknown(payload)]

    def good_news(self, payload: Mapping[str, Any]) -> Success | None:
        """The job's run that a success event names; none where the workspace can be asked, whose word is surer."""
        return None if self.asks else databricks_body.success(payload, self._host_workspace_id)

    async def enrich(self, failure: Failure, *, known_since: datetime, seconds: float) -> Told:
        """What the platform tells of the failure; the failure itself where nothing is configured."""
        if self._platform is None:
            return Told(failure=failure, asked=False)
        return await self._platform.enrich(failure, known_since=known_since, seconds=seconds)

    async def failed_runs(self, since: datetime, until: datetime, running: Sequence[str] | None = None) -> History:
        """The runs that failed in between; none where nothing is configured. Raises Retryable and Permanent."""
        return History() if self._platform is None else await self._platform.failed_runs(since, until, running)

    async def recovered(
        self, failures: Sequence[Failure], since: datetime, until: datetime, history: History
    ) -> Sequence[Recovery]:
        """Which of these failed runs were made good; none where nobody is asked. Raises Retryable and Permanent."""
        _ = since, until
        return () if self._platform is None else await self._platform.recovered(failures, history)

    async def close(self) -> None:
        """Let go of connections."""
        if self._platform is not None:
            await self._platform.close()

    def _known(self, payload: Mapping[str, Any]) -> list[Failure] | None:
        envelope = alert(payload)
        if envelope is not None:
            found = alert_runs.failures(envelope, payload, self._host_workspace_id)
            return found if alert_runs.says_something(found) else None
        failure = databricks_body.failure(payload, self._host_workspace_id)
        return [failure] if failure is not None else None

    def _unknown(self, payload: Mapping[str, Any]) -> Failure:
        found, said = scattered(payload)
        failure = job_run.job_failure(
            job_run.body(found),
            host_workspace_id=self._host_workspace_id,
            outcome=Outcome.FAILED,
            unknown_shape=True,
        )
        named = failure.pipeline if failure.pipeline != job_run.UNNAMED else subject(found) or job_run.UNNAMED
        return replace(failure, pipeline=named, error_message=failure.error_message or said)
