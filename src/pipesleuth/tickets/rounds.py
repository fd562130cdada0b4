"""What is looked after every second in every process: deadlines, and how often known runs came again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from pipesleuth.db.database import Database
from pipesleuth.model import StoreUnavailable
from pipesleuth.tickets import deadlines
from pipesleuth.tickets.intake import Intake

EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def watch_deadlines(database: Database, clock: Callable[[], datetime], warn_seconds: float) -> None:
    """Look whose SLA is short or gone, until cancelled. A loop's own edge: a fault is logged, and looked again."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            if await database.read(lambda c: deadlines.any_near(c, clock(), warn_seconds=warn_seconds)):
                await database.write(lambda c: deadlines.sweep(c, clock(), warn_seconds=warn_seconds))
        except StoreUnavailable as error:
            log.warning("deadlines.wait", reason=str(error))
        except Exception:
            log.exception("deadlines.failed")


async def count_duplicates(intake: Intake) -> None:
    """Write down how often known runs came again, until cancelled, and then once more. An edge as above."""
    while True:
        try:
            await asyncio.sleep(EVERY_SECONDS)
        finally:
            try:
                await intake.count()
            except StoreUnavailable as error:
                log.warning("duplicates.wait", reason=str(error))
            except Exception:
                log.exception("duplicates.failed")
