"""Azure Monitor's envelope: what a webhook of any of its schemas says about the alert and about the rows in it.

Schemas: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema and the pages it names; the
older ones: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-non-common-schema-definitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from pipesleuth.sources import search_results, tags, text
from pipesleuth.sources.fields import Fields, fields, items, pick

ROW_LIMIT = 2_000
FACTORY_TYPE, DATABRICKS_TYPE = "Microsoft.DataFactory/factories", "Microsoft.Databricks/workspaces"
LOGS_TYPE = "Microsoft.OperationalInsights/workspaces"
_ENVELOPE = frozenset({"essentials", "alertcontext", "context", "customproperties"})
_FACTORY = re.compile(
    r"(/subscriptions/[^/\s]+/resourcegroups/[^/\s]+/providers/microsoft\.datafactory/factories/[^/\s]+)", re.IGNORECASE
)
_RESOURCE = re.compile(r"/subscriptions/[^/\s]+(?:/resourcegroups/[^/\s]+)?/providers/([\w.]+)/(\w+)/", re.IGNORECASE)
# Azure lower-cases resource ids in alerts; these are the types as people know them.
_TYPES = {
    known.lower(): known
    for known in (
        FACTORY_TYPE,
        DATABRICKS_TYPE,
        LOGS_TYPE,
        "Microsoft.Synapse/workspaces",
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Storage/storageAccounts",
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as it came: its essentials, the properties people put on it, and its rows (dimensions or columns)."""

    essentials: Fields
    context: Fields
    properties: Fields
    tags: Mapping[str, str]
    criteria: Fields  # what the rule measured, and over which window
    rows: list[Fields]
    operation: Fields  # of an activity-log alert, else empty

    @property
    def rule(self) -> str | None:
        """The alert rule's name."""
        keys = ("alertrule", "alertrulename", "name", "rulename")
        return pick((self.essentials,), keys[:2], text.name) or pick((self.context,), keys, text.name)

    @property
    def origin(self) -> str | None:
        """The alert's own id: the same on every posting of it."""
        given = pick((self.essentials,), ("originalertid", "alertid"), text.ident)
        return given or pick((self.context,), ("id", "eventdataid", "correlationid"), text.ident)

    @property
    def fired(self) -> str | None:
        """When the alert fired, as its text says it."""
        given = pick((self.essentials,), ("fireddatetime",), text.ident)
        keys = ("timestamp", "eventtimestamp", "searchintervalendtimeutc", "submissiontimestamp")
        return given or pick((self.context, self.operation), keys, text.ident)

    @property
    def fired_at(self) -> datetime | None:
        """The same as a moment."""
        return text.moment_of(self.fired) if self.fired is not None else None

    @property
    def condition(self) -> str | None:
        """`Fired` or `Resolved` (`Activated`, `Deactivated` in older alerts)."""
        return pick((self.essentials,), ("monitorcondition", "status"), text.name)

    @property
    def resources(self) -> list[str]:
        """Ids or names of the resources that the alert is about, the likeliest first."""
        named = [
            *items(self.essentials.get("configurationitems"), 50),
            *items(self.essentials.get("alerttargetids"), 50),
            *items(self.context.get("affectedconfigurationitems"), 50),
            self.context.get("resourceid"),
            self.operation.get("resourceid"),
            fields(self.operation.get("authorization")).get("scope"),
            self.context.get("resourcename"),
        ]
        return [name for value in named if value is not None and (name := text.name(value, 1_000)) is not None]


def factory_of(resources: Iterable[str]) -> str | None:
    """The first Data Factory's resource id among the resources, without anything below the factory."""
    return next(filter(None, map(_factory, resources)), None)


@lru_cache(maxsize=1024)
def _factory(resource: str) -> str | None:
    found = _FACTORY.match(resource)
    return found.group(1) if found is not None else None


@lru_cache(maxsize=1024)
def resource_type(resource: str | None) -> str | None:
    """A resource id's type, such as `Microsoft.DataFactory/factories`; None for a bare name."""
    found = _RESOURCE.match(resource) if resource is not None else None
    if found is None:
        return None
    kind = f"{found.group(1)}/{found.group(2)}"
    return _TYPES.get(kind.lower(), kind)


def alert(payload: Mapping[str, Any]) -> Alert | None:
    """The alert in a body, or None where the body is no envelope of Azure Monitor's."""
    top = fields(payload)
    data = fields(top.get("data"))
    if "searchresult" in top or "searchresults" in top or ("alertrulename" in top and "searchquery" in top):
        data = {"alertcontext": payload}
    elif _ENVELOPE.isdisjoint(data) or not any(isinstance(data.get(key), dict) for key in _ENVELOPE):
        inner = fields(top.get("context"))
        about_alert = "properties" in inner or "condition" in inner or "activitylog" in inner
        if not (isinstance(top.get("essentials"), dict) or isinstance(top.get("alertcontext"), dict) or about_alert):
            return None
        data = top
    essentials = fields(data.get("essentials")) or fields(top.get("essentials"))
    if not essentials and "status" in data:
        essentials = {"status": data["status"]}
    context = fields(data.get("alertcontext"))
    forwarded = fields(data.get("context"))
    if not context:
        context, forwarded = forwarded, {}
    given = [data.get("customproperties"), top.get("customproperties"), context.get("properties")]
    given += [forwarded.get("properties"), data.get("properties")]
    operation = _operation(context)
    # An operation's own properties are the platform's words about it, so that only the custom ones are tags.
    properties, labels = tags.parted(given[:2] if operation else given, may_be_tags=True)
    if operation:
        properties = {**tags.parted(given[2:], may_be_tags=False)[0], **properties}
    condition = fields(context.get("condition"))
    return Alert(
        essentials=essentials,
        context=context,
        properties=properties,
        tags=labels,
        criteria=condition,
        rows=_rows(context, condition) + (_rows(forwarded, fields(forwarded.get("condition"))) if forwarded else []),
        operation=operation,
    )


def _operation(context: Fields) -> Fields:
    inner = context.get("activitylog")
    if isinstance(inner, dict):
        return fields(cast("object", inner))
    return context if "operationname" in context or "eventdataid" in context else {}


def _rows(context: Fields, condition: Fields) -> list[Fields]:
    found: list[Fields] = []
    for entry in items(condition.get("allof"), ROW_LIMIT):
        criterion = _criterion(entry)
        row = _dimensions(criterion.get("dimensions"))
        metric = criterion.get("metricname")
        if metric is not None:
            row.setdefault("metricname", metric)
        if row:
            found.append(row)
    results = context.get("searchresults", context.get("searchresult"))
    if results is not None:
        found += search_results.rows(results, context.get("searchquery"))
    if not found and context.get("dimensions"):
        row = _dimensions(context["dimensions"])
        if row:
            found.append(row)
    return found[:ROW_LIMIT]


def _criterion(entry: object) -> Fields:
    given = cast("Fields", entry) if isinstance(entry, dict) else {}
    if "dimensions" in given:  # as Azure spells it: then the dozen other fields need no folding
        return {"dimensions": given["dimensions"], "metricname": given.get("metricName")}
    return fields(given)


def _dimensions(given: object) -> Fields:
    if isinstance(given, dict):
        inner = fields(cast("object", given))
        if "name" not in inner or "value" not in inner:
            return inner
    pairs: dict[str, Any] = {}
    for dimension in items(cast("object", given), 100):
        pair = cast("Fields", dimension) if isinstance(dimension, dict) else {}
        if "name" not in pair:
            pair = fields(pair)
        key, value = pair.get("name"), pair.get("value")
        if isinstance(key, str) and value not in (None, "", "*"):
            pairs.setdefault(key, value)
    return fields(pairs)
