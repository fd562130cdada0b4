"""Microsoft Teams: a card for each ticket, posted by a Power Automate workflow, and short cards for what changes later.

A workflow's webhook (https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams)
answers 202 before it posts, names no message, changes none and cannot be asked what it has posted. So nothing is
edited: what people must know later comes as a card of its own. And where an answer is lost the card is sent again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, model_validator

from pipesleuth.client import Client, Limits, Vendor, checked_base
from pipesleuth.destinations import teams_card
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.routes import Route, channel_for, read_routes
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import News, Notice, Receipt, Status, StatusChange, WrongSetting

DEFAULT = "default"
# Changes that are worth a card of their own; the others stand on the ticket.
TOLD = frozenset(
    {"RCA Updated", "Run Succeeded Later", "SLA Breached", "SLA Corrected", "Jira Deleted"}
    | {"Ticket Taken", "Ticket Closed", "Ticket Reopened", "Ticket Put Back"}
)
UNLOOKED = "posted again: a workflow cannot be asked what it has posted"
HINT = "Copy the address from the workflow's trigger in Power Automate into TEAMS_WEBHOOK_URL, then retry."
LIMITS = Limits(connect=5, read=20, whole=25, body=65_536)


class TeamsSettings(EnvironmentSettings):
    """Which workflows post to Teams; nothing is called without an address."""

    teams_webhook_url: SecretStr | None = Field(
        None, description="Address of the workflow that posts to Teams: “When a Teams webhook request is received”."
    )
    teams_webhook_urls: SecretStr | None = Field(
        None, description="Further workflows by name, comma-separated: `finance=https://…,platform=https://…`."
    )
    teams_routes: Path | None = Field(
        None, description="YAML file with these names (as `channel`) by team, severity, priority, source, pipeline."
    )
    teams_follow_ups: bool = Field(
        True, description="Whether later changes of a ticket are told in short cards; Teams' cards cannot be edited."
    )
    teams_per_second: float = Field(
        1,
        gt=0,
        le=1000,
        description="Cards a second that a workflow takes; Teams slows down whoever sends more than four.",
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            known = self.addresses()
            unknown = [route.channel for route in self.routes() if route.channel not in known]
        except WrongSetting as error:
            raise ValueError(str(error)) from error
        if unknown:
            raise ValueError(f"TEAMS_ROUTES names {unknown[0][:40]}, which TEAMS_WEBHOOK_URLS does not know")
        return self

    @property
    def configured(self) -> bool:
        """Whether tickets get a card."""
        return self.teams_webhook_url is not None

    def addresses(self) -> Mapping[str, str]:
        """The workflows' addresses by name, the usual one under `default`. Raises WrongSetting, without the secret."""
        given = [(DEFAULT, self.teams_webhook_url.get_secret_value())] if self.teams_webhook_url is not None else []
        for entry in (self.teams_webhook_urls.get_secret_value() if self.teams_webhook_urls else "").split(","):
            name, mark, address = entry.strip().partition("=")
            if mark:
                given.append((name.strip(), address.strip()))
            elif name:
                raise WrongSetting("TEAMS_WEBHOOK_URLS must read name=https://…,name=https://…")
        for name, address in given:
            _check(name, address)
        return dict(given)

    def routes(self) -> tuple[Route, ...]:
        """The rules of TEAMS_ROUTES; raises WrongSetting."""
        return read_routes(self.teams_routes, "TEAMS_ROUTES") if self.teams_routes is not None else ()


class Teams:
    """Cards in Teams' channels."""

    name = "teams"

    def __init__(self, settings: TeamsSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._addresses = settings.addresses()
        self._routes = settings.routes()
        self._follow_ups = settings.teams_follow_ups
        self.per_second = settings.teams_per_second
        hosts = tuple(sorted({origin(address) for address in self._addresses.values()}))
        secrets = tuple(part for address in self._addresses.values() for part in _secrets(address))
        self._client = Client(Vendor(base_urls=hosts, secrets=secrets, credentials_hint=HINT), LIMITS, now)

    def way(self, fields: Mapping[str, str | None]) -> str:
        """The workflow that a ticket with these columns goes to."""
        return channel_for(fields, self._routes, DEFAULT)

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        """Post the ticket's card, or a short one about what came since. Raises Retryable or Permanent."""
        if receipt is not None and receipt.key:
            return await self._followed_up(notice, receipt, in_doubt=in_doubt)
        if notice.status is Status.ACKNOWLEDGED:
            return Receipt(key="")
        way = self.way(notice.fields)
        message = teams_card.ticket(notice, again=in_doubt)
        key = await self._post(way, message, notice.run_mark, notice.version)
        told = max((line.audit_id for line in notice.news), default=0)
        return Receipt(
            key=key, told_digest=_digest(message), told_audit_id=told, more=_sent(way, message, again=in_doubt)
        )

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """Teams tells us nothing that changes a status."""
        del request

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _followed_up(self, notice: Notice, receipt: Receipt, *, in_doubt: bool) -> Receipt:
        news = sorted((line for line in notice.news if _is_news(line, receipt)), key=lambda line: line.audit_id)
        if not news or not self._follow_ups:
            return receipt
        way = receipt.more.get("way", DEFAULT)
        message = teams_card.follow_up(notice, news, again=in_doubt)
        known = way if way in self._addresses else DEFAULT
        await self._post(known, message, notice.run_mark, notice.version)
        newest = max(line.audit_id for line in notice.news)
        more = _sent(way, message, again=in_doubt) | {"notes": "1"}
        return replace(receipt, told_digest=_digest(message), told_audit_id=newest, more=more)

    async def say(self, way: str, text: str) -> None:
        """Post a line that belongs to no ticket. Raises Retryable and Permanent."""
        await self._post(way, teams_card.line(text), "doctor", 0)

    async def _post(self, way: str, message: Mapping[str, Any], mark: str, number: int) -> str:
        """Hand a card to a workflow; the id of the run that posts it. Raises Retryable and Permanent."""
        # The flow's run history can be searched for this id: the run's mark, and a number for each card of a ticket.
        headers = {"x-ms-client-tracking-id": f"{mark}-{number}"}
        answer = await self._client.call("POST", self._addresses[way], json=message, headers=headers, accept=(400, 404))
        if answer.status in {400, 404}:
            raise self._client.refusal(answer, "Look whether the workflow is switched on and takes the card. " + HINT)
        return answer.headers.get("x-ms-workflow-run-id", "")[:100] or mark


def _is_news(line: News, receipt: Receipt) -> bool:
    return line.audit_id > receipt.told_audit_id and line.action in TOLD


def _sent(way: str, message: Mapping[str, Any], *, again: bool) -> dict[str, str]:
    sent = {"way": way, "bytes": str(teams_card.size(dict(message)))}
    return sent | ({"unlooked": UNLOOKED} if again else {})


def _digest(message: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()


def _check(name: str, address: str) -> None:
    """Raise WrongSetting where a card could not be sent there safely; the address itself is a secret."""
    try:
        checked_base(origin(address))
    except WrongSetting as error:
        raise WrongSetting(f"the address of the Teams workflow {name[:40]} {error}") from error
    parts = urlsplit(address)
    if len(parts.path) < 2 or not address.isascii() or not address.isprintable() or parts.username:
        raise WrongSetting(f"the address of the Teams workflow {name[:40]} is not a whole address with its path")
    if "webhook.office.com" in (parts.hostname or ""):
        raise WrongSetting(f"the Teams webhook {name[:40]} is an Office 365 connector, which Microsoft has retired")


def origin(address: str) -> str:
    """The host of a workflow's address with its scheme and port, which is no secret; empty where there is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _secrets(address: str) -> list[str]:
    """What must never be repeated of an address: whoever knows it may post."""
    return [address, *parse_qs(urlsplit(address).query).get("sig", [])]
