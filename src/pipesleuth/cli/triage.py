"""Root causes on the command line: `pipesleuth triage` and `pipesleuth kb check`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from pipesleuth.destinations.legible import clean
from pipesleuth.model import Failure
from pipesleuth.triage.diagnose import Explanation, Triage
from pipesleuth.triage.knowledge import Entry, Example, KnowledgeFault, Weight, check_folder

_MAX_INPUT = 64 * 1024 * 1024
_DATABRICKS_WORDS = ("databricks", "spark", "delta", "py4j", "traceback", "dbfs:", "cluster")


@dataclass(frozen=True, slots=True)
class Case:
    """One failure to be judged and the id its answer carries."""

    id: str
    failure: Failure


def register(app: typer.Typer) -> None:
    """Mount `triage` and `kb` on the program."""
    app.command("triage")(triage)
    knowledge = typer.Typer(help="The knowledge base.", no_args_is_help=True)
    knowledge.command("check")(check)
    knowledge.callback()(_group)
    app.add_typer(knowledge, name="kb")


def _group() -> None:
    """The knowledge base."""


def triage(
    file: Annotated[
        str, typer.Argument(help="A file of cases, one JSON object a line, or - for standard input.")
    ] = "-",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each case.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show the chain of causes and why an entry won.")] = False,
    knowledge: Annotated[
        Path | None, typer.Option(envvar="KNOWLEDGE_PATH", help="A folder of your own entries, which win.")
    ] = None,
) -> None:
    """Name the root cause of pasted or stored errors; needs no set-up."""
    text = _read(file)
    try:
        engine = Triage.load(knowledge)
    except KnowledgeFault as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault
    seen = 0
    for case in cases(text):
        seen += 1
        said = engine.explain(case.failure)
        if as_json:
            typer.echo(json.dumps(verdict(case, said, explain=explain), ensure_ascii=False))
        else:
            _print(case, said, explain=explain)
    if not seen:
        typer.echo("There is nothing to judge: the input is empty.", err=True)
        raise typer.Exit(2)


def check(folder: Annotated[Path, typer.Argument(help="A folder of YAML files.")]) -> None:
    """Say what is wrong in a folder of entries, with file and line; exit code 1 if anything is."""
    entries, faults = check_folder(folder)
    platforms = {"any", *_sources().values()}
    for entry in entries:
        if entry.platform not in platforms:
            known = ", ".join(sorted(platforms))
            faults.append(f"{entry.file}:{entry.line}: no source is called '{entry.platform}'; there are {known}")
    if not faults:
        faults = failing_examples(entries, Triage.load(folder))
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(1)
    typer.echo(f"{len(entries)} entries, nothing wrong.")


@cache
def _sources() -> dict[str, str]:
    """Every source's name under each word for it."""
    from pipesleuth.sources.registry import registry  # noqa: PLC0415  # loaded when asked for

    return {word: source.name for word, source in registry().items()}


def failing_examples(entries: list[Entry], engine: Triage) -> list[str]:
    """One sentence with file and line for each example its own entry does not win on its platform."""
    faults: list[str] = []
    for entry in entries:
        sources = ["data_factory", "databricks"] if entry.platform == "any" else [entry.platform]
        for example in entry.examples:
            found = [_fault(entry, example, engine, source) for source in sources]
            if all(found):
                faults.append(f"{entry.file}:{entry.line}: {entry.id}: {found[0]}")
    return faults


def _fault(entry: Entry, example: Example, engine: Triage, source: str) -> str | None:
    failure = Failure(
        source=source, pipeline="example", error_message=example.text,
        error_code=example.code or None, activity_type=example.activity or None,
    )  # fmt: skip
    said = engine.full(failure)
    if said.said_by not in {
        f"knowledge:{entry.id}",
        "general" if entry.weight in {Weight.GENERAL, Weight.PLAIN} else "",
    }:
        return f"its example is won by {said.said_by}: {example.text[:80]!r}"
    if example.entity and example.entity != said.affected_entity:
        return f"its example's entity is read as {said.affected_entity!r}: {example.text[:80]!r}"
    return None


def cases(text: str) -> Iterator[Case]:
    """The failures in a text: JSON lines of cases, else the whole text is one pasted error."""
    lines = [line for line in text.splitlines() if line.strip()]
    objects = [_object(line) for line in lines]
    if lines and all(one is not None and _is_case(one) for one in objects):
        for number, one in enumerate(objects, 1):
            if one is not None:
                yield _case(one, number)
        return
    whole = _object(text)
    if whole is not None and _is_case(whole) and "source" in whole:
        yield _case(whole, 1)
    elif text.strip():
        yield Case("1", Failure(source=_guess(text), pipeline="pasted", error_message=text.strip()))


def verdict(case: Case, said: Explanation, *, explain: bool) -> dict[str, Any]:
    """What `--json` prints for one case."""
    diagnosis = said.diagnosis
    told: dict[str, Any] = {
        "id": case.id,
        "category": diagnosis.category,
        "error_type": diagnosis.error_type,
        "affected_entity": diagnosis.affected_entity,
        "retryable": diagnosis.retryable,
        "owner": diagnosis.owner,
        "confidence": diagnosis.confidence,
        "root_cause": diagnosis.root_cause,
        "recommendations": list(diagnosis.recommendations),
        "severity": diagnosis.severity,
        "priority": diagnosis.priority,
        "auto_heal_possible": diagnosis.auto_heal_possible,
        "said_by": diagnosis.said_by,
    }
    if explain:
        told["evidence"] = list(diagnosis.evidence)
        told["chain"] = [
            {
                "kind": cause.kind,
                "code": cause.code,
                "entity": cause.entity,
                "text": cause.text,
                "span": list(cause.span),
            }
            for cause in said.peeled.causes
        ]
        told["ranking"] = [
            {"id": one.entry.id, "points": round(one.points, 1), "reasons": list(one.reasons)}
            for one in said.candidates
        ]
    return told


def _print(case: Case, said: Explanation, *, explain: bool) -> None:
    found = said.diagnosis
    _say(
        f"{case.id}: {found.category} ({found.confidence}), {found.severity}/{found.priority}, said by {found.said_by}"
    )
    _say(f"  cause    {found.root_cause}")
    _say(f"  code     {found.error_type or '-'}   entity {found.affected_entity or '-'}")
    _say(f"  owner    {found.owner}   re-run may succeed: {'yes' if found.retryable else 'no'}")
    for step in found.recommendations:
        _say(f"  - {step}")
    if explain:
        _say("  chain of causes, outermost first")
        for cause in said.peeled.causes:
            words = " ".join(part for part in (cause.code, cause.entity, cause.text[:120]) if part)
            _say(f"    {cause.kind:<14} {words}")
        _say("  ranking")
        for one in said.candidates:
            _say(f"    {one.points:6.1f} {one.entry.id} ({one.entry.file}:{one.entry.line}): {', '.join(one.reasons)}")
    _say("")


def _say(text: str) -> None:
    """A line for a person; what in it would steer the terminal is made visible."""
    typer.echo(clean(text))


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read(_MAX_INPUT) if file == "-" else _bounded(Path(file))
    except OSError as error:
        typer.echo(f"{file} cannot be read: {error.strerror}", err=True)
        raise typer.Exit(2) from error
    return raw.decode("utf-8", "replace")


def _bounded(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(_MAX_INPUT)


def _object(text: str) -> Mapping[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _is_case(one: Mapping[str, Any]) -> bool:
    """A case has a message and an id or a source; an activity's own JSON output has neither."""
    return isinstance(one.get("message"), str) and ("id" in one or one.get("source") in _sources())


def _case(one: Mapping[str, Any], number: int) -> Case:
    def said(*names: str) -> str | None:
        return next((str(one[name]) for name in names if one.get(name) not in (None, "")), None)

    message = str(one["message"])
    failure = Failure(
        source=_sources().get(said("source") or "") or _guess(message),
        pipeline=said("pipeline", "job") or "case",
        error_message=message,
        error_code=said("error_code"),
        activity=said("activity"),
        activity_type=said("activity_type", "kind"),
    )
    return Case(said("id") or str(number), failure)


def _guess(text: str) -> str:
    lowered = text[:20_000].casefold()
    return "databricks" if any(word in lowered for word in _DATABRICKS_WORDS) else "data_factory"
