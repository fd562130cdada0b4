"""Slack's Web API over slack_sdk: in threads of its own, never redirected, bounded, and never repeated by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pipesleuth.destinations.answers import items_at, text_at
from pipesleuth.destinations.legible import clean_line
from pipesleuth.model import Permanent, Retryable

if TYPE_CHECKING:
    from slack_sdk import WebClient

GARBLED = "not_json"
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,20}")
LARGEST_ANSWER = 8_388_608
LONGEST_WAIT = 3600.0
READ_SECONDS = 10.0  # a doubt begins when it ends: with the look for our mark all is told within 25 s
CUT_AFTER = 30.0
THREADS = 8

# What may work later; all but those of the second set leave open whether something was written.
PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_not_ready"})
RATE_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
WHOLE_WORKSPACE = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
        "no_permission", "org_login_required", "ekm_access_denied", "team_access_not_granted", "access_denied",
        "not_allowed_token_type", "team_added_to_org", "accesslimited", "enterprise_is_restricted",
    }
)  # fmt: skip
WHOLE_CHANNEL = frozenset({"not_in_channel", "channel_not_found", "is_archived", "restricted_action"})
HINTS: Mapping[str, str] = {
    "not_in_channel": "Invite the app to {channel}, then retry.",
    "channel_not_found": "Create {channel} or correct SLACK_ALERT_CHANNEL or SLACK_ROUTES (a private channel must "
    "invite the app), then retry.",
    "is_archived": "Unarchive {channel} or choose another one, then retry.",
    "invalid_auth": "Check SLACK_BOT_TOKEN, then retry.",
    "not_authed": "Set SLACK_BOT_TOKEN, then retry.",
    "account_inactive": "The app was removed from the workspace. Install it again, then retry.",
    "token_revoked": "The token was revoked. Install the app again and set SLACK_BOT_TOKEN, then retry.",
    "token_expired": "Renew SLACK_BOT_TOKEN, then retry.",
    "missing_scope": "Give the app the scope {needed} and install it again, then retry.",
    "restricted_action": "The workspace does not let apps post to {channel}. Change that, then retry.",
    "message_not_found": "The message was deleted in Slack.",
    "cant_update_message": "The message was not written by this app.",
    "edit_window_closed": "The workspace does not let messages be edited so late.",
}


@dataclass(frozen=True, slots=True)
class _Heard:
    """What came back: the body is None where it was no JSON object."""

    status: int
    retry_after: str
    body: Mapping[str, Any] | None


class SlackRefusal(Exception):  # named for what happened
    """Slack's `ok: false`, with its name, before it is known what it means for the caller."""

    def __init__(self, name: str, body: object) -> None:
        super().__init__(name)
        self.name = name
        self.body = body


class SlackWire:
    """Calls of Slack's methods at `base_url` with one token; `read` and `whole` are seconds."""

    def __init__(self, base_url: str, token: str, *, read: float = READ_SECONDS, whole: float = CUT_AFTER) -> None:
        self._base_url = base_url.rstrip("/") + "/"
        self._token = token
        self._read = read
        self._whole = whole
        self._opener = urllib.request.build_opener(_NoRedirect, *_proxies(base_url))
        self._threads: ThreadPoolExecutor | None = None

    async def write(self, method: str, body: Mapping[str, Any], *, creates: bool = True) -> Mapping[str, Any]:
        """Call a method that changes something. Raises SlackRefusal, Retryable (in doubt if it creates), Permanent."""
        return await self._call(method, {"json": dict(body)}, creates=creates)

    async def look(self, method: str, **query: str) -> Mapping[str, Any]:
        """Call a method that only reads. Raises SlackRefusal, Retryable, Permanent."""
        return await self._call(method, {"params": query}, creates=False)

    async def close(self) -> None:
        """Let the threads end."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _call(self, method: str, request: dict[str, Any], *, creates: bool) -> Mapping[str, Any]:
        if self._threads is None:
            # Threads of its own: a Slack that hangs must not use up those that the database needs.
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="slack")
        deadline = time.monotonic() + self._whole
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._blocking, method, request, deadline)
        try:
            # A cut takes a call that no thread has begun out of the queue, so that it cannot be sent later.
            heard = await asyncio.wait_for(work, self._whole)
        except TimeoutError as error:
            raise Retryable("Slack did not answer in time", in_doubt=creates) from error
        except urllib.error.URLError as error:
            raise _unreached(error, creates=creates) from error
        except (HTTPException, OSError) as error:
            raise Retryable(f"Slack broke off the connection ({type(error).__name__})", in_doubt=creates) from error
        return _understood(heard, creates=creates)

    def _blocking(self, method: str, request: dict[str, Any], deadline: float) -> _Heard:
        from slack_sdk.errors import SlackApiError  # noqa: PLC0415  # vendor library, imported at first use

        def send(url: str, prepared: urllib.request.Request) -> dict[str, Any]:
            return _sent(self._opener, url, prepared, read=self._read, deadline=deadline)

        web: Any = _web_client_class()(token=self._token, base_url=self._base_url, retry_handlers=[], logger=_quiet())
        web.send = send
        try:
            return _heard(web.api_call(method, **request))
        except SlackApiError as error:
            refused: Any = error  # the library's own types are partly unknown
            return _heard(refused.response)


def is_channel_id(channel: str) -> bool:
    """Whether this is a channel's id, which reading methods insist on, and not its name."""
    return _CHANNEL_ID.fullmatch(channel) is not None


def shown(channel: str) -> str:
    """A channel as people write it: a name with its `#`, an id as it is."""
    return channel if channel.startswith("#") or is_channel_id(channel) else f"#{channel}"


def meaning(refusal: SlackRefusal, channel: str, *, creates: bool, only_channel: bool) -> Retryable | Permanent:
    """What `ok: false` means; `channel` is named to people, `only_channel` says that every message goes there."""
    name = clean_line(refusal.name)[:100] or "unknown_error"
    if name in PASSING:
        return Retryable(name, in_doubt=creates)
    needed = clean_line(text_at(refusal.body, "needed"))[:100] or "chat:write"
    hint = HINTS.get(name, "").format(channel=channel, needed=needed)
    details = [text_at(item) for item in items_at(refusal.body, "errors")]
    said = clean_line("; ".join(text for text in details if text))[:200]
    everyone = name in WHOLE_WORKSPACE or (only_channel and name in WHOLE_CHANNEL)
    return Permanent(". ".join(part for part in (name, said, hint) if part), everyone=everyone)


def _understood(heard: _Heard, *, creates: bool) -> Mapping[str, Any]:
    """The body of an answer that says `ok: true`."""
    status, body = heard.status, heard.body
    name = text_at(body, "error")
    if status == 429 or name in RATE_LIMITED:
        raise Retryable(name or "ratelimited", after=_seconds(heard.retry_after), everyone=True)
    if status >= 500:
        after = _seconds(heard.retry_after)
        raise Retryable(f"HTTP {status}", after=after, in_doubt=creates, everyone=after is not None)
    if body is None and status < 300:
        raise Retryable(f"HTTP {status} came with a body that is not JSON", in_doubt=creates)
    if body is None or (status >= 300 and not name):
        raise Permanent(f"HTTP {status}. Check SLACK_API_URL, then retry.", everyone=True)
    if body.get("ok") is not True:
        raise SlackRefusal(name, body)
    return body


def _unreached(error: urllib.error.URLError, *, creates: bool) -> Retryable:
    """A fault before any answer: refused and unknown hosts left nothing behind, a broken sending may have."""
    clean = isinstance(error.reason, (ConnectionRefusedError, socket.gaierror, ssl.SSLError))
    return Retryable("Slack cannot be reached", in_doubt=creates and not clean, everyone=True)


def _seconds(text: str) -> float | None:
    digits = text.strip()
    return min(float(digits), LONGEST_WAIT) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _heard(response: Any) -> _Heard:
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    data: object = response.data
    body = cast("dict[str, Any]", data) if isinstance(data, dict) and GARBLED not in data else None
    return _Heard(int(response.status_code), headers.get("retry-after", ""), body)


@cache
def _web_client_class() -> type[WebClient]:
    """slack_sdk's client, whose own sending follows redirects with the token and reads without an end."""
    from slack_sdk import WebClient  # noqa: PLC0415  # vendor library, imported at first use

    class BoundedWebClient(WebClient):
        """The same client over a sending of ours."""

        send: Callable[[str, urllib.request.Request], dict[str, Any]]

        def _perform_urllib_http_request_internal(self, url: str, req: urllib.request.Request) -> dict[str, Any]:
            return self.send(url, req)

    return BoundedWebClient


def _quiet() -> logging.Logger:
    """A logger that says nothing: the library logs whole answers; what went wrong becomes the to-do's reason."""
    logger = logging.getLogger("pipesleuth.slack_sdk")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


def _sent(
    opener: urllib.request.OpenerDirector, url: str, request: urllib.request.Request, *, read: float, deadline: float
) -> dict[str, Any]:
    left = deadline - time.monotonic()
    if left <= 0 or not url.startswith(("http://", "https://")):
        raise TimeoutError("there is no time left to send it")
    try:
        response: Any = opener.open(request, timeout=min(read, left))
    except urllib.error.HTTPError as error:
        response = error
    with contextlib.closing(response):
        body = _read(response, deadline)
        status, headers = int(response.status), dict(response.headers.items())
    try:
        is_object = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        is_object = False
    # slack_sdk stumbles over JSON that is no object, so it never sees one.
    text = body.decode("utf-8", "replace") if is_object else json.dumps({"ok": False, GARBLED: True})
    return {"status": status, "headers": headers, "body": text}


def _read(response: Any, deadline: float) -> bytes:
    """The whole body, until the deadline and up to 8 MiB; raises OSError beyond."""
    body = bytearray()
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > LARGEST_ANSWER or time.monotonic() > deadline:
            raise OSError("the answer has no end")
    return bytes(body)


def _proxies(base_url: str) -> list[urllib.request.BaseHandler]:
    """No proxy towards our own machine; the environment's (with its exceptions) for the outside."""
    near = urlsplit(base_url).hostname in {"localhost", "127.0.0.1", "::1"}
    return [urllib.request.ProxyHandler({})] if near else []


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Answers with a redirect are answers; the token never goes elsewhere."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        """Follow nothing."""
