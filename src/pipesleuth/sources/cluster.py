"""A Databricks cluster's failure: it could not start, it died, or a library did not install."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from pipesleuth.model import NOTHING, Failure, NotAFailure
from pipesleuth.sources import text
from pipesleuth.sources.fields import Fields, digest, error_text, fields, items, parsed, pick
from pipesleuth.sources.fields import said as said_in
from pipesleuth.sources.outcome import Outcome, good_state, shown
from pipesleuth.sources.workspace import workspace_address, workspace_id

_REASON_KEYS = ("terminationreason", "reason")
_CLUSTER_KEYS = ("clusterid", "terminationcode", "terminationreason", "terminationreasoncode")
_SPEAKS_OF_CLUSTER = frozenset(_CLUSTER_KEYS)
_CODE_KEYS = ("terminationcode", "terminationreasoncode")
_TIME_KEYS = ("timestamp", "eventtime", "terminatedtime", "timegenerated", "time", "eventtimestamp", "endtime")
# Codes of clusters that ended as somebody wanted them to.
_WANTED_CODES = {
    "INACTIVITY": "nobody used it for the time set on it",
    "USER_REQUEST": "somebody asked for it",
    "JOB_FINISHED": "its job was finished",
    "SUCCESS": "it ended well",
}
_UNUSED = re.compile(
    r"\binactive cluster\b|\binactive for \d|\b(?:due to|because of|after) inactivity\b", re.IGNORECASE
)


def names_a_cluster(sections: Sequence[Fields]) -> bool:
    """Whether the fields speak of a cluster or of its termination."""
    return any(
        not _SPEAKS_OF_CLUSTER.isdisjoint(section) and pick((section,), _CLUSTER_KEYS, _given) for section in sections
    )


def _given(value: object) -> bool | None:
    return True if value not in (None, "") else None


def cluster_failure(
    sections: Sequence[Fields],
    body: object,
    *,
    outcome: Outcome = Outcome.UNSAID,
    tags: Mapping[str, str] = NOTHING,
    facts: Mapping[str, str] = NOTHING,
    occurred_at: datetime | None = None,
    event: str | None = None,
) -> Failure:
    """The cluster's failure; raises NotAFailure where it ended as it was meant to, or has not ended.

    `body` is what a digest is made of where no time is known; `outcome` is what the event's own name says.
    """
    reason, code = _reason(sections)
    kind = pick((reason,), ("type",), text.name) or pick(sections, ("terminationtype",), text.name)
    cluster_id = pick(sections, ("clusterid",), text.ident)
    name = pick(sections, ("clustername",), text.name)
    library = _failed_library(sections)
    said = error_text((reason, *sections)) or library or _told_reason(sections, code)
    shown_name = name or cluster_id
    _refuse_wanted(code, kind, said, shown_name)
    if outcome is not Outcome.FAILED and code is None and not said:
        _refuse_good_state(sections)
    at = pick(sections, _TIME_KEYS, text.moment_of) or occurred_at
    about_library = library or any("library" in section for section in sections)
    code_or_library = code or ("LIBRARY_INSTALL_FAILED" if about_library else None)
    when = str(round(at.timestamp() * 1000)) if at is not None else digest(body)
    given = {"cluster_id": cluster_id, "cluster_name": name, "termination_code": code, "termination_type": kind}
    given |= {"event": event, "workspace_id": workspace_id(sections), "workspace_url": workspace_address(sections)}
    return Failure(
        source="databricks",
        pipeline=shown_name or "unknown cluster",
        run_id=text.bounded(f"cluster:{cluster_id or name or 'unknown'}:{code_or_library or 'UNKNOWN'}:{when}"),
        error_message=_sentence(shown_name, code, kind, reason, said or _event_sentence(shown_name, code, event)),
        error_code=code_or_library,
        failure_type=kind,
        resource_id=pick(sections, ("resourceid",), text.resource_id),
        resource_type="Databricks cluster",
        occurred_at=at,
        logic_app_run_id=pick(sections, ("logicapprunid",), text.ident),
        processing_mode="databricks",
        tags=tags,
        facts={**facts, **{key: value for key, value in given.items() if value is not None}},
    )


def _reason(sections: Sequence[Fields]) -> tuple[Fields, str | None]:
    for section in sections:
        for holder in (section, fields(section.get("details"))):
            for key in _REASON_KEYS:
                inner = fields(parsed(holder.get(key)))
                code = pick((inner,), ("code",), text.code)
                if code is not None or "parameters" in inner:
                    return inner, code or pick(sections, _CODE_KEYS, text.code)
    code = pick(sections, _CODE_KEYS, text.code)
    if code is None:
        word = pick(sections, ("terminationreason",), text.code)
        code = word if word is not None and " " not in word and len(word) <= 100 else None
    return {}, code


def _told_reason(sections: Sequence[Fields], code: str | None) -> str:
    return "" if code is not None else pick(sections, ("terminationreason",), said_in) or ""


def _event_sentence(name: str | None, code: str | None, event: str | None) -> str:
    return "" if code is not None or event is None else f"Cluster {shown(name)} reported the event {shown(event)}."


def _refuse_good_state(sections: Sequence[Fields]) -> None:
    good = good_state(pick((section,), ("state", "clusterstate", "status"), text.name) for section in sections)
    if good is not None:
        raise NotAFailure(good)


def _refuse_wanted(code: str | None, kind: str | None, said: str, name: str | None) -> None:
    wanted = _WANTED_CODES.get(code.upper()) if code is not None else None
    if wanted is None and kind is not None and kind.upper() == "SUCCESS":
        wanted = "the platform counts this end as a success"
    if wanted is not None:
        raise NotAFailure(f"The cluster {shown(name)} was stopped ({shown(code or kind)}): {wanted}.")
    if code is None and _UNUSED.search(said[:1_000]) is not None:
        raise NotAFailure(f"The cluster {shown(name)} was stopped: {_WANTED_CODES['INACTIVITY']}.")


def _failed_library(sections: Sequence[Fields]) -> str:
    for section in sections:
        for key in ("librarystatuses", "libraries", "library"):
            found = [line for line in map(_library, items(section.get(key), 20)) if line]
            if found:
                return "\n".join(found)
    return ""


def _library(value: object) -> str:
    status = fields(value)
    state = pick((status,), ("status", "state"), text.name)
    said = text.message("\n".join(filter(None, map(text.message, items(status.get("messages"), 10)))))
    said = said or error_text((status,))
    if (state is None or "FAIL" not in state.upper()) and not said:
        return ""
    name = _library_name(status.get("library")) or _library_name(value)
    return f"Library installation failed for {name or 'a library'}: {said or state}"


def _library_name(value: object) -> str | None:
    if not isinstance(value, dict):
        return text.name(value)
    for kind in cast("Mapping[str, object]", value).values():
        found = pick((fields(kind),), ("package", "coordinates"), text.name)
        if found is not None:
            return found
    return pick((fields(cast("object", value)),), ("jar", "whl", "egg", "package", "name"), text.name)


def _sentence(name: str | None, code: str | None, kind: str | None, reason: Fields, said: str) -> str:
    parts: list[str] = []
    if code is not None and code not in said:
        whose = f"Cluster {name}" if name is not None else "Cluster"
        parts.append(f"{whose} terminated. Reason: {code}" + (f" ({kind})" if kind is not None else ""))
    parameters = parsed(reason.get("parameters"))
    if isinstance(parameters, dict):
        for key, value in list(cast("Mapping[str, object]", parameters).items())[:20]:
            told = text.message(value)
            if told and told not in said:
                parts.append(f"{text.name(key, 100) or 'detail'}: {told}")
    if said:
        parts.append(said)
    return text.message("\n".join(parts))
