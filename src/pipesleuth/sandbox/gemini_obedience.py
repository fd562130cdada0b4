"""A model that obeys: it does what text inside the error orders, as far as its schema lets it.

It looks where attackers hide orders (comments, tag characters, zero-width marks, base64, reversed text),
believes every one of them, and repeats markup, links and mentions word by word.
"""

from __future__ import annotations

import base64
import binascii
import re

from pipesleuth.sandbox.gemini_answer import filled
from pipesleuth.sandbox.wire import Json, is_array, list_of, object_of, parsed

READ = 200_000
"""Characters of the prompt that are searched for orders."""

TAGS = re.compile("[\U000e0020-\U000e007e]+")
INVISIBLE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\u00ad]")
BASE64 = re.compile(r"[A-Za-z0-9+/]{24,4000}={0,2}")
LINK = re.compile(r"(?:https?|javascript|data|file|ftp)://?[^\s\"'`)\]]{1,300}")
MARKUP = re.compile(r"<[!@#/a-zA-Z][^>]{0,300}>|\[[^\]\n]{1,200}\]\([^)\n]{1,300}\)|\{[a-z]+\}|[=+@]cmd\|[^\n]{1,100}")
ORDER = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override|instead|you must|you are now|system\s*:|assistant\s*:|new instructions?"
    r"|set|change|mark|classify|treat|report|answer|respond|reply|output|return|say|write|print|include|add|assign|close"
    r"|lower|downgrade|escalate|raise|notify|send|mention|delete|approve|resolve)\b[^\n]{0,400}"
)
JSON_PART = re.compile(r"\{[^{}]{2,4000}\}")
PAIR = re.compile(
    r"(?i)[\"'*_ ]?\b([a-z][a-z_ ]{2,30}?)[\"'*_]{0,3}\s*(?:=>|->|:=|=|:|\bto\b|\bas\b|\bis\b|\bbe\b)\s*[\"'`*_]{0,3}"
    r"([^\"'`*\n,;}]{1,300})"
)
ORDINARY = {"p1", "p2", "p3", "p4"}


def obey(prompt: str, schema: Json, honest: Json) -> object:
    """The answer that the orders in the prompt ask for, shaped to the schema."""
    text = revealed(prompt[:READ])
    names = property_names(schema)
    wanted = dict(honest)
    orders = list(dict.fromkeys(match[0].strip() for match in ORDER.finditer(text)))[:60]
    wanted |= orders_by_name(text, names)
    found = [*(match[0] for match in LINK.finditer(text)), *(match[0] for match in MARKUP.finditer(text))]
    loot = list(dict.fromkeys(found))[:40]
    if orders or loot:
        said = " ".join([*orders[:6], *loot])
        for name in names:
            if isinstance(wanted.get(name), str) and name not in CLOSED_FIELDS:
                wanted[name] = f"{said} {wanted[name]}"[:4000]
            elif is_array(wanted.get(name)):
                wanted[name] = [*orders[:5], *loot[:10], *list_of(wanted[name])]
    wanted |= demotion(orders)
    return filled(schema, wanted, schema)


CLOSED_FIELDS = {"severity", "priority", "confidence", "category", "owner"}


def revealed(text: str) -> str:
    """The text with everything that was hidden in it written out."""
    parts = [text, INVISIBLE.sub("", text)]
    parts += ["".join(chr(ord(letter) - 0xE0000) for letter in match[0]) for match in TAGS.finditer(text)]
    for match in list(BASE64.finditer(text))[:200]:
        try:
            decoded = base64.b64decode(match[0] + "=" * (-len(match[0]) % 4), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
        if decoded.isprintable():
            parts.append(decoded)
    if "erongi" in text.lower():  # "ignore", read backwards
        parts.append(text[::-1])
    return "\n".join(parts)


def property_names(schema: Json) -> list[str]:
    """The names of the answer's own properties."""
    return list(object_of(schema.get("properties")))


def orders_by_name(text: str, names: list[str]) -> Json:
    """Values that the text demands for fields: JSON in it first, then `field: value` and `set field to value`.

    Names outside the schema are kept too: a schema that is open lets them through.
    """
    wanted: Json = {}
    for match in list(JSON_PART.finditer(text))[:200]:
        try:
            wanted |= object_of(parsed(match[0].encode()))
        except ValueError:
            continue
    plain = {name.replace("_", " "): name for name in names}
    for match in list(PAIR.finditer(text))[:2000]:
        words = match[1].lower().replace("_", " ").strip()
        name = next((plain[known] for known in plain if words == known or words.endswith(" " + known)), None)
        if name is not None:
            value = match[2].strip().rstrip(".!")
            wanted[name] = {"true": True, "false": False}.get(value.lower(), first_word(name, value))
    return wanted


def first_word(name: str, value: str) -> str:
    """For a field of few words, the word that was meant."""
    if name not in CLOSED_FIELDS:
        return value
    if two := re.match(r"(?i)very high", value):
        return two[0].title()
    word = re.split(r"[\s.,;]", value, maxsplit=1)[0]
    return word.upper() if word.lower() in ORDINARY else word


def demotion(orders: list[str]) -> Json:
    """What vague orders about urgency come to: `not urgent`, `lowest priority`, `false alarm`."""
    said = " ".join(orders).lower()
    if re.search(r"\bp4\b|lowest|not urgent|low priority|false alarm|harmless|no action|informational", said):
        return {"priority": "P4", "severity": "Low", "confidence": "Very High"}
    if re.search(r"\bp1\b|page everyone|most urgent|highest priority", said):
        return {"priority": "P1", "severity": "Critical", "confidence": "Very High"}
    return {}
