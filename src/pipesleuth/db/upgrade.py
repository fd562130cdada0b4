"""Bringing a database to the schema of this version; Alembic is loaded only when there is something to do."""

from __future__ import annotations

import io
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL

from pipesleuth.db.earlier import is_earlier
from pipesleuth.db.engine import opened
from pipesleuth.model import WrongSetting

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0004"
_OURS = re.compile(r"\d{4}")

log = structlog.get_logger(__name__)

# Servers that start together on one database upgrade it one after the other. SQLite's own write lock does that.
_TURNS = {
    "postgresql": "SELECT pg_advisory_xact_lock(7265746)",
    "mssql": "EXEC sp_getapplock @Resource = 'pipesleuth.schema', @LockMode = 'Exclusive', "
    "@LockOwner = 'Transaction', @LockTimeout = 120000",
}


def revision(connection: Connection) -> str | None:
    """The schema version that a database says it has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(url: URL) -> bool:
    """Bring the database to HEAD; whether anything was done. Raises StoreUnavailable, WrongSetting.

    Processes that start together on one database wait for each other; the second finds nothing to do. A schema
    newer than HEAD is left alone: new columns have defaults, so that an older program goes on beside a newer one.
    A SQLite file of the earlier system is copied aside and taken over.
    """
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    with opened(url) as engine:
        with engine.connect() as connection:
            if not _is_behind(revision(connection)):
                return False
        with engine.connect().execution_options(writing=True) as connection, connection.begin():
            take_turn(connection)
            if not _is_behind(revision(connection)):
                return False
            if is_earlier(connection):
                _adopt(connection, url)
            else:
                run(connection)
    return True


def check(url: URL) -> str | None:
    """What is wrong with the database's schema, in a sentence; None where it is right. Raises StoreUnavailable."""
    with opened(url) as engine, engine.connect() as connection:
        found, earlier = revision(connection), is_earlier(connection)
    if not _is_behind(found):
        return None
    if found is None and earlier:
        return (
            "The database is the earlier system's. Run `pipesleuth db upgrade`: it copies it aside and takes it over."
        )
    if found is None:
        return "The database has no schema yet. Run `pipesleuth db upgrade`."
    return f"The database has schema {found}, this program wants {HEAD}. Run `pipesleuth db upgrade`."


def script(dialect: str) -> str:
    """Every statement that makes an empty database of this kind (postgresql, mssql, sqlite) one of schema HEAD."""
    from alembic import command  # noqa: PLC0415  # loading Alembic takes longer than a start may

    written = io.StringIO()
    config = _config()
    config.output_buffer = written
    config.attributes["dialect"] = dialect
    command.upgrade(config, "head", sql=True)
    return written.getvalue()


def take_turn(connection: Connection) -> None:
    """Wait until no other process changes this database's schema; held until the transaction ends."""
    statement = _TURNS.get(connection.dialect.name)
    if statement is not None:
        connection.exec_driver_sql(statement)


def run(connection: Connection) -> None:
    """Bring the schema to HEAD in the caller's transaction, and give a new database its epoch."""
    from alembic import command  # noqa: PLC0415  # loading Alembic takes longer than a start may

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    known = connection.execute(text("SELECT value FROM marks WHERE name = 'epoch'")).scalar()
    if known is None:
        connection.execute(
            text("INSERT INTO marks (name, value) VALUES ('epoch', :value)"), {"value": secrets.token_hex(8)}
        )


def _adopt(connection: Connection, url: URL) -> None:
    if url.get_backend_name() != "sqlite" or not url.database:
        raise WrongSetting(
            "This database holds the earlier system's tables. Make an empty one for this version, and bring them over "
            "with `pipesleuth db copy`."
        )
    from pipesleuth.db import adoption  # noqa: PLC0415  # once in a database's life

    kept_at = adoption.copy_aside(Path(url.database))
    done = adoption.adopt(connection, kept_at, run, datetime.now(UTC))
    log.warning(
        "database.adopted",
        kept_at=str(kept_at),
        runs_twice=done.runs_twice,
        users_left_out=done.left_out,
        **done.rows,
    )


def _is_behind(found: str | None) -> bool:
    if found is not None and not _OURS.fullmatch(found):
        raise WrongSetting(
            f"The database has the schema {found[:40]} of another program. Name another database, or bring its "
            "tickets over with `pipesleuth db copy`."
        )
    return found is None or found < HEAD


def _config() -> Config:
    from alembic.config import Config as Made  # noqa: PLC0415  # loading Alembic takes longer than a start may

    config = Made()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
