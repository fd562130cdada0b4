"""Jira's news: signed webhooks, sent with a best effort, remembered with every attempt.

Jira itself waits minutes between attempts; the sandbox waits seconds, so that a demo can watch it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pipesleuth.sandbox.documents import plain_text, wiki_text
from pipesleuth.sandbox.journal import masked_url
from pipesleuth.sandbox.wire import Json, list_of, object_of, seconds_of, text_of

if TYPE_CHECKING:
    import httpx

RETRIED = {408, 409, 425, 429}
DELAYS = (2.0, 5.0, 10.0, 20.0, 40.0)
BASE = "https://sandbox.atlassian.net/rest/api/2"


@dataclass(slots=True)
class Delivery:
    """One event on its way; `statuses` has an HTTP status or the name of the fault for each attempt."""

    identifier: str
    event: str
    key: str
    body: Json
    statuses: list[int | str] = field(default_factory=list[int | str])
    done: bool = False


def signature(secret: str, body: bytes) -> str:
    """The value of X-Hub-Signature for a raw body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class WebhookSender:
    """Sends every event to one address, if there is one.

    Chaos on demand, each a probability: `drop`, `duplicate`; `delay` ([least, most] seconds, which also
    changes the order); `seed` makes it repeatable. `retry_delays` are seconds before each further attempt.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.first_url = ""
        self.first_secret = ""
        self.tasks: set[asyncio.Task[None]] = set()
        self.client: httpx.AsyncClient | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the deliveries and go back to the address given at the start."""
        self.url = self.first_url
        self.secret = self.first_secret
        self.retry_delays = list(DELAYS)
        self.chaos: Json = {}
        self.dice = random.Random()  # noqa: S311  # dice, not a secret
        self.deliveries: deque[Delivery] = deque(maxlen=5000)
        for task in self.tasks:
            task.cancel()

    def put(self, settings: Json) -> None:
        """Change address, secret, retries or chaos."""
        self.url = text_of(settings.get("url"), self.url)
        self.secret = text_of(settings.get("secret"), self.secret)
        if "retry_delays" in settings:
            self.retry_delays = [seconds_of(delay, 1.0) for delay in list_of(settings["retry_delays"])]
        self.chaos |= {name: settings[name] for name in ("drop", "duplicate", "delay") if name in settings}
        if "seed" in settings:
            self.dice = random.Random(str(settings["seed"]))  # noqa: S311  # dice, not a secret

    def seen(self) -> Json:
        """The settings and the deliveries, newest last, without secrets."""
        return {
            "url": masked_url(self.url),
            "signed": bool(self.secret),
            "pending": len(self.tasks),
            "deliveries": [asdict(delivery) for delivery in self.deliveries],
        }

    def issue_updated(  # the parts of the event
        self, issue_id: str, key: str, fields: Json, user: Json, change_id: str, items: list[Json]
    ) -> None:
        """Tell about a change of fields."""
        self.fire(key, {
            "timestamp": int(self.clock() * 1000),
            "webhookEvent": "jira:issue_updated",
            "issue_event_type_name": "issue_generic",
            "user": person(user),
            "issue": issue_shown(issue_id, key, fields),
            "changelog": {"id": change_id, "items": items},
        })  # fmt: skip

    def issue_created(self, issue_id: str, key: str, fields: Json, user: Json) -> None:
        """Tell about a new issue."""
        self.fire(key, {
            "timestamp": int(self.clock() * 1000),
            "webhookEvent": "jira:issue_created",
            "issue_event_type_name": "issue_created",
            "user": person(user),
            "issue": issue_shown(issue_id, key, fields),
        })  # fmt: skip

    def issue_deleted(self, issue_id: str, key: str, fields: Json, user: Json) -> None:
        """Tell that an issue is gone."""
        self.fire(key, {
            "timestamp": int(self.clock() * 1000),
            "webhookEvent": "jira:issue_deleted",
            "user": person(user),
            "issue": issue_shown(issue_id, key, fields),
        })  # fmt: skip

    def comment_created(self, issue_id: str, key: str, fields: Json, user: Json, comment: Json) -> None:
        """Tell about a comment; the issue in this event is a thin one."""
        thin = {name: fields.get(name) for name in ("summary", "issuetype", "project", "status")}
        self.fire(key, {
            "timestamp": int(self.clock() * 1000),
            "webhookEvent": "comment_created",
            "comment": {
                **comment,
                "self": f"{BASE}/issue/{issue_id}/comment/{comment['id']}",
                "author": person(user),
                "updateAuthor": person(user),
                "body": plain_text(comment["body"]),
            },
            "issue": {"id": issue_id, "self": f"{BASE}/issue/{issue_id}", "key": key, "fields": thin},
            "eventType": "primaryAction",
        })  # fmt: skip

    def fire(self, key: str, body: Json) -> None:
        """Send an event in the background; without an address nothing is sent."""
        if not self.url:
            return
        delivery = Delivery(str(uuid.uuid4()), str(body["webhookEvent"]), key, json.loads(json.dumps(body)))
        self.deliveries.append(delivery)
        if self.dice.random() < seconds_of(self.chaos.get("drop"), 0):
            delivery.statuses.append("dropped by order")
            delivery.done = True
            return
        copies = 2 if self.dice.random() < seconds_of(self.chaos.get("duplicate"), 0) else 1
        for _ in range(copies):
            task = asyncio.create_task(self.deliver(delivery, self.wait()))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def wait(self) -> float:
        """Seconds before the first attempt."""
        span = [seconds_of(bound, 0) for bound in list_of(self.chaos.get("delay"))]
        return self.dice.uniform(span[0], span[-1]) if span else 0.0

    async def deliver(self, delivery: Delivery, wait: float) -> None:
        """Try until it is taken, refused for good, or five retries are used up."""
        raw = json.dumps(delivery.body, ensure_ascii=False).encode()
        url, secret = self.url, self.secret
        for attempt, pause in enumerate([wait, *self.retry_delays]):
            await asyncio.sleep(pause)
            headers = {
                "content-type": "application/json; charset=UTF-8",
                "user-agent": "Atlassian Webhook HTTP Client",
                "x-atlassian-webhook-identifier": delivery.identifier,
                "x-atlassian-webhook-flow": "Primary",
            }
            if attempt:
                headers["x-atlassian-webhook-retry"] = str(attempt)
            if secret:
                headers["x-hub-signature"] = signature(secret, raw)
            outcome = await self.post(url, raw, headers)
            delivery.statuses.append(outcome)
            if isinstance(outcome, int) and outcome not in RETRIED and outcome < 500:
                break
        delivery.done = True

    async def post(self, url: str, raw: bytes, headers: dict[str, str]) -> int | str:
        """One attempt: the HTTP status, or the name of what went wrong."""
        import httpx  # noqa: PLC0415  # only a sandbox that sends webhooks needs a client

        if self.client is None:
            self.client = httpx.AsyncClient(timeout=10, trust_env=False, follow_redirects=False)
        try:
            return (await self.client.post(url, content=raw, headers=headers)).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__

    async def close(self) -> None:
        """Stop sending; what was on its way is lost, as with a real outage."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.client is not None:
            await self.client.aclose()
            self.client = None


def person(user: Json) -> Json:
    """A user as webhooks show one: no e-mail address."""
    shown = {name: user[name] for name in ("accountId", "displayName", "timeZone")}
    more: Json = {"self": f"{BASE}/user?accountId={user['accountId']}", "accountType": "atlassian", "active": True}
    return shown | more


def issue_shown(issue_id: str, key: str, fields: Json) -> Json:
    """An issue as webhooks show it: version 2 of the API, the description as wiki text."""
    shown: dict[str, Any] = dict(fields)
    shown["description"] = wiki_text(fields.get("description"))
    status = object_of(fields.get("status"))
    shown["status"] = {"self": f"{BASE}/status/{status.get('id')}", **status}
    return {"id": issue_id, "self": f"{BASE}/issue/{issue_id}", "key": key, "fields": shown}
