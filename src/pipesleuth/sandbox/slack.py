"""A Slack workspace: the Web API methods a bot needs, with channels, threads, edits and metadata.

Source: https://docs.slack.dev/reference/methods. Nearly every refusal is HTTP 200 with `ok: false`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.slack_messages import Message, SlackRefusal, posted, read_message
from pipesleuth.sandbox.slack_team import SlackTeam
from pipesleuth.sandbox.wire import (
    Json,
    bearer_of,
    form_of,
    is_object,
    list_of,
    number_of,
    object_of,
    parsed,
    seconds_of,
    text_of,
)

TRUE_WORDS = {True, "1", "true", "True"}


class SlackApi:
    """The methods below `/slack/api/`."""

    def __init__(self, team: SlackTeam) -> None:
        self.team = team
        self.methods: dict[str, tuple[str, Callable[[Json, Json], Json]]] = {
            "auth.test": ("", self.auth_test),
            "api.test": ("", lambda _arguments, _caller: {}),
            "chat.postMessage": ("chat:write", self.post_message),
            "chat.update": ("chat:write", self.update_message),
            "chat.delete": ("chat:write", self.delete_message),
            "chat.getPermalink": ("", self.permalink),
            "conversations.history": ("channels:history", self.history),
            "conversations.replies": ("channels:history", self.replies),
            "conversations.info": ("channels:read", self.info),
            "conversations.list": ("channels:read", self.channel_list),
            "conversations.join": ("channels:join", self.join),
        }

    def routes(self) -> list[Route]:
        """One route for every method."""
        return [Route("/slack/api/{method}", self.answer, methods=["GET", "POST"])]

    async def answer(self, request: Request) -> Response:
        """Check the token and its scopes, call the method, wrap its answer."""
        try:
            arguments = await read_arguments(request)
            scope, method = self.methods.get(request.path_params["method"], ("", unknown_method))
            caller = self.caller(bearer_of(request) or text_of(arguments.get("token")))
            need_scope(scope, caller)
            headers = {"x-oauth-scopes": ",".join(caller["scopes"]), "x-accepted-oauth-scopes": scope}
            return JSONResponse({"ok": True, **method(arguments, caller)}, headers=headers)
        except SlackRefusal as refusal:
            body: Json = {"ok": False, "error": refusal.error, **refusal.more}
            return JSONResponse(body, refusal.status, refusal.headers)

    def caller(self, token: str) -> Json:
        """Who is calling; not_authed, invalid_auth or token_revoked."""
        if not token:
            raise SlackRefusal("not_authed")
        tokens = object_of(self.team.settings["tokens"])
        if (tokens and token not in tokens) or not token.startswith("xoxb-"):
            raise SlackRefusal("invalid_auth")
        scopes = tokens.get(token, self.team.settings["scopes"])
        if scopes is None:
            raise SlackRefusal("token_revoked")
        return {"scopes": [str(scope) for scope in list_of(scopes)], "bot_id": "B0SANDBOX", "user_id": "U0SANDBOX"}

    def auth_test(self, _arguments: Json, caller: Json) -> Json:
        """Whose token this is."""
        return {
            "url": "https://sandbox.slack.com/",
            "team": "Sandbox",
            "user": "pipesleuth",
            "team_id": "T0SANDBOX",
            "user_id": caller["user_id"],
            "bot_id": caller["bot_id"],
            "is_enterprise_install": False,
        }

    def post_message(self, arguments: Json, caller: Json) -> Json:
        """Put a message, or a reply in a thread, into a channel."""
        channel = self.team.channel(arguments.get("channel"), by_name=True)
        if channel["is_archived"]:
            raise SlackRefusal("is_archived")
        if not channel["is_member"] and (channel["is_private"] or "chat:write.public" not in caller["scopes"]):
            raise SlackRefusal("channel_not_found" if channel["is_private"] else "not_in_channel")
        content = read_message(arguments)
        thread = text_of(arguments.get("thread_ts"))
        if thread:
            root = self.team.message(channel["id"], thread)
            if root is None or root.thread_ts not in {"", root.ts}:
                raise SlackRefusal("cannot_reply_to_message")
        self.spend_rate(channel["id"])
        broadcast = arguments.get("reply_broadcast") in TRUE_WORDS
        now = self.team.clock()
        message = Message(self.team.next_ts(), channel["id"], caller["bot_id"], content, now, thread, broadcast)
        self.team.add(message)
        return posted(message)

    def spend_rate(self, channel: str) -> None:
        """One message a second and channel, where the sandbox is set to keep Slack's limit."""
        rate = seconds_of(self.team.settings["rate_per_second"], 0)
        now = self.team.clock()
        if rate and now - self.team.posted_at.get(channel, 0) < 1 / rate:
            raise SlackRefusal("ratelimited", status=429, headers={"Retry-After": "1"})
        self.team.posted_at[channel] = now

    def update_message(self, arguments: Json, caller: Json) -> Json:
        """Replace a message's content; without blocks the old ones go, without metadata the old one stays."""
        channel = self.team.channel(arguments.get("channel"))
        if channel["is_archived"]:
            raise SlackRefusal("is_archived")
        message = self.team.message(channel["id"], text_of(arguments.get("ts")))
        if message is None:
            raise SlackRefusal("message_not_found")
        if message.bot_id != caller["bot_id"]:
            raise SlackRefusal("cant_update_message")
        content = read_message(arguments)
        if "metadata" not in arguments and "metadata" in message.content:
            content["metadata"] = message.content["metadata"]
        message.content = content
        message.edits += 1
        message.edited_ts = self.team.next_ts()
        message.changed_at = self.team.clock()
        self.team.version += 1
        return {**posted(message), "text": content["text"]}

    def delete_message(self, arguments: Json, caller: Json) -> Json:
        """Take an own message away."""
        channel = self.team.channel(arguments.get("channel"))
        message = self.team.message(channel["id"], text_of(arguments.get("ts")))
        if message is None:
            raise SlackRefusal("message_not_found")
        if message.bot_id != caller["bot_id"]:
            raise SlackRefusal("cant_delete_message")
        self.team.remove(message)
        return {"channel": message.channel, "ts": message.ts}

    def permalink(self, arguments: Json, _caller: Json) -> Json:
        """The address of a message."""
        channel = self.team.channel(arguments.get("channel"))
        message = self.team.message(channel["id"], text_of(arguments.get("message_ts")))
        if message is None:
            raise SlackRefusal("message_not_found")
        link = f"https://sandbox.slack.com/archives/{channel['id']}/p{message.ts.replace('.', '')}"
        return {"channel": channel["id"], "permalink": link}

    def history(self, arguments: Json, caller: Json) -> Json:
        """Root messages, newest first, in pages; metadata only when asked for."""
        channel = self.readable(arguments, caller)
        settled = self.team.clock() - seconds_of(self.team.settings["history_lag_seconds"], 0)
        oldest, latest = bounds(arguments)
        shown = self.team.history(channel["id"], oldest)
        found = [one for one in reversed(shown) if one.created_at <= settled and oldest <= float(one.ts) <= latest]
        page = self.page(found, arguments, 999)
        page["messages"] = [self.shown(message, arguments) for message in page["messages"]]
        return page

    def replies(self, arguments: Json, caller: Json) -> Json:
        """A root message and its replies, oldest first."""
        channel = self.readable(arguments, caller)
        ts = text_of(arguments.get("ts"))
        asked = self.team.message(channel["id"], ts)
        if asked is None:
            raise SlackRefusal("thread_not_found")
        ts = asked.thread_ts or asked.ts
        root = self.team.message(channel["id"], ts)
        oldest, latest = bounds(arguments)
        replies = [one for one in self.team.thread(channel["id"], ts) if oldest <= float(one.ts) <= latest]
        found = [*([root] if root else []), *replies]
        page = self.page(found, arguments, 1000)
        page["messages"] = [self.shown(message, arguments) for message in page["messages"]]
        return page

    def readable(self, arguments: Json, caller: Json) -> Json:
        """A channel whose history the caller may read."""
        channel = self.team.channel(arguments.get("channel"))
        if channel["is_private"]:
            need_scope("groups:history", caller)
        if not channel["is_member"]:
            raise SlackRefusal("channel_not_found" if channel["is_private"] else "not_in_channel")
        return channel

    def shown(self, message: Message, arguments: Json) -> Json:
        """A message as the history shows it."""
        replies = self.team.thread(message.channel, message.ts)
        return message.shown(replies, with_metadata=arguments.get("include_all_metadata") in TRUE_WORDS)

    def page(self, found: list[Any], arguments: Json, most: int) -> Json:
        """One page of a list, with the cursor of the next."""
        limit = min(max(1, number_of(arguments.get("limit"), 100)), most)
        cursor = text_of(arguments.get("cursor"))
        start = number_of(cursor.removeprefix("page:"), -1) if cursor else 0
        if start < 0:
            raise SlackRefusal("invalid_cursor")
        more = len(found) > start + limit
        following = f"page:{start + limit}" if more else ""
        return {
            "messages": found[start : start + limit],
            "has_more": more,
            "response_metadata": {"next_cursor": following},
        }

    def info(self, arguments: Json, caller: Json) -> Json:
        """One channel."""
        channel = self.team.channel(arguments.get("channel"))
        if channel["is_private"]:
            need_scope("groups:read", caller)
        return {"channel": {"is_channel": True, **channel}}

    def channel_list(self, arguments: Json, _caller: Json) -> Json:
        """The channels of the wanted kinds; private ones only where the bot is a member."""
        kinds = text_of(arguments.get("types"), "public_channel").replace(" ", "").split(",")
        found = [
            {"is_channel": True, **channel}
            for channel in self.team.channels.values()
            if ("private_channel" if channel["is_private"] else "public_channel") in kinds
            and not (channel["is_private"] and not channel["is_member"])
            and not (channel["is_archived"] and arguments.get("exclude_archived") in TRUE_WORDS)
        ]
        page = self.page(found, arguments, 1000)
        return {"channels": page["messages"], "response_metadata": page["response_metadata"]}

    def join(self, arguments: Json, _caller: Json) -> Json:
        """Enter a public channel."""
        channel = self.team.channel(arguments.get("channel"))
        if channel["is_private"]:
            raise SlackRefusal("method_not_supported_for_channel_type")
        if channel["is_archived"]:
            raise SlackRefusal("is_archived")
        channel["is_member"] = True
        self.team.version += 1
        return {"channel": {"is_channel": True, **channel}}


def unknown_method(_arguments: Json, _caller: Json) -> Json:
    """Slack's word for a method it does not have."""
    raise SlackRefusal("unknown_method")


def need_scope(scope: str, caller: Json) -> None:
    """Refuse with missing_scope, naming what is needed and what is there."""
    if scope and scope not in caller["scopes"]:
        raise SlackRefusal("missing_scope", {"needed": scope, "provided": ",".join(caller["scopes"])})


def bounds(arguments: Json) -> tuple[float, float]:
    """The first and the last time stamp that are asked for; `oldest` and `latest` themselves only with `inclusive`."""
    try:
        oldest = float(arguments.get("oldest") or 0)
        latest = float(arguments.get("latest") or "inf")
    except (TypeError, ValueError):
        raise SlackRefusal("invalid_ts_oldest") from None
    inclusive = arguments.get("inclusive") in TRUE_WORDS
    return (oldest, latest) if inclusive else (math.nextafter(oldest, math.inf), math.nextafter(latest, -math.inf))


async def read_arguments(request: Request) -> Json:
    """A method's arguments from the query, a form or a JSON body."""
    arguments: Json = dict(request.query_params)
    raw = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not raw:
        return arguments
    if kind == "application/json":
        try:
            body = parsed(raw)
        except ValueError:
            raise SlackRefusal("invalid_json") from None
        if not is_object(body):
            raise SlackRefusal("json_not_object")
        return arguments | body
    if kind != "application/x-www-form-urlencoded":
        raise SlackRefusal("invalid_post_type")
    arguments |= form_of(raw)
    for name in ("blocks", "attachments", "metadata"):
        if isinstance(arguments.get(name), str):
            try:
                arguments[name] = json.loads(arguments[name])
            except (ValueError, RecursionError):
                raise SlackRefusal("invalid_blocks_format" if name == "blocks" else "invalid_arguments") from None
    return arguments
