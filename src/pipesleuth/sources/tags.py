"""Tags that people put on an alert, a pipeline or a job: team, environment, owner, cost centre and the like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import cast

from pipesleuth.sources import text
from pipesleuth.sources.fields import OBJECT_LIMIT, Fields, fold, parsed

TAG_LIMIT = 30
# Properties that describe the failure, so that they are no tags.
_NO_TAGS = frozenset(
    {
        "pipelinename",
        "pipeline",
        "pipelinerunid",
        "runid",
        "errorcode",
        "errormessage",
        "error",
        "failuretype",
        "message",
    }
    | {"activityname", "activitytype", "logicapprunid", "logicappforwardedat", "processingmode", "status", "groupid"}
    | {
        "clusterid",
        "clustername",
        "terminationcode",
        "terminationtype",
        "terminationreason",
        "resourceid",
        "start",
        "end",
    }
    | {"timegenerated", "timestamp", "jobname", "jobid", "description", "details", "title", "eventcategory", "entity"}
)
TAG_NAMES = frozenset(
    {"team", "env", "environment", "owner", "costcenter", "costcentre", "project", "application", "app", "domain"}
    | {"department", "businessunit", "service", "criticality", "tier", "product", "dataproduct"}
)
_HOLDERS = ("tags", "jobtags", "customtags", "annotations")


def parted(given: Iterable[object], *, may_be_tags: bool) -> tuple[Fields, dict[str, str]]:
    """Custom properties parted into what may describe the failure (under folded names) and tags, at most 30.

    A tag is every plain value that is no part of a failure; where the properties may not be tags, there are none.
    """
    rest: Fields = {}
    found: dict[str, str] = {}
    for each in filter(None, given):
        properties = parsed(each)
        if isinstance(properties, dict):
            for word, value in islice(cast("Mapping[str, object]", properties).items(), OBJECT_LIMIT):
                folded = fold(word) if len(word) <= 64 else word
                if folded not in TAG_NAMES and value not in (None, ""):
                    rest.setdefault(folded, value)
                if may_be_tags and folded not in _NO_TAGS:
                    _keep(found, word, value)
    return rest, found


def _keep(found: dict[str, str], word: str, value: object) -> None:
    name, said = text.name(word, 100), text.name(value)
    if name is not None and said is not None and len(found) < TAG_LIMIT:
        found.setdefault(name, said)


def carried(sections: Iterable[Fields]) -> dict[str, str]:
    """The tags in a body's own tag objects, and its fields with the names that tags usually have, at most 30."""
    found: dict[str, str] = {}
    for section in sections:
        for holder in _HOLDERS:
            tags = section.get(holder)
            if tags is not None and isinstance(tags := parsed(tags), dict):
                for word, value in islice(cast("Mapping[str, object]", tags).items(), TAG_LIMIT):
                    _keep(found, word, value)
        if not TAG_NAMES.isdisjoint(section):
            for word in TAG_NAMES & section.keys():
                _keep(found, word, section[word])
    return found
