"""Azure Data Factory: alerts of Azure Monitor, a Logic App's forwards, and a Web activity's own body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipesleuth.model import Failure, NotAFailure
from pipesleuth.sources import alert_runs, databricks_body, tags, text
from pipesleuth.sources.alert import alert
from pipesleuth.sources.contract import History, Told
from pipesleuth.sources.data_factory_platform import DataFactoryPlatform
from pipesleuth.sources.fields import Fields, error_said, fields, pick
from pipesleuth.sources.outcome import good_state, refuse_good_event
from pipesleuth.sources.pipeline_run import UNNAMED, pipeline_failure, pipeline_of, run_of
from pipesleuth.sources.recovery import Recovery, Success
from pipesleuth.sources.unread import known_or_inner, scattered, subject

_REPORTED = "a rerun of its run group, by its own report"


class DataFactory:
    """Failures of Azure Data Factory, and whatever else Azure Monitor tells about at the same door.

    `host_workspace_id` is the number of the Databricks workspace that is asked for details, for
    Databricks failures that arrive through Azure Monitor; None where it is not known. `platform` is
    what may be asked about failed runs, None where nothing is.
    """

    name: str = "data_factory"
    prefix: str = "ADF"
    aliases: tuple[str, ...] = ("adf", "azure-monitor", "azure_monitor")

    def __init__(self, *, host_workspace_id: str | None = None, platform: DataFactoryPlatform | None = None) -> None:
        self._host_workspace_id = host_workspace_id
        self._platform = platform

    @property
    def asks(self) -> bool:
        """Whether Azure's factories can be asked."""
        return self._platform is not None

    @property
    def has_history(self) -> bool:
        """Whether failed runs can be listed."""
        return self._platform is not None and self._platform.has_history

    @property
    def fails_again(self) -> bool:
        """A re-run has an id of its own."""
        return False

    def read(self, payload: Mapping[str, Any]) -> list[Failure]:
        """The failures in a body, at most 200; raises BadPayload or NotAFailure, each with its reason."""
        found = known_or_inner(payload, self._known)
        return found if found is not None else [_unknown(payload)]

    def good_news(self, payload: Mapping[str, Any]) -> Success | None:
        """The rerun that a Web activity reports as succeeded, with the group it is of."""
        sections = _sections(payload)
        status = pick(sections, ("status", "pipelinestatus", "runstatus"), text.name)
        if status != "Succeeded" or error_said(sections):
            return None
        told = pipeline_failure(sections)
        # The first run of a group gives it its id: it had no other before it.
        if told.run_id is None or told.run_group in {None, told.run_id}:
            return None
        ended = pick(sections, ("runend", "end", "endtime"), text.moment_of)
        return Success(
            run=told.run_id, group=told.run_group, thing=None, began=None, ended=ended, url=told.run_url, how=_REPORTED
        )

    async def enrich(self, failure: Failure, *, known_since: datetime, seconds: float) -> Told:
        """What the platform tells of the failure; the failure itself where nothing is configured."""
        if self._platform is None:
            return Told(failure=failure, asked=False)
        return await self._platform.enrich(failure, known_since=known_since, seconds=seconds)

    async def failed_runs(self, since: datetime, until: datetime, running: Sequence[str] | None = None) -> History:
        """The runs that failed in between; none where nothing is configured. Raises Retryable and Permanent."""
        _ = running
        return History() if self._platform is None else await self._platform.failed_runs(since, until)

    async def recovered(
        self, failures: Sequence[Failure], since: datetime, until: datetime, history: History
    ) -> Sequence[Recovery]:
        """Which of these failed runs were made good; none where nobody is asked. Raises Retryable and Permanent."""
        _ = history
        return () if self._platform is None else await self._platform.recovered(failures, since, until)

    async def close(self) -> None:
        """Let go of connections."""
        if self._platform is not None:
            await self._platform.close()

    def _known(self, payload: Mapping[str, Any]) -> list[Failure] | None:
        envelope = alert(payload)
        if envelope is not None:
            found = alert_runs.failures(envelope, payload, self._host_workspace_id)
            return found if alert_runs.says_something(found) else None
        if databricks_body.is_native(payload):
            failure = databricks_body.failure(payload, self._host_workspace_id)
            return [failure] if failure is not None else None
        return _flat(payload)


def _flat(payload: Mapping[str, Any]) -> list[Failure] | None:
    """The run of a Web activity's body, whatever the case of its fields; None where it names no pipeline or run."""
    sections = _sections(payload)
    if pipeline_of(sections) is None and run_of(sections) is None:
        return None
    _refuse_good_news(sections)
    return [pipeline_failure(sections, tags=tags.carried(sections))]


def _sections(payload: Mapping[str, Any]) -> tuple[Fields, ...]:
    top = fields(payload)
    parts = (fields(top.get(key)) for key in ("pipeline", "run", "activity", "properties", "data", "details"))
    return (top, *(part for part in parts if part))


def _refuse_good_news(sections: tuple[Fields, ...]) -> None:
    # An error that is spelt out wins: a pipeline that handles its error ends green all the same.
    if error_said(sections):
        return
    refuse_good_event(pick(sections, ("eventtype", "event", "eventname"), text.name))
    good = good_state((pick(sections, ("status", "pipelinestatus", "runstatus", "state", "result"), text.name),))
    if good is not None:
        raise NotAFailure(good)


def _unknown(payload: Mapping[str, Any]) -> Failure:
    found, said = scattered(payload)
    name: str = subject(found) or UNNAMED
    return pipeline_failure((found,), otherwise=name, tags=tags.carried((found,)), message=said, unknown_shape=True)
