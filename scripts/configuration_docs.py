"""Writes the tables of docs/configuration.md from the settings classes, or says (--check) that they differ."""

from __future__ import annotations

import argparse
import difflib
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

from pydantic import AliasChoices, AliasPath, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

import pipesleuth

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
BEGIN = "<!-- variables: written by scripts/configuration_docs.py -->"
END = "<!-- end of variables -->"
# Alembic's environment runs migrations when it is imported.
CLOSED_ROOMS = ("pipesleuth.db.migrations",)


def settings_classes() -> list[type[BaseSettings]]:
    """Every settings class of the program, the service's own first, then by module and name."""
    found: set[type[BaseSettings]] = set()
    for module in pkgutil.walk_packages(pipesleuth.__path__, "pipesleuth."):
        if module.name.startswith(CLOSED_ROOMS) or module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseSettings) and value.__module__ == module.name:
                found.add(value)
    full = (kind for kind in found if kind.model_fields)  # not their common base
    return sorted(full, key=lambda kind: (kind.__module__ != "pipesleuth.settings", kind.__module__, kind.__name__))


def variables(kind: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The environment variables of one class, each with its field; an alias comes before the field's own name."""
    prefix = str(kind.model_config.get("env_prefix") or "")
    for name, field in kind.model_fields.items():
        for variable in _aliases(field) or [prefix + name]:
            yield variable.upper(), field


def _aliases(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    match alias:
        case None:
            return []
        case AliasChoices():
            return [str(choice.path[0]) if isinstance(choice, AliasPath) else choice for choice in alias.choices]
        case AliasPath():
            return [str(alias.path[0])]
        case _:
            return [alias]


def default_of(field: FieldInfo) -> str:
    """A field's default as a person would write it into the environment."""
    if field.is_required():
        return "required"
    value: object = field.default
    if value is PydanticUndefined:
        value = field.get_default(call_default_factory=True, validated_data={})
    match value:
        case None | "" | () | {} if not value:
            return "–"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{','.join(map(str, cast('tuple[object, ...]', value)))}`"
        case SecretStr():
            raise ValueError("a secret has no default in the code")
        case _:
            return f"`{value}`"


def is_secret(field: FieldInfo) -> bool:
    """Whether a field holds a secret, so that its value is shown nowhere."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def table(kind: type[BaseSettings], told: set[str]) -> str:
    """One class as a heading and a table of the variables that are not `told` yet; afterwards they are."""
    title = (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for variable, field in variables(kind):
        if variable in told:
            continue
        told.add(variable)
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{variable}` | {default_of(field)} | {meaning}{' *Secret.*' if is_secret(field) else ''} |")
    return "\n".join([f"### {title}", "", *rows])


def page_with_tables(text: str) -> str:
    """The page with its tables written anew; what a person wrote around them stays."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} has lost the lines between which its tables stand:\n{BEGIN}\n{END}")
    told: set[str] = set()
    tables = "\n\n".join(table(kind, told) for kind in settings_classes())
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def faults(text: str) -> list[str]:
    """What is wrong with the page: fields without a meaning, names in the prose that no class knows."""
    known = {variable: field for kind in settings_classes() for variable, field in variables(kind)}
    silent = [
        f"{variable} has no description in its class" for variable, field in known.items() if not field.description
    ]
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", text.partition(BEGIN)[0] + text.partition(END)[2]))
    return silent + [f"{name} is on the page, but no settings class knows it" for name in sorted(named - known.keys())]


def main() -> int:
    """Write the page, or with --check print what differs; the exit code is 1 when something is wrong."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--check", action="store_true", help="change nothing, fail where the page differs")
    checking = bool(words.parse_args().check)
    text = PAGE.read_text(encoding="utf-8")
    wanted = page_with_tables(text)
    problems = faults(wanted)
    if checking and wanted != text:
        problems += list(difflib.unified_diff(text.splitlines(), wanted.splitlines(), "page", "settings", lineterm=""))
        problems.append("Write the tables anew: .venv/bin/python scripts/configuration_docs.py")
    elif wanted != text:
        PAGE.write_text(wanted, encoding="utf-8")
    print("\n".join(problems) or f"{PAGE.name} agrees with the settings.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
