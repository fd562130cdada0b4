"""How the service stands to the world: its public address, the worker behind it, and the time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime

from pydantic import ValidationError

from pipesleuth.client import Answer
from pipesleuth.destinations.answers import at
from pipesleuth.destinations.jira_settings import JiraSettings
from pipesleuth.destinations.slack import SlackSettings
from pipesleuth.doctor.finding import Case, Chart
from pipesleuth.doctor.reach import asked
from pipesleuth.model import Permanent, Retryable, WrongSetting
from pipesleuth.sources.data_factory_settings import DataFactorySettings
from pipesleuth.sources.databricks_settings import DatabricksSettings
from pipesleuth.triage.analyst import AnalystSettings

NOTABLE_SECONDS, WRONG_SECONDS = 30.0, 240.0


async def address(case: Case, chart: Chart) -> None:
    """Whether PUBLIC_BASE_URL is https and leads back to this service."""
    base = case.settings.public_base_url
    if case.settings.on_loopback:
        chart.warn(
            f"{base} is reached from this machine alone: no vendor's webhook gets here.",
            "Set PUBLIC_BASE_URL to the https:// address that people and vendors use.",
        )
    try:
        answer = await asked(case, base, "/healthz")
    except WrongSetting:
        chart.fault(f"{base} sends keys and passwords in the open.", "Set PUBLIC_BASE_URL to an https:// address.")
        return
    except (Retryable, Permanent) as error:
        tell = chart.warn if case.settings.on_loopback else chart.fault
        tell(
            f"{base} is not reached from here: {error.reason.rstrip('. ')}.",
            "Start `pipesleuth serve`, or correct PUBLIC_BASE_URL, its DNS name, certificate or proxy.",
        )
        return
    if answer.status == 200 and _says(answer, "status") == "alive":
        chart.ok(f"{base} leads to this service.")
    else:
        seen = f"{base} leads to something else (HTTP {answer.status})."
        chart.fault(seen, "Correct PUBLIC_BASE_URL, or let the proxy pass every path on.")


async def worker(case: Case, chart: Chart) -> None:
    """Whether the service behind the public address works off its to-dos."""
    try:
        answer = await asked(case, case.settings.public_base_url, "/readyz")
    except (Retryable, Permanent, WrongSetting):
        chart.off("The service is not reached from here, so its worker cannot be asked.")
        return
    beats = _says(answer, "checks", "worker")
    if beats is True:
        chart.ok("The worker beats.")
    elif beats is False:
        chart.fault("The worker has not moved for half a minute.", "Start the service again, and look at its log.")
    elif answer.status in {200, 503}:
        chart.off("That server has no worker of its own; `pipesleuth worker` runs elsewhere.")
    else:
        chart.off("What answers there is not this service.")


async def time(case: Case, chart: Chart) -> None:
    """How far this machine's clock is from those of the vendors."""
    widest: tuple[float, str] | None = None
    for host in dict.fromkeys(_vendors()):
        try:
            began = case.now()
            answer = await asked(case, host, "/")
            middle = began + (case.now() - began) / 2
            theirs = parsedate_to_datetime(answer.headers.get("date", ""))
        except (Retryable, Permanent, WrongSetting, ValueError):
            continue  # the vendor's own part says what is wrong with it
        skew = (middle - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
        if widest is None or abs(skew) > abs(widest[0]):
            widest = (skew, host)
    if widest is None:
        chart.off("There is no vendor to compare the clock with.")
        return
    seconds, host = widest
    # A header says whole seconds, so that one more or less means nothing.
    seen = f"This machine is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} {host}."
    repair = "Let this machine keep its time by NTP: signatures, tokens and SLA clocks depend on it."
    if abs(seconds) >= WRONG_SECONDS:
        chart.fault(seen, repair)
    elif abs(seconds) >= NOTABLE_SECONDS:
        chart.warn(seen, repair)
    else:
        chart.ok("The clock agrees with the vendors'.")


def _says(answer: Answer, *path: str) -> object:
    try:
        return at(answer.json(), *path)
    except Retryable:
        return None


def _vendors() -> Iterator[str]:
    """The addresses of what is configured; a part with a wrong value has its own finding."""
    try:
        slack, jira, ai = SlackSettings(), JiraSettings(), AnalystSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
        bricks, azure = DatabricksSettings(), DataFactorySettings()  # pyright: ignore[reportCallIssue]  # the same
    except ValidationError:
        return
    if slack.configured:
        yield slack.slack_api_url
    if jira.configured:
        yield jira.base_url
    if ai.gemini_api_key is not None:
        yield ai.gemini_base_url
    if bricks.configured:
        yield bricks.databricks_host
    if azure.configured:
        yield azure.azure_management_url
