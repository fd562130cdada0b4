"""No secret of a payload leaves the house, whatever the destination, and none stands in logs, audit lines or events."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from pipesleuth.sandbox import Sandbox
from places import Clock, adf, dbx, work_off
from vendors import told

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJldGwtcm9ib3QtMDAxIn0.c2lnbmF0dXJlLW9mLXRoZS1yb2JvdA"
PEM = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
SECRETS = {
    "a SAS": "sv=2023-11-03&ss=b&srt=co&sp=rl&se=2027-01-01&sig=Zm9vYmFyc2lnbmF0dXJlMDEyMzQ1Njc4OQ%3D%3D",
    "an account key": "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYg==",
    "a password": "Tr0ub4dor-and-3",
    "a Databricks token": "dapi" + "0123456789abcdef" * 2,
    "a JWT": JWT,
    "a key in PEM": PEM,
    "a user in an address": "hunter2-hunter2",
    "a Slack token": "xoxb-123456789012-abcdefghijklmnop",
}
TEXT = (
    f"Copy failed: https://acme.blob.core.windows.net/raw/part.csv?{SECRETS['a SAS']} is not readable. "
    f"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={SECRETS['an account key']};EndpointSuffix=core.windows.net "
    f"Server=tcp:db.database.windows.net;User ID=etl;Password={SECRETS['a password']}; "
    f"token {SECRETS['a Databricks token']} Authorization: Bearer {JWT} "
    f"-----BEGIN PRIVATE KEY-----\n{PEM}\n-----END PRIVATE KEY----- "
    f"https://etl:{SECRETS['a user in an address']}@repo.example.com/x.git {SECRETS['a Slack token']} end."
)
PROOFS = {
    **SECRETS,
    "a SAS": "Zm9vYmFyc2lnbmF0dXJlMDEyMzQ1Njc4OQ",
    "a JWT": "c2lnbmF0dXJlLW9mLXRoZS1yb2JvdA",
}

FAULTS: list[dict[str, Any]] = [
    {},
    {"kind": "500"},
    {"kind": "wrong_json", "count": 2},
    {"kind": "status", "status": 400},
    {"kind": "status", "status": 403},
]


def secrets_in(text: str) -> list[str]:
    """Which secrets a text tells, by name."""
    return [name for name, secret in PROOFS.items() if secret in text]


def without_the_error(value: Any) -> Any:
    """An event without what repeats the error for signed-in people: cause, names, entity."""
    if isinstance(value, dict):
        shown = {"rca_result", "pipeline", "affected_entity", "run_id"}
        return {name: without_the_error(one) for name, one in value.items() if name not in shown}
    return [without_the_error(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.get("status") or fault.get("kind") or "well"))
async def test_no_secret_is_told_anywhere(
    fault: dict[str, Any], open_place: Any, clock: Clock, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox, open_place(told=told(sandbox, clock)) as place:
        if fault:
            sandbox.world.faults.put([{"service": "jira", **fault}, {"service": "slack", **fault}])
        first = await place.ticket(adf(message=TEXT, pipeline=f"pl {SECRETS['a Slack token']}"))
        second = await place.ticket(dbx(771, message=TEXT, job=f"job {JWT}"), "/databricks-monitor")
        for _ in range(4):
            await work_off(place.worker)
            clock.turn(30)
        person = await place.signed_in()
        for ticket in (first, second):
            await place.client.post(f"/api/tickets/{ticket}/close", headers=person, json={"note": f"was {TEXT}"})
        for _ in range(4):
            await work_off(place.worker)
            clock.turn(30)
        calls = [f"{call.path} {call.query} {json.dumps(call.body)}" for call in sandbox.world.journal.calls]
        assert calls
        assert [(call[:60], secrets_in(call)) for call in calls if secrets_in(call)] == []
        audits = [(line["action"], secrets_in(f"{line['details']}")) for line in await place.lines()]
        assert [audit for audit in audits if audit[1] and not audit[0].startswith("Ticket ")] == []
        errors = [
            (await place.todo(ticket, kind))["last_error"] for ticket in (first, second) for kind in ("jira", "slack")
        ]
        assert secrets_in(json.dumps(errors)) == []
        events = await place.client.get("/api/events", params={"since": 0}, headers=person)
        assert secrets_in(json.dumps(without_the_error(events.json()))) == []
        kept = list((place.folder / "archive").glob("*/*.json"))
        assert len(kept) == 2
        assert all(secrets_in(file.read_text()) for file in kept), "the archive keeps the body as it came"
    said = capsys.readouterr()
    assert secrets_in(said.out + said.err + caplog.text) == []


async def test_what_left_the_house_is_counted_in_audit_and_on_the_ticket(open_place: Any, clock: Clock) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox, open_place(told=told(sandbox, clock)) as place:
        ticket = await place.ticket(adf(message=TEXT))
        await work_off(place.worker)
        whole: httpx.Response = await place.client.get(f"/api/tickets/{ticket}", headers=await place.signed_in())
        sent = {one["kind"]: one for one in whole.json()["deliveries"]}
        for kind in ("jira", "slack"):
            assert sent[kind]["bytes"] > 500
            assert sent[kind]["masked"] >= 5
            assert sent[kind]["sent_at"]
        assert sent["archive"]["bytes"] > 500
        details = {line["action"]: line["details"] for line in whole.json()["timeline"]}
        assert (
            f"{sent['jira']['bytes']} bytes to jira, {sent['jira']['masked']} secrets masked" in details["Jira Created"]
        )
        assert "bytes to archive, 0 secrets masked" in details["Blob Saved"]
