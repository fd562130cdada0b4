"""Reading Data Factory's runs as its API shows them: which activity failed innermost, who called whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pipesleuth.model import Failure
from pipesleuth.sources import text
from pipesleuth.sources.alert import FACTORY_TYPE
from pipesleuth.sources.fields import error_text, fields
from pipesleuth.sources.pipeline_run import TARGET, UNNAMED, run_page
from pipesleuth.sources.recovery import Success
from pipesleuth.sources.workspace import address

Json = Mapping[str, Any]
_CONTAINERS = frozenset({"foreach", "until", "ifcondition", "switch"})
_PASSED_ON = _CONTAINERS | {"executepipeline", "fail", "webactivity", "webhook"}


def part(value: object) -> Json:
    """A JSON object, or an empty one for anything else."""
    return cast("Json", value) if isinstance(value, dict) else {}


def kind_of(activity: Json) -> str:
    """An activity's type in lower case."""
    return (text.name(activity.get("activityType")) or "").lower()


def innermost(found: Sequence[Json], message: str) -> Json | None:
    """The failed activity that the others only repeat: no container where there is something in it.

    Of several, the one that the run's own message names; else the last attempt of the first that failed.
    """
    inner = [each for each in found if kind_of(each) not in _CONTAINERS] or list(found)
    telling = [each for each in inner if kind_of(each) not in _PASSED_ON or kind_of(each) == "executepipeline"] or inner
    named = {target.strip() for target in TARGET.findall(message[:20_000])}
    chosen = [each for each in telling if text.name(each.get("activityName")) in named] or telling
    if not chosen:
        return None
    first = min(chosen, key=_ended)
    same = [each for each in chosen if each.get("activityName") == first.get("activityName")]
    # Attempts of one activity stand in one list; the last has what the platform gave up with.
    return max(same, key=_ended) if _attempt(first) else first


def _ended(activity: Json) -> str:
    return text.ident(activity.get("activityRunEnd")) or "9999"


def _attempt(activity: Json) -> bool:
    value: object = activity.get("retryAttempt")
    return isinstance(value, int) and value > 0


def activity_error(activity: Json) -> tuple[str | None, str | None, str]:
    """Code, failure type and text of an activity's error."""
    error = fields(activity.get("error"))
    said = error_text((error,))
    return text.code(error.get("errorcode")), text.name(error.get("failuretype")), said


def child_run(activity: Json) -> str | None:
    """The run of the pipeline that an ExecutePipeline activity called."""
    if kind_of(activity) != "executepipeline":
        return None
    return text.run_identity(part(activity.get("output")).get("pipelineRunId"))


def databricks_page(activity: Json) -> str | None:
    """The page of the Databricks run that an activity started, on a believed host only."""
    if not kind_of(activity).startswith("databricks"):
        return None
    page: object = part(activity.get("output")).get("runPageUrl")
    return page if isinstance(page, str) and len(page) <= 1_000 and address(page) is not None else None


def is_handled(run: Json) -> bool:
    """Whether the platform counts the run as succeeded."""
    return text.name(run.get("status")) == "Succeeded"


def is_going(run: Json) -> bool:
    """Whether the run has not ended."""
    return text.name(run.get("status")) in {"InProgress", "Queued", "Canceling"}


def parent_of(run: Json) -> str | None:
    """The run of the pipeline that called this one."""
    caller = fields(run.get("invokedBy"))
    found = text.run_identity(caller.get("pipelinerunid"))
    return None if found == text.run_identity(run.get("runId")) else found


def run_group(run: Json) -> str | None:
    """The group that a run shares with its reruns."""
    return text.run_identity(run.get("runGroupId"))


def run_facts(run: Json) -> dict[str, str]:
    """What is worth knowing of a run besides its error."""
    caller = fields(run.get("invokedBy"))
    given = {
        "trigger": text.name(caller.get("name")),
        "trigger_type": text.name(caller.get("invokedbytype")),
        "run_status": text.name(run.get("status")),
    }
    return {name: value for name, value in given.items() if value}


def failure_of(run: Json, factory: str) -> Failure | None:
    """A failed run of the history as a failure; None where it has no id."""
    run_id = text.run_identity(run.get("runId"))
    if run_id is None:
        return None
    return Failure(
        source="data_factory",
        pipeline=text.name(run.get("pipelineName")) or UNNAMED,
        run_id=run_id,
        error_message=text.message(run.get("message")),
        run_url=run_page(run_id, factory),
        resource_id=factory,
        resource_type=FACTORY_TYPE,
        occurred_at=text.moment_of(run.get("runEnd")) or text.moment_of(run.get("lastUpdated")),
        processing_mode="Single",
        run_group=run_group(run),
        parent_run_id=parent_of(run),
        facts={"factory": factory.rpartition("/")[2], **run_facts(run)},
    )


def success_of(run: Json, factory: str) -> Success | None:
    """A run of the history that succeeded; None for any other."""
    run_id = text.run_identity(run.get("runId"))
    if run_id is None or not is_handled(run):
        return None
    return Success(
        run=run_id,
        group=run_group(run),
        thing=thing_of(factory, text.name(run.get("pipelineName"))),
        began=text.moment_of(run.get("runStart")),
        ended=text.moment_of(run.get("runEnd")) or text.moment_of(run.get("lastUpdated")),
        url=run_page(run_id, factory),
        newest=run.get("isLatest") is True,
    )


def thing_of(factory: str, pipeline: str | None) -> str | None:
    """A pipeline in its factory; a factory's resource path has nothing to do with letter case."""
    return f"{factory.lower()} {pipeline}" if pipeline is not None else None
