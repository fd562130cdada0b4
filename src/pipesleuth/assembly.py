"""The only place where the parts meet: made of the settings, the environment and what a caller brings along."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TypedDict, Unpack

from pipesleuth.accounts.identity import identity
from pipesleuth.db.database import Database
from pipesleuth.db.standby import Standby, opened
from pipesleuth.destinations import registry as destinations
from pipesleuth.destinations.contract import Destination, Paced
from pipesleuth.destinations.jira import JiraSettings
from pipesleuth.lifetime import Clock, Parts
from pipesleuth.live import Bell, Hub
from pipesleuth.model import WrongSetting
from pipesleuth.outbox.kinds import Kind, Tempo
from pipesleuth.outbox.worker import Worker
from pipesleuth.settings import Settings, from_environment, secret
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
from pipesleuth.web.deps import House
from pipesleuth.web.gauges import Gauges
from pipesleuth.web.rejected import Rejected
from pipesleuth.web.traffic import Traffic, TrafficSettings


def now_utc() -> datetime:
    """The clock of a running service."""
    return datetime.now(UTC)


class Brought(TypedDict, total=False):
    """What a caller brings along of what speaks with the outside; the rest is made as the environment says."""

    told: Mapping[str, Destination] | None  # the destinations by their kind
    asked: tuple[Source, ...] | None  # the sources with their platforms
    analyst: Analyst | None
    triage: Triage | None


def assemble(
    settings: Settings,
    *,
    clock: Clock = now_utc,
    work: bool = True,
    serves: bool = False,
    **brought: Unpack[Brought],
) -> Parts:
    """The parts of a process, wired together; nothing runs yet but the database's writer. Raises WrongSetting.

    One that `serves` takes webhooks in, and has a standby for its database where the settings allow one.
    """
    gauges = Gauges()
    plugs = _plugs(settings, clock, gauges, brought)
    return _Assembly(settings, clock, plugs, gauges, works=work, serves=serves).parts()


def load_triage(settings: Settings) -> Triage:
    """The knowledge base with a team's own entries. Raises WrongSetting."""
    try:
        return Triage.load(settings.knowledge_path)
    except KnowledgeFault as fault:
        raise WrongSetting(f"KNOWLEDGE_PATH: {fault}") from fault


@dataclass(frozen=True, slots=True)
class _Plugs:
    """What speaks with the outside, and what knows its errors."""

    told: Mapping[str, Destination]
    asked: tuple[Source, ...]
    analyst: Analyst | None
    triage: Triage
    masked: Mask


def _plugs(settings: Settings, clock: Clock, gauges: Gauges, brought: Brought) -> _Plugs:
    told, asked, analyst = brought.get("told"), brought.get("asked"), brought.get("analyst")
    ai = from_environment(AnalystSettings)
    if analyst is None and ai.configured:
        analyst = Analyst(ai, note=gauges.ai_call, clock=lambda: clock().timestamp())
    return _Plugs(
        told=_told(settings, clock) if told is None else told,
        asked=from_environment(partial(sources.configured, now=clock)) if asked is None else asked,
        analyst=analyst,
        triage=brought.get("triage") or load_triage(settings),
        masked=partial(mask, strict=ai.mask == "strict"),
    )


def _told(settings: Settings, clock: Clock) -> Mapping[str, Destination]:
    shelf = dict(from_environment(partial(destinations.configured, clock)))
    if settings.itsm_tool == "none":
        shelf.pop("jira", None)
    elif "jira" not in shelf:
        raise WrongSetting(
            "ITSM_TOOL=jira needs JIRA_DOMAIN, JIRA_USER_EMAIL, JIRA_API_TOKEN and JIRA_PROJECT_KEY; one is missing."
        )
    return shelf


@dataclass
class _Assembly:
    """One process's parts; each is made once, when the first other part asks for it."""

    settings: Settings
    clock: Clock
    plugs: _Plugs
    gauges: Gauges
    works: bool
    serves: bool
    bell: Bell = field(default_factory=Bell)

    def parts(self) -> Parts:
        """All of them. Raises WrongSetting."""
        return Parts(
            settings=self.settings,
            database=self.database,
            bell=self.bell,
            hub=self.hub,
            house=self.house,
            worker=self.worker,
            clock=self.clock,
            told=self.plugs.told,
            analyst=self.plugs.analyst,
            asked=self.plugs.asked,
            reconciler=self.reconciler,
            works=self.works,
            failover=self.failover,
        )

    @cached_property
    def database(self) -> Database:
        """The database, whose commits ring the bell."""
        return opened(
            self.settings.database,
            self.settings.data_dir,
            timeout=self.settings.primary_timeout,
            standby=self.serves and self.settings.standby_on,
            after_commit=self.bell.ring,
            now=self.clock,
        )

    @cached_property
    def jira(self) -> JiraSettings:
        """Where Jira is, and how its webhooks prove themselves."""
        return from_environment(JiraSettings)

    @cached_property
    def links(self) -> Links:
        """What links lead to."""
        return Links(self.settings.public_base_url, self.jira.site_url if self.jira.configured else None)

    @cached_property
    def feed(self) -> Feed:
        """The audit trail as events."""
        return Feed(self.database, self.links)

    @cached_property
    def hub(self) -> Hub:
        """Who hands events to sockets."""
        return Hub(self.bell, self.feed)

    @cached_property
    def finops(self) -> FinOps:
        """Whose a pipeline is."""
        return FinOps(load_rules(self.settings.finops_rules))

    @cached_property
    def asks(self) -> frozenset[str]:
        """The sources that can ask their platforms."""
        return frozenset(source.name for source in self.plugs.asked if source.asks)

    @cached_property
    def intake(self) -> Intake:
        """Where tickets are made."""
        settings, shelf = self.settings, self.plugs.told
        waits = self.plugs.analyst is not None or bool(self.asks)
        duties = Duties(
            at_once=("archive", "analyse") if "archive" in shelf else ("analyse",),
            channels=tuple(kind for kind in destinations.CHANNELS if kind in shelf),
            channels_wait_seconds=settings.rca_deadline_seconds if waits else 0.0,
            asks=self.asks,
            again=frozenset(source.name for source in self.plugs.asked if source.fails_again),
        )
        warn, rows = settings.sla_warn_seconds, settings.inbound_rows
        return Intake(self.database, self.finops, duties, inbound_rows=rows, warn_seconds=warn, now=self.clock)

    @cached_property
    def analysis(self) -> Analysis:
        """The handler that looks a failure over again: the platform, the whole error, the AI."""
        settings, plugs = self.settings, self.plugs
        seconds, known = from_environment(EnrichmentSettings).enrich_seconds, sources.by_name(plugs.asked)
        enrichment = Enrichment(
            self.database, known, self.intake, plugs.triage, self.finops, seconds=seconds, now=self.clock
        )
        opinions = Opinions(self.database, plugs.analyst, now=self.clock) if plugs.analyst else None
        patience = Patience(settings.rca_give_up_seconds, settings.sla_warn_seconds, settings.call_seconds)
        enrich = dict.fromkeys(self.asks, enrichment.on)
        return Analysis(self.database, plugs.triage, enrich, opinions, patience, now=self.clock)

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kinds of to-do there are here, each with its handler."""
        calls = self.settings.worker_calls
        kinds = [Kind("analyse", self.analysis, creates=False, calls=calls, holds=False)]
        for name, destination in self.plugs.told.items():
            delivery = Delivery(self.database, destination, self.links, self.plugs.masked, now=self.clock)
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

    @cached_property
    def worker(self) -> Worker | None:
        """Who works off to-dos; with a standby always, as nobody else can see what this one takes in in an outage."""
        if not self.works and not isinstance(self.database, Standby):
            return None
        settings = self.settings
        tempo = Tempo(
            lease=settings.lease_seconds,
            call=settings.call_seconds,
            mark_visible=settings.mark_visible_seconds,
            backoff_first=settings.backoff_first_seconds,
            backoff_most=settings.backoff_most_seconds,
            breaker_faults=settings.breaker_faults,
        )
        return Worker(self.database, self.bell, self.kinds, tempo, now=self.clock, flooded=self.intake.flooded)

    @cached_property
    def reconciler(self) -> Reconciler:
        """Who reads the platforms' own histories."""
        history, lease = from_environment(ReconcilerSettings), self.settings.lease_seconds
        plugs = self.plugs
        return Reconciler(
            self.database, plugs.asked, self.intake, plugs.triage, history, lease_seconds=lease, now=self.clock
        )

    @cached_property
    def failover(self) -> Failover | None:
        """Who brings home what a standby took in."""
        if not isinstance(self.database, Standby):
            return None
        return Failover(
            self.database,
            self.intake,
            self.worker,
            self.plugs.told.get("jira"),
            works=self.works,
            healthy_seconds=self.settings.standby_healthy_seconds,
            call_seconds=self.settings.call_seconds,
            now=self.clock,
        )

    @cached_property
    def house(self) -> House:
        """What routes stand on."""
        settings, plugs, webhook = self.settings, self.plugs, self.jira.jira_webhook_secret
        signing, key = secret(settings, "jwt_secret_key"), secret(settings, "rca_api_key")
        house = House(
            settings=settings,
            database=self.database,
            identity=identity(settings, self.database, signing_key=signing, api_key=key, now=self.clock),
            traffic=Traffic(from_environment(TrafficSettings)),
            sources=sources.by_name(plugs.asked),
            triage=plugs.triage,
            intake=self.intake,
            finops=self.finops,
            hub=self.hub,
            feed=self.feed,
            links=self.links,
            gauges=self.gauges,
            rejected=Rejected(
                settings.data_dir / "rejected", most_files=settings.rejected_files, most_bytes=settings.rejected_bytes
            ),
            read_archived=_reader(plugs.told.get("archive")),
            now=self.clock,
            jira=plugs.told.get("jira"),
            jira_secret=webhook.get_secret_value() if webhook else "",
        )
        if (worker := self.worker) is not None:
            house.worker_beat = lambda: None if worker.paused else worker.beat
            house.worker_counts = lambda: worker.settled
        if (failover := self.failover) is not None:
            house.failover, house.keep_news = (lambda: failover.state), failover.keep_news
        return house


def _reader(archive: Destination | None) -> Callable[[str], Awaitable[bytes | None]]:
    """How an archived body is read back; None where there is no archive, or nothing was archived."""
    reader = getattr(archive, "read", None)

    async def read(name: str) -> bytes | None:
        return await reader(name) if reader is not None and name else None

    return read
