"""`pipesleuth demo`: everything at once on this machine, with failures that look real."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Mount `demo` on the program."""
    app.command("demo")(demo)


def demo() -> None:
    """x."""
