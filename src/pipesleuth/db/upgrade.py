"""Bringing a database to the schema of this version; Alembic is loaded only when there is something to do."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from pipesleuth.db.database import open_engine
from pipesleuth.db.faults import is_unavailable
from pipesleuth.model import StoreUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0004"


def revision(connection: Connection) -> str | None:
    """The schema version that a database says it has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(url: URL) -> bool:
    """Bring the database to HEAD; whether anything was done. Raises StoreUnavailable.

    Two processes that start together on one SQLite file wait for each other; the second finds nothing to do.
    """
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            if revision(connection) == HEAD:
                return False
        with engine.connect().execution_options(writing=True) as connection, connection.begin():
            if revision(connection) == HEAD:
                return False
            _run(connection)
    except DBAPIError as error:
        if is_unavailable(error):
            raise StoreUnavailable(str(error.orig)) from error
        raise
    finally:
        engine.dispose()
    return True


def check(url: URL) -> str | None:
    """What is wrong with the database's schema, in a sentence; None where it is right. Raises StoreUnavailable."""
    engine = open_engine(url)
    try:
        found = _revision_of(engine)
    finally:
        engine.dispose()
    if found == HEAD:
        return None
    if found is None:
        return "The database has no schema yet. Run `pipesleuth db upgrade`."
    return f"The database has schema {found}, this program wants {HEAD}. Run `pipesleuth db upgrade`."


def _revision_of(engine: Engine) -> str | None:
    try:
        with engine.connect() as connection:
            return revision(connection)
    except DBAPIError as error:
        if is_unavailable(error):
            raise StoreUnavailable(str(error.orig)) from error
        raise


def _run(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # loading Alembic takes longer than a start may
    from alembic.config import Config  # noqa: PLC0415  # the same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    known = connection.execute(text("SELECT value FROM marks WHERE name = 'epoch'")).scalar()
    if known is None:
        connection.execute(
            text("INSERT INTO marks (name, value) VALUES ('epoch', :value)"), {"value": secrets.token_hex(8)}
        )
