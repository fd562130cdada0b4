"""The AI's opinions for tickets: within the hour's budget, one call for equal questions, and the answers kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from pipesleuth.db.database import Database
from pipesleuth.model import Diagnosis, Failure, Permanent, Retryable
from pipesleuth.tickets import ai_budget
from pipesleuth.triage.analyst import Analyst, Answer, Spent
from pipesleuth.triage.opinion import Opinion, Weighed, weighed
from pipesleuth.triage.prompt import Question, question

_FREE = Spent("reused", 0, 0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the AI said of a failure, weighed against the knowledge base's verdict; `reused` says no call was made."""

    answer: Answer
    weighed: Weighed
    reused: bool

    @property
    def price(self) -> str:
        """What it took, for the audit trail."""
        spent = self.answer.spent
        if self.reused:
            return "The answer to the same failure a little earlier was used again, without a call."
        cost = "cost unknown" if spent.cost is None else f"${spent.cost:.5f}"
        return f"{spent.tokens_in} tokens in, {spent.tokens_out} out, {spent.seconds:.1f} s, {cost}."


@dataclass(slots=True)
class _Call:
    task: asyncio.Task[tuple[Answer, bool]]
    waiting: int = 0


class Opinions:
    """Asks the analyst for tickets."""

    def __init__(
        self, database: Database, analyst: Analyst, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._analyst = analyst
        self._settings = analyst.settings
        self._now = now
        self._calls: dict[str, _Call] = {}

    async def on(
        self, failure: Failure, verdict: Diagnosis, fingerprint: str, seen: str, *, seconds: float | None = None
    ) -> Heard:
        """The AI's opinion of a failure, the knowledge base having given `verdict`.

        `seen` says what was seen before, `seconds` how long it may take. Raises Retryable and Permanent.
        """
        asked = question(failure, verdict, seen, strict=self._analyst.strict)
        answer, reused = await self._shared(asked.key(fingerprint, self._settings.model_id), asked, seconds)
        return Heard(answer, weighed(answer.opinion, verdict, failure, asked.text, answer.model), reused)

    async def _shared(self, key: str, asked: Question, seconds: float | None) -> tuple[Answer, bool]:
        """Equal questions at the same time share one call, which goes on while anybody waits for it."""
        call = self._calls.get(key)
        joined = call is not None
        if call is None:
            call = _Call(asyncio.create_task(self._answer(key, asked, seconds), name="opinion"))
            self._calls[key] = call
            call.task.add_done_callback(lambda _task, ended=call: self._ended(key, ended))
        call.waiting += 1
        try:
            answer, reused = await asyncio.shield(call.task)
        finally:
            call.waiting -= 1
            if not call.waiting and not call.task.done():
                self._forget(key, call)  # who asks from here on joins no call that is being cut off
                call.task.cancel()
        return answer, reused or joined

    def _ended(self, key: str, call: _Call) -> None:
        self._forget(key, call)
        if not call.task.cancelled():
            call.task.exception()  # whoever asked may have gone meanwhile: then nobody else hears of it

    def _forget(self, key: str, call: _Call) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]

    async def _answer(self, key: str, asked: Question, seconds: float | None) -> tuple[Answer, bool]:
        known = _restored(await self._database.read(lambda c: ai_budget.recall(c, key, self._now())))
        if known is not None:
            return known, True
        most = self._settings.ai_analyses_per_hour
        if not await self._database.write(lambda c: ai_budget.take(c, most, self._now())):
            raise Permanent(f"The budget of {most} AI analyses an hour is used up.")
        try:
            answer = await self._analyst.ask(asked, seconds=seconds)
        except Retryable as error:
            if not error.in_doubt:
                await self._database.write(lambda c: ai_budget.give_back(c, self._now()))
            raise
        if self._settings.ai_reuse_seconds > 0:
            until = self._now() + timedelta(seconds=self._settings.ai_reuse_seconds)
            told = {"opinion": answer.opinion.model_dump(mode="json"), "model": answer.model}
            await self._database.write(lambda c: ai_budget.remember(c, key, told, until, self._now()))
        return answer, False


def _restored(told: Mapping[str, Any] | None) -> Answer | None:
    """A remembered answer; none where another release wrote it in another form."""
    if told is None:
        return None
    try:
        return Answer(Opinion.model_validate(told["opinion"]), str(told["model"]), replace(_FREE))
    except ValidationError:
        return None
