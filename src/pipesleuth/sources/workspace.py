"""Databricks workspaces: which addresses are believed, what a workspace's id is, and when a run's id needs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from pipesleuth.sources import text
from pipesleuth.sources.fields import Fields, pick

_ADDRESS = re.compile(
    r"(?:https://)?((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,6}"
    r"(?:azuredatabricks\.net|databricks\.com|databricks\.azure\.(?:cn|us)))(?::443)?(?:[/?#].*)?",
    re.IGNORECASE,
)
_ID_IN_HOST = re.compile(r"adb-(\d{6,20})\.", re.IGNORECASE)
_ID_IN_QUERY = re.compile(r"[?&]o=(\d{6,20})(?:[&#]|\Z)")
_RUN_PAGE = re.compile(r"https://[\w.:-]+/[\w\-./?=&%#~:]{0,600}", re.ASCII)
_ADDRESS_KEYS = (
    "workspaceurl",
    "databricksworkspaceurl",
    "databricksinstance",
    "databrickshost",
    "urlbase",
    "host",
    "domain",
)
_RUN_PAGE_KEYS = ("runpageurl", "runurl", "jobrunurl", "url")


def address(value: object) -> str | None:
    """`https://<host>` where the value is the address of a Databricks workspace (https, or a bare host); else None."""
    if not isinstance(value, str) or len(value) > 1_000:
        return None
    found = _ADDRESS.fullmatch(value.strip())
    return f"https://{found.group(1).lower()}" if found is not None else None


def workspace_address(sections: Iterable[Fields]) -> str | None:
    """The workspace's address, from a field for it or from a link to a run's page."""
    given = tuple(sections)
    return pick(given, _ADDRESS_KEYS, address) or pick(given, _RUN_PAGE_KEYS, address)


def workspace_id(sections: Iterable[Fields]) -> str | None:
    """The workspace's number, from its field or from the workspace's address."""
    given = tuple(sections)
    found = pick(given, ("workspaceid", "orgid", "organizationid", "databricksworkspaceid"), text.run_identity)
    return found or pick(given, (*_ADDRESS_KEYS, *_RUN_PAGE_KEYS), id_in_address)


def id_in_address(value: object) -> str | None:
    """The workspace's number in its address, such as `adb-<number>.1.azuredatabricks.net`, where it is there."""
    if not isinstance(value, str) or len(value) > 1_000 or address(value) is None:
        return None
    found = _ID_IN_HOST.search(value) or _ID_IN_QUERY.search(value)
    return found.group(1) if found is not None else None


def run_key(run_id: str, workspace: str | None, host_workspace_id: str | None) -> str:
    """The run's identity: with the workspace's id before it only where that is known to be another than the host's."""
    if workspace is None or host_workspace_id is None or workspace == host_workspace_id:
        return run_id
    return text.bounded(f"{workspace}:{run_id}")


def run_page(sections: Iterable[Fields], base: str | None, job_id: str | None, run_id: str | None) -> str | None:
    """The address of a run's page, on a believed host only."""
    given = pick(sections, _RUN_PAGE_KEYS, _believed_page)
    if given is not None:
        return given
    if base is None or job_id is None or run_id is None:
        return None
    return f"{base}/#job/{quote(job_id, safe='')}/run/{quote(run_id, safe='')}"


def _believed_page(value: object) -> str | None:
    if not isinstance(value, str) or _RUN_PAGE.fullmatch(value) is None or address(value) is None:
        return None
    return value if "/run" in value else None
