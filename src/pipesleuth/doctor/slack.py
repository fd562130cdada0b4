"""Whether Slack takes our messages: the token, its scopes, and each channel that is told.

Methods: https://docs.slack.dev/reference/methods (auth.test, conversations.info, conversations.list)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipesleuth.client import Client, Vendor
from pipesleuth.destinations.answers import at, items_at, text_at
from pipesleuth.destinations.slack import SlackSettings
from pipesleuth.destinations.slack_wire import SlackRefusal, SlackWire, is_channel_id, meaning, shown
from pipesleuth.doctor.finding import Case, Chart, Mark
from pipesleuth.model import Permanent, Retryable

MOST_PAGES = 50
INSTALL = "Give the app the scope {} and install it again."


async def look(case: Case, chart: Chart) -> None:
    """Whether the token is taken, may do what is needed, and every channel can be posted to."""
    settings = SlackSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    if not settings.configured:
        half = bool(settings.slack_bot_token) != bool(settings.slack_alert_channel)
        missing = "SLACK_ALERT_CHANNEL" if settings.slack_bot_token else "SLACK_BOT_TOKEN"
        if half:
            chart.warn(f"{missing} is not set, so nobody is told in Slack.", f"Set {missing}.")
        else:
            chart.off("No Slack is configured.")
        return
    team = _Team(settings)
    try:
        scopes = await team.scopes(chart)
        channels = dict.fromkeys((settings.slack_alert_channel, *(route.channel for route in settings.routes())))
        for name in channels:
            await _channel(chart, team, scopes, name)
        if case.send_test and not any(finding.mark is Mark.FAULT for finding in chart.findings):
            await _sent(chart, settings)
    except SlackRefusal as refusal:
        reason = meaning(refusal, settings.slack_alert_channel, creates=False, only_channel=True)
        raise reason from refusal
    finally:
        await team.close()


class _Team:
    """A workspace as our token sees it."""

    def __init__(self, settings: SlackSettings) -> None:
        token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
        self._base = settings.slack_api_url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"}
        self._client = Client(Vendor(base_urls=(self._base,), secrets=(token,), headers=headers))
        self._listed: list[object] | None = None

    async def scopes(self, chart: Chart) -> frozenset[str] | None:
        """What the token may do; None where Slack does not say. Raises SlackRefusal."""
        answer = await self._client.call("GET", f"{self._base}/auth.test")
        body = _understood(answer.json_object())
        chart.ok(f"The token is taken: {text_at(body, 'user')} in {text_at(body, 'team')}.")
        said = answer.headers.get("x-oauth-scopes")
        if said is None:
            return None
        scopes = frozenset(scope.strip() for scope in said.split(","))
        if "chat:write" not in scopes:
            chart.fault("The app may not post: the scope chat:write is missing.", INSTALL.format("chat:write"))
        return scopes

    async def channel(self, name: str) -> object | None:
        """A channel by id or name; None where the token sees none. Raises SlackRefusal."""
        if is_channel_id(name):
            try:
                return at(await self._get("conversations.info", channel=name), "channel")
            except SlackRefusal as refusal:
                if refusal.name == "channel_not_found":
                    return None
                raise
        if self._listed is None:
            self._listed = await self._all()
        bare = name.removeprefix("#").lower()
        return next((one for one in self._listed if text_at(one, "name").lower() == bare), None)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _all(self) -> list[object]:
        try:
            return await self._pages("public_channel,private_channel")
        except SlackRefusal as refusal:
            if refusal.name != "missing_scope":
                raise
            return await self._pages("public_channel")

    async def _pages(self, kinds: str) -> list[object]:
        found: list[object] = []
        cursor = ""
        for _ in range(MOST_PAGES):
            more = {"cursor": cursor} if cursor else {}
            page = await self._get("conversations.list", types=kinds, limit="1000", **more)
            found += items_at(page, "channels")
            cursor = text_at(page, "response_metadata", "next_cursor")
            if not cursor:
                break
        return found

    async def _get(self, method: str, **params: str) -> Mapping[str, Any]:
        return _understood((await self._client.call("GET", f"{self._base}/{method}", params=params)).json_object())


async def _channel(chart: Chart, team: _Team, scopes: frozenset[str] | None, name: str) -> None:
    place = shown(name)
    try:
        channel = await team.channel(name)
    except SlackRefusal as refusal:
        if refusal.name != "missing_scope":
            raise
        needed = text_at(refusal.body, "needed") or "channels:read"
        chart.warn(f"Whether {place} exists cannot be seen: {needed} is missing.", INSTALL.format(needed))
        return
    private = at(channel, "is_private") is True
    history = "groups:history" if private else "channels:history"
    if channel is None:
        hint = f"Create {place}, correct SLACK_ALERT_CHANNEL or SLACK_ROUTES, or invite the app where it is private."
        chart.fault(f"There is no channel {place} that the app can see.", hint)
    elif at(channel, "is_archived") is True:
        chart.fault(f"{place} is archived.", f"Unarchive {place} or choose another channel.")
    elif at(channel, "is_member") is not True and (private or "chat:write.public" not in (scopes or ())):
        chart.fault(f"The app is not in {place}.", f"Invite the app: /invite in {place}.")
    elif scopes is not None and history not in scopes:
        chart.warn(
            f"{place} can be posted to, but not looked at: after a crash a message could come twice.",
            INSTALL.format(history),
        )
    elif at(channel, "is_member") is not True:
        seen = f"{place} can be posted to, but its history is closed: after a crash a message could come twice."
        chart.warn(seen, f"Invite the app: /invite in {place}.")
    else:
        chart.ok(f"{place} can be posted to.")


async def _sent(chart: Chart, settings: SlackSettings) -> None:
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    wire = SlackWire(settings.slack_api_url, token)
    channel = settings.slack_alert_channel
    try:
        await wire.write("chat.postMessage", {"channel": channel, "text": "A test message of `pipesleuth doctor`."})
    except SlackRefusal as refusal:
        raise meaning(refusal, channel, creates=True, only_channel=True) from refusal
    except (Retryable, Permanent) as error:
        chart.fault(f"The test message failed: {error.reason.rstrip('. ')}.", "Run it again in a while.")
    else:
        chart.ok(f"A test message went to {channel}.")
    finally:
        await wire.close()


def _understood(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of `ok: true`. Raises SlackRefusal."""
    if body.get("ok") is not True:
        raise SlackRefusal(text_at(body, "error"), body)
    return body
