"""How files of deploy/ are held to the program: its commands, its variables, its probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import typer
import yaml

from configuration_variables import known_variables
from equipment import HOUSE
from pipesleuth.cli import app as program
from pipesleuth.web import health

DEPLOY = HOUSE / "deploy"
INTERPRETER = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}
USER = 10001
SERVER, WORKER = 8000, 8001


def understood(words: list[str]) -> dict[str, Any]:
    """The options of a command line as the program itself reads them; fails for what it does not know."""
    group: Any = typer.main.get_command(program)
    command = group.get_command(typer.Context(group), words[0])
    assert command is not None, words
    return command.make_context(words[0], words[1:]).params


def known(names: set[str]) -> None:
    """Every variable is one that the program, or Python itself, reads."""
    assert names - known_variables() - INTERPRETER == set()


def asked(path: str) -> None:
    """A probe's path is a route, with a query that it takes."""
    parts = urlsplit(path)
    routes = {route.path: route for route in health.router.routes}  # pyright: ignore[reportAttributeAccessIssue]  # all have one
    assert parts.path in routes
    for name, value in parse_qsl(parts.query, strict_parsing=True) if parts.query else ():
        assert (parts.path, name, value) == ("/readyz", "for", "intake")


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
