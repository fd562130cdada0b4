"""`pipesleuth eval`: score an engine on labelled cases, show where it errs, and fail below written thresholds."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipesleuth.model import Diagnosis, Failure, Permanent, PipesleuthError, Retryable, WrongSetting
from pipesleuth.settings import explain
from pipesleuth.triage.evaluation import (
    BadCases,
    Case,
    Scores,
    Tally,
    Verdict,
    failure_of,
    read_cases,
    score,
    shortfalls,
    verdict_of,
)

if TYPE_CHECKING:
    from pipesleuth.triage.analyst import Answer

Analysis = Callable[[Failure], Awaitable[Diagnosis]]
NO_ANALYST = "no AI is configured: set GEMINI_API_KEY (or the key of the provider that MODEL_ID names)"
_PAIRS = 12
_PAUSE_SECONDS, _LONGEST_PAUSE = 2.0, 60.0


class EngineChoice(StrEnum):
    """Which engine is scored."""

    KNOWLEDGE = "knowledge"
    AI = "ai"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that diagnoses failures: `cost` tells in US dollars what it has spent so far, None where unknown."""

    name: str
    diagnose: Analysis
    cost: Callable[[], float | None] = lambda: None


EngineFactory = Callable[[str | None, Path | None], Engine]
"""Makes the AI engine for a model's name (None: the configured one) and a team's folder of entries; WrongSetting."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation of one engine brought: its scores, its time in seconds and its cost in US dollars."""

    engine: str
    scores: Scores
    seconds: float
    cost: float | None


def knowledge_engine(folder: Path | None = None) -> Engine:
    """The engine of the knowledge base, with a team's own entries from `folder`; raises KnowledgeFault."""
    from pipesleuth.triage.diagnose import Triage  # noqa: PLC0415 - RE2 and the base are loaded only when asked for

    base = Triage.load(folder)

    async def answer(failure: Failure) -> Diagnosis:
        return base.full(failure)

    return Engine("knowledge", answer, lambda: 0.0)


def ai_engine(model: str | None, folder: Path | None = None) -> Engine:
    """The engine of the AI: its opinion weighed against the knowledge base's verdict, as in the service.

    A busy model is asked again after its own pause. Raises WrongSetting where no AI is configured, KnowledgeFault.
    """
    from pipesleuth.triage.analyst import Analyst, AnalystSettings, Spent  # noqa: PLC0415 - only when asked for
    from pipesleuth.triage.diagnose import Triage  # noqa: PLC0415 - RE2 and the base are loaded only when asked for
    from pipesleuth.triage.opinion import weighed  # noqa: PLC0415 - only when asked for
    from pipesleuth.triage.prompt import question  # noqa: PLC0415 - only when asked for

    try:
        named = {"model_id": model, "model_fallback": "none"} if model else {}
        settings = AnalystSettings(**named)  # pyright: ignore[reportArgumentType]  # texts, checked by pydantic
    except ValidationError as error:
        raise WrongSetting(explain(error)) from error
    if not settings.configured:
        raise WrongSetting(NO_ANALYST)
    spent: list[Spent] = []
    said: set[str] = set()
    base, ai = Triage.load(folder), Analyst(settings, note=spent.append)

    async def answer(failure: Failure) -> Diagnosis:
        verdict = base.full(failure)
        asked = question(failure, verdict, "", strict=ai.strict)
        heard = await _patiently(lambda: ai.ask(asked), said)
        return weighed(heard.opinion, verdict, failure, asked.text, heard.model).diagnosis or verdict

    def cost() -> float | None:
        known = [call.cost for call in spent if call.cost is not None]
        return sum(known) if len(known) == len(spent) else None

    return Engine(settings.model_id, answer, cost)


async def _patiently(ask: Callable[[], Awaitable[Answer]], said: set[str]) -> Answer:
    """The answer, a busy model being asked up to three times; each reason why not is printed once."""
    tries = 3
    while True:
        tries -= 1
        try:
            return await ask()
        except (Retryable, Permanent) as error:
            if error.reason not in said:
                said.add(error.reason)
                typer.echo(f"eval: {error.reason}", err=True)
            if isinstance(error, Permanent) or not tries:
                raise
            await asyncio.sleep(min(error.after or _PAUSE_SECONDS, _LONGEST_PAUSE))


def register(app: typer.Typer, analyst: EngineFactory = ai_engine) -> None:
    """Put `eval` on the command line; `analyst` makes the AI engine."""

    @app.command("eval")
    def evaluate(
        cases: Annotated[list[Path], typer.Argument(help="Files of labelled cases, one JSON object a line.")],
        *,
        engine: Annotated[EngineChoice, typer.Option(help="What to score.")] = EngineChoice.KNOWLEDGE,
        model: Annotated[str | None, typer.Option(help="The AI model to score; implies --engine ai.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
        gate: Annotated[Path | None, typer.Option(help="YAML file of thresholds; exit code 1 below them.")] = None,
        knowledge: Annotated[
            Path | None, typer.Option(envvar="KNOWLEDGE_PATH", help="A folder of your own entries, which win.")
        ] = None,
    ) -> None:
        """Score root causes against labelled cases."""
        chosen = EngineChoice.AI if model and engine is EngineChoice.KNOWLEDGE else engine
        try:
            labelled = load_cases(cases)
            thresholds: Mapping[str, Any] = load_gate(gate) if gate else {}
            engines: list[Engine] = [] if chosen is EngineChoice.AI else [knowledge_engine(knowledge)]
            if chosen is not EngineChoice.KNOWLEDGE:
                engines.append(analyst(model, knowledge))
            outcomes = [run(one, labelled) for one in engines]
            missed = [f"{one.engine}: {line}" for one in outcomes for line in shortfalls(one.scores, thresholds)]
        except PipesleuthError as error:
            Console(stderr=True).print(f"[red]eval:[/] {escape(str(error))}")
            raise typer.Exit(2) from error
        if as_json:
            typer.echo(json.dumps(report(outcomes, missed if gate else None), ensure_ascii=False))
        else:
            show(Console(), outcomes)
        _judge(gate, missed)


def _judge(gate: Path | None, missed: Sequence[str]) -> None:
    if gate is None:
        return
    said = Console(stderr=True)
    for line in missed:
        said.print(f"[red]below the gate:[/] {escape(line)}")
    if missed:
        raise typer.Exit(1)
    said.print(f"[green]the gate {escape(gate.name)} is passed[/]")


def load_cases(paths: Sequence[Path]) -> list[Case]:
    """The cases of several files; raises BadCases for what cannot be read or an id that occurs twice."""
    cases: list[Case] = []
    for path in paths:
        cases.extend(read_cases(_text(path), path.name))
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise BadCases(f"the case id {case.id!r} occurs twice")
        seen.add(case.id)
    return cases


def load_gate(path: Path) -> Mapping[str, Any]:
    """The thresholds of a gate file; raises BadCases where it is no mapping."""
    try:
        read = cast("object", yaml.safe_load(_text(path)))
    except yaml.YAMLError as error:
        raise BadCases(f"{path.name}: not YAML ({error})") from error
    if not isinstance(read, Mapping):
        raise BadCases(f"{path.name}: a gate maps a figure's name to its least value")
    return cast("Mapping[str, Any]", read)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCases(f"{path}: cannot be read ({error})") from error


def run(engine: Engine, cases: Sequence[Case]) -> Outcome:
    """Let an engine diagnose every case, with a progress bar on standard error."""
    began = time.perf_counter()
    verdicts = asyncio.run(_verdicts(engine, cases))
    return Outcome(engine.name, score(cases, verdicts), time.perf_counter() - began, engine.cost())


async def _verdicts(engine: Engine, cases: Sequence[Case]) -> dict[str, Verdict]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    verdicts: dict[str, Verdict] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(engine.name, total=len(cases))
        for case in cases:
            # A case the engine could not answer has no verdict: it counts as wrong and as not answered.
            with suppress(Retryable, Permanent):
                verdicts[case.id] = verdict_of(await engine.diagnose(failure_of(case)))
            progress.advance(bar)
    return verdicts


def report(outcomes: Sequence[Outcome], missed: Sequence[str] | None) -> dict[str, Any]:
    """The whole evaluation as plain JSON; `missed` is None where no gate was asked for."""
    told: dict[str, Any] = {"engines": {outcome.engine: _engine_report(outcome) for outcome in outcomes}}
    if missed is not None:
        told["gate"] = {"passed": not missed, "shortfalls": list(missed)}
    return told


def _engine_report(outcome: Outcome) -> dict[str, Any]:
    scores = outcome.scores
    return scores.figures() | {
        "intervals": {name: _rounded(tally) for name, tally in sorted(scores.measures.items())},
        "by_category": {
            name: {"right": tally.right, "of": tally.of, "interval": _rounded(tally)}
            for name, tally in sorted(scores.by_category.items())
        },
        "confidence_intervals": {name: _rounded(tally) for name, tally in sorted(scores.by_confidence.items())},
        "confusions": [
            {"wanted": wanted, "got": got, "times": times} for (wanted, got), times in scores.confusions.items()
        ],
        "misses": [{"id": miss.id, "wanted": miss.wanted, "got": miss.got} for miss in scores.misses],
        "seconds": round(outcome.seconds, 3),
        "cost_usd": outcome.cost,
    }


def _rounded(tally: Tally) -> list[float]:
    return [round(bound, 4) for bound in tally.interval]


def show(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print the evaluation for a person."""
    for outcome in outcomes:
        scores = outcome.scores
        figures = Table(
            title=f"{outcome.engine}: {scores.cases} cases, {scores.answered} answered", title_justify="left"
        )
        _rows(figures, "figure", scores.measures)
        figures.add_row("category_macro_f1", f"{scores.macro_f1:.3f}", "", "")
        console.print(figures)
        categories = Table(title="By category", title_justify="left")
        _rows(categories, "category", scores.by_category)
        console.print(categories)
        calibration = Table(title="Right, by confidence", title_justify="left")
        _rows(calibration, "confidence", scores.by_confidence)
        console.print(calibration)
        if scores.confusions:
            console.print(_confusion_table(scores))
        each = 1000 * outcome.seconds / max(1, scores.cases)
        cost = "unknown" if outcome.cost is None else f"${outcome.cost:.4f}"
        console.print(f"time {outcome.seconds:.2f} s ({each:.2f} ms a case), cost {cost}\n")


def _rows(table: Table, name: str, tallies: Mapping[str, Tally]) -> None:
    table.add_column(name)
    for heading in ("rate", "95 % interval", "right / all"):
        table.add_column(heading, justify="right")
    for label, tally in sorted(tallies.items()):
        low, high = tally.interval
        table.add_row(label, f"{tally.rate:.3f}", f"{low:.2f} – {high:.2f}", f"{tally.right} / {tally.of}")


def _confusion_table(scores: Scores) -> Table:
    table = Table(title="Taken for something else", title_justify="left")
    for heading in ("wanted", "got", "times", "cases"):
        table.add_column(heading)
    for (wanted, got), times in list(scores.confusions.items())[:_PAIRS]:
        ids = [miss.id for miss in scores.misses if (miss.wanted, str(miss.got)) == (wanted, got)]
        table.add_row(wanted, escape(got), str(times), escape(" ".join(ids[:6])))
    return table
