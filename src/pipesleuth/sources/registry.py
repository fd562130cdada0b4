"""The sources that Pipesleuth knows: one word here registers a new one."""

from __future__ import annotations

from pipesleuth.sources.contract import Source
from pipesleuth.sources.data_factory import DataFactory
from pipesleuth.sources.databricks import Databricks


def shelf(*, host_workspace_id: str | None = None) -> tuple[Source, ...]:
    """Every source once; `host_workspace_id` is the Databricks workspace that is asked for details, where known."""
    return (
        DataFactory(host_workspace_id=host_workspace_id),
        Databricks(host_workspace_id=host_workspace_id),
    )


def registry(*, host_workspace_id: str | None = None) -> dict[str, Source]:
    """Every source under its name and under each of its aliases, as they stand in `/hooks/{source}`."""
    sources = shelf(host_workspace_id=host_workspace_id)
    return {word: source for source in sources for word in (source.name, *source.aliases)}
