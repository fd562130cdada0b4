"""Logs as events with keys: one JSON line each, or coloured lines on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict

from pipesleuth import traces
from pipesleuth.destinations.legible import clean_line

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _StandardError:
    """Whatever standard error is at the moment of writing; a log line never fails what it tells of."""

    def write(self, text: str) -> int:
        """Write a line, where there is still anybody to read it."""
        return 0 if sys.stderr.closed else sys.stderr.write(text)

    def flush(self) -> None:
        """Let the line out."""
        if not sys.stderr.closed:
            sys.stderr.flush()


def _with_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The line with its trace's id, where traces are made: from a line to its trace and back."""
    known = traces.trace_id()
    if known:
        event["trace_id"] = known
    return event


def _legible(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The line without what would steer a terminal; JSON escapes it anyhow."""
    return {name: clean_line(value) if isinstance(value, str) else value for name, value in event.items()}


def configure(level: str = "info", *, plain: bool | None = None) -> None:
    """Log to standard error from `level` on; `plain` for people, JSON otherwise, by the terminal where not said."""
    readable = sys.stderr.isatty() if plain is None else plain
    renderer = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _with_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_legible] if readable else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level.lower(), logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    # Libraries speak only when something is wrong; httpx would print addresses with their query.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
