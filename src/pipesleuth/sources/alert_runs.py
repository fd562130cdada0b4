"""The failures that an alert of Azure Monitor's reports: pipeline runs, and Databricks jobs and clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipesleuth.model import Failure, NotAFailure
from pipesleuth.sources import cluster, job_run, text
from pipesleuth.sources.alert import DATABRICKS_TYPE, FACTORY_TYPE, LOGS_TYPE, Alert, resource_type
from pipesleuth.sources.fields import Fields, digest, error_said, error_text, fields, parsed, pick
from pipesleuth.sources.outcome import Outcome, good_state, is_portal_test, of_state, shown
from pipesleuth.sources.pipeline_run import PIPELINE_KEYS, RUN_KEYS, UNNAMED, pipeline_failure, pipeline_of
from pipesleuth.sources.same_run import gathered

_REAL = frozenset({DATABRICKS_TYPE, FACTORY_TYPE})  # no test of the portal's is about these
_BUDGET = "aip budget notification"


def failures(alert: Alert, payload: Mapping[str, Any], host_workspace_id: str | None) -> list[Failure]:
    """The alert's failures, one for each run; raises NotAFailure for resolved, test and good-news alerts.

    Where no row names a run, the run's identity is `alert:<originAlertId>:<firedDateTime>`.
    """
    resources = alert.resources
    _refuse(alert, payload, resources)
    reading = _Reading(alert, payload, resources, host_workspace_id)
    found: list[Failure] = []
    good: str | None = None
    for row in alert.rows or [{}]:
        try:
            found.append(reading.failure(row))
        except NotAFailure as news:
            good = good or news.reason
    if not found:
        raise NotAFailure(good or "Every row of the alert reports success.")
    return _with_identity(gathered(found) if len(found) > 1 else found, alert, payload)


def says_something(found: list[Failure]) -> bool:
    """Whether the failures name anything at all: a pipeline, a run or an error."""
    return any(each.pipeline != UNNAMED or each.run_id is not None or each.error_message for each in found)


def _refuse(alert: Alert, payload: Mapping[str, Any], resources: list[str]) -> None:
    condition = alert.condition
    if condition is not None and condition.lower() in {"resolved", "deactivated"}:
        raise NotAFailure(f"The alert {shown(alert.rule)} is resolved, so it reports no new failure.")
    made_up = is_portal_test(alert.rule, resources) and not any(resource_type(each) in _REAL for each in resources)
    if made_up and not any(map(_names_a_run, [alert.properties, *alert.rows])):
        raise NotAFailure(f"A test notification sent from the Azure portal (alert rule {shown(alert.rule)}).")
    schema = payload.get("schemaId")
    if isinstance(schema, str) and schema.lower() == _BUDGET:
        raise NotAFailure("A budget notification; no run failed.")


def _names_a_run(row: Fields) -> bool:
    return pick((row,), (*PIPELINE_KEYS, *RUN_KEYS, "clusterid"), text.name) is not None


class _Reading:
    """Reads an alert's rows with what all of them share."""

    def __init__(
        self, alert: Alert, payload: Mapping[str, Any], resources: list[str], host_workspace_id: str | None
    ) -> None:
        self.alert = alert
        self.payload = payload
        self.resources = resources
        self.host_workspace_id = host_workspace_id
        self.rule = alert.rule
        self.fired_at = alert.fired_at
        self.facts = _facts(alert, self.rule)
        self.on_databricks = any(resource_type(resource) == DATABRICKS_TYPE for resource in resources)

    def failure(self, row: Fields) -> Failure:
        """The failure in a row; raises NotAFailure where the row reports none."""
        sections = (row, self.alert.properties) if self.alert.properties else (row,)
        if self.alert.operation:
            return self._operation()
        if self.on_databricks or (cluster.names_a_cluster(sections) and pipeline_of(sections) is None):
            return self._databricks(row, sections)
        state = pick(sections, ("status", "pipelinestatus", "runstatus"), text.name)
        good = good_state((state,)) if state is not None else None
        if good is not None and not error_said(sections):
            raise NotAFailure(good)
        return pipeline_failure(
            sections,
            resources=self.resources,
            tags=self.alert.tags,
            facts=self.facts,
            occurred_at=self.fired_at,
            otherwise=self._subject(),
        )

    def _subject(self) -> str | None:
        about = next((each for each in self.resources if resource_type(each) != LOGS_TYPE), None)
        if about is None or self.alert.rows:
            return self.rule
        return about.rstrip("/").rpartition("/")[2] or self.rule

    def _databricks(self, row: Fields, sections: tuple[Fields, ...]) -> Failure:
        row = {**row, **fields(parsed(row.get("requestparams"))), **fields(parsed(row.get("response")))}
        whole = {**self.alert.properties, **row}
        given = job_run.body(whole)
        if pick((whole,), ("runid", "jobid", "jobname", "jobrunid"), text.name) is not None:
            return job_run.job_failure(
                given,
                host_workspace_id=self.host_workspace_id,
                outcome=Outcome.UNSAID,
                tags=self.alert.tags,
                facts=self.facts,
                occurred_at=self.fired_at,
            )
        if cluster.names_a_cluster((whole,)):
            return cluster.cluster_failure(
                (row, self.alert.properties),
                self.payload,
                tags=self.alert.tags,
                facts=self.facts,
                occurred_at=self.fired_at,
            )
        plain = pipeline_failure(
            sections, resources=self.resources, tags=self.alert.tags, facts=self.facts, occurred_at=self.fired_at
        )
        return replace(
            plain,
            source="databricks",
            processing_mode="databricks",
            pipeline=(self._subject() or plain.pipeline)[: text.NAME_LIMIT],
        )

    def _operation(self) -> Failure:
        """The failed operation of an activity-log alert."""
        operation = self.alert.operation
        state = pick((operation,), ("status",), text.name)
        if state is not None and of_state(state)[0] is Outcome.GOOD:
            raise NotAFailure(good_state((state,)) or "The operation did not fail.")
        level = pick((operation,), ("level",), text.name)
        if state is None and level is not None and level.lower() in {"informational", "verbose"}:
            raise NotAFailure(f"An activity-log entry of level {shown(level)} reports no failure.")
        about = fields(parsed(operation.get("properties")))
        status = fields(parsed(about.get("statusmessage")))
        error = fields(status.get("error")) or status
        name = pick((operation, about), ("operationname",), _operation_name) or "The operation"
        said = error_text((error,)) or _other_than(name, error_text((about, operation)))
        facts = dict(self.facts)
        for fact, key in (("caller", "caller"), ("correlation_id", "correlationid"), ("level", "level")):
            value = pick((operation,), (key,), text.name)
            if value is not None:
                facts[fact] = value
        return pipeline_failure(
            ({"operation": name}, {key: about[key] for key in PIPELINE_KEYS + RUN_KEYS if key in about}),
            resources=[*self.resources, *filter(None, [text.name(about.get("entity"), 1_000)])],
            tags=self.alert.tags,
            facts={**facts, "operation": name},
            occurred_at=pick((operation,), ("eventtimestamp",), text.moment_of) or self.fired_at,
            otherwise=self._subject(),
            message=f"{name} {(state or 'failed').lower()}" + (f": {said}" if said else ""),
        )


def _operation_name(value: object) -> str | None:
    inner = fields(value)
    return pick((inner,), ("localizedvalue", "value"), text.name) if inner else text.name(value)


def _other_than(name: str, said: str) -> str:
    return "" if said == name else said


def _facts(alert: Alert, rule: str | None) -> dict[str, str]:
    window = (alert.criteria, alert.context)
    given = {
        "alert_rule": rule,
        "severity": pick((alert.essentials, alert.context), ("severity",), text.name),
        "alert_description": pick((alert.essentials, alert.context), ("description",), text.name),
        "monitoring_service": pick((alert.essentials,), ("monitoringservice",), text.name),
        "alert_id": pick((alert.essentials,), ("alertid",), text.ident),
        "window_start": pick(window, ("windowstarttime", "searchintervalstarttimeutc"), text.ident),
        "window_end": pick(window, ("windowendtime", "searchintervalendtimeutc"), text.ident),
    }
    return {fact: value for fact, value in given.items() if value is not None}


def _with_identity(found: list[Failure], alert: Alert, payload: Mapping[str, Any]) -> list[Failure]:
    runless = [failure for failure in found if failure.run_id is None]
    if not runless:
        return found
    origin, fired = alert.origin, alert.fired
    if origin is None:
        return found
    # Without its time an alert's id alone would mute every later firing, so the body's digest stands in for it.
    base = f"alert:{origin}:{fired or digest(payload)}"
    identified: list[Failure] = []
    for failure in found:
        if failure.run_id is None:
            key = base if len(runless) == 1 else f"{base}:{failure.pipeline}"
            identified.append(replace(failure, run_id=text.bounded(key)))
        else:
            identified.append(failure)
    return identified
