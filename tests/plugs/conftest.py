"""What the suites of the shelves share: the vendors' stand-ins."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pipesleuth.sandbox import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """All stand-ins, with nothing in their memory."""
    async with Sandbox(port=0) as running:
        yield running
