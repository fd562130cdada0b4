"""Makes the best of a body of unknown shape, and says why where nothing can be made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from pipesleuth.model import BadPayload, Failure, NotAFailure
from pipesleuth.sources import text
from pipesleuth.sources.fields import Fields, error_anywhere, error_said, fields, leaves, parsed
from pipesleuth.sources.outcome import good_state, refuse_good_event

_WRAPPERS = ("body", "payload", "triggerbody", "data", "alert", "event", "message", "content")
_NAMES = ("name", "title", "subject", "alertname", "alertrule", "rule", "service", "resource", "component", "source")
_IDENTIFYING = ("pipelinename", "pipelinerunid", "runid", "jobname", "jobid", "clusterid")


def unwrapped(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The body inside a body: an object, or JSON written as text, that is the only thing of weight in it."""
    top = fields(payload)
    for wrapper in _WRAPPERS:
        inner = parsed(top.get(wrapper))
        if isinstance(inner, list) and len(cast("list[object]", inner)) == 1:
            inner = cast("list[object]", inner)[0]
        if isinstance(inner, dict) and len(top) <= 3:
            return cast("Mapping[str, Any]", inner)
    return None


def known_or_inner(
    payload: Mapping[str, Any], known: Callable[[Mapping[str, Any]], list[Failure] | None]
) -> list[Failure] | None:
    """What `known` reads in a body, or else in the body inside it; None where it knows neither."""
    found = known(payload)
    if found is not None:
        return found
    inner = unwrapped(payload)
    return known(inner) if inner is not None else None


def scattered(payload: Mapping[str, Any]) -> tuple[Fields, str]:
    """A body's scalars under their own names, wherever they stand, and the best error text in it (may be empty).

    Raises NotAFailure where it tells of a success, BadPayload where it names neither a run nor an error.
    """
    found: Fields = {}
    for _, key, value in leaves(payload):
        if value is not None and key and len(found) < 500:
            found.setdefault(key, value)
    said = error_anywhere(payload)
    for key in ("eventtype", "event", "eventname"):
        if not error_said((found,)):
            refuse_good_event(text.name(found.get(key)))
    good = good_state(text.name(found.get(key)) for key in ("resultstate", "status", "state", "monitorcondition"))
    if good is not None and not error_said((found,)):
        raise NotAFailure(good)
    named = any(text.run_identity(found.get(key)) is not None for key in _IDENTIFYING)
    if not said and not named:
        raise _refusal(payload)
    return found, said


def subject(found: Fields) -> str | None:
    """Something in a body of unknown shape that can stand for the pipeline's name."""
    return next((name for key in _NAMES if (name := text.name(found.get(key))) is not None), None)


def _refusal(payload: Mapping[str, Any]) -> BadPayload:
    if not payload:
        return BadPayload("The body is an empty object.")
    blank: str | None = None
    for pointer, key, value in leaves(payload):
        if isinstance(value, str) and text.is_template(value):
            return BadPayload("The sender did not evaluate this expression, and nothing else names a run.", pointer)
        if key in _IDENTIFYING and blank is None:
            blank = pointer
    if blank is None and "data" in fields(payload):
        blank = "/data"
    return BadPayload("The body names no pipeline, no run and no error.", blank)
