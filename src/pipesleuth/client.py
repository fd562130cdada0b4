"""The one outbound HTTP client: bounded, tied to its hosts, silent about secrets, and sure of what a failure means."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator

from pipesleuth import traces
from pipesleuth.environment import LOOPBACK
from pipesleuth.model import NOTHING, Permanent, Retryable, WrongSetting

if TYPE_CHECKING:
    import httpx

CUT_AFTER = 30.0
LONGEST_WAIT = 3600.0
LONGEST_SENTENCE = 300
MARK = "[masked]"

_DURATION = re.compile(r"^\d{1,6}(?:\.\d{1,9})?s$")
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer: lower-case header names, the whole (bounded) body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    in_doubt: bool = False

    def json(self) -> Any:
        """The body as JSON; raises Retryable (in doubt after a creating call) when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Retryable(f"HTTP {self.status} came with a body that is not JSON", in_doubt=self.in_doubt) from error

    def json_object(self) -> Mapping[str, Any]:
        """The body as a JSON object; raises Retryable like `json`."""
        value = self.json()
        if not isinstance(value, dict):
            raise Retryable(f"HTTP {self.status} came with JSON that is no object", in_doubt=self.in_doubt)
        return cast("dict[str, Any]", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a call may take, in seconds, and how large its answer may be, in bytes."""

    connect: float = 5.0
    read: float = 20.0
    whole: float = CUT_AFTER
    body: int = 8_388_608


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Whom a client may talk to: the base addresses, what it must never repeat, and what a person checks on a 401."""

    base_urls: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    credentials_hint: str = "Check the credentials, then retry."


class Client:
    """Calls to one vendor; every failure is a Retryable or a Permanent, with the vendor's own sentence masked."""

    def __init__(
        self, vendor: Vendor, limits: Limits = DEFAULT_LIMITS, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._vendor = vendor
        self._limits = limits
        self._now = now
        self._origins = frozenset(_origin(checked_base(url)) for url in vendor.base_urls)
        self._secrets = _spellings(vendor.secrets)
        self._http: httpx.AsyncClient | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = NOTHING,
        creates: bool | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """One call, never repeated here, cut after `Limits.whole` seconds.

        `creates` says whether a lost answer leaves doubt (default: every method but GET and HEAD).
        Answers 2xx and the statuses in `accept` are returned; any other raises Retryable or Permanent.
        """
        leaves_doubt = method.upper() not in {"GET", "HEAD"} if creates is None else creates
        if _origin(url) not in self._origins:
            raise Permanent(f"{_host(url)} is not a host that was configured, so it was not called")
        request = {"json": json, "data": form, "params": params, "headers": {**self._vendor.headers, **headers}}
        with traces.stretch(
            f"call {_host(url)}", "client", http_request_method=method, server_address=_host(url)
        ) as seen:
            answer = await self._answer(method, url, {k: v for k, v in request.items() if v is not None}, leaves_doubt)
            seen.note("http.response.status_code", answer.status)
        if 200 <= answer.status < 300 or answer.status in accept:
            return answer
        raise self.refusal(answer)

    def refusal(self, answer: Answer, hint: str = "") -> Retryable | Permanent:
        """What an unwelcome answer means; `hint` is the sentence that tells a person what to do."""
        status = answer.status
        reason = f"HTTP {status}: {self.sentence(answer)}".rstrip(": ")
        if status == 429:
            return Retryable(reason, after=self.asked_wait(answer), everyone=True)
        if status >= 500:
            after = self.asked_wait(answer)
            return Retryable(reason, after=after, in_doubt=answer.in_doubt, everyone=after is not None)
        if status in {408, 423, 425}:
            return Retryable(reason, after=self.asked_wait(answer))
        if 300 <= status < 400:
            target = _host(answer.headers.get("location", "")) or "elsewhere"
            return Permanent(f"HTTP {status}: redirected to {target}, which is not followed. Correct the base address.")
        if status == 401:
            return Permanent(f"{reason}. {hint or self._vendor.credentials_hint}", everyone=True)
        return Permanent(f"{reason}. {hint}".rstrip(". "))

    def sentence(self, answer: Answer) -> str:
        """The vendor's own words for its answer: one masked line of at most 300 characters, maybe empty."""
        try:
            said = _said(json.loads(answer.body))
        except (ValueError, RecursionError):
            text = answer.body[:2000].decode("utf-8", "replace")
            said = "" if "<" in text[:200] else text
        return self.masked(_BLANKS.sub(" ", said[:4000]).strip())[:LONGEST_SENTENCE].rstrip(". ")

    def masked(self, text: str) -> str:
        """`text` without any of this client's own secrets."""
        for secret in self._secrets:
            text = text.replace(secret, MARK)
        return text

    def asked_wait(self, answer: Answer) -> float | None:
        """The seconds the vendor asks us to wait, between 0 and an hour; None where it names none."""
        for read in (self._retry_after, self._rate_limit_reset, _retry_info):
            seconds = read(answer)
            if seconds is not None:
                return min(max(seconds, 0.0), LONGEST_WAIT)
        return None

    async def close(self) -> None:
        """Give the connections back."""
        if self._http is not None:
            http, self._http = self._http, None
            await http.aclose()

    async def _answer(self, method: str, url: str, request: dict[str, Any], leaves_doubt: bool) -> Answer:  # noqa: FBT001  # private
        import httpx  # noqa: PLC0415  # vendor library, imported at first use

        try:
            async with asyncio.timeout(self._limits.whole):
                return await self._streamed(method, url, request, leaves_doubt)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Retryable(f"{_host(url)} cannot be reached", everyone=True) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Permanent(f"{_host(url)} is not an address that can be called") from error
        except UnicodeEncodeError as error:  # a sign pasted by mistake into a token goes into no header
            hint = self._vendor.credentials_hint
            raise Permanent(f"The credentials hold signs that cannot be sent. {hint}", everyone=True) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise Retryable(f"{_host(url)} did not answer in time", in_doubt=leaves_doubt) from error
        except httpx.HTTPError as error:
            raise Retryable(
                f"{_host(url)} broke off the connection ({type(error).__name__})", in_doubt=leaves_doubt
            ) from error

    async def _streamed(self, method: str, url: str, request: dict[str, Any], leaves_doubt: bool) -> Answer:  # noqa: FBT001  # private
        body = bytearray()
        async with self._connection().stream(method, url, **request) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limits.body:
                    raise Retryable(
                        f"{_host(url)} answered with more than {self._limits.body} bytes", in_doubt=leaves_doubt
                    )
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, bytes(body), leaves_doubt)

    def _connection(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415  # vendor library, imported at first use

        if self._http is None:
            limits = self._limits
            # It writes whole addresses into the log, and some (a Teams workflow's) are secrets.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            self._http = httpx.AsyncClient(
                timeout=httpx.Timeout(limits.read, connect=limits.connect, pool=limits.read),
                limits=httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=20),
                follow_redirects=False,
                # Asked for plain, so that a small answer cannot unfold into a large one.
                headers={"accept-encoding": "identity", "user-agent": "pipesleuth"},
                # A proxy of the environment is for the outside; our own machine is reached directly.
                mounts={f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")},
            )
        return self._http

    def _retry_after(self, answer: Answer) -> float | None:
        text = answer.headers.get("retry-after", "").strip()
        if not text:
            return None
        if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 12:
            return float(text)
        try:
            asked = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        return (asked.replace(tzinfo=asked.tzinfo or UTC) - self._now()).total_seconds()

    def _rate_limit_reset(self, answer: Answer) -> float | None:
        text = answer.headers.get("x-ratelimit-reset", "").strip()
        if text.isascii() and text.isdigit() and len(text) <= 11:
            return float(text) - self._now().timestamp()
        try:
            asked = datetime.fromisoformat(text)
        except ValueError:
            return None
        return (asked.replace(tzinfo=asked.tzinfo or UTC) - self._now()).total_seconds()


def checked_base(url: str) -> str:
    """`url` without a trailing slash, if secrets may be sent there; raises WrongSetting otherwise.

    Plain http is for this machine and for names without a dot (a neighbour in the same private network).
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise WrongSetting("is not an address such as https://example.com") from error
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query or parts.fragment:
        raise WrongSetting("must be an http(s) address without user, query or fragment")
    if parts.scheme == "http" and host not in LOOPBACK and "." in host:
        raise WrongSetting("must begin with https:// (plain http is for this machine only)")
    return url.rstrip("/")


def _base(url: str) -> str:
    try:
        return checked_base(url)
    except WrongSetting as error:
        raise ValueError(str(error)) from error


# A setting with a vendor's base address; where `checked_base` refuses it, the variable is named.
BaseAddress = Annotated[str, AfterValidator(_base)]


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return ("", "", 0)
    return (parts.scheme, parts.hostname or "", port)


def _host(url: str) -> str:
    """The host of an address, for a sentence; never its path, query or credentials."""
    try:
        return (urlsplit(url).hostname or "")[:100]
    except ValueError:
        return ""


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Each secret as it is, percent-encoded and in base64; longest first, so that none hides a part of another."""
    found: set[str] = set()
    for secret in secrets:
        if len(secret) >= 4:
            found |= {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
    return tuple(sorted(found, key=len, reverse=True))


def _said(body: Any) -> str:
    """The sentence inside an error body of Jira, Databricks, Azure, Slack or Google."""
    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        return ""
    fields = cast("dict[str, Any]", body)
    inner: object = fields.get("error")
    if isinstance(inner, dict):
        return _said(inner)
    parts = [str(text) for text in _items(fields.get("errorMessages"))]
    errors: object = fields.get("errors")
    if isinstance(errors, dict):
        parts += [f"{name}: {text}" for name, text in list(cast("dict[str, Any]", errors).items())[:10]]
    for name in ("error_code", "code", "error", "message", "detail", "error_description"):
        value: object = fields.get(name)
        if isinstance(value, str) and value:
            parts.append(value)
    return "; ".join(parts)


def _items(value: object) -> list[Any]:
    return cast("list[Any]", value)[:10] if isinstance(value, list) else []


def _retry_info(answer: Answer) -> float | None:
    """Google's `RetryInfo` inside an error's details: "34s"."""
    try:
        body: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    error: object = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    details = _items(cast("dict[str, Any]", error).get("details")) if isinstance(error, dict) else []
    for detail in details:
        delay: object = cast("dict[str, Any]", detail).get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and _DURATION.match(delay):
            return float(delay[:-1])
    return None
