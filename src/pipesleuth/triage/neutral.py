"""What a model wrote, made harmless: no hidden characters, no links of its own, no markup, no mentions."""

from __future__ import annotations

import re
from functools import lru_cache

# Controls, bidi marks, joiners, tags, variation selectors, private use, fillers that look empty, lone surrogates.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff"
    "\U000f0000-\U0010ffff]"
)
_BREAKS = re.compile("\r\n|[\r\u0085\u2028\u2029]")
_BLANKS = re.compile(r"\s+")
_LINK = re.compile(
    r"(?i)(?<![a-z0-9+.-])(?:[a-z][a-z0-9+.-]{1,30}:(?://|\\\\)|(?:javascript|vbscript|mailto|tel|slack|callto):"
    r"|data:(?=[a-z]+/)|www\.)[^\s\"'<>\])}|]{1,1000}"
)
_TAG = re.compile(r"<(?=[!@#/?A-Za-z])")
_MARKDOWN_LINK = re.compile(r"\](?=[(\[])")
_MENTION = re.compile(r"(?i)@(?=(?:here|channel|everyone|all|team|room)\b)")
# Addresses that name no place where data lies: nobody needs them to understand a failure.
_NO_PLACE = re.compile(r"(?i)(?:javascript|vbscript|mailto|tel|slack|callto|data):")
_SPELT = re.compile(r"(?i)^(?:http|www\.)")
_HARMLESS = {"http": "hxxp", "www.": "www[.]"}
LINK_REMOVED = "[link removed]"


def visible(text: str) -> str:
    """The text without any character that hides text, turns its direction or cannot be seen; lines end in LF."""
    return _HIDDEN.sub("", _BREAKS.sub("\n", text))


@lru_cache(maxsize=64)
def folded(text: str) -> str:
    """The visible text on one line and without case, for looking whether one text occurs in another."""
    return _BLANKS.sub(" ", visible(text)).strip().casefold()


def occurs(part: str, text: str) -> bool:
    """Whether `part` stands in `text`, blanks, case and hidden characters aside."""
    wanted = folded(part)
    return bool(wanted) and wanted in folded(text)


def neutral(text: str, message: str, longest: int, *, links: bool = True, ours: bool = False) -> str:
    """The text as plain words of at most `longest` characters.

    An address that does not stand in `message` is removed, unless the text is `ours`, and so is one that runs or
    sends something; one that does stand there stays if `links`, else it is spelt so that nothing links it. Tags,
    mentions and Markdown links lose their form.
    """

    def link(found: re.Match[str]) -> str:
        address = found[0].rstrip(".,;:!?")
        rest = found[0][len(address) :]
        if _NO_PLACE.match(address):
            return LINK_REMOVED + rest
        if not occurs(address, message):
            return found[0] if ours else LINK_REMOVED + rest
        return (address if links else _SPELT.sub(lambda start: _HARMLESS[start[0].lower()], address)) + rest

    plain = visible(text[: longest * 4])
    plain = _MARKDOWN_LINK.sub("] ", _LINK.sub(link, plain))
    plain = _MENTION.sub("(at) ", _TAG.sub("‹", plain)).strip()
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def neutral_line(text: str, message: str, longest: int, *, links: bool = True, ours: bool = False) -> str:
    """The same on one line."""
    return _BLANKS.sub(" ", neutral(text, message, longest, links=links, ours=ours)).strip()
