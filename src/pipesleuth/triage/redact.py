"""Masking: secrets in a text become typed marks such as `[masked:sas]` before the text leaves the house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re2

# What ends a value in free text, in JSON, in a URL's query and in a connection string.
_BARE = r"""[^\s;,&"'<>\\)\]}]"""
# An opening quote with any number of backslashes before it: JSON inside JSON inside a log line.
_QUOTE = r"""\\{0,8}["']"""
_GUARDED_WORD = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key"
    r"|(?:access|refresh|auth|id|bearer|bot|api|user|session|security|sas|personal)[_-]?token|credentials?"
    r"|secret[._-]?key|shared[_-]?access[_-]?(?:key|signature)|signing[_-]?key|encryption[_-]?key|subscription[_-]?key"
    r"|client[_-]?secret|storage[_-]?key|master[_-]?key|host[_-]?key|function[_-]?key)"
)
_NAME = r"[A-Za-z0-9_.-]{0,40}" + _GUARDED_WORD + r"(?:[_-]?(?:value|text|1|2))?"
_HOST_ENDINGS = (
    "com|net|org|io|dev|cloud|ai|app|eu|edu|gov|mil|int|biz|info|local|internal|corp|lan|intranet|home|private"
    "|de|fr|uk|nl|ch|at|es|it|se|no|dk|fi|pl|be|ie|pt|us|ca|au|nz|jp|cn|in|br|mx|za|sg|hk|kr"
)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with its secrets replaced by typed marks, and how many were replaced."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class _Rule:
    """One kind of secret: the only group of the pattern is what gets masked, if `counts` agrees."""

    kind: str
    pattern: str
    counts: Callable[[str], bool] = lambda _value: True


def mask(text: str, *, strict: bool = False) -> Masked:
    """`text` with every recognised secret masked; with `strict` also e-mail addresses and host names.

    Linear in the text's length on any input; masking a masked text changes nothing.
    """
    if not text:
        return Masked(text, 0)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if _any_of(strict=strict).search(text) is None:
        return Masked(text, 0)
    count = 0
    for rule, pattern in _compiled():
        if strict or rule.kind not in _STRICT_KINDS:
            text, hits = _replaced(text, rule, pattern)
            count += hits
    return Masked(text, count)


def _replaced(text: str, rule: _Rule, pattern: re2.Regexp) -> tuple[str, int]:
    pieces: list[str] = []
    end = 0
    hits = 0
    for match in pattern.finditer(text):
        start, stop = match.span(1)
        value = text[start:stop]
        if not value or "[masked:" in value or _is_blanked(value) or not rule.counts(value):
            continue
        pieces += (text[end:start], f"[masked:{rule.kind}]")
        end = stop
        hits += 1
    if not hits:
        return text, 0
    pieces.append(text[end:])
    return "".join(pieces), hits


def _is_blanked(value: str) -> bool:
    """Whether somebody before us already put stars in the secret's place."""
    return not value.strip("*xX.•#-_ []()")


def _looks_drawn(value: str) -> bool:
    """Whether a word looks drawn by a machine: no plain word, and both letters and something else in it."""
    letters = sum(character.isalpha() for character in value)
    mixed = value != value.lower() and value != value.upper() and value[1:] != value[1:].lower()
    return letters < len(value) or mixed


def _is_no_code_name(value: str) -> bool:
    """Whether a dotted name is a host and not a Java or Python name that happens to end like one."""
    return not value.startswith(("java.", "javax.", "com.", "org.", "io.", "net.", "scala.", "py4j."))


_STRICT_KINDS = frozenset({"email", "host"})
_RULES = (
    _Rule(
        "private-key",
        r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:-?[A-Za-z0-9+/=\s\\:,.])*"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?)",
    ),
    _Rule("jwt", r"\b(eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,3})"),
    _Rule("sas", r"(?i)(?:\b|u0026|%26)sig(?:=|%3D)([A-Za-z0-9%+/=_-]{8,})"),
    _Rule("account-key", r"(?i)\b(?:account|sharedaccess|shared|storage|access)key\s{0,3}=\s{0,3}([^\s;\"'<>]+)"),
    _Rule("account-key", r"(?:^|[^A-Za-z0-9+/])([A-Za-z0-9+/]{86}==)"),
    # Spark's own spelling: fs.azure.account.key.<account>.dfs.core.windows.net, fs.s3a.secret.key.
    _Rule(
        "account-key",
        r"""(?i)\b(?:account|secret|access)\.key(?:\.[a-z0-9.-]{1,120})?\\{0,8}["']?\s{0,3}[=:,]\s{0,3}\\{0,8}["']?"""
        r"([^\s;\"'<>\\,)]+)",
    ),
    # fs.azure.account.oauth2.client.secret.<account>.dfs.core.windows.net
    _Rule(
        "password",
        r"""(?i)\bclient\.secret(?:\.[a-z0-9.-]{1,120})?\\{0,8}["']?\s{0,3}[=:,]\s{0,3}\\{0,8}["']?"""
        r"([^\s;\"'<>\\,)]+)",
    ),
    _Rule("slack-token", r"\b((?:xox[a-z]|xapp|xwfp)-[A-Za-z0-9-]{8,})"),
    _Rule("slack-webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{8,})"),
    _Rule("teams-webhook", r"(?i)\.office\.com/webhook(?:b2)?/([A-Za-z0-9@/_-]{16,})"),
    _Rule("databricks-token", r"\b((?:dapi|dose|dkea|dsapi)[0-9a-f]{30,}(?:-\d{1,3})?)"),
    _Rule("github-token", r"\b((?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}))"),
    _Rule("aws-key", r"\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}|(?:AKIA|ASIA)[A-Z0-9]{16})\b"),
    _Rule("google-key", r"\b(AIza[0-9A-Za-z_-]{30,}|ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})"),
    _Rule("atlassian-token", r"\b(AT(?:ATT|CTT|BB)3[A-Za-z0-9_=-]{16,})"),
    _Rule("azure-secret", r"(?:^|[^A-Za-z0-9~._-])([A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34})"),
    _Rule(
        "token",
        r"\b(sk-[A-Za-z0-9_-]{20,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|glpat-[A-Za-z0-9_-]{16,}"
        r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|hf_[A-Za-z0-9]{20,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
        r"|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{20,}|hv[bs]\.[A-Za-z0-9_-]{20,}|dp\.pt\.[A-Za-z0-9]{20,})",
    ),
    # Before the schemes below, so that a header's whole value goes.
    _Rule(
        "authorization",
        r"""(?i)\b(?:proxy-)?authorization\\{0,8}["']?\s{0,3}[:=]\s{0,3}\\{0,8}["']?"""
        r"(?:(?:bearer|basic|token|digest|negotiate|sharedkey|apikey)\s+)?([A-Za-z0-9._~+/=:-]{8,})",
        _looks_drawn,
    ),
    _Rule("bearer", r"(?i)\b(?:bearer|sharedaccesssignature|ssws)\s+([A-Za-z0-9._~+/=-]{12,})", _looks_drawn),
    _Rule("basic", r"(?i)\bbasic\s+([A-Za-z0-9+/]{8,}={0,2})", _looks_drawn),
    # \\"password\\": \\"…\\" in JSON within JSON: every backslash of the value itself comes doubled.
    _Rule(
        "password",
        r"(?i)" + _NAME + r"\\\"\s{0,8}:\s{0,8}\\\"((?:[^\"\\\n]|\\{2}(?:\\\"|\\{2}|[^\"\\\n]))+)\\\"",
    ),
    _Rule("token", r"(?i)\btoken" + _QUOTE + r"\s{0,8}:\s{0,8}\\{0,8}[\"']([^\"'\\\n]{8,})", _looks_drawn),
    _Rule("token", r"(?i)(?:\b|--)token(?:\s{0,3}=\s{0,3}|\s+)(" + _BARE + r"{8,})", _looks_drawn),
    # "password": "…" in JSON, escaped any number of times; the value may hold escaped quotes.
    _Rule("password", r"(?i)" + _NAME + _QUOTE + r"\s{0,8}:\s{0,8}\\{0,8}\"((?:[^\"\\\n]|\\[^\"\n])+)"),
    _Rule("password", r"(?i)" + _NAME + _QUOTE + r"\s{0,8}:\s{0,8}\\{0,8}'([^'\\\n]+)"),
    # The same with HTML's entities, as web pages and services' answers are quoted.
    _Rule("password", r"(?i)" + _NAME + r"&(?:quot|#34);\s{0,8}:\s{0,8}&(?:quot|#34);([^&\n]{1,400})"),
    # option("password", "…") and its like in the code that a traceback quotes.
    _Rule(
        "password",
        r"(?i)\b(?:option|config|header|put|set[a-z_]{0,20}|add[a-z_]{0,20})\(\s{0,3}"
        + _QUOTE
        + _NAME
        + _QUOTE
        + r"\s{0,3},\s{0,3}\\{0,8}[\"']([^\"'\\\n]{1,200})",
    ),
    _Rule(
        "password",
        r"(?i)\b(?:create|alter)\s{1,3}(?:user|role)\s{1,3}\S{1,128}\s{1,3}identified\s{1,3}by\s{1,3}"
        r"""["']?([^\s"';]{1,200})""",
    ),
    # password=…; in a connection string: blanks and commas belong to it, up to the semicolon.
    _Rule("password", r"(?i)\b" + _NAME + r"\s{0,3}=\s{0,3}(\{[^}\n]{1,200}\}|[^;=\r\n\"'&<>]{1,200});"),
    _Rule("password", r"(?i)\b" + _NAME + r"\s{0,3}=\s{0,3}" + _QUOTE + r"([^\"'\n\\]+)"),
    _Rule("password", r"(?i)\b" + _NAME + r"\s{0,3}(?:=|%3D)\s{0,3}(" + _BARE + r"+)"),
    _Rule("password", r"(?i)--" + _NAME + r"\s+" + r"""["']?([^\s"'-][^\s"']*)"""),
    _Rule("password", r"(?i)\b(?:password|passwd|pwd|passphrase)\s{0,3}:\s{0,3}(" + _BARE + r"{4,})", _looks_drawn),
    _Rule("password", r"(?i)\b(?:password|passwd|pwd|passphrase) (?:is|was|of) " + r"""["']([^"'\n]{3,200})["']"""),
    _Rule(
        "api-key",
        r"(?i)\b(?:x-api-key|api[_-]?key|x-functions-key|ocp-apim-subscription-key)\b"
        r"""\\{0,8}["']?\s{0,3}[:=]\s{0,3}\\{0,8}["']?([A-Za-z0-9._~+/=-]{6,})""",
    ),
    _Rule(
        "api-key", r"(?i)[?&](?:amp;)?(?:code|key|token|auth|access_token|apikey)(?:=|%3D)([A-Za-z0-9%._~+/=-]{16,})"
    ),
    _Rule("password", r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>\[\]]{0,200}:([^\s/\"'<>]{1,200})@"),
    _Rule("password", r"(?i)\bjdbc:oracle:[a-z0-9]{1,10}:[^\s/@]{1,100}/([^\s@/]{1,100})@"),
    _Rule("email", r"([A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)"),
    _Rule("host", r"(?i)\b[a-z][a-z0-9+.-]{1,20}://(?:[^\s/@\"'<>]{1,200}@)?([^\s/:?#@\"'<>\[\]\\,;)]{1,253})"),
    _Rule(
        "host",
        r"(?i)\b((?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.){1,10}(?:" + _HOST_ENDINGS + r"))(?:[^A-Za-z0-9_.(-]|\.\s|\.?$)",
        _is_no_code_name,
    ),
    _Rule(
        "host", r"(?:^|[^0-9.])((?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3})(?:[^0-9.]|\.?$|\.\s)"
    ),
)


@cache
def _compiled() -> tuple[tuple[_Rule, re2.Regexp], ...]:
    import re2  # noqa: PLC0415  # vendor library, imported at first use

    options = re2.Options()
    options.log_errors = False
    return tuple((rule, re2.compile(rule.pattern, options)) for rule in _RULES)


@cache
def _any_of(*, strict: bool) -> re2.Regexp:
    """All patterns as one, for the many texts that hold no secret.

    Not a set of RE2: that says "none" as well when its memory is used up, while a search then takes a slower way.
    """
    import re2  # noqa: PLC0415  # vendor library, imported at first use

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = 64 << 20
    wanted = [rule.pattern for rule in _RULES if strict or rule.kind not in _STRICT_KINDS]
    return re2.compile("|".join(f"(?:{pattern})" for pattern in wanted), options)
