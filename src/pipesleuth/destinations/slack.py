"""Slack: one message for each ticket, edited until it is green, with the details in its thread.

API: https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, model_validator

from pipesleuth.client import checked_base
from pipesleuth.destinations import slack_blocks
from pipesleuth.destinations.answers import items_at, text_at
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.routes import Route, channel_for, read_routes
from pipesleuth.destinations.slack_wire import CUT_AFTER, SlackRefusal, SlackWire, is_channel_id, meaning, shown
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import News, Notice, Permanent, Receipt, Retryable, Status, StatusChange, WrongSetting

TICKET_EVENT, NOTE_EVENT = "pipesleuth_ticket", "pipesleuth_note"
# Audit lines that the message itself shows.
UNTOLD = ("Slack", "Ticket Created", "Blob Saved", "Jira Created")
# Names under which Slack says that this app may not look, although it may post.
NO_LOOKING = frozenset(
    {"missing_scope", "not_in_channel", "channel_not_found", "no_permission", "access_denied", "unknown_method"}
)
MOST_PAGES = 25


class SlackSettings(EnvironmentSettings):
    """Where the messages go; nothing is called without a token and a channel."""

    slack_bot_token: SecretStr | None = Field(None, description="Bot token of the app (xoxb-…), scope chat:write.")
    slack_alert_channel: str = Field("", description="Channel that hears of every ticket no route is for.")
    slack_api_url: str = Field("https://slack.com/api/", description="Address of Slack's Web API.")
    slack_per_second: float = Field(
        1, gt=0, le=1000, description="Messages a second that a channel takes; Slack allows about one."
    )
    slack_routes: Path | None = Field(None, description="YAML file with channels by team, severity, priority, source.")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            checked_base(self.slack_api_url)
        except WrongSetting as error:
            raise ValueError(f"SLACK_API_URL {error}") from error
        try:
            _ = self.routes()
        except WrongSetting as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def configured(self) -> bool:
        """Whether tickets get a Slack message."""
        return self.slack_bot_token is not None and bool(self.slack_alert_channel)

    def routes(self) -> tuple[Route, ...]:
        """The rules of SLACK_ROUTES; raises WrongSetting."""
        return read_routes(self.slack_routes, "SLACK_ROUTES") if self.slack_routes is not None else ()


class Slack:
    """Messages of one app in one workspace."""

    name = "slack"

    def __init__(self, settings: SlackSettings) -> None:
        token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
        self._wire = SlackWire(settings.slack_api_url, token)
        self._routes = settings.routes()
        self._default = settings.slack_alert_channel
        self._ids: dict[str, str] = {}
        self._turns: dict[str, float] = {}
        self.per_second = settings.slack_per_second

    def way(self, fields: Mapping[str, str | None]) -> str:
        """The channel that a ticket with these columns goes to: each has a pace of its own."""
        return channel_for(fields, self._routes, self._default)

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        """Post the ticket's message, or edit it and note the news in its thread. Raises Retryable or Permanent."""
        if receipt is not None and receipt.key:
            return await self._brought_up_to_date(notice, receipt, in_doubt=in_doubt)
        channel = self.way(notice.fields)
        unlooked = ""
        if in_doubt:
            try:
                found = await self._find(notice, channel)
            except SlackRefusal as refusal:
                if refusal.name not in NO_LOOKING:
                    raise self._meaning(refusal, channel, creates=False) from refusal
                # The look itself is forbidden: a second message is better than none, and it is said.
                found, unlooked = None, refusal.name
            if found is not None:
                return await self._brought_up_to_date(notice, found, in_doubt=True)
        if notice.status is Status.ACKNOWLEDGED:
            return Receipt(key="")
        return await self._post(notice, channel, unlooked)

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        """Slack tells us nothing that changes a status."""
        del request

    async def close(self) -> None:
        """Let the threads end."""
        await self._wire.close()

    # --- the message ---

    async def _post(self, notice: Notice, channel: str, unlooked: str) -> Receipt:
        body = {"channel": channel, **_message(notice), "unfurl_links": False, "unfurl_media": False}
        answer = await self._write("chat.postMessage", body, channel)
        stamp, identity = text_at(answer, "ts"), text_at(answer, "channel")
        if not stamp or not identity:
            raise Retryable("Slack's answer names no message", in_doubt=True)
        self._ids[channel] = identity
        more = {"channel": identity, "channel_name": channel, "bytes": str(_size(body))}
        if unlooked:
            more["unlooked"] = f"posted again without looking for an earlier message ({unlooked})"
        return Receipt(key=stamp, told_digest=_told(notice), told_audit_id=_newest(notice), more=more)

    async def _find(self, notice: Notice, channel: str) -> Receipt | None:
        """The message that carries the run's mark; raises SlackRefusal where Slack does not let us look."""
        identity = await self._channel_id(channel)
        oldest = f"{(notice.created_at - timedelta(seconds=60)).timestamp():.6f}"
        query = {"channel": identity, "oldest": oldest, "include_all_metadata": "true", "limit": "200"}
        async for message in self._listed("conversations.history", "messages", query):
            if text_at(message, "metadata", "event_payload", "run_mark") != notice.run_mark:
                continue
            stamp = text_at(message, "ts")
            if text_at(message, "metadata", "event_type") == TICKET_EVENT and stamp:
                return _adopted(stamp, identity, channel, notice)
        return None

    async def _channel_id(self, channel: str) -> str:
        """The id that only reading methods insist on; raises SlackRefusal where there is none to be seen."""
        name = channel.lstrip("#")
        if is_channel_id(name):
            return name
        if channel not in self._ids:
            query = {"types": "public_channel,private_channel", "exclude_archived": "true", "limit": "1000"}
            async for entry in self._listed("conversations.list", "channels", query):
                if text_at(entry, "name") == name and text_at(entry, "id"):
                    self._ids[channel] = text_at(entry, "id")
        if channel not in self._ids:
            raise SlackRefusal("channel_not_found", {})
        return self._ids[channel]

    async def _listed(self, method: str, what: str, query: Mapping[str, str]) -> AsyncIterator[object]:
        """What a list holds, page by page: a busy channel's messages of an hour are many megabytes."""
        cursor = ""
        for _ in range(MOST_PAGES):
            answer = await self._wire.look(method, **query, **({"cursor": cursor} if cursor else {}))
            for one in items_at(answer, what):
                yield one
            cursor = text_at(answer, "response_metadata", "next_cursor")
            if not cursor:
                break

    # --- its news ---

    async def _brought_up_to_date(self, notice: Notice, receipt: Receipt, *, in_doubt: bool) -> Receipt:
        news = sorted(
            (line for line in _to_tell(notice) if line.audit_id > receipt.told_audit_id), key=lambda one: one.audit_id
        )
        digest = _told(notice)
        if digest == receipt.told_digest and not news:
            return receipt
        more = {name: value for name, value in receipt.more.items() if name != "unlooked"}
        channel = more.get("channel", "")
        there: set[str] = set()
        if in_doubt and news:
            there, unlooked = await self._noted(receipt)
            more |= {"unlooked": unlooked} if unlooked else {}
        sent = 0
        if digest != receipt.told_digest:
            body = {"channel": channel, "ts": receipt.key, **_message(notice)}
            await self._write("chat.update", body, more.get("channel_name", channel), creates=False)
            sent += _size(body)
        missing = [line for line in news if str(line.audit_id) not in there]
        sent += await self._note_all(missing, notice, receipt)
        more |= {"bytes": str(sent), "notes": str(len(missing))}
        newest = max(_newest(notice), receipt.told_audit_id)
        return replace(receipt, told_digest=digest, told_audit_id=newest, more=more)

    async def _note_all(self, news: list[News], notice: Notice, receipt: Receipt) -> int:
        """Post the notes in order; a fault after the first leaves doubt, so that the next try looks what is there."""
        sent = 0
        for number, line in enumerate(news):
            body = {
                "channel": receipt.more.get("channel", ""),
                "thread_ts": receipt.key,
                "text": slack_blocks.note(line),
                "blocks": slack_blocks.note_blocks(line),
                "metadata": _metadata(NOTE_EVENT, notice, audit_id=str(line.audit_id)),
                "unfurl_links": False,
                "unfurl_media": False,
            }
            try:
                await self._write("chat.postMessage", body, receipt.more.get("channel_name", ""))
            except (Retryable, Permanent) as fault:
                if number == 0:
                    raise
                after = fault.after if isinstance(fault, Retryable) else None
                raise Retryable(fault.reason, after=after, in_doubt=True, everyone=fault.everyone) from fault
            sent += _size(body)
        return sent

    async def _noted(self, receipt: Receipt) -> tuple[set[str], str]:
        """The audit ids already in the thread, and why nobody could look, if so."""
        query = {
            "channel": receipt.more.get("channel", ""),
            "ts": receipt.key,
            "include_all_metadata": "true",
            "limit": "200",
        }
        try:
            replies = self._listed("conversations.replies", "messages", query)
            told = {text_at(reply, "metadata", "event_payload", "audit_id") async for reply in replies}
        except SlackRefusal as refusal:
            if refusal.name not in NO_LOOKING:
                raise self._meaning(refusal, receipt.more.get("channel_name", ""), creates=False) from refusal
            return set(), f"noted again without looking for earlier notes ({refusal.name})"
        return told - {""}, ""

    async def _write(self, method: str, body: Mapping[str, Any], channel: str, *, creates: bool = True) -> Any:
        if method == "chat.postMessage":
            await self._turn(str(body["channel"]))
        try:
            return await self._wire.write(method, body, creates=creates)
        except SlackRefusal as refusal:
            raise self._meaning(refusal, channel, creates=creates) from refusal

    async def _turn(self, channel: str) -> None:
        """Wait until the channel takes another message: roots and notes of all tickets share its pace."""
        loop = asyncio.get_running_loop()
        name = self._ids.get(channel, channel)
        at_once = loop.time()
        turn = max(self._turns.get(name, at_once), at_once)
        self._turns[name] = turn + 1 / self.per_second
        await asyncio.sleep(turn - at_once)

    def _meaning(self, refusal: SlackRefusal, channel: str, *, creates: bool) -> Retryable | Permanent:
        return meaning(refusal, shown(channel), creates=creates, only_channel=not self._routes)


def _message(notice: Notice) -> dict[str, Any]:
    return {
        "text": slack_blocks.fallback(notice),
        "blocks": slack_blocks.blocks(notice),
        "metadata": _metadata(TICKET_EVENT, notice),
    }


def _metadata(event: str, notice: Notice, **more: str) -> dict[str, Any]:
    payload = {"ticket_id": notice.ticket_id, "run_mark": notice.run_mark, **more}
    return {"event_type": event, "event_payload": payload}


def _adopted(stamp: str, identity: str, channel: str, notice: Notice) -> Receipt:
    """A receipt for a message that an earlier try posted: it showed the ticket as it was one cut-off call earlier."""
    try:
        posted = datetime.fromtimestamp(float(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        posted = notice.created_at
    told = [news.audit_id for news in notice.news if news.at <= posted - timedelta(seconds=CUT_AFTER)]
    return Receipt(key=stamp, told_audit_id=max(told, default=0), more={"channel": identity, "channel_name": channel})


def _to_tell(notice: Notice) -> list[News]:
    return [news for news in notice.news if not news.action.startswith(UNTOLD)]


def _newest(notice: Notice) -> int:
    return max((news.audit_id for news in notice.news), default=0)


def _told(notice: Notice) -> str:
    """A digest of what the message shows."""
    return hashlib.sha256(json.dumps(_message(notice), sort_keys=True).encode()).hexdigest()


def _size(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body))
