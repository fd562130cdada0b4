"""The sandbox's app: every stand-in, the switches for tests and the pages for people, on one port."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from pipesleuth.sandbox.airflow import AirflowApi
from pipesleuth.sandbox.azure_login import AzureLogin
from pipesleuth.sandbox.data_factory import DataFactoryApi
from pipesleuth.sandbox.databricks import DatabricksApi
from pipesleuth.sandbox.door import Door
from pipesleuth.sandbox.gemini import GeminiApi
from pipesleuth.sandbox.jira import JiraApi
from pipesleuth.sandbox.jira_projects import JiraProjects
from pipesleuth.sandbox.open_id import OpenIdIssuer
from pipesleuth.sandbox.pages import Pages
from pipesleuth.sandbox.slack import SlackApi
from pipesleuth.sandbox.switches import Switches
from pipesleuth.sandbox.teams import TeamsApi
from pipesleuth.sandbox.wire import Refusal, refusal_answer
from pipesleuth.sandbox.world import World, new_world

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope, Send


class SandboxApp:
    """An ASGI app with its memory in `world`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.open_id = OpenIdIssuer(world.clock)

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
            yield
            await world.jira.webhooks.close()

        routes = [
            *SlackApi(world.slack).routes(),
            *JiraProjects(world.jira).routes(),
            *JiraApi(world.jira).routes(),
            *GeminiApi(world.gemini).routes(),
            *DatabricksApi(world.databricks).routes(),
            *DataFactoryApi(world.data_factory).routes(),
            *AzureLogin(world.clock).routes(),
            *self.open_id.routes(),
            *AirflowApi(world.airflow).routes(),
            *TeamsApi(world.teams).routes(),
            *Switches(world).routes(),
            *Pages(world).routes(),
        ]
        inner = Starlette(routes=routes, exception_handlers={Refusal: refusal_answer}, lifespan=lifespan)
        self.door = Door(inner, world.journal, world.faults, world.clock)

    @property
    def closing(self) -> asyncio.Event:
        """Set it, and held requests are let go."""
        return self.door.closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self.door(scope, receive, send)


def create_app(
    *,
    clock: Callable[[], float] = time.time,
    webhook_url: str = "",
    webhook_secret: str = "",
    jira_projects: Sequence[str] = ("OPS", "DATA"),
    jira_search_lag: float = 0.0,
) -> SandboxApp:
    """A fresh sandbox.

    `clock` gives epoch seconds. Jira's events go to `webhook_url`, signed when there is a `webhook_secret`.
    `jira_search_lag` is how many seconds a new issue stays invisible to searches.
    """
    world = new_world(clock)
    world.jira.first_projects = tuple(jira_projects)
    world.jira.webhooks.first_url = webhook_url
    world.jira.webhooks.first_secret = webhook_secret
    world.jira.first_lag = jira_search_lag
    world.jira.reset()
    return SandboxApp(world)
