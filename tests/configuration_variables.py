"""The environment variables that the program knows, as the script for its configuration page finds them."""

from __future__ import annotations

import importlib.util
from functools import cache

from equipment import HOUSE


@cache
def known_variables() -> frozenset[str]:
    """Every variable of every settings class."""
    spec = importlib.util.spec_from_file_location("configuration_docs", HOUSE / "scripts" / "configuration_docs.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return frozenset(name for kind in script.settings_classes() for name, _ in script.variables(kind))
