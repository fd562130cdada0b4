"""A Data Factory pipeline's failed run, made of whatever fields arrived."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import cast
from urllib.parse import quote

from pipesleuth.model import NOTHING, Failure
from pipesleuth.sources import text
from pipesleuth.sources.alert import FACTORY_TYPE, factory_of, resource_type
from pipesleuth.sources.fields import Fields, error_code, error_object, error_text, fields, parsed, pick

PIPELINE_KEYS = ("pipelinename", "pipeline", "adfpipelinename", "pipelinedisplayname")
RUN_KEYS = ("pipelinerunid", "runid", "adfrunid", "pipelinerun", "run")
UNNAMED = "unknown pipeline"
_FACTORY_KEYS = ("datafactoryname", "factoryname", "datafactory", "factory", "adfname", "resourcename")
_RESOURCE_KEYS = ("resourceid", "datafactoryid", "datafactoryresourceid", "factoryresourceid", "factoryid")
_TIME_KEYS = ("end", "endtime", "runend", "failedat", "timegenerated", "timestamp", "eventtime", "time")
_LATER_TIME_KEYS = ("start", "runstart", "logicappforwardedat", "forwardedat", "triggertime")
_GROUP_KEYS = ("groupid", "rungroupid", "pipelinerungroupid")
_LOGIC_APP_KEYS = ("logicapprunid", "workflowrunid")
_PARENT_KEYS = ("parentrunid", "parentpipelinerunid", "triggeredbypipelinerunid")
# Most alerts have none of these, so that one look saves many.
_SELDOM = frozenset({*_GROUP_KEYS, *_LOGIC_APP_KEYS, *_PARENT_KEYS, "invokedby", "processingmode"})
_FACTS = {
    "triggername": "trigger",
    "trigger": "trigger",
    "triggertype": "trigger_type",
    "invokedbytype": "trigger_type",
    "triggertime": "trigger_time",
    "activityrunid": "activity_run_id",
    "linkedservicename": "linked_service",
    "effectiveintegrationruntime": "integration_runtime",
    "integrationruntime": "integration_runtime",
    "clusterid": "cluster_id",
    "status": "status",
    "metricname": "metric",
}
TARGET = re.compile(r"Operation on target (.{1,140}?) failed:")


def _named(value: object) -> str | None:
    return text.name(fields(cast("object", value)).get("name")) if isinstance(value, dict) else text.name(value)


def _run(value: object) -> str | None:
    if isinstance(value, dict):
        return pick((fields(cast("object", value)),), ("pipelinerunid", "runid", "id"), text.run_identity)
    return text.run_identity(value)


def pipeline_of(sections: Sequence[Fields]) -> str | None:
    """The pipeline that the fields name; a metric's `Name` dimension counts where nothing else does."""
    found = pick(sections, PIPELINE_KEYS, _named)
    if found is None and sections and "metricname" in sections[0]:
        found = pick(sections[:1], ("name",), text.name)
    return found


def run_of(sections: Sequence[Fields]) -> str | None:
    """The run's identity that the fields carry."""
    return pick(sections, RUN_KEYS, _run)


def pipeline_failure(
    sections: Sequence[Fields],
    *,
    resources: Sequence[str] = (),
    tags: Mapping[str, str] = NOTHING,
    facts: Mapping[str, str] = NOTHING,
    occurred_at: datetime | None = None,
    otherwise: str | None = None,
    message: str = "",
    unknown_shape: bool = False,
) -> Failure:
    """The failed run that the fields describe; `otherwise` names it where they name no pipeline.

    `resources` are the alert's, the likeliest first; `message` stands in where the fields say no error.
    """
    error = error_object(sections)
    own = pick(sections, _RESOURCE_KEYS, text.resource_id)
    factory_id = factory_of((own, *resources) if own is not None else resources)
    resource = factory_id or own or next((each for each in resources if each.startswith("/")), None)
    factory = pick(sections, _FACTORY_KEYS, _named) or (factory_id.rpartition("/")[2] if factory_id else None)
    run_id = run_of(sections)
    said = error_text(sections) or message
    pipeline = pipeline_of(sections)
    seldom = [section for section in sections if not _SELDOM.isdisjoint(section)]
    return Failure(
        source="data_factory",
        pipeline=(pipeline or factory or otherwise or UNNAMED)[: text.NAME_LIMIT],
        run_id=run_id,
        error_message=said,
        error_code=error_code(sections, error),
        failure_type=pick(sections, ("failuretype",), text.name) or pick((error,), ("failuretype",), text.name),
        activity=_activity(sections, error, said, pipeline),
        activity_type=pick(sections, ("activitytype",), text.name),
        run_url=run_page(run_id, factory_id),
        resource_id=resource,
        resource_type=resource_type(resource) or FACTORY_TYPE,
        occurred_at=pick(sections, _TIME_KEYS, text.moment_of) or occurred_at or _later(sections),
        logic_app_run_id=pick(seldom, _LOGIC_APP_KEYS, text.ident),
        processing_mode=pick(seldom, ("processingmode",), _mode) or "Single",
        run_group=pick(seldom, _GROUP_KEYS, text.run_identity),
        parent_run_id=_parent(seldom, run_id),
        tags=tags,
        facts=_all_facts(sections, facts, factory),
        unknown_shape=unknown_shape,
    )


def _later(sections: Sequence[Fields]) -> datetime | None:
    return pick(sections, _LATER_TIME_KEYS, text.moment_of)


def _mode(value: object) -> str | None:
    return text.name(value, 50)


def _activity(sections: Sequence[Fields], error: Fields, said: str, pipeline: str | None) -> str | None:
    found = pick(sections, ("activityname", "failedactivity", "activity"), _named) or pick(
        (error,), ("target",), text.name
    )
    if found is not None:
        return found
    if sections and "metricname" in sections[0]:
        name = pick(sections[:1], ("name",), text.name)
        if name != pipeline:
            return name
    target = TARGET.match(said)
    return text.name(target.group(1)) if target is not None else None


def _parent(sections: Sequence[Fields], run_id: str | None) -> str | None:
    found = pick(sections, _PARENT_KEYS, text.run_identity)
    if found is None:
        caller = pick(sections, ("invokedby",), _object)
        found = pick((caller,), ("pipelinerunid",), text.run_identity) if caller is not None else None
    return None if found == run_id else found


def _object(value: object) -> Fields | None:
    return fields(parsed(value)) or None


def _all_facts(sections: Sequence[Fields], given: Mapping[str, str], factory: str | None) -> dict[str, str]:
    found = dict(given)
    if factory is not None:
        found["factory"] = factory[: text.NAME_LIMIT]
    for section in sections:
        for key in _FACTS.keys() & section.keys():
            value = _named(section[key])
            if value is not None:
                found.setdefault(_FACTS[key], value)
    return found


def run_page(run_id: str | None, factory_id: str | None) -> str | None:
    """The address of a run's page in Data Factory Studio."""
    if run_id is None or factory_id is None:
        return None
    run = run_id if run_id.isascii() and run_id.replace("-", "").isalnum() else quote(run_id, safe="")
    return f"https://adf.azure.com/en/monitoring/pipelineruns/{run}?factory={_quoted(factory_id)}"


@lru_cache(maxsize=1024)
def _quoted(factory_id: str) -> str:
    return quote(factory_id, safe="")
