"""The sources that Pipesleuth knows: one word here registers a new one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pipesleuth.model import Failure
from pipesleuth.sources.airflow import Airflow
from pipesleuth.sources.airflow_api import AirflowSettings
from pipesleuth.sources.contract import Source, Told
from pipesleuth.sources.data_factory import DataFactory
from pipesleuth.sources.data_factory_platform import DataFactoryPlatform
from pipesleuth.sources.data_factory_settings import DataFactorySettings
from pipesleuth.sources.databricks import Databricks
from pipesleuth.sources.databricks_platform import DatabricksPlatform
from pipesleuth.sources.databricks_settings import DatabricksSettings

FOLLOWED_SECONDS = 6.0  # what a pipeline's question leaves of its time for the Databricks run it started


def shelf(*, host_workspace_id: str | None = None) -> tuple[Source, ...]:
    """Every source once, asking nobody; `host_workspace_id` is the Databricks workspace of bare run ids."""
    return (
        DataFactory(host_workspace_id=host_workspace_id),
        Databricks(host_workspace_id=host_workspace_id),
        Airflow(),
    )


def configured(
    databricks: DatabricksSettings | None = None,
    data_factory: DataFactorySettings | None = None,
    airflow: AirflowSettings | None = None,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> tuple[Source, ...]:
    """Every source once, with its platform where the settings (by default the environment's) name one.

    Raises pydantic's ValidationError for a wrong value.
    """
    bricks = databricks or DatabricksSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    factory = data_factory or DataFactorySettings()  # pyright: ignore[reportCallIssue]  # the same
    instance = airflow or AirflowSettings()  # pyright: ignore[reportCallIssue]  # the same
    workspaces = DatabricksPlatform(bricks, now=now) if bricks.configured else None

    async def follow(page: str, failure: Failure) -> Told | None:
        """The way from a pipeline's activity to the run it started: the two sources do not know each other."""
        if workspaces is None:
            return None
        return await workspaces.of_page(page, failure, known_since=now(), seconds=FOLLOWED_SECONDS)

    factories = DataFactoryPlatform(factory, databricks=follow, now=now) if factory.configured else None
    number = bricks.host_workspace_id
    return (
        DataFactory(host_workspace_id=number, platform=factories),
        Databricks(host_workspace_id=number, platform=workspaces),
        Airflow(instance, now=now),
    )


def registry(*, host_workspace_id: str | None = None) -> dict[str, Source]:
    """Every source under its name and under each of its aliases, asking nobody."""
    return by_name(shelf(host_workspace_id=host_workspace_id))


def by_name(sources: tuple[Source, ...]) -> dict[str, Source]:
    """Sources under their names and aliases, as they stand in `/hooks/{source}`."""
    return {word: source for source in sources for word in (source.name, *source.aliases)}
