"""What stands in this house: the database with its to-dos, and the disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from pipesleuth.db import searched, upgrade
from pipesleuth.db.database import open_engine
from pipesleuth.doctor.finding import Case, Chart
from pipesleuth.tickets import banners

NO_TRIGRAMS = (
    "PostgreSQL: have an administrator run CREATE EXTENSION pg_trgm, then CREATE INDEX ix_ticket_words_words ON "
    "ticket_words USING gin (words gin_trgm_ops), and the same for line_words. SQLite: use one of 3.34 or newer."
)
SCARCE_BYTES, FULL_BYTES = 1_000_000_000, 200_000_000

T = TypeVar("T")


async def database(case: Case, chart: Chart) -> None:
    """Whether the database answers, has this version's schema, and what its to-dos wait for."""
    url = case.settings.database
    shown = url.render_as_string(hide_password=True)
    if _is_missing(url):
        chart.warn(f"There is no file {url.database} yet.", "Run `pipesleuth db upgrade`, or start the service once.")
        return
    try:
        wrong = await apart(lambda: upgrade.check(url))
    except ImportError as error:
        chart.fault(f"The driver of {url.drivername} is missing: {_first_line(error, url)}.", "Install the driver.")
        return
    except SQLAlchemyError as error:
        chart.fault(f"{shown} refused: {_first_line(error, url)}.", "Correct DATABASE_URL, DB_TYPE or AZURE_SQL_….")
        return
    if wrong:
        seen, _, repair = wrong.partition(". ")
        chart.fault(f"{seen}.", repair)
        return
    chart.ok(f"{shown} has schema {upgrade.HEAD}.")
    if await apart(lambda: _searches_slowly(url)):
        chart.warn("Searches read the words of every ticket: the database has no trigrams.", NO_TRIGRAMS)
    for banner in await apart(lambda: _banners(url)):
        text = str(banner["text"]).rstrip(". ")
        chart.warn(
            f"{text}; {banner['waiting']} tickets wait.", f"See {banner['kind']} below; then it goes on by itself."
        )


def _is_missing(url: URL) -> bool:
    """Whether it is a file that is not there; only to connect would make it."""
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file()


async def disk(case: Case, chart: Chart) -> None:
    """Whether DATA_DIR can be written and has room."""
    folder = case.settings.data_dir.absolute()
    place = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        chart.fault(f"{place} cannot be written.", "Set DATA_DIR to a folder of yours.")
        return
    free = shutil.disk_usage(place).free
    seen = f"{free / 1e9:.1f} GB are free for {folder}."
    if free < FULL_BYTES:
        chart.fault(seen, "Make room: webhooks are answered 503 when nothing can be stored.")
    elif free < SCARCE_BYTES:
        chart.warn(seen, "Make room, or set DATA_DIR to a larger disk.")
    else:
        chart.ok(seen)


async def apart(work: Callable[[], T]) -> T:
    """What `work` returns, done in a thread that nobody waits for at the end: drivers may hang on a dead host."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)  # pyright: ignore[reportArgumentType]  # None only where `work` returned it

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except Exception as fault:  # noqa: BLE001  # handed to whoever awaits it
            error = fault
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return await answer


def _banners(url: URL) -> list[dict[str, Any]]:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return banners.current(connection)
    finally:
        engine.dispose()


def _searches_slowly(url: URL) -> bool:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return searched.has_words(connection) and not searched.has_trigrams(connection)
    finally:
        engine.dispose()


def _first_line(error: Exception, url: URL) -> str:
    """The driver's own sentence, without the password that it may repeat."""
    text = (str(getattr(error, "orig", None) or error).splitlines() or [""])[0][:200]
    return (text.replace(url.password, "[masked]") if url.password else text).rstrip(". ")
