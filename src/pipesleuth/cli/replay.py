"""`pipesleuth replay`: send archived payloads through today's engine, and say what would be said differently."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipesleuth.cli import logs
from pipesleuth.cli.reconcile import moment_of
from pipesleuth.model import (
    BadPayload,
    Diagnosis,
    Failure,
    NotAFailure,
    Permanent,
    PipesleuthError,
    Retryable,
    StoreUnavailable,
)
from pipesleuth.settings import Settings, from_environment, load

if TYPE_CHECKING:
    from pipesleuth.destinations.bodies import Bodies, Body
    from pipesleuth.sources.contract import Source
    from pipesleuth.tickets.replay import Difference, Report

TOGETHER = 16  # bodies that are read, and asked of the AI, at once
FLIPS = 30
Diagnose = Callable[[Failure], Awaitable[Diagnosis]]
Rows = Mapping[str, Mapping[str, Any]]
Recall = Callable[[list[str]], Rows]
NO_ROWS: Rows = MappingProxyType({})


class Against(StrEnum):
    """What today's verdicts are compared with."""

    TICKETS = "tickets"
    RULES = "rules"


class NothingToCompare(PipesleuthError):
    """There is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Who speaks today, and who spoke before where it is not the tickets; `recall` reads tickets' rows."""

    now: Diagnose
    before: Diagnose | None
    recall: Recall | None
    sources: Mapping[str, Source]
    depth: int


def register(app: typer.Typer) -> None:
    """Mount `replay` on the program."""
    app.command("replay")(replay)


def replay(
    archive: Annotated[
        Path | None,
        typer.Argument(help="A folder of archived bodies; without one the configured archive (Azure Blob)."),
    ] = None,
    since: Annotated[str, typer.Option(help="Only tickets made since: 24h, 7d, or 2026-11-20T02:00Z.")] = "",
    until: Annotated[str, typer.Option(help="Only tickets made before this.")] = "",
    rules: Annotated[Path | None, typer.Option(help="A folder of entries to try instead of KNOWLEDGE_PATH.")] = None,
    model: Annotated[str | None, typer.Option(help="Let this AI model speak, weighed as in the service.")] = None,
    against: Annotated[
        Against | None,
        typer.Option(help="Compare with what the tickets say, or with the present rules. Default: whichever is there."),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line for each difference, then one of figures.")
    ] = False,
) -> None:
    """Say what would be said differently of archived failures; no channel and no ticket is touched."""
    logs.configure("error")
    settings, now = load(), datetime.now(UTC)
    start = moment_of(since, now) if since else None
    end = moment_of(until, now, "--until") if until else None
    if archive is not None and not archive.is_dir():
        raise NothingToCompare(f"{archive} is no folder.")
    engines = _engines(settings, rules, model, against)
    bodies = _bodies(archive)
    shown = _Shown(as_json=as_json)
    report = asyncio.run(_run(engines, bodies, start, end, shown))
    shown.report(report, bodies.passed_over)


def _engines(settings: Settings, rules: Path | None, model: str | None, against: Against | None) -> Engines:
    """Who speaks. Raises WrongSetting, KnowledgeFault, NothingToCompare."""
    from pipesleuth.cli.eval import ai_engine, knowledge_engine  # noqa: PLC0415  # loaded when asked for
    from pipesleuth.sources import registry  # noqa: PLC0415  # the same

    recall = _recall(settings) if against is not Against.RULES else None
    if against is Against.TICKETS and recall is None:
        raise NothingToCompare("The database with the tickets cannot be reached, or has an older schema.")
    if recall is None and rules is None and model is None:
        raise NothingToCompare(
            "There is nothing to compare with: no database with tickets can be reached. Name --rules or --model, "
            "or set DATABASE_URL."
        )
    folder = rules or settings.knowledge_path
    now = ai_engine(model, folder) if model else knowledge_engine(folder)
    before = None if recall is not None else knowledge_engine(settings.knowledge_path).diagnose
    prefixes = {source.prefix: source for source in from_environment(registry.configured)}
    return Engines(now.diagnose, before, recall, prefixes, settings.max_json_depth)


def _recall(settings: Settings) -> Recall | None:
    """A way to the tickets, only for reading; None where there is no database with this version's schema."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # loaded when asked for

    from pipesleuth.db import upgrade as schema  # noqa: PLC0415  # the same
    from pipesleuth.db.engine import open_engine  # noqa: PLC0415  # the same
    from pipesleuth.tickets.replay import said_then  # noqa: PLC0415  # the same

    url = settings.database
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return None  # opening it would make it
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            if (schema.revision(connection) or "") < schema.HEAD:
                return None
    except (SQLAlchemyError, StoreUnavailable):
        return None

    def rows(ticket_ids: list[str]) -> Rows:
        with engine.connect() as connection:
            return said_then(connection, ticket_ids)

    return rows


def _bodies(folder: Path | None) -> Bodies:
    from pipesleuth.destinations.archive import Archive, ArchiveSettings  # noqa: PLC0415  # loaded when asked for
    from pipesleuth.destinations.bodies import Bodies as Made  # noqa: PLC0415  # the same

    return Made(Archive(from_environment(ArchiveSettings)), folder)


async def _run(
    engines: Engines, bodies: Bodies, since: datetime | None, until: datetime | None, shown: _Shown
) -> Report:
    from pipesleuth.tickets.replay import Report as Made  # noqa: PLC0415  # loaded when asked for

    report, listed = Made(), bodies.listed(since, until)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("replaying", total=None)
        while some := await asyncio.to_thread(lambda: list(islice(listed, TOGETHER))):
            wanted = [one.ticket_id for one in some]
            rows: Rows = await asyncio.to_thread(engines.recall, wanted) if engines.recall is not None else NO_ROWS
            await asyncio.gather(*(_one(engines, bodies, one, rows.get(one.ticket_id), report, shown) for one in some))
            progress.advance(bar, len(some))
    return report


async def _one(
    engines: Engines, bodies: Bodies, body: Body, row: Mapping[str, Any] | None, report: Report, shown: _Shown
) -> None:
    """Compare one body's verdicts; whatever is wrong with it is counted and named, and the others go on."""
    from pipesleuth.tickets import replay as verdicts  # noqa: PLC0415  # loaded when asked for

    report.bodies += 1
    try:
        failure = _read(engines, body, await bodies.read(body), row)
    except NotAFailure as none:
        return report.leave("no failure for today's reader", body.name, none.reason)
    except BadPayload as bad:
        return report.leave("unreadable", body.name, bad.reason)
    except (Permanent, Retryable) as error:
        return report.leave("not to be had", body.name, error.reason)
    if engines.recall is not None and row is None:
        return report.leave("without a ticket", body.name, "No ticket of this id is in the database.")
    began = time.perf_counter()
    try:
        said = await engines.now(failure)
    except (Permanent, Retryable) as error:
        return report.leave("not answered by the AI", body.name, error.reason)
    seconds = time.perf_counter() - began
    before = verdicts.then(row) if row is not None else None
    if engines.before is not None:
        before = verdicts.of(await engines.before(failure))
    difference = report.compare(body.ticket_id, before, verdicts.of(said), seconds)
    if difference is not None:
        shown.difference(difference)
    return None


def _read(engines: Engines, body: Body, content: bytes, row: Mapping[str, Any] | None) -> Failure:
    """The failure of a body as today's source reads it. Raises BadPayload, NotAFailure."""
    from pipesleuth.tickets.origin import recalled  # noqa: PLC0415  # loaded when asked for
    from pipesleuth.tickets.replay import meant  # noqa: PLC0415  # the same
    from pipesleuth.web.body import parse  # noqa: PLC0415  # the same

    payload = parse(content, engines.depth)
    if "found_by" in payload:  # made of a platform's history, not of a webhook
        if row is None:
            raise BadPayload("It was found in the platform's history; without its ticket there is nothing to read.")
        return recalled(row)
    source = engines.sources.get(body.ticket_id.partition("-")[0])
    if source is None:
        raise BadPayload("No source here has tickets that begin like this.")
    return meant(source.read(payload), row)


class _Shown:
    """Where the differences and the figures go."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def difference(self, found: Difference) -> None:
        """Print one difference as it is found; for a person the figures say enough."""
        if self._as_json:
            typer.echo(json.dumps(found.plain(), ensure_ascii=True))

    def report(self, report: Report, passed_over: int) -> None:
        """Print what was found in all."""
        if self._as_json:
            typer.echo(json.dumps({"summary": report.plain() | {"passed_over": passed_over}}, ensure_ascii=True))
            return
        console = Console(soft_wrap=True)
        for line in _lines(report, passed_over):
            console.print(line, highlight=False)
        if report.flips:
            console.print(_flips(report))


def _lines(report: Report, passed_over: int) -> Iterator[str]:
    yield f"{report.bodies} bodies, {report.compared} compared, {report.different} would be told differently"
    for name, times in report.fields.most_common():
        yield f"  {name:<16} {times:>7}   {times / report.compared:.1%}"
    for word, times in report.urgency.items():
        yield f"  {word:<16} {times:>7}"
    yield f"a verdict takes {report.took(0.5):.2f} ms, 95 of 100 at most {report.took(0.95):.2f} ms"
    for what, times in report.unread.items():
        yield f"{times} not compared: {what}"
    for name, reason in report.reasons:
        yield f"  {escape(name)}: {escape(_plain(reason))}"
    if passed_over:
        yield f"{passed_over} other files passed over"


def _flips(report: Report) -> Table:
    table = Table(
        "said then", "would be said now", "times", "such as", title="Verdicts", title_justify="left", box=None
    )
    for (before, now), times in report.flips.most_common(FLIPS):
        table.add_row(escape(before), escape(now), str(times), report.examples[before, now])
    return table


def _plain(text: str) -> str:
    """A sentence that came with a body, as one line that steers no terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]
