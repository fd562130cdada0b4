"""Whether Databricks, Data Factory and Airflow can be asked why a run failed."""

from __future__ import annotations

from datetime import timedelta

from pipesleuth.doctor.finding import Case, Chart
from pipesleuth.model import Permanent
from pipesleuth.sources.airflow_api import AirflowApi, AirflowSettings
from pipesleuth.sources.azure_access import AzureAccess
from pipesleuth.sources.data_factory_api import Factories, Gone
from pipesleuth.sources.data_factory_settings import DataFactorySettings
from pipesleuth.sources.databricks_access import Access
from pipesleuth.sources.databricks_api import Workspace
from pipesleuth.sources.databricks_settings import DatabricksSettings

LOOK_BACK = timedelta(days=7)
NO_RUN = "00000000-0000-0000-0000-000000000000"
ROLES = "deploy/azure/roles.json gives it"
REFUSED = ("HTTP 401", "HTTP 403")


async def databricks(case: Case, chart: Chart) -> None:
    """Whether each workspace takes the token and shows its runs."""
    settings = DatabricksSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    if not settings.configured:
        if settings.databricks_host:
            repair = "Set DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET."
            chart.warn("There is no way to sign on to DATABRICKS_HOST.", repair)
        else:
            chart.off("No workspace is configured; alerts that carry ids alone stay without their error.")
        return
    tokens = settings.tokens()
    for address in (settings.databricks_host, *settings.databricks_workspace_urls):
        workspace = Workspace(
            address,
            Access(address, settings),
            version=settings.databricks_api_version,
            secrets=tuple(tokens.values()),
            now=case.now,
        )
        try:
            await _workspace(case, chart, workspace)
        finally:
            await workspace.close()


async def _workspace(case: Case, chart: Chart, workspace: Workspace) -> None:
    shown = workspace.address
    try:
        shows = False
        async for _ in workspace.runs(since=case.now() - LOOK_BACK):
            shows = True
            break  # one is enough: the rest need not be listed
    except Permanent as error:
        if not error.reason.startswith(REFUSED):
            raise
        refused = error.reason.partition(". ")[0].rstrip(".")
        repair = "Renew DATABRICKS_TOKEN or DATABRICKS_CLIENT_SECRET, and give its owner CAN VIEW on the jobs."
        chart.fault(f"{shown} refused: {refused}.", repair)
        return
    if shows:
        chart.ok(f"{shown} shows its runs.")
    else:
        chart.warn(f"{shown} shows no run of the last 7 days.", "If there were some, give the token's owner CAN VIEW.")


async def data_factory(case: Case, chart: Chart) -> None:
    """Whether Azure signs us on, and each factory shows its runs and their activities."""
    settings = DataFactorySettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    if not settings.configured:
        chart.off("No subscription is configured; nested errors are read from the alerts alone.")
        return
    access = AzureAccess(settings)
    try:
        await access.headers()
    except Permanent as error:
        refused = error.reason.partition(". Check ")[0].rstrip(". ")
        chart.fault(
            f"Azure does not sign us on: {refused}.", "Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."
        )
        return
    finally:
        await access.close()
    if not settings.factories:
        chart.warn(
            "Azure signs us on, but no factory is named: missed webhooks cannot be found in its history.",
            "Set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_DATA_FACTORY_NAME.",
        )
    factories = Factories(settings, now=case.now)
    try:
        for factory in settings.factories:
            await _factory(case, chart, factories, factory)
    finally:
        await factories.close()


async def _factory(case: Case, chart: Chart, factories: Factories, factory: str) -> None:
    name, now = factory.rpartition("/")[2], case.now()
    try:
        runs = await factories.failed_runs(factory, now - LOOK_BACK, now)
    except Gone:
        chart.fault(f"There is no factory {name}.", "Correct AZURE_DATA_FACTORY_NAME and AZURE_RESOURCE_GROUP.")
        return
    except Permanent as error:
        if not error.reason.startswith(REFUSED):
            raise
        seen = f"{name} does not show its pipeline runs ({error.reason[:8]})."
        chart.fault(seen, f"Give the identity Reader and querypipelineruns/action on the factory: {ROLES}.")
        return
    run = str(runs[0].get("runId") or NO_RUN) if runs else NO_RUN
    try:
        await factories.failed_activities(factory, run, now - LOOK_BACK, now)
    except Permanent as error:
        # A run that nobody knows was looked for, so the role is there.
        if not error.reason.startswith(REFUSED):
            chart.ok(f"{name} shows its runs and their activities.")
            return
        seen = f"{name} does not show the activities of a run ({error.reason[:8]})."
        chart.fault(seen, f"Give the identity a custom role with queryactivityruns/action: {ROLES}.")
        return
    chart.ok(f"{name} shows its runs and their activities.")


async def airflow(case: Case, chart: Chart) -> None:
    """Whether the instance signs us on and shows its runs."""
    settings = AirflowSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    if not settings.configured:
        if settings.airflow_url:
            repair = "Set AIRFLOW_TOKEN, or AIRFLOW_USERNAME and AIRFLOW_PASSWORD."
            chart.warn("There is no way to sign on to AIRFLOW_URL.", repair)
        else:
            chart.off("No Airflow is configured; its callbacks are read as they come.")
        return
    api = AirflowApi(settings, case.now)
    try:
        async for _ in api.runs("failed", case.now() - LOOK_BACK, case.now()):
            break  # one is enough: the rest need not be listed
    except Permanent as error:
        refused = error.reason.partition(". ")[0].rstrip(".")
        repair = "Check AIRFLOW_API (v1 for Airflow 2), the credentials, and that the user may view DAG runs."
        chart.fault(f"{settings.airflow_url} refused: {refused}.", repair)
        return
    finally:
        await api.close()
    chart.ok(f"{settings.airflow_url} shows its runs.")
