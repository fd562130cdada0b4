"""Who acts where a service that was called fails: its own people, unless it is the platform's."""

from __future__ import annotations

import re

from pipesleuth.model import Category, Responder

_SERVICE_FAILS = frozenset(
    {
        Category.THROTTLING_CAPACITY,
        Category.TIMEOUT,
        Category.INTERNAL_SERVICE_ERROR,
        Category.DEPENDENCY_FAILURE,
        Category.UNKNOWN,
    }
)
_HOST = re.compile(r"https?://([\w.\-]{1,253})")
# Azure, Databricks and what they are built on; an Azure Function or web app (azurewebsites.net) is somebody's own.
_PLATFORM_HOSTS = (
    ".azure.com", ".azure.net", ".windows.net", ".microsoft.com", ".microsoftonline.com", ".azuredatabricks.net",
    ".databricks.com", ".databricks.net", ".amazonaws.com", ".maven.org",
    *(f"{name}.org" for name in ("pypi", "pythonhosted")),  # no file of ours names a registry whole
)  # fmt: skip


def responder(habit: Responder, category: Category, entity: str | None) -> Responder:
    """Who acts: `habit`, or upstream where the affected thing is the address of somebody else's service that failed."""
    if category not in _SERVICE_FAILS or entity is None:
        return habit
    host = _HOST.match(entity)
    if host is None or host[1].lower().endswith(_PLATFORM_HOSTS):
        return habit
    return Responder.UPSTREAM
