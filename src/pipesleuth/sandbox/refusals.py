"""What each vendor's answer looks like when it throttles or breaks."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pipesleuth.sandbox.wire import Json

Answer = tuple[dict[str, str], Json]


def refusal_of(service: str, status: int, retry_after: float | None, now: float) -> Answer:
    """Headers and body of an error answer in the vendor's own form; `now` in epoch seconds."""
    if status == 429 and retry_after is None and service in {"slack", "jira", "azure", "teams"}:
        retry_after = 1.0  # Google and Databricks send no delay of their own accord
    headers: dict[str, str] = {}
    if retry_after is not None and service != "gemini":
        headers["Retry-After"] = str(math.ceil(retry_after))
    match service:
        case "jira":
            return jira_refusal(status, retry_after, now, headers)
        case "gemini":
            return headers, gemini_refusal(status, retry_after)
        case "azure":
            return headers, {"error": arm_error(status)}
        case _:
            plain: dict[str, Callable[[int], Json]] = {
                "slack": slack_refusal,
                "databricks": databricks_refusal,
                "airflow": airflow_refusal,
                "teams": workflow_refusal,
            }
            return headers, plain[service](status)


def slack_refusal(status: int) -> Json:
    """Slack names the reason in `error`, whatever the HTTP status."""
    names = {429: "ratelimited", 503: "service_unavailable", 408: "request_timeout", 401: "invalid_auth"}
    return {"ok": False, "error": names.get(status, "internal_error")}


def jira_refusal(status: int, retry_after: float | None, now: float, headers: dict[str, str]) -> Answer:
    """Jira's error collection, and its rate-limit headers on 429."""
    if status != 429:
        texts = {401: "Client must be authenticated to access this resource.", 503: "Service unavailable"}
        return headers, {"errorMessages": [texts.get(status, "Internal server error")], "errors": {}}
    reset = datetime.fromtimestamp(now, UTC) + timedelta(seconds=math.ceil(retry_after or 1))
    headers |= {
        "X-RateLimit-Limit": "350",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": reset.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "RateLimit-Reason": "jira-burst-based",
    }
    return headers, {"errorMessages": ["Rate limit exceeded"], "errors": {}}


GEMINI_STATUS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission."),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The request could not be finished in time."),
}


def gemini_refusal(status: int, retry_after: float | None = None, message: str | None = None) -> Json:
    """Google's error object; with a RetryInfo when a delay is known."""
    word, text = GEMINI_STATUS.get(status, ("UNKNOWN", "The request failed."))
    error: Json = {"code": status, "message": message or text, "status": word}
    if retry_after is not None:
        quota = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "quotaValue": "10",
        }
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [quota]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"},
        ]
    return {"error": error}


def databricks_refusal(status: int, message: str | None = None, code: str | None = None) -> Json:
    """A Databricks error: a code and a sentence."""
    known = {
        400: ("INVALID_PARAMETER_VALUE", "The request is not valid."),
        401: ("UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API."),
        403: ("PERMISSION_DENIED", "The caller does not have permission for this object."),
        404: ("RESOURCE_DOES_NOT_EXIST", "The object does not exist."),
        429: ("REQUEST_LIMIT_EXCEEDED", "Current request has to be retried later due to rate limit."),
        503: ("TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable."),
    }
    word, text = known.get(status, ("INTERNAL_ERROR", "An internal error occurred."))
    return {"error_code": code or word, "message": message or text}


def arm_error(status: int, code: str | None = None, message: str | None = None, target: str | None = None) -> Json:
    """The inner object of a Resource Manager error."""
    known = {
        400: ("BadRequest", "The request is not valid."),
        401: ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
        403: ("AuthorizationFailed", "The client does not have authorization to perform this action."),
        404: ("ResourceNotFound", "The resource was not found."),
        429: ("TooManyRequests", "Too many requests; try again later."),
        503: ("ServerBusy", "The service is busy; try again later."),
    }
    word, text = known.get(status, ("InternalServerError", "An internal error occurred."))
    return {"code": code or word, "message": message or text, "target": target, "details": None}


def airflow_refusal(status: int, title: str | None = None) -> Json:
    """A problem as Airflow 2 words it; Airflow 3 leaves all but `detail` out."""
    titles = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}
    known = title or titles.get(status, "Internal Server Error")
    return {"detail": known, "status": status, "title": known, "type": "about:blank"}


def workflow_refusal(status: int, code: str | None = None, message: str | None = None) -> Json:
    """An error of Power Automate's."""
    known = {
        401: ("DirectApiAuthorizationRequired", "The request must be authenticated by a valid signature."),
        404: ("WorkflowNotFound", "The workflow could not be found."),
        429: ("WorkflowTriggerRequestLimitExceeded", "Too many requests; try again later."),
    }
    word, text = known.get(status, ("InternalServerError", "Encountered internal server error."))
    return {"error": {"code": code or word, "message": message or text}}
