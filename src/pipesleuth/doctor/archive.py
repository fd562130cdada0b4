"""Whether what comes in can be archived."""

from __future__ import annotations

import os

from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.doctor.finding import Case, Chart
from pipesleuth.model import Notice, Status

NOBODY = "2000-01-01/DOCTOR-payload.json"
BODY = b'{"test": "pipesleuth doctor"}'


async def look(case: Case, chart: Chart) -> None:
    """Whether the store answers; with a test, whether it gives back what it was given."""
    settings = ArchiveSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    account = settings.account()
    where = (
        f"{account.endpoint}/{settings.azure_blob_container_name}"
        if account
        else settings.archive_url or str((settings.data_dir / "archive").absolute())
    )
    store = Archive(settings, case.now)
    if store.folder is not None and not case.send_test:
        folder = store.folder.absolute()
        place = next(each for each in (folder, *folder.parents) if each.exists())
        if os.access(place, os.W_OK | os.X_OK):
            chart.ok(f"{where} can be written.")
        else:
            chart.fault(f"{place} cannot be written.", "Set ARCHIVE_URL or DATA_DIR to a folder of yours.")
        return
    try:
        if not case.send_test:
            await store.read(NOBODY)
            chart.ok(f"{where} answers (writing is tried with --send-test).")
            return
        name = (await store.deliver(_test(case), None, in_doubt=False)).key
        if await store.read(name) == BODY:
            chart.ok(f"{where} gave back what it was given ({name}).")
        else:
            chart.fault(f"{where} did not give back what it was given.", "Check who else writes there.")
    finally:
        await store.close()


def _test(case: Case) -> Notice:
    now = case.now()
    name = f"DOCTOR-{now:%Y%m%dT%H%M%S%f}"
    return Notice(
        ticket_id=name, version=1, run_mark="", created_at=now, status=Status.ACKNOWLEDGED, fields={}, payload=BODY
    )
