"""The service over HTTP: its parts behind their routes, and the guards before them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Unpack

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipesleuth import __version__ as version
from pipesleuth.assembly import Brought, assemble, now_utc
from pipesleuth.lifetime import Clock, Parts, running
from pipesleuth.settings import Settings
from pipesleuth.web import (
    auth,
    edge,
    errors,
    export,
    guard,
    health,
    hooks,
    insights,
    jira,
    pages,
    reference,
    registration,
    sign_on,
    stream,
    tickets,
)
from pipesleuth.web.deps import House


def build(settings: Settings, *, clock: Clock = now_utc, work: bool = True, **brought: Unpack[Brought]) -> FastAPI:
    """The service: `app.state.parts` holds its parts. `work` says whether this process works off to-dos too.

    Raises WrongSetting.
    """
    parts = assemble(settings, clock=clock, work=work, serves=True, **brought)
    app = FastAPI(
        title="Pipesleuth",
        version=version,
        summary="One ticket, with its root cause, for every failed data-pipeline run.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # senders follow no redirect, or lose the body on their way
        lifespan=_lifespan,
    )
    app.state.parts = parts
    app.state.house = parts.house
    errors.install(app)
    for room in (hooks, jira, auth, registration, sign_on, tickets, insights, export, stream, health, reference):
        app.include_router(room.router)
    pages.install(app, parts.house)
    app.add_middleware(guard.Guard, traffic=parts.house.traffic, public_base_url=settings.public_base_url)
    app.add_middleware(edge.Edge, gauges=parts.house.gauges)
    if proxies := parts.house.traffic.settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(proxies))
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    parts: Parts = app.state.parts
    async with running(parts):
        yield


def operations(house: House) -> FastAPI:
    """What a worker answers: whether it is well, and its figures."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = house
    errors.install(app)
    app.include_router(health.router)
    app.add_middleware(edge.Edge, gauges=house.gauges)
    return app
