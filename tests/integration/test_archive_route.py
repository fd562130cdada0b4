"""The archive against a real blob service, end to end: written once, linked on the ticket, read back by its route."""

from __future__ import annotations

import json
import uuid
from typing import Any

from pipesleuth.destinations.archive import Archive, ArchiveSettings
from places import adf, work_off


async def test_a_body_is_archived_in_azure_linked_and_read_back(open_place: Any, azurite: str) -> None:
    container = f"bodies-{uuid.uuid4().hex[:8]}"
    values = {"azure_storage_conn": azurite, "azure_blob_container_name": container}
    archive = Archive(ArchiveSettings.model_validate(values))
    body = json.dumps(adf(message="Grüße, password=not-masked-in-the-archive")).encode()
    async with open_place(told={"archive": archive}) as place:
        ticket = await place.ticket(body)
        person = await place.signed_in()
        waiting = await place.client.get(f"/api/tickets/{ticket}/payload", headers=person)
        assert waiting.content == body, "before it is archived it comes from the database"
        await work_off(place.worker)
        row = await place.row(ticket)
        assert row["blob_log_url"].endswith(f"/{container}/2026-11-20/{ticket}-payload.json")
        assert await place.payload(ticket) is None
        assert "Blob Saved" in await place.actions(ticket)
        archived = await place.client.get(f"/api/tickets/{ticket}/payload", headers=person)
        assert archived.status_code == 200
        assert archived.content == body
        assert archived.headers["content-disposition"].startswith("attachment")
