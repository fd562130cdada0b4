"""`pipesleuth doctor`: look at everything, change nothing, say what repairs it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pipesleuth.model import WrongSetting
from pipesleuth.settings import load

if TYPE_CHECKING:
    from pipesleuth.doctor import Finding

SIGNS = {
    "ok": "[green]✓[/green]",
    "warning": "[yellow]![/yellow]",
    "fault": "[red]✗[/red]",
    "off": "[dim]–[/dim]",
}


def register(app: typer.Typer) -> None:
    """Mount `doctor` on the program."""
    app.command("doctor")(doctor)


def doctor(
    part: Annotated[list[str] | None, typer.Argument(help="Only these parts, such as jira or slack.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    send_test: Annotated[
        bool, typer.Option("--send-test", help="Also write: a file, a question, an issue (deleted again), a message.")
    ] = False,
) -> None:
    """Say how everything is; exit code 1 if something does not work."""
    findings = _findings(part or [], send_test=send_test)
    well = all(finding.mark != "fault" for finding in findings)
    if as_json:
        told = [{"part": f.part, "mark": f.mark.value, "seen": f.seen, "repair": f.repair} for f in findings]
        typer.echo(json.dumps({"ok": well, "findings": told}, ensure_ascii=False, indent=2))
    else:
        _show(findings)
    if not well:
        raise typer.Exit(1)


def _findings(parts: Sequence[str], *, send_test: bool) -> list[Finding]:
    """What the doctor finds; settings with which nothing can start are a finding of their own."""
    from pipesleuth.doctor import PARTS, Case, Finding, Mark, examine  # noqa: PLC0415  # other commands start faster

    unknown = [name for name in parts if name not in PARTS]
    if unknown:
        raise typer.BadParameter(f"There is no part {unknown[0]}. Known are: {', '.join(PARTS)}.")
    try:
        settings = load()
    except WrongSetting as error:
        repair = "Correct the variable; docs/configuration.md says what it takes."
        return [Finding("settings", Mark.FAULT, str(error), repair)]
    case = Case(settings, lambda: datetime.now(UTC), send_test=send_test)
    return asyncio.run(examine(case, parts or tuple(PARTS)))


def _show(findings: Sequence[Finding]) -> None:
    """The findings as lines for a person."""
    console = Console()
    for finding in findings:
        line = f"{SIGNS[finding.mark]} {finding.part:<14} {escape(finding.seen)}"
        console.print(line, highlight=False, soft_wrap=True)
        if finding.repair:
            console.print(f"  {'':<14} → {escape(finding.repair)}", highlight=False, soft_wrap=True)
