"""Whether the workflows that post to Teams are there, as far as that shows without posting."""

from __future__ import annotations

from pipesleuth.destinations.teams import Teams, TeamsSettings, origin
from pipesleuth.doctor.finding import Case, Chart
from pipesleuth.doctor.reach import asked
from pipesleuth.model import Permanent, Retryable


async def look(case: Case, chart: Chart) -> None:
    """Whether every workflow's host answers; with `send_test` each posts a line."""
    settings = TeamsSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    if not settings.configured:
        chart.off("No Teams workflow is configured.")
        return
    addresses = settings.addresses()
    for host in sorted({origin(address) for address in addresses.values()}):
        await asked(case, host, "/")
    if not case.send_test:
        chart.ok(f"{_named(len(addresses))} there; whether it posts shows only with --send-test.")
        return
    teams = Teams(settings, case.now)
    try:
        for name in addresses:
            await _posted(chart, teams, name)
    finally:
        await teams.close()


def _named(count: int) -> str:
    return "The host of the workflow is" if count == 1 else f"The hosts of the {count} workflows are"


async def _posted(chart: Chart, teams: Teams, name: str) -> None:
    try:
        await teams.say(name, "Pipesleuth's doctor was here: this workflow posts.")
    except (Permanent, Retryable) as error:
        repair = "Copy the address from the workflow's trigger in Power Automate, and look whether it is switched on."
        chart.fault(f"The workflow {name} refused: {error.reason.partition('. ')[0].rstrip('. ')}.", repair)
    else:
        chart.ok(f"The workflow {name} took a test card; look into its channel for it.")
