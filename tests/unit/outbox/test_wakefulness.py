"""A process that sleeps notices it before anything else goes on."""

from __future__ import annotations

import asyncio
import socket
import time

from pipesleuth.outbox.wakefulness import Wakefulness


async def test_a_sleep_is_noticed_before_whatever_an_answer_has_woken() -> None:
    order: list[str] = []
    here, there = socket.socketpair()
    here.setblocking(False)
    watch = Wakefulness(0.3, lambda: order.append("overslept"))
    watch.begin()

    async def read() -> None:
        await asyncio.get_running_loop().sock_recv(here, 1)
        order.append("went on")

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    there.send(b"x")
    time.sleep(0.8)  # noqa: ASYNC251  # as a stopped process does
    await reading
    watch.end()
    here.close()
    there.close()
    assert order == ["overslept", "went on"]


async def test_who_is_awake_is_left_alone() -> None:
    called: list[bool] = []
    watch = Wakefulness(5.0, lambda: called.append(True))
    watch.begin()
    await asyncio.sleep(0.05)
    watch._look()
    watch.end()
    assert called == []
