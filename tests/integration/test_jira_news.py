"""What becomes of a ticket when its Jira issue moves."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.destinations.jira_news import read
from pipesleuth.model import Receipt, StatusChange, timestamp
from places import Place
from told import Told

SECRET = "what-jira-and-we-know"


class Jira(Told):
    """A Jira that hands its news on to the real reader."""

    def keep(self, notice: Any, receipt: Receipt | None) -> Receipt:
        kept = super().keep(notice, receipt)
        number = kept.key.rpartition("-")[2]
        return Receipt(
            key=f"OPS-{number}",
            url=f"https://jira/{number}",
            told_digest=kept.told_digest,
            more={"issue_id": f"1000{number}"},
        )

    def read_update(self, request: InboundRequest) -> StatusChange | None:
        return read(request, ours=frozenset({"our-account"}))


@pytest.fixture
async def place(open_place: Any) -> AsyncGenerator[Place]:
    async with open_place(told={"jira": Jira("jira")}) as opened:
        opened.parts.house.jira_secret = SECRET
        yield opened


@pytest.fixture
async def ticket(place: Place) -> str:
    made = await place.ticket()
    await place.work_off()
    return made


def moved(
    place: Place,
    to: str = "Done",
    category: str | None = "done",
    *,
    at: datetime | None = None,
    key: str = "OPS-1",
    number: str = "10001",
    event: str = "jira:issue_updated",
    **more: Any,
) -> dict[str, Any]:
    status: dict[str, Any] = {"name": to} | ({"statusCategory": {"key": category}} if category else {})
    body: dict[str, Any] = {
        "webhookEvent": event,
        "user": {"accountId": "kim", "displayName": "Kim Doe"},
        "issue": {"id": number, "key": key, "fields": {"status": status, "updated": timestamp(at or place.clock())}},
        "changelog": {"items": [{"field": "status", "fromString": "To Do", "toString": to}]},
    }
    return body | more


async def tell(place: Place, body: Any, *, event_id: str | None = None, **how: Any) -> httpx.Response:
    headers = {"X-Atlassian-Webhook-Identifier": event_id} if event_id else {}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    how.setdefault("params", {"secret": SECRET})
    return await place.client.post("/webhook/jira", content=content, headers=headers | how.pop("headers", {}), **how)


def signed(body: bytes, secret: str = SECRET, method: str = "sha256") -> dict[str, str]:
    return {"X-Hub-Signature": f"{method}={hmac.new(secret.encode(), body, getattr(hashlib, method)).hexdigest()}"}


async def test_an_issue_that_is_done_closes_its_ticket(place: Place, ticket: str) -> None:
    place.clock.turn(90)
    answer = await tell(place, moved(place))
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    row = await place.row(ticket)
    assert (row["status"], row["ack_user"], row["ack_seconds"], row["sla_status"]) == (
        "acknowledged",
        "Kim Doe",
        90,
        "Met",
    )
    actions = await place.actions(ticket)
    assert (actions.count("Jira: Done"), actions.count("Ticket Closed")) == (1, 1)
    (line,) = [line for line in await place.lines(ticket) if line["event"] == "status_update"]
    assert line["user_name"] == "Kim Doe"


async def test_it_follows_through_all_statuses_and_back(place: Place, ticket: str) -> None:
    for to, category, status in (
        ("In Arbeit", "indeterminate", "in_progress"),
        ("Fertig", "done", "acknowledged"),
        ("Zu erledigen", "new", "open"),
        ("In Review", None, "in_progress"),
        ("Resolved", None, "acknowledged"),
        ("Irgendwas", None, "open"),
    ):
        place.clock.turn(5)
        assert (await tell(place, moved(place, to, category))).json()["status"] == "ok"
        row = await place.row(ticket)
        assert row["status"] == status, to
        assert (row["ack_ts"] is not None) == (status == "acknowledged")


async def test_the_webhook_is_closed_without_a_secret_of_ours(place: Place, ticket: str) -> None:
    place.parts.house.jira_secret = ""
    body = json.dumps(moved(place)).encode()
    ways: tuple[dict[str, Any], ...] = (
        {"params": {"secret": ""}},
        {"params": {}},
        {"params": {}, "headers": signed(body, "x")},
        {"params": {}, "headers": signed(body, "")},
    )
    for how in ways:
        answer = await tell(place, body, **how)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert (await place.row(ticket))["status"] == "open"


async def test_only_the_right_secret_or_signature_is_let_in(place: Place, ticket: str) -> None:
    body = json.dumps(moved(place, "In Progress", "indeterminate")).encode()
    wrong: list[dict[str, Any]] = [
        {"params": {}},
        {"params": {"secret": "wrong"}},
        {"params": {"secret": "wrong"}, "headers": signed(body)},
        {"params": {}, "headers": signed(body + b" ")},
        {"params": {}, "headers": signed(body, "other")},
        {"params": {}, "headers": {"X-Hub-Signature": "sha256="}},
        {"params": {}, "headers": {"X-Hub-Signature": "md5=" + hashlib.md5(body).hexdigest()}},  # noqa: S324  # refused
        {"params": {}, "headers": {"X-Hub-Signature": "nonsense"}},
        {"params": {"secret": "ü"}},
    ]
    for how in wrong:
        assert (await tell(place, body, **how)).status_code == 401, how
    assert (await place.row(ticket))["status"] == "open"
    assert (await tell(place, body, params={}, headers=signed(body))).json() == {"status": "ok"}
    assert (await place.row(ticket))["status"] == "in_progress"


async def test_a_webhook_that_comes_twice_counts_once(place: Place, ticket: str) -> None:
    body = moved(place, "In Progress", "indeterminate")
    assert (await tell(place, body, event_id="e1")).json() == {"status": "ok"}
    lines = await place.lines(ticket)
    assert (await tell(place, body, event_id="e1")).json() == {"status": "ignored"}
    assert (await tell(place, body)).json()["status"] in {"ok", "ignored"}
    assert [line for line in await place.lines(ticket) if line["event"]] == [line for line in lines if line["event"]]
    assert (await place.row(ticket))["status"] == "in_progress"


async def test_an_older_webhook_that_comes_later_changes_nothing(place: Place, ticket: str) -> None:
    early = place.clock.turn(10)
    late = place.clock.turn(10)
    place.clock.turn(10)
    assert (await tell(place, moved(place, at=late))).json() == {"status": "ok"}
    assert (await tell(place, moved(place, "In Progress", "indeterminate", at=early))).json() == {"status": "ignored"}
    assert (await place.row(ticket))["status"] == "acknowledged"


async def test_a_webhook_without_a_time_does_not_shut_out_jiras_slower_clock(place: Place, ticket: str) -> None:
    timeless = moved(place, "In Progress", "indeterminate")
    del timeless["issue"]["fields"]["updated"]
    assert (await tell(place, timeless)).json() == {"status": "ok"}
    slow = place.clock.turn(5) - timedelta(seconds=60)
    assert (await tell(place, moved(place, at=slow))).json() == {"status": "ok"}
    assert (await place.row(ticket))["status"] == "acknowledged"


async def test_jiras_time_is_the_time_of_the_change(place: Place, ticket: str) -> None:
    at = place.clock.turn(100)
    place.clock.turn(500)
    await tell(place, moved(place, at=at))
    row = await place.row(ticket)
    assert (row["ack_seconds"], row["ack_ts"]) == (100, timestamp(at))


async def test_a_deleted_issue_gives_the_ticket_back_to_us(place: Place, ticket: str) -> None:
    place.clock.turn(5)
    assert (await tell(place, moved(place, event="jira:issue_deleted"))).json() == {"status": "ok"}
    headers = await place.signed_in()
    assert (await place.client.post(f"/api/tickets/{ticket}/take", headers=headers)).status_code == 200
    assert "Jira Deleted" in await place.actions(ticket)
    assert (await tell(place, moved(place, event="jira:issue_deleted"))).json() == {"status": "ignored"}
    place.clock.turn(5)
    assert (await tell(place, moved(place))).json() == {"status": "ignored"}
    assert (await place.row(ticket))["status"] == "in_progress"


async def test_an_issue_that_moved_to_another_project_is_still_ours(place: Place, ticket: str) -> None:
    place.clock.turn(5)
    assert (await tell(place, moved(place, "In Progress", "indeterminate", key="NEW-7"))).json() == {"status": "ok"}
    row = await place.row(ticket)
    assert (row["itsm_ticket_id"], row["status"]) == ("NEW-7", "in_progress")
    lines = await place.lines(ticket)
    assert lines[-1]["itsm_ticket_id"] == "NEW-7"
    versions = [line["ticket_version"] for line in lines if line["ticket_version"]]
    assert versions == sorted(set(versions))
    place.clock.turn(5)
    quiet = moved(place, "In Progress", "indeterminate", key="NEWER-9")
    quiet["changelog"] = {"items": [{"field": "Key", "fromString": "NEW-7", "toString": "NEWER-9"}]}
    before = row["version"]
    await tell(place, quiet)
    row = await place.row(ticket)
    assert row["itsm_ticket_id"] == "NEWER-9"
    assert row["version"] > before


async def test_several_changes_or_none_in_the_log(place: Place, ticket: str) -> None:
    body = moved(place)
    body["changelog"]["items"] = [
        {"field": "resolution", "toString": "Done"},
        {"field": "status", "fromString": "To Do", "toString": "In Progress"},
        {"field": "status", "fromString": None, "toString": None},
    ]
    assert (await tell(place, body)).json() == {"status": "ok"}
    assert (await place.row(ticket))["status"] == "acknowledged"
    place.clock.turn(5)
    for log in ({}, None, {"items": None}, {"items": []}, {"items": "x"}):
        body = moved(place, "To Do", "new") | {"changelog": log}
        place.clock.turn(1)
        assert (await tell(place, body)).status_code == 200
    assert (await place.row(ticket))["status"] == "open"


async def test_a_comment_or_another_field_changes_no_status(place: Place, ticket: str) -> None:
    place.clock.turn(5)
    body = moved(place, "To Do", "new")
    body["changelog"] = {"items": [{"field": "summary", "fromString": "a", "toString": "b"}]}
    version = (await place.row(ticket))["version"]
    assert (await tell(place, body)).json() == {"status": "ignored"}
    comment = moved(place) | {"webhookEvent": "comment_created"}
    assert (await tell(place, comment)).json() == {"status": "ignored"}
    ours = moved(place) | {"user": {"accountId": "our-account"}}
    assert (await tell(place, ours)).json() == {"status": "ignored"}
    assert (await place.row(ticket))["version"] == version


async def test_an_issue_we_do_not_know_is_not_found_and_that_is_well(place: Place, ticket: str) -> None:
    answer = await tell(place, moved(place, key="OTHER-1", number="999"))
    assert (answer.status_code, answer.json()) == (200, {"status": "not_found"})
    assert [row["outcome"] for row in await place.inbound()][-1] == "not_found"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"issue": 5}', b'{"issue": {"key": null}}', b"\xff\xfe"])
async def test_an_odd_body_is_refused_or_ignored_and_never_breaks_anything(place: Place, body: bytes) -> None:
    answer = await tell(place, body)
    assert answer.status_code in {200, 400}
    if answer.status_code == 400:
        assert answer.json()["code"] == "unreadable"
        assert (await place.inbound())[-1]["outcome"] == "rejected"


async def test_a_body_over_the_limit_is_refused(place: Place) -> None:
    assert (await tell(place, b" " * 1_048_577)).status_code == 413


async def test_nobodys_name_is_jira_user(place: Place, ticket: str) -> None:
    body = moved(place)
    del body["user"]
    await tell(place, body)
    assert (await place.row(ticket))["ack_user"] == "Jira User"


async def test_reopening_in_jira_clears_what_closing_wrote(place: Place, ticket: str) -> None:
    place.clock.turn(60)
    await tell(place, moved(place))
    place.clock.turn(60)
    await tell(place, moved(place, "Reopened", "new"))
    row = await place.row(ticket)
    assert (row["status"], row["ack_user"], row["ack_ts"], row["ack_seconds"], row["sla_status"]) == (
        "open",
        None,
        None,
        None,
        "Pending",
    )
    assert "Ticket Reopened" in await place.actions(ticket)
