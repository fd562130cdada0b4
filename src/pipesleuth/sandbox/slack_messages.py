"""What a Slack message is made of, and when Slack refuses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pipesleuth.sandbox.slack_blocks import TOTAL_CHARACTERS, block_faults, total_characters
from pipesleuth.sandbox.wire import Json, is_array, is_object, list_of, object_of, objects_of, text_of

Channels = dict[str, Json]
TEXT_LIMIT = 40_000
METADATA_BYTES = 16_384


class SlackRefusal(Exception):
    """Slack says `ok: false` with this word."""

    def __init__(
        self, error: str, more: Json | None = None, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.error = error
        self.more = more or {}
        self.status = status
        self.headers = dict(headers or {})


@dataclass(slots=True)
class Message:
    """One message of a bot; `content` holds text, blocks, attachments and metadata."""

    ts: str
    channel: str
    bot_id: str
    content: Json
    created_at: float
    thread_ts: str = ""
    broadcast: bool = False
    edits: int = 0
    edited_ts: str = ""
    changed_at: float = 0.0

    @property
    def is_reply(self) -> bool:
        """Whether it stands in somebody else's thread."""
        return bool(self.thread_ts) and self.thread_ts != self.ts

    def shown(self, replies: list[Message], *, with_metadata: bool) -> Json:
        """The message as the API shows it."""
        shown: Json = {
            "type": "message",
            "subtype": "bot_message",
            "user": "U0SANDBOX",
            "bot_id": self.bot_id,
            "ts": self.ts,
            **{name: value for name, value in self.content.items() if name != "metadata" or with_metadata},
        }
        if self.edits:
            shown["edited"] = {"user": self.bot_id, "ts": self.edited_ts}
        if self.is_reply:
            shown["thread_ts"] = self.thread_ts
        elif replies:
            shown |= {"thread_ts": self.ts, "reply_count": len(replies), "latest_reply": replies[-1].ts}
        return shown


def posted(message: Message) -> Json:
    """The answer to a post or an update."""
    shown = message.shown([], with_metadata=True)
    return {"channel": message.channel, "ts": message.ts, "message": shown, "response_metadata": {"warnings": []}}


def read_message(arguments: Json) -> Json:
    """The content of a message that Slack would take; raises SlackRefusal with Slack's word."""
    text = arguments.get("text")
    blocks = arguments.get("blocks")
    attachments = arguments.get("attachments")
    if blocks is not None and not is_array(blocks):
        raise SlackRefusal("invalid_blocks_format")
    if attachments is not None and not is_array(attachments):
        raise SlackRefusal("invalid_attachments")
    if not text_of(text).strip() and not list_of(blocks) and not list_of(attachments):
        raise SlackRefusal("no_text")
    all_blocks = [list_of(blocks), *(list_of(entry.get("blocks")) for entry in objects_of(attachments))]
    for group in all_blocks:
        if found := block_faults(group):
            messages = [f"[ERROR] {fault}" for fault in found]
            raise SlackRefusal("invalid_blocks", {"errors": found, "response_metadata": {"messages": messages}})
    if sum(total_characters(group) for group in all_blocks) > TOTAL_CHARACTERS:
        raise SlackRefusal("msg_blocks_too_long")
    content: Json = {"text": text_of(text)[:TEXT_LIMIT], "blocks": list_of(blocks)}
    if attachments:
        content["attachments"] = attachments
    if arguments.get("metadata") is not None:
        content["metadata"] = read_metadata(arguments["metadata"])
    return content


def read_metadata(value: object) -> Json:
    """A message's metadata: a type and an object of values."""
    metadata = object_of(value)
    payload = metadata.get("event_payload")
    if not isinstance(metadata.get("event_type"), str) or not is_object(payload):
        raise SlackRefusal("invalid_metadata_format")
    if len(json.dumps(payload).encode()) > METADATA_BYTES:
        raise SlackRefusal("metadata_too_large")
    return metadata
