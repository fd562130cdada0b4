"""What the analyst's tests share: a failure, its verdict, and a stand-in for the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from analyst_cases import MESSAGE, verdict_of
from pipesleuth.model import Diagnosis, Failure
from pipesleuth.sandbox.server import Sandbox
from pipesleuth.triage.analyst import Analyst, AnalystSettings, Spent


@pytest.fixture
def failure() -> Failure:
    return Failure(
        source="data_factory", pipeline="pl_orders", run_id="r-1", error_message=MESSAGE, activity="copy_orders"
    )


@pytest.fixture
def verdict() -> Diagnosis:
    return verdict_of()


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    async with Sandbox() as running:
        yield running


def settings_of(sandbox: Sandbox, **changes: Any) -> AnalystSettings:
    """Settings that ask the stand-in."""
    values: dict[str, Any] = {
        "gemini_api_key": "gemini-sandbox",
        "gemini_base_url": sandbox.environment()["GEMINI_BASE_URL"],
    }
    return AnalystSettings(_env_file=None, **(values | changes))  # pyright: ignore[reportCallIssue]  # pydantic-settings' own argument


@pytest.fixture
def spent() -> list[Spent]:
    """What the analyst's calls came to."""
    return []


@pytest.fixture
async def hired(sandbox: Sandbox, spent: list[Spent]) -> AsyncGenerator[Callable[..., Analyst]]:
    """Hires an analyst who asks the stand-in; all are dismissed at the end."""
    analysts: list[Analyst] = []

    def hire(clock: Callable[[], float] | None = None, **changes: Any) -> Analyst:
        how: dict[str, Any] = {"clock": clock} if clock else {}
        analysts.append(Analyst(settings_of(sandbox, **changes), note=spent.append, **how))
        return analysts[-1]

    yield hire
    for analyst in analysts:
        await analyst.close()
