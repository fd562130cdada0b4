"""The worker loop: claims what is due, runs its handler, settles; a fault here never stops the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakSet

import structlog
from sqlalchemy import Connection

from pipesleuth import traces
from pipesleuth.db.database import Database
from pipesleuth.live import Bell, heard
from pipesleuth.model import Permanent, PipesleuthError, Retryable, StoreUnavailable
from pipesleuth.outbox import holds, pace, settlement, todos, turns
from pipesleuth.outbox.backoff import pause
from pipesleuth.outbox.kinds import ClaimLost, Done, Kind, Tempo
from pipesleuth.outbox.lanes import End, Lane, Owed
from pipesleuth.outbox.todos import Claim
from pipesleuth.outbox.wakefulness import Wakefulness

BATCH = 32
IDLE_SECONDS = 0.5
BREATH_SECONDS = 0.02
# While webhooks pour in they go first: a few to-dos at a time, so that nothing urgent waits for the flood's end.
YIELDING_SECONDS = 0.1
YIELDING_BATCH = 2
STOP_SECONDS = 5.0
SETTLED = "settled"

log = structlog.get_logger(__name__)


class Worker:
    """Works off to-dos until it is told to stop; slowly while this process is `flooded` with webhooks."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        kinds: Sequence[Kind],
        tempo: Tempo,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        flooded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._flooded = flooded
        self._database = database
        self._bell = bell
        self._lanes = {kind.name: Lane(kind) for kind in kinds}
        self._tempo = tempo
        self._now = now
        self._stopping = asyncio.Event()
        self._settlement = settlement.Settlement(database, self._write_ends)
        self._wakefulness = Wakefulness(tempo.lease, self._overslept)
        self._lost = WeakSet[asyncio.Task[Any]]()
        self.paused = False  # claims nothing; what runs goes on
        self.settled: dict[tuple[str, str], int] = {}
        self.beat: datetime | None = None

    async def run(self) -> None:
        """Work until `stop`; what runs then is finished."""
        ear = self._bell.listen()
        self._wakefulness.begin()
        renewing = asyncio.create_task(self._renew(), name="worker.renew")
        try:
            while not self._stopping.is_set():
                if not await self._round():
                    await heard(ear, self._rest())
                await asyncio.sleep(YIELDING_SECONDS if self._flooded() else BREATH_SECONDS)
            await self._finish()
        finally:
            renewing.cancel()
            self._wakefulness.end()
            self._bell.leave(ear)
            for lane in self._lanes.values():
                for task in lane.running:
                    task.cancel()

    def stop(self) -> None:
        """Claim no more; `run` returns once the running calls have ended."""
        self._stopping.set()

    @property
    def busy(self) -> bool:
        """Whether calls are running."""
        return any(lane.running for lane in self._lanes.values())

    def _rest(self) -> float:
        """How long to wait for the bell: not beyond the moment at which a way is free again."""
        now = self._now()
        paced = [(lane.resume - now).total_seconds() for lane in self._lanes.values() if lane.resume is not None]
        return min([IDLE_SECONDS, *(seconds for seconds in paced if seconds > 0)])

    async def _finish(self) -> None:
        """Let running calls end, and give back those that take too long."""
        running = {task: (lane, claim) for lane in self._lanes.values() for task, claim in lane.running.items()}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=STOP_SECONDS)
        if not late:
            return
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        cut = [running[task] for task in late]
        log.warning("worker.cut_short", calls=len(cut))
        try:
            await self._database.write(lambda c: self._release(c, cut))
        except StoreUnavailable as error:
            log.warning("worker.not_released", reason=str(error))  # their leases end by themselves

    def _release(self, connection: Connection, cut: Sequence[tuple[Lane, Claim]]) -> None:
        for lane, claim in cut:
            todos.release(connection, claim, self._now(), creates=lane.kind.creates)

    async def _round(self) -> int:
        """Claim and start what is due; how many. The edge: nothing that goes wrong here ends the loop."""
        try:
            self.beat = self._now()
            rooms = {name: room for name, lane in self._lanes.items() if (room := lane.room(self.beat)) > 0}
            if self.paused:
                return 0
            owed = await self._database.read(lambda c: self._owed(c, rooms)) if rooms else {}
            if not owed:
                return 0
            claims = await self._database.write(lambda c: self._claim(c, owed))
        except StoreUnavailable as error:
            log.warning("worker.waits", reason=str(error))
            return 0
        except Exception:
            log.exception("worker.round_failed")
            return 0
        for claim in claims:
            lane = self._lanes[claim.kind]
            task = asyncio.create_task(self._work(lane, claim), name=f"todo.{claim.kind}")
            lane.running[task] = claim
            task.add_done_callback(lane.running.pop)
        return len(claims)

    def _owed(self, connection: Connection, rooms: Mapping[str, int]) -> dict[str, Owed]:
        """What of which kind to claim now: what has room, is not held and has something due."""
        now, visible = self._now(), self._tempo.mark_visible
        held = holds.current(connection)
        owed: dict[str, Owed] = {}
        for name, room in rooms.items():
            lane, hold = self._lanes[name], held.get(name)
            lane.faulty = hold is not None
            if hold is not None and hold.until > todos.timestamp(now):
                continue
            most = min(room, YIELDING_BATCH if self._flooded() else BATCH)
            # After a pause a single try goes ahead, alone on its way; the rest follows when it went well.
            if hold is not None and hold.is_broken(now, self._tempo.breaker_faults):
                if todos.is_due(connection, name, now, visible, early=True):
                    owed[name] = Owed(1, probe=True)
            elif lane.kind.per_second is not None:
                if found := turns.due(connection, lane, now, visible):
                    owed[name] = Owed(most, turns=found)
            elif todos.is_due(connection, name, now, visible):
                owed[name] = Owed(most)
        return owed

    def _claim(self, connection: Connection, owed: Mapping[str, Owed]) -> list[Claim]:
        now = self._now()
        return [
            claim
            for name, it in owed.items()
            if not it.probe or holds.probing(connection, name, now, breaker_faults=self._tempo.breaker_faults)
            for claim in self._claim_kind(connection, self._lanes[name], it, now)
        ]

    def _claim_kind(self, connection: Connection, lane: Lane, owed: Owed, now: datetime) -> list[Claim]:
        only = turns.take(connection, lane, owed.turns, owed.most, now) if owed.turns is not None else None
        if only == {}:
            return []
        claims = todos.claim(
            connection,
            lane.kind.name,
            owed.most,
            now,
            lease_seconds=self._tempo.lease,
            creates=lane.kind.creates,
            visible_seconds=self._tempo.mark_visible,
            early=owed.probe,
            only=only,
        )
        if owed.probe:
            self._count_probes(connection, lane, claims, now)
        return claims

    def _count_probes(self, connection: Connection, lane: Lane, claims: Sequence[Claim], now: datetime) -> None:
        """A try after a pause waits for nobody's turn, but whoever follows it waits for its own."""
        for claim in claims:
            lane.probe = claim.token
            turns.charge_probe(connection, lane.kind, claim, now)

    async def _work(self, lane: Lane, claim: Claim) -> None:
        """Do one to-do and write its end, in the trace of the webhook that it came from."""
        about = {"ticket_id": claim.ticket_id, "todo_attempt": claim.attempts}
        with traces.stretch(f"todo {claim.kind}", "consumer", parent=claim.traceparent, **about) as seen:
            end = await self._tried(lane, claim)
            seen.note("todo.outcome", end.outcome)
            if end.outcome != SETTLED:
                seen.failed(end.outcome)
            if end.done is not None or end.write is not None:
                await self._end(end)

    async def _tried(self, lane: Lane, claim: Claim) -> End:
        """How a try has ended, and what is to be written of it; a handler's own mistake is logged and tried again."""
        try:
            done = await self._done(lane, claim)
        except Permanent as error:
            return End(lane, claim, "stopped", write=lambda c, e=error: self._stop(c, lane, claim, e))
        except Retryable as error:
            return End(lane, claim, "postponed", write=lambda c, e=error: self._postpone(c, lane, claim, e))
        except TimeoutError:
            late = Retryable(f"No answer within {self._tempo.call:g} s.", in_doubt=True)
            return End(lane, claim, "postponed", write=lambda c: self._postpone(c, lane, claim, late))
        except (StoreUnavailable, ClaimLost) as error:
            log.warning("todo.left", kind=claim.kind, ticket=claim.ticket_id, reason=str(error))
            return End(lane, claim, "left")
        except Exception as error:
            log.exception("todo.failed", kind=claim.kind, ticket=claim.ticket_id)
            return self._mistaken(lane, claim, error)
        return End(lane, claim, SETTLED, done)

    async def _done(self, lane: Lane, claim: Claim) -> Done:
        """What the handler has done within a call's time. Raises ClaimLost where this process slept meanwhile."""
        try:
            async with asyncio.timeout(self._tempo.call):
                return await lane.kind.handler(claim)
        except asyncio.CancelledError as cut:
            task = asyncio.current_task()
            if task is None or task not in self._lost:
                raise
            self._lost.discard(task)
            task.uncancel()
            raise ClaimLost from cut

    def _overslept(self) -> None:
        """Leave what was about to be done: after a sleep of more than a lease others have taken over."""
        running = [task for lane in self._lanes.values() for task in lane.running]
        log.warning("worker.overslept", calls=len(running))
        for task in running:
            self._lost.add(task)
            task.cancel()

    def _mistaken(self, lane: Lane, claim: Claim, error: Exception) -> End:
        """The end of a try that our own mistake has broken."""
        ours = Retryable(f"Internal error: {type(error).__name__}.", in_doubt=True)
        return End(lane, claim, "failed", write=lambda c: self._postpone(c, lane, claim, ours))

    async def _end(self, end: End) -> None:
        claim = end.claim
        try:
            await self._settlement.of(end)
        except PipesleuthError as error:
            # The lease ends by itself and somebody does it again, in doubt where something was created.
            log.warning("todo.not_written", kind=claim.kind, ticket=claim.ticket_id, reason=str(error))
            return
        except Exception as error:
            log.exception("todo.not_written", kind=claim.kind, ticket=claim.ticket_id)
            if end.outcome != "failed":
                await self._end(self._mistaken(end.lane, claim, error))
            return
        key = (claim.kind, end.outcome)
        self.settled[key] = self.settled.get(key, 0) + 1
        log.debug("todo.ended", outcome=end.outcome, kind=claim.kind, ticket=claim.ticket_id, attempts=claim.attempts)

    def _write_ends(self, connection: Connection, ends: Sequence[End]) -> None:
        """Write ends in the order in which everybody locks: tickets, to-dos, and what a kind shares at the last."""
        now = self._now()
        settlement.hold_tickets(connection, [end.claim for end in ends])
        ordered = sorted(ends, key=lambda end: (end.claim.kind, end.claim.ticket_id))
        done = [(end, end.done) for end in ordered if end.done is not None]
        kept = (
            settlement.settle(connection, [(end.claim, it.version, it.receipt) for end, it in done], now)
            if done
            else ()
        )
        for (_, it), ours in zip(done, kept, strict=True):
            if ours and it.effects is not None:
                it.effects(connection)
        for end, it in done:
            self._note_well(connection, end.lane, end.claim, it, now)
        for end in ordered:
            if end.write is not None:
                end.write(connection)

    def _note_well(self, connection: Connection, lane: Lane, claim: Claim, done: Done, now: datetime) -> None:
        """What a to-do that is done says of its kind's pace and hold."""
        if done.messages and lane.kind.per_second is not None:
            per_second = lane.kind.per_second
            pace.charge(connection, claim.kind, claim.way, done.messages, now, per_second=per_second)
        if lane.faulty and not done.called and claim.token == lane.probe:
            holds.unprobed(connection, claim.kind, now)
        elif lane.faulty and done.called:
            holds.well(connection, claim.kind, now, breaker_faults=self._tempo.breaker_faults)

    def _postpone(self, connection: Connection, lane: Lane, claim: Claim, error: Retryable) -> None:
        now, tempo = self._now(), self._tempo
        seconds = pause(claim.attempts, first=tempo.backoff_first, most=tempo.backoff_most, asked=error.after)
        todos.postpone(connection, claim, now + timedelta(seconds=seconds), error.reason, now, in_doubt=error.in_doubt)
        if not lane.kind.holds:
            return
        asked = error.after if error.everyone else None
        holds.fault(connection, claim.kind, error.reason, now, asked=asked, breaker_faults=tempo.breaker_faults)
        lane.faulty = True

    def _stop(self, connection: Connection, lane: Lane, claim: Claim, error: Permanent) -> None:
        now = self._now()
        if todos.stop(connection, claim, error.reason, now) and lane.kind.stopped is not None:
            lane.kind.stopped(connection, claim, error.reason)
        if error.everyone:
            holds.closed(connection, claim.kind, error.reason, now, breaker_faults=self._tempo.breaker_faults)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._tempo.lease / 3)
            running = [claim for lane in self._lanes.values() for claim in lane.running.values()]
            if not running:
                continue
            try:
                await self._database.write(lambda c, r=running: todos.renew(c, r, self._now(), self._tempo.lease))
            except Exception as error:  # noqa: BLE001  # the next round tries again, well before the lease ends
                log.warning("worker.not_renewed", reason=str(error)[:200])
