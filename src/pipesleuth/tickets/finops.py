"""Who pays for a pipeline: team, owner and cost centre from its real tags, or else from the words of its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from pipesleuth.model import NOTHING, WrongSetting

# A real tag wins over a guess from the name. Keys are compared without case and punctuation.
_TEAM_TAGS = ("finopsteam", "team", "costteam", "department")
_OWNER_TAGS = ("finopsowner", "owner", "contact", "owneremail")
_CENTER_TAGS = ("finopscostcenter", "costcenter", "costcentre", "cc")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Rule(BaseModel):
    """Names that have one of these words belong to this team."""

    model_config = ConfigDict(extra="forbid")

    words: list[str]
    team: str

    @field_validator("words")
    @classmethod
    def _plain(cls, value: list[str]) -> list[str]:
        return [word.lower() for word in value]


class Team(BaseModel):
    """Who answers for a team's costs."""

    model_config = ConfigDict(extra="forbid")

    owner: str | None = None
    cost_center: str | None = None


class Rules(BaseModel):
    """The whole file: rules in order, the team of everything else, and the teams."""

    model_config = ConfigDict(extra="forbid")

    rules: list[Rule]
    default: str
    teams: dict[str, Team]


@dataclass(frozen=True, slots=True)
class FinOpsTags:
    """Whose money a failed run costs."""

    team: str
    owner: str | None
    cost_center: str | None


def load_rules(path: Path | None = None) -> Rules:
    """The rules in a team's own file, or ours. Raises WrongSetting that says what is wrong in it."""
    try:
        text = (
            path.read_text(encoding="utf-8")
            if path
            else (files("pipesleuth.tickets") / "finops.yaml").read_text("utf-8")
        )
        return Rules.model_validate(yaml.safe_load(text))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise WrongSetting(f"FINOPS_RULES: {path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WrongSetting(f"FINOPS_RULES: {path}: {where}: {first['msg']}") from error


def words(name: str) -> frozenset[str]:
    """The whole words of a name, lower-case: `pl_FinanceDaily2` has pl, finance and daily."""
    return frozenset(word.lower() for word in _WORDS.findall(name[:300]))


class FinOps:
    """Finds whose money a pipeline costs, by one set of rules."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._spelt = {team.lower(): team for team in rules.teams}
        self._by_name = lru_cache(maxsize=4096)(self._guess)

    def extract_finops_tags(
        self, pipeline_name: str, resource_type: str | None, tags: Mapping[str, str] = NOTHING
    ) -> FinOpsTags:
        """Team, owner and cost centre of a pipeline; real tags of the resource or job win over its name."""
        guess = self._by_name(pipeline_name, resource_type or "")
        if not tags:
            return guess
        plain = {re.sub(r"[^a-z]", "", key.lower()): value for key, value in tags.items() if value.strip()}
        said = _first(plain, _TEAM_TAGS) or guess.team
        team = self._spelt.get(said.lower(), said)
        # Another team's people do not answer for this one.
        known = self._rules.teams.get(team, Team())
        return FinOpsTags(
            team[:300],
            (_first(plain, _OWNER_TAGS) or known.owner or "")[:300] or None,
            (_first(plain, _CENTER_TAGS) or known.cost_center or "")[:300] or None,
        )

    def _guess(self, pipeline_name: str, resource_type: str) -> FinOpsTags:
        name, kind = words(pipeline_name), words(resource_type)
        team = self._rules.default
        for rule in self._rules.rules:
            if not name.isdisjoint(rule.words):
                team = rule.team
                break
        else:
            # The kind of resource decides only where the name says nothing.
            team = next((r.team for r in self._rules.rules if not (kind - {"data"}).isdisjoint(r.words)), team)
        known = self._rules.teams.get(team, Team())
        return FinOpsTags(team, known.owner, known.cost_center)


def _first(tags: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((tags[key].strip() for key in keys if key in tags), None)
