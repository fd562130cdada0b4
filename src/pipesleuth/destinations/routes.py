"""Which channel hears of which ticket: rules by team, severity, priority, source and pipeline in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pipesleuth.destinations.answers import at, items_at, names_at, text_at
from pipesleuth.model import WrongSetting

COLUMNS: Mapping[str, str] = {
    "team": "finops_team",
    "severity": "severity",
    "priority": "priority",
    "source": "source",
    "pipeline": "pipeline",
}
LARGEST_FILE = 1_048_576


@dataclass(frozen=True, slots=True)
class Route:
    """One rule: all its conditions must hold; a condition holds when one of its patterns (with `*`) fits."""

    channel: str
    conditions: Mapping[str, tuple[str, ...]]

    def fits(self, fields: Mapping[str, str | None]) -> bool:
        """Whether a ticket with these columns goes this way; upper and lower case are the same."""
        return all(
            any(fnmatchcase((fields.get(COLUMNS[name]) or "").lower(), pattern) for pattern in patterns)
            for name, patterns in self.conditions.items()
        )


def channel_for(fields: Mapping[str, str | None], routes: tuple[Route, ...], default: str) -> str:
    """The channel of the first rule that fits, else the default."""
    return next((route.channel for route in routes if route.fits(fields)), default)


def read_routes(path: Path, variable: str) -> tuple[Route, ...]:
    """The rules of the file that a variable names, in order. Raises WrongSetting that says which rule is wrong and how.

    Form: `routes:`, a list of `{channel: "#data-finance", team: Finance, severity: [Critical, High]}`.
    """
    import yaml  # noqa: PLC0415  # only where routes are used

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise WrongSetting(f"{variable}: {path.name} is larger than 1 MiB")
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise WrongSetting(f"{variable}: {path.name} cannot be read as YAML ({type(error).__name__})") from error
    if not isinstance(at(content, "routes"), list):
        raise WrongSetting(f"{variable}: {path.name} needs a list named routes")
    return tuple(_route(entry, number, variable) for number, entry in enumerate(items_at(content, "routes"), 1))


def _route(entry: object, number: int, variable: str) -> Route:
    channel = text_at(entry, "channel").strip()
    unknown = [str(name) for name in names_at(entry) if name != "channel" and name not in COLUMNS]
    if not channel:
        raise WrongSetting(f"{variable}: rule {number} names no channel")
    if unknown:
        raise WrongSetting(f"{variable}: rule {number} has an unknown condition {unknown[0][:40]}")
    conditions = {name: _patterns(entry, name) for name in names_at(entry) if name in COLUMNS}
    empty = [name for name, patterns in conditions.items() if not patterns]
    if empty:
        raise WrongSetting(f"{variable}: rule {number} says nothing for {empty[0]}")
    return Route(channel, conditions)


def _patterns(entry: object, name: str) -> tuple[str, ...]:
    listed = items_at(entry, name)
    texts = [text_at(listed, place) for place in range(len(listed))] if listed else [text_at(entry, name)]
    return tuple(text.strip().lower() for text in texts if text.strip())
