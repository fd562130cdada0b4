"""The only place where the parts meet."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from fastapi import FastAPI
from pydantic import ValidationError
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipesleuth import __version__ as version
from pipesleuth.accounts.identity import identity
from pipesleuth.db.database import Database
from pipesleuth.db.standby import Standby, opened
from pipesleuth.destinations import registry as destinations
from pipesleuth.destinations.contract import Destination, Paced
from pipesleuth.destinations.jira import JiraSettings
from pipesleuth.lifetime import Clock, Parts, running
from pipesleuth.live import Bell, Hub
from pipesleuth.model import WrongSetting
from pipesleuth.outbox.kinds import Kind, Tempo
from pipesleuth.outbox.worker import Worker
from pipesleuth.settings import Settings, explain, from_environment, kept_secret
from pipesleuth.sources import registry as sources
from pipesleuth.sources.contract import Source
from pipesleuth.tickets.analysis import Analysis, Patience
from pipesleuth.tickets.delivery import Delivery, Mask
from pipesleuth.tickets.enrichment import Enrichment, EnrichmentSettings
from pipesleuth.tickets.failover import Failover
from pipesleuth.tickets.feed import Feed
from pipesleuth.tickets.finops import FinOps, load_rules
from pipesleuth.tickets.intake import Duties, Intake
from pipesleuth.tickets.links import Links
from pipesleuth.tickets.opinions import Opinions
from pipesleuth.tickets.reconciler import Reconciler, ReconcilerSettings
from pipesleuth.triage.analyst import Analyst, AnalystSettings
from pipesleuth.triage.diagnose import Triage
from pipesleuth.triage.knowledge import KnowledgeFault
from pipesleuth.triage.redact import mask
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
from pipesleuth.web.gauges import Gauges
from pipesleuth.web.rejected import Rejected
from pipesleuth.web.traffic import Traffic, TrafficSettings


def now_utc() -> datetime:
    """The clock of a running service."""
    return datetime.now(UTC)


def build(
    settings: Settings,
    *,
    clock: Clock = now_utc,
    work: bool = True,
    told: Mapping[str, Destination] | None = None,
    analyst: Analyst | None = None,
    triage: Triage | None = None,
    asked: tuple[Source, ...] | None = None,
) -> FastAPI:
    """The service: `app.state.parts` holds its parts. `work` says whether this process works off to-dos too.

    `told` are the destinations, by default those that the environment configures; `triage` is the knowledge base,
    by default the one that the settings name; `asked` are the sources with their platforms, by default the
    environment's. Raises WrongSetting.
    """
    app = FastAPI(
        title="Pipesleuth",
        version=version,
        summary="One ticket, with its root cause, for every failed data-pipeline run.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    parts = assemble(
        settings, clock=clock, work=work, told=told, analyst=analyst, triage=triage, asked=asked, serves=True
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


def operations(house: House) -> FastAPI:
    """What a worker answers: whether it is well, and its figures."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = house
    errors.install(app)
    app.include_router(health.router)
    app.add_middleware(edge.Edge, gauges=house.gauges)
    return app


def assemble(
    settings: Settings,
    *,
    clock: Clock = now_utc,
    work: bool = True,
    told: Mapping[str, Destination] | None = None,
    analyst: Analyst | None = None,
    triage: Triage | None = None,
    asked: tuple[Source, ...] | None = None,
    serves: bool = False,
) -> Parts:
    """The parts of a process, wired together; nothing runs yet but the database's writer. Raises WrongSetting.

    One that `serves` takes webhooks in, and has a standby for its database where the settings allow one.
    """
    triage, finops = triage or load_triage(settings), FinOps(load_rules(settings.finops_rules))
    shelf = _told(settings, clock) if told is None else told
    asked = from_environment(partial(sources.configured, now=clock)) if asked is None else asked
    gauges, ai = Gauges(), from_environment(AnalystSettings)
    if analyst is None and ai.configured:
        analyst = Analyst(ai, note=gauges.ai_call, clock=lambda: clock().timestamp())
    masked = partial(mask, strict=ai.mask == "strict")
    bell = Bell()
    database = opened(
        settings.database,
        settings.data_dir,
        timeout=settings.primary_timeout,
        standby=serves and settings.standby_on,
        after_commit=bell.ring,
        now=clock,
    )
    jira = JiraSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    links = Links(settings.public_base_url, jira.site_url if jira.configured else None)
    feed = Feed(database, links)
    hub = Hub(bell, feed)
    asks = frozenset(source.name for source in asked if source.asks)
    waits = analyst is not None or bool(asks)
    again = frozenset(source.name for source in asked if source.fails_again)
    intake = _intake(settings, database, finops, shelf, asks, again, waits=waits, clock=clock)
    seconds, known = from_environment(EnrichmentSettings).enrich_seconds, sources.by_name(asked)
    enrichment = Enrichment(database, known, intake, triage, finops, seconds=seconds, now=clock)
    enrich = dict.fromkeys(asks, enrichment.on)
    opinions = Opinions(database, analyst, now=clock) if analyst else None
    patience = Patience(settings.rca_give_up_seconds, settings.sla_warn_seconds, settings.call_seconds)
    analysis = Analysis(database, triage, enrich, opinions, patience, now=clock)
    kinds = _kinds(settings, database, links, analysis, shelf=shelf, masked=masked, clock=clock)
    history = from_environment(ReconcilerSettings)
    lease = settings.lease_seconds
    reconciler = Reconciler(database, asked, intake, triage, history, lease_seconds=lease, now=clock)
    alone = isinstance(database, Standby)  # during an outage nobody else can see what this process takes in
    worker = (
        Worker(database, bell, kinds, _tempo(settings), now=clock, flooded=intake.flooded) if work or alone else None
    )
    signing = secret(settings, "jwt_secret_key")
    house = House(
        settings=settings,
        database=database,
        identity=identity(settings, database, signing_key=signing, api_key=secret(settings, "rca_api_key"), now=clock),
        traffic=Traffic(from_environment(TrafficSettings)),
        sources=known,
        triage=triage,
        intake=intake,
        finops=finops,
        hub=hub,
        feed=feed,
        links=links,
        gauges=gauges,
        rejected=Rejected(
            settings.data_dir / "rejected", most_files=settings.rejected_files, most_bytes=settings.rejected_bytes
        ),
        read_archived=_archived(shelf),
        now=clock,
        jira=shelf.get("jira"),
        jira_secret=jira.jira_webhook_secret.get_secret_value() if jira.jira_webhook_secret else "",
    )
    if worker is not None:
        house.worker_beat = lambda: None if worker.paused else worker.beat
        house.worker_counts = lambda: worker.settled
    parts = Parts(settings, database, bell, hub, house, worker, clock, shelf, analyst, asked, reconciler, works=work)
    if isinstance(database, Standby):
        parts.failover = failover = Failover(
            database,
            intake,
            worker,
            house.jira,
            works=work,
            healthy_seconds=settings.standby_healthy_seconds,
            call_seconds=settings.call_seconds,
            now=clock,
        )
        house.failover, house.keep_news = (lambda: failover.state), failover.keep_news
    return parts


def load_triage(settings: Settings) -> Triage:
    """The knowledge base with a team's own entries. Raises WrongSetting."""
    try:
        return Triage.load(settings.knowledge_path)
    except KnowledgeFault as fault:
        raise WrongSetting(f"KNOWLEDGE_PATH: {fault}") from fault


def secret(settings: Settings, name: str) -> str:
    """A secret from the environment, or else the one kept under DATA_DIR, made at first use."""
    given = getattr(settings, name)
    return given.get_secret_value() if given is not None else kept_secret(settings.data_dir / "secrets", name)[0]


def _told(settings: Settings, clock: Clock) -> Mapping[str, Destination]:
    try:
        shelf = dict(destinations.configured(clock))
    except ValidationError as error:
        raise WrongSetting(explain(error)) from error
    if settings.itsm_tool == "none":
        shelf.pop("jira", None)
    elif "jira" not in shelf:
        raise WrongSetting(
            "ITSM_TOOL=jira needs JIRA_DOMAIN, JIRA_USER_EMAIL, JIRA_API_TOKEN and JIRA_PROJECT_KEY; one is missing."
        )
    return shelf


def _intake(
    settings: Settings,
    database: Database,
    finops: FinOps,
    shelf: Mapping[str, Destination],
    asks: frozenset[str],
    again: frozenset[str],
    *,
    waits: bool,
    clock: Clock,
) -> Intake:
    duties = Duties(
        at_once=("archive", "analyse") if "archive" in shelf else ("analyse",),
        channels=tuple(kind for kind in destinations.CHANNELS if kind in shelf),
        channels_wait_seconds=settings.rca_deadline_seconds if waits else 0.0,
        asks=asks,
        again=again,
    )
    warn, rows = settings.sla_warn_seconds, settings.inbound_rows
    return Intake(database, finops, duties, inbound_rows=rows, warn_seconds=warn, now=clock)


def _tempo(settings: Settings) -> Tempo:
    return Tempo(
        lease=settings.lease_seconds,
        call=settings.call_seconds,
        mark_visible=settings.mark_visible_seconds,
        backoff_first=settings.backoff_first_seconds,
        backoff_most=settings.backoff_most_seconds,
        breaker_faults=settings.breaker_faults,
    )


def _kinds(
    settings: Settings,
    database: Database,
    links: Links,
    analysis: Analysis,
    *,
    shelf: Mapping[str, Destination],
    masked: Mask,
    clock: Clock,
) -> list[Kind]:
    """The kinds of to-do there are here, each with its handler."""
    calls = settings.worker_calls
    kinds = [Kind("analyse", analysis, creates=False, calls=calls, holds=False)]
    for name, destination in shelf.items():
        delivery = Delivery(database, destination, links, masked, now=clock)
        paced = destination if isinstance(destination, Paced) else None
        kinds.append(
            Kind(
                name,
                delivery,
                creates=name in destinations.CHANNELS,
                calls=calls,
                per_second=paced.per_second if paced else None,
                ways=delivery.ways if paced else None,
                stopped=delivery.stopped,
            )
        )
    return kinds


def _archived(shelf: Mapping[str, Destination]) -> Callable[[str], Awaitable[bytes | None]]:
    async def read(name: str) -> bytes | None:
        reader = getattr(shelf.get("archive"), "read", None)
        return await reader(name) if reader is not None and name else None

    return read


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    parts: Parts = app.state.parts
    async with running(parts):
        yield
