"""Prints every library with its version, its licence and what wants it; offline, from the installed metadata.

With --check nothing but what the policy does not allow, and the exit code 1.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
POLICY = Path(__file__).with_name("licence_policy.toml")
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
_WANTED_BY = re.compile(r"^    # {3}(?:via )?([\w.-]+)|^    # via ([\w.-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Library:
    """One library of a lock file."""

    name: str
    version: str
    licence: str
    wanted_by: tuple[str, ...]
    allowed: bool
    reason: str


def libraries(lock: str = "requirements.lock") -> Iterator[Library]:
    """Each library of a lock file that is installed here, by name."""
    policy = tomllib.loads(POLICY.read_text(encoding="utf-8"))
    text = (HOUSE / lock).read_text(encoding="utf-8")
    starts = [(found[1], found.start()) for found in _PINNED.finditer(text)]
    for (name, start), (_, end) in zip(starts, [*starts[1:], ("", len(text))], strict=True):
        plain = _plain(name)
        try:
            known = metadata.metadata(name).json
        except metadata.PackageNotFoundError:
            continue  # of another platform
        licence = _licence(known, policy["words"])
        reason = policy["named"].get(plain, "")
        allowed = reason.startswith(f"{licence}:") or _allowed(licence, policy["allowed"])
        wanted = tuple(one or other for one, other in _WANTED_BY.findall(text[start:end]))
        yield Library(plain, str(known["version"]), licence, wanted, allowed, reason)


def _licence(known: dict[str, str | list[str]], words: dict[str, str]) -> str:
    """The licence as SPDX names it, from whichever of the three fields says it shortly."""
    classifiers = known.get("classifier") or []
    said = [known.get("license_expression"), known.get("license")]
    said += [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")]
    for text in said:
        line = str(text or "").strip().partition("\n")[0].strip()
        if line and len(line) < 60 and not line.startswith("Copyright"):
            return words.get(line, line)
    return "unknown"


def _allowed(licence: str, allowed: list[str]) -> bool:
    """Whether an SPDX expression is: all parts of an AND, one of an OR."""
    return all(any(part.strip("() ") in allowed for part in both.split(" OR ")) for both in licence.split(" AND "))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    """Print the report; 1 where the policy does not allow something that is shipped."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--check", action="store_true", help="only what is not allowed")
    checking = bool(words.parse_args().check)
    shipped = list(libraries())
    refused = [one for one in shipped if not one.allowed]
    for one in refused if checking else shipped:
        by = ", ".join(one.wanted_by[:3])
        print(f"{one.name:38} {one.version:14} {one.licence:32} {'' if one.allowed else 'NOT ALLOWED ':12}{by}")
        if one.reason and not checking:
            print(f"{'':38} {one.reason}")
    if not checking:
        tools = {one.name: one for one in libraries("requirements-dev.lock")}
        rest = sorted(set(tools) - {one.name for one in shipped})
        print(f"\nOnly for building and testing, not shipped ({len(rest)}):")
        print("\n".join(f"{tools[name].name:38} {tools[name].version:14} {tools[name].licence}" for name in rest))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
