"""Equal questions to the AI share a call while anybody waits for it, and never one that is being cut off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pipesleuth.model import Failure
from pipesleuth.sandbox.server import Sandbox
from pipesleuth.tickets.opinions import Heard, Opinions
from pipesleuth.triage.diagnose import Triage
from places import Place

ODD = Failure(source="data_factory", pipeline="orders", error_message="Frobnication of the flange ended oddly")


async def asked_for(place: Place, triage: Triage, opinions: Opinions, number: int) -> Heard:
    """The opinion of a failure of its own, so that no answer of before is used again."""
    return await opinions.on(ODD, triage.full(ODD), f"{number:016x}", "")


async def test_who_asks_while_a_call_is_cut_off_makes_another(
    open_place: Any, triage: Triage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        for name, value in sandbox.environment().items():
            if name.startswith("GEMINI"):
                monkeypatch.setenv(name, value)
        async with open_place() as place:
            assert place.parts.analyst is not None
            opinions = Opinions(place.parts.database, place.parts.analyst, now=place.clock)
            sandbox.world.gemini.put({"mode": "slow", "seconds": 0.05})
            for steps in range(6):  # of the event loop, after which the second asks
                before = sandbox.world.gemini.calls
                first = asyncio.create_task(asked_for(place, triage, opinions, steps))
                while sandbox.world.gemini.calls == before:  # noqa: ASYNC110  # the model is asked over the network
                    await asyncio.sleep(0.005)
                first.cancel()
                for _ in range(steps):
                    await asyncio.sleep(0)
                async with asyncio.timeout(20):
                    heard = await asked_for(place, triage, opinions, steps)
                assert heard.answer.model
                assert first.cancelled()
