"""Any order of creating, diagnosing, moving, closing, reopening, crashing and working off ends with everybody in step."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pipesleuth.db.upgrade import upgrade
from pipesleuth.destinations.jira_document import audit_id_of
from pipesleuth.destinations.outline import SIGNS
from pipesleuth.model import Permanent, Priority, Retryable, Status, moment
from pipesleuth.outbox import todos
from pipesleuth.sandbox import Sandbox
from pipesleuth.sandbox.jira_issues import PERSON
from pipesleuth.tickets import lifecycle
from pipesleuth.tickets.origin import recalled
from places import Clock, Place, adf, cheap_hash, finished, knowledge, opened, settings_in, work_off
from vendors import WEBHOOK_SECRET, issues_of, notes_of, payload, roots_of, status_of, told

T = TypeVar("T")
CHANNEL = st.sampled_from(["jira", "slack"])
PICK = st.integers(0, 1000)
FAULTS = st.sampled_from(
    [
        {"kind": "500"},
        {"kind": "429", "retry_after": 3},
        {"kind": "timeout_after_success", "seconds": 0.01},
        {"kind": "hang", "seconds": 0.01},
        {"kind": "wrong_json"},
        {"kind": "truncate"},
    ]
)


@cache
def empty_database() -> Path:
    """A database file with the schema and nothing else, made once: hypothesis knows no fixtures."""
    folder = Path(tempfile.mkdtemp(prefix="pipesleuth-story-schema-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    upgrade(settings_in(folder).database)
    return folder / "tickets.db"


class Story(RuleBasedStateMachine):
    """A service, its vendors, and everything that can happen to a ticket."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = contextlib.AsyncExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="pipesleuth-story-"))
        self.clock = Clock()
        self.tickets: list[str] = []
        self.news: list[Any] = []
        self.seen = 0
        self.place: Place = self._do(self._open())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    async def _open(self) -> Place:
        shutil.copy(empty_database(), self.folder / "tickets.db")
        self.sandbox = await self.stack.enter_async_context(Sandbox(clock=lambda: self.clock().timestamp()))
        # Events are kept and not sent: the story delivers them when, in which order and as often as it likes.
        self.sandbox.world.jira.put({"webhook": {"url": "http://127.0.0.1:9/", "drop": 1}})
        vendors = told(self.sandbox, self.clock)
        place = await self.stack.enter_async_context(
            opened(self.folder, self.clock, knowledge(), cheap_hash(), told=vendors)
        )
        place.parts.house.jira_secret = WEBHOOK_SECRET
        self.person = await place.signed_in()
        return place

    def _collect(self) -> None:
        found = list(self.sandbox.world.jira.webhooks.deliveries)
        self.news += found[self.seen :]
        self.seen = len(found)

    def _picked(self, pick: int) -> str:
        return self.tickets[pick % len(self.tickets)]

    # --- what can happen ---

    @precondition(lambda self: len(self.tickets) < 3)
    @rule()
    def a_run_fails(self) -> None:
        self.clock.turn(1)
        self.tickets.append(self._do(self.place.ticket(adf())))

    @precondition(lambda self: self.tickets)
    @rule(pick=PICK, priority=st.sampled_from(Priority), number=st.integers(0, 3))
    def it_is_diagnosed_anew(self, pick: int, priority: Priority, number: int) -> None:
        self._do(self.place.parts.database.write(lambda c: self._rediagnose(c, self._picked(pick), priority, number)))

    def _rediagnose(self, connection: Any, ticket: str, priority: Priority, number: int) -> None:
        row = lifecycle.fetch(connection, ticket)
        verdict = replace(knowledge().full(recalled(row)), priority=priority, root_cause=f"Cause number {number}.")
        lifecycle.rediagnose(connection, row, verdict, self.clock(), warn_seconds=300, details=f"cause {number}")

    @precondition(lambda self: self.tickets)
    @rule(pick=PICK, deed=st.sampled_from(["take", "close", "reopen"]))
    def a_person_acts_here(self, pick: int, deed: str) -> None:
        self.clock.turn(1)
        answer = self._do(self.place.client.post(f"/api/tickets/{self._picked(pick)}/{deed}", headers=self.person))
        assert answer.status_code in {200, 409}, answer.text

    @rule(pick=PICK, column=PICK)
    def a_person_moves_the_card(self, pick: int, column: int) -> None:
        site = self.sandbox.world.jira
        if site.issues:
            self.clock.turn(1)
            issue = list(site.issues.values())[pick % len(site.issues)]
            self._do(self._moved(issue, site.workflow()[column % 4]))
            self._collect()

    async def _moved(self, issue: Any, step: Any) -> None:
        if issue.fields["status"]["id"] != step["id"]:
            self.sandbox.world.jira.move_status(issue, step, dict(PERSON))

    @precondition(lambda self: self.news)
    @rule(pick=PICK, again=st.booleans())
    def news_arrives(self, pick: int, again: bool) -> None:  # noqa: FBT001  # hypothesis gives it by name
        place = pick % len(self.news)
        event = self.news[place] if again else self.news.pop(place)
        self._do(self._deliver(event))

    async def _deliver(self, event: Any) -> None:
        answer = await self.place.client.post(
            "/webhook/jira",
            params={"secret": WEBHOOK_SECRET},
            json=event.body,
            headers={"x-atlassian-webhook-identifier": event.identifier},
        )
        assert answer.status_code == 200, answer.text

    @rule(kind=CHANNEL, fault=FAULTS, skip=st.integers(0, 3))
    def a_vendor_will_fail(self, kind: str, fault: dict[str, Any], skip: int) -> None:
        self.sandbox.world.faults.put([{**fault, "service": kind, "count": 1, "skip": skip}])

    @rule(seconds=st.sampled_from([0.5, 3, 12, 40, 700]))
    def time_passes(self, seconds: float) -> None:
        self.clock.turn(seconds)

    @rule()
    def the_worker_works(self) -> None:
        self._do(work_off(self.place.worker))
        self._collect()

    @rule(kind=CHANNEL, effect=st.booleans())
    def a_worker_dies(self, kind: str, effect: bool) -> None:  # noqa: FBT001  # hypothesis gives it by name
        """It has claimed, has perhaps done its work, and writes nothing down."""
        self._do(self._dies(kind, effect=effect))
        self._collect()

    async def _dies(self, kind: str, *, effect: bool) -> None:
        claims = await self.place.parts.database.write(
            lambda c: todos.claim(c, kind, 1, self.clock(), lease_seconds=15, creates=True, visible_seconds=10)
        )
        if effect:
            for claim in claims:
                with contextlib.suppress(Retryable, Permanent):
                    await self.place.worker._lanes[kind].kind.handler(claim)

    # --- and how it must end ---

    def teardown(self) -> None:
        try:
            self._do(self._quiet())
            self._do(self._check())
        finally:
            self._do(self.stack.aclose())
            self.loop.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _quiet(self) -> None:
        self.sandbox.world.faults.clear()
        for _ in range(12):
            await work_off(self.place.worker)
            await finished(self.place.worker)
            self._collect()
            while self.news:
                await self._deliver(self.news.pop())
            self.clock.turn(15)
        assert await self.place.read(todos.owed) == 0

    async def _check(self) -> None:
        for ticket in self.tickets:
            row = await self.place.row(ticket)
            lines = await self.place.lines(ticket)
            times = Counter(line["action"] for line in lines)
            assert times["Ticket Created"] == 1
            assert times["Jira Created"] <= 1
            assert times["Slack Sent"] <= 1
            versions = [line["ticket_version"] for line in lines if line["ticket_version"] is not None]
            assert versions == list(range(1, 1 + len(versions)))
            assert versions[-1] == row["version"]
            times_of_lines = [moment(line["timestamp"]) for line in lines]
            assert times_of_lines == sorted(times_of_lines)
            self._check_vendors(row)

    def _check_vendors(self, row: dict[str, Any]) -> None:
        issues, roots = issues_of(self.sandbox, row), roots_of(self.sandbox, row)
        least = 0 if row["status"] == Status.ACKNOWLEDGED else 1
        assert least <= len(issues) <= 1
        assert least <= len(roots) <= 1
        for issue in issues:
            assert row["itsm_ticket_id"] == issue.key
            assert status_of(issue) == row["status"]
            comments = [audit_id_of(comment["body"]) for comment in issue.comments]
            assert comments == sorted({number for number in comments if number is not None})
        for root in roots:
            assert root.content["blocks"][0]["text"]["text"].startswith(SIGNS[Status(row["status"])])
            notes = [int(payload(note)["audit_id"]) for note in notes_of(self.sandbox, root)]
            assert notes == sorted(set(notes))


Story.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
TestStory = Story.TestCase
