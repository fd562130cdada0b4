"""Text from outside made fit for people: without hidden characters, cut to length, linked only where that is safe."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Control characters, lone surrogates, and what hides text or turns its direction; emoji joiners stay.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069"
    "\ufeff\ufffe\uffff\U000e0000-\U000e007f]"
)
_BLANKS = re.compile(r"\s+")
LONGEST_LINK = 2000


def clean(text: str | None) -> str:
    """The text with U+FFFD for every hidden character, and with plain line ends."""
    plain = (text or "").replace("\r\n", "\n").replace("\r", "\n")
    return _HIDDEN.sub("\ufffd", plain)


def clean_line(text: str | None) -> str:
    """The same on one line."""
    return _BLANKS.sub(" ", clean(text)).strip()


def units(text: str) -> int:
    """The text's length as browsers and vendors count it: in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, longest: int) -> str:
    """At most `longest` UTF-16 units of the text (but one at least), with an ellipsis where it was cut."""
    if units(text) <= longest:
        return text
    longest = max(longest, 1)
    kept = text[: longest - 1]
    while (over := units(kept) - (longest - 1)) > 0:
        kept = kept[: len(kept) - max(1, over // 2)]
    return kept + "…"


def is_link(url: str | None) -> bool:
    """Whether this may become a link: ASCII http(s) with a host, no blanks, no user name, not too long."""
    if not url or len(url) > LONGEST_LINK or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
