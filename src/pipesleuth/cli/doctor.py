"""`pipesleuth doctor`: look at everything, change nothing, say what repairs it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pipesleuth.doctor import PARTS, Case, Finding, Mark, examine
from pipesleuth.settings import load

SIGNS = {
    Mark.OK: "[green]✓[/green]",
    Mark.WARNING: "[yellow]![/yellow]",
    Mark.FAULT: "[red]✗[/red]",
    Mark.OFF: "[dim]–[/dim]",
}


def register(app: typer.Typer) -> None:
    """Mount `doctor` on the program."""
    app.command("doctor")(doctor)


def doctor(
    part: Annotated[list[str] | None, typer.Argument(help=f"Only these: {', '.join(PARTS)}.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    send_test: Annotated[
        bool, typer.Option("--send-test", help="Also write: a file, a question, an issue (deleted again), a message.")
    ] = False,
) -> None:
    """Say how everything is; exit code 1 if something does not work."""
    unknown = [name for name in part or [] if name not in PARTS]
    if unknown:
        raise typer.BadParameter(f"There is no part {unknown[0]}. Known are: {', '.join(PARTS)}.")
    case = Case(load(), lambda: datetime.now(UTC), send_test=send_test)
    findings = asyncio.run(examine(case, part or tuple(PARTS)))
    counts = Counter(finding.mark for finding in findings)
    if as_json:
        told = [{"part": f.part, "mark": f.mark.value, "seen": f.seen, "repair": f.repair} for f in findings]
        typer.echo(json.dumps({"ok": not counts[Mark.FAULT], "findings": told}, ensure_ascii=False, indent=2))
    else:
        show(findings)
    if counts[Mark.FAULT]:
        raise typer.Exit(1)


def show(findings: list[Finding]) -> None:
    """The findings as lines for a person."""
    console = Console()
    for finding in findings:
        line = f"{SIGNS[finding.mark]} {finding.part:<14} {escape(finding.seen)}"
        console.print(line, highlight=False, soft_wrap=True)
        if finding.repair:
            console.print(f"  {'':<14} → {escape(finding.repair)}", highlight=False, soft_wrap=True)
