"""The environment variables that the program knows, as the script for its configuration page finds them."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType

from pydantic_settings import BaseSettings

from equipment import HOUSE


@cache
def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("configuration_docs", HOUSE / "scripts" / "configuration_docs.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def settings_kinds() -> list[type[BaseSettings]]:
    """Every settings class of the program."""
    return _script().settings_classes()


@cache
def known_variables() -> frozenset[str]:
    """Every variable of every settings class."""
    return frozenset(name for kind in settings_kinds() for name, _ in _script().variables(kind))
