"""A Slack workspace's memory: channels, messages, and what tests may set."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable

from pipesleuth.sandbox.slack_messages import Channels, Message, SlackRefusal
from pipesleuth.sandbox.wire import Json, Refusal, list_of, object_of, text_of

SCOPES = ("chat:write", "channels:history", "groups:history", "channels:read", "groups:read", "channels:join")
CHANNELS: tuple[Json, ...] = (
    {"id": "C0SANDBOX01", "name": "data-alerts", "is_member": True},
    {"id": "C0SANDBOX02", "name": "finance-data", "is_member": True},
    {"id": "C0SANDBOX03", "name": "platform", "is_member": False},
    {"id": "C0SANDBOX04", "name": "old-alerts", "is_member": True, "is_archived": True},
)


class SlackTeam:
    """What the workspace knows; `settings` holds what tests may change.

    Settings: `tokens` ({token: [scopes]}; empty means that any xoxb- token has `scopes`), `scopes`,
    `rate_per_second` (chat.postMessage per channel, 0 for no limit), `history_lag_seconds`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """An empty workspace with its four channels."""
        self.settings: Json = {
            "tokens": {},
            "scopes": list(SCOPES),
            "rate_per_second": 0,
            "history_lag_seconds": 0,
        }
        self.channels: Channels = {}
        self.put({"channels": list(CHANNELS)})
        self.messages: list[Message] = []
        self._found: dict[tuple[str, str], Message] = {}
        self._threads: dict[tuple[str, str], list[Message]] = defaultdict(list)
        self._shown: dict[str, list[Message]] = defaultdict(list)
        self.posted_at: dict[str, float] = {}
        self.last_ts = 0
        self.version += 1

    def put(self, state: Json) -> None:
        """Change settings; `channels` replaces the list of channels."""
        for name, value in state.items():
            if name != "channels":
                self.settings[name] = value
                continue
            defaults: Json = {"is_member": True, "is_archived": False, "is_private": False}
            channels = [defaults | object_of(entry) for entry in list_of(value)]
            if not all(channel.get("id") and channel.get("name") for channel in channels):
                raise Refusal(400, {"detail": "channels: a list of {id, name, is_member?, is_archived?, is_private?}"})
            self.channels = {str(channel["id"]): channel for channel in channels}
        self.version += 1

    def next_ts(self) -> str:
        """A message's time stamp: its id in the channel, always growing."""
        self.last_ts = max(self.last_ts + 1, int(self.clock() * 1_000_000))
        return f"{self.last_ts // 1_000_000}.{self.last_ts % 1_000_000:06d}"

    def channel(self, name: object, *, by_name: bool = False) -> Json:
        """The channel of an id (or of a name, where Slack allows that); channel_not_found."""
        text = text_of(name)
        channel = self.channels.get(text)
        if channel is None and by_name:
            named = (entry for entry in self.channels.values() if entry["name"] == text.removeprefix("#"))
            channel = next(named, None)
        if channel is None:
            raise SlackRefusal("channel_not_found")
        return channel

    def message(self, channel: str, ts: str) -> Message | None:
        """The message of this time stamp, root or reply."""
        return self._found.get((channel, ts))

    def add(self, message: Message) -> None:
        """Take a message in; time stamps only grow, so that every list stays in their order."""
        self.messages.append(message)
        self._found[message.channel, message.ts] = message
        if message.is_reply:
            self._threads[message.channel, message.thread_ts].append(message)
        if not message.is_reply or message.broadcast:
            self._shown[message.channel].append(message)
        self.version += 1

    def remove(self, message: Message) -> None:
        """Take a message away; its thread stays."""
        del self._found[message.channel, message.ts]
        thread, shown = self._threads[message.channel, message.thread_ts], self._shown[message.channel]
        for messages in (self.messages, thread, shown):
            if message in messages:
                messages.remove(message)
        self.version += 1

    def thread(self, channel: str, ts: str) -> list[Message]:
        """The replies to a message, oldest first."""
        return self._threads.get((channel, ts), [])

    def history(self, channel: str, oldest: float) -> list[Message]:
        """What the channel itself shows since a moment: roots, and replies sent there too; oldest first."""
        shown = self._shown.get(channel, [])
        return shown[bisect_left(shown, oldest, key=lambda message: float(message.ts)) :]
