"""What Jira tells us: who may tell, and which status an issue has now, read from webhooks of any age and language.

Events: https://developer.atlassian.com/server/jira/platform/webhooks/
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from pipesleuth.destinations.answers import at, items_at, text_at
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.legible import clean_line, cut
from pipesleuth.model import BadPayload, Status, StatusChange

DIGESTS = ("sha256", "sha384", "sha512")
BY_CATEGORY: Mapping[str, Status] = {
    "new": Status.OPEN,
    "indeterminate": Status.IN_PROGRESS,
    "done": Status.ACKNOWLEDGED,
}
# The categories' fixed numbers, for bodies that carry no key.
BY_CATEGORY_ID: Mapping[str, Status] = {"2": Status.OPEN, "4": Status.IN_PROGRESS, "3": Status.ACKNOWLEDGED}
BY_NAME: Mapping[str, Status] = {
    "done": Status.ACKNOWLEDGED,
    "resolved": Status.ACKNOWLEDGED,
    "closed": Status.ACKNOWLEDGED,
    "in progress": Status.IN_PROGRESS,
    "in review": Status.IN_PROGRESS,
}
LONGEST_LABELS = 2000
UPDATED, DELETED = "jira:issue_updated", "jira:issue_deleted"


def signature_valid(secret: str, raw: bytes, header: str) -> bool:
    """Whether `header` (X-Hub-Signature, `method=hex`) signs the raw body; constant time, never without a secret.

    Form: https://www.w3.org/TR/websub/#signature-validation
    """
    method, _, given = header.strip().partition("=")
    if not secret or method.lower() not in DIGESTS or not given:
        return False
    expected = hmac.new(secret.encode(), raw, getattr(hashlib, method.lower())).hexdigest()
    return hmac.compare_digest(expected.encode(), given.strip().lower().encode("utf-8", "replace"))


def secret_valid(secret: str, given: str) -> bool:
    """Whether the secret in the query is ours; constant time, never without a secret."""
    return bool(secret) and hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))


def read(request: InboundRequest, *, ours: frozenset[str]) -> StatusChange | None:
    """The issue's status after a webhook; None for other events and for what `ours` (accounts, addresses) did.

    Raises BadPayload when the body is no JSON object.
    """
    body = _body(request.body)
    event = text_at(body, "webhookEvent")
    key = text_at(body, "issue", "key")[:255]
    identity = text_at(body, "issue", "id")[:64]
    if not (key or identity) or event not in {UPDATED, DELETED, ""} or _is_ours(body, ours):
        return None
    deleted = event == DELETED
    status, name = (None, "Deleted") if deleted else _status(body)
    if not deleted and not name:
        return None
    return StatusChange(
        key=key,
        status=status,
        status_name=name,
        by=_named(body),
        at=_when(body),
        event_id=clean_line(request.headers.get("x-atlassian-webhook-identifier"))[:200] or None,
        alternative_key=identity or None,
        deleted=deleted,
        details=_details(body),
    )


def status_of(fields_status: object, name: str = "") -> Status:
    """Our word for a Jira status: by its category, by its English name where the category says nothing."""
    category = at(fields_status, "statusCategory")
    known = BY_CATEGORY.get(text_at(category, "key")) or BY_CATEGORY_ID.get(text_at(category, "id"))
    return known or BY_NAME.get(clean_line(name or text_at(fields_status, "name")).lower(), Status.OPEN)


def _body(raw: bytes) -> object:
    try:
        body: object = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadPayload("The body is not JSON") from error
    if not isinstance(body, dict):
        raise BadPayload("The body is no JSON object")
    return cast("object", body)


def _is_ours(body: object, ours: frozenset[str]) -> bool:
    account, address = text_at(body, "user", "accountId"), text_at(body, "user", "emailAddress").lower()
    return bool(account and account in ours) or bool(address and address in ours)


def _status(body: object) -> tuple[Status | None, str]:
    """The status and its name: the issue's own, which is complete; the change log's where the issue is thin."""
    current = at(body, "issue", "fields", "status")
    name = clean_line(text_at(current, "name"))
    if not name:
        changes = [item for item in items_at(body, "changelog", "items") if text_at(item, "field") == "status"]
        name = clean_line(text_at(changes[-1], "toString")) if changes else ""
    if not name and text_at(current, "statusCategory", "key") in BY_CATEGORY:
        name = text_at(current, "statusCategory", "key")
    return (status_of(current, name), cut(name, 100)) if name else (None, "")


def _named(body: object) -> str | None:
    """Who did it, by display name; None lets the ticket say `Jira User`."""
    return cut(clean_line(text_at(body, "user", "displayName")), 200) or None


def _when(body: object) -> datetime | None:
    """The moment of the change by Jira's clock: the issue's `updated`, else the event's own time."""
    try:
        moment = datetime.fromisoformat(text_at(body, "issue", "fields", "updated"))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    milliseconds = at(body, "timestamp")
    if isinstance(milliseconds, int) and not isinstance(milliseconds, bool) and 0 < milliseconds < 32_503_680_000_000:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
    return None


def _details(body: object) -> dict[str, str]:
    """Which fields changed, what the status was before, and the labels, by which an issue says whose it is."""
    changes = items_at(body, "changelog", "items")[:50]
    details = {"fields": ", ".join(cut(clean_line(text_at(item, "field")), 50) for item in changes)[:300]}
    listed = items_at(body, "issue", "fields", "labels")[:50]
    labels = [text_at(listed, place) for place in range(len(listed))]
    before = [text_at(item, "fromString") for item in changes if text_at(item, "field") == "status"]
    details["labels"] = " ".join(text for text in labels if " " not in text)[:LONGEST_LABELS]
    details["from"] = cut(clean_line(before[-1]), 100) if before else ""
    return {name: value for name, value in details.items() if value}
