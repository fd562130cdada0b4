"""Looks at everything the service needs, changes nothing, and says for each what would repair it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from pipesleuth.doctor import ai, archive, house, jira, platforms, public, slack, teams
from pipesleuth.doctor.finding import Case, Chart, Finding, Mark
from pipesleuth.model import Permanent, Retryable, StoreUnavailable, WrongSetting
from pipesleuth.settings import explain

__all__ = ["PARTS", "Case", "Finding", "Mark", "examine"]

PART_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Part:
    """How one part is looked at, and what to check where it cannot be reached."""

    look: Callable[[Case, Chart], Awaitable[None]]
    unreached: str


_ADDRESS = "Check {} and whether this machine may reach it."
PARTS: Mapping[str, Part] = {
    "database": Part(house.database, "Start the database, or correct DATABASE_URL."),
    "disk": Part(house.disk, "Set DATA_DIR to a folder of yours."),
    "archive": Part(archive.look, _ADDRESS.format("AZURE_STORAGE_CONN or ARCHIVE_URL")),
    "ai": Part(ai.look, _ADDRESS.format("GEMINI_BASE_URL")),
    "jira": Part(jira.look, _ADDRESS.format("JIRA_DOMAIN")),
    "slack": Part(slack.look, _ADDRESS.format("SLACK_API_URL")),
    "teams": Part(teams.look, _ADDRESS.format("TEAMS_WEBHOOK_URL")),
    "databricks": Part(platforms.databricks, _ADDRESS.format("DATABRICKS_HOST")),
    "data factory": Part(platforms.data_factory, _ADDRESS.format("AZURE_MANAGEMENT_URL and AZURE_LOGIN_URL")),
    "airflow": Part(platforms.airflow, _ADDRESS.format("AIRFLOW_URL")),
    "public address": Part(public.address, _ADDRESS.format("PUBLIC_BASE_URL")),
    "worker": Part(public.worker, "Start `pipesleuth serve` or `pipesleuth worker`."),
    "time": Part(public.time, "Let this machine keep its time by NTP."),
}


async def examine(case: Case, parts: Sequence[str] = tuple(PARTS)) -> list[Finding]:
    """What there is to say about each of the parts, in their order; raises nothing for what it finds."""
    found = await asyncio.gather(*(_looked_at(name, case) for name in parts))
    return [finding for findings in found for finding in findings]


async def _looked_at(name: str, case: Case) -> list[Finding]:
    part, chart = PARTS[name], Chart(name)
    try:
        async with asyncio.timeout(PART_SECONDS):
            await part.look(case, chart)
    except ValidationError as error:
        chart.fault(explain(error), "Correct the variable; docs/configuration.md says what it takes.")
    except WrongSetting as error:
        chart.fault(str(error), "Correct the variable; docs/configuration.md says what it takes.")
    except StoreUnavailable as error:
        chart.fault(f"It does not answer: {_line(str(error))}.", part.unreached)
    except Retryable as error:
        chart.fault(f"{_line(error.reason)}.", part.unreached)
    except Permanent as error:
        seen, stop, hint = _line(error.reason).partition(". ")
        chart.fault(f"{seen}.", f"{hint.rstrip('. ')}." if stop else part.unreached)
    except TimeoutError:
        chart.fault(f"It took longer than {PART_SECONDS:g} s.", part.unreached)
    return chart.findings


def _line(text: str) -> str:
    return " ".join(text.split())[:300].rstrip(". ").removesuffix(", then retry")
