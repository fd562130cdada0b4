"""How Alembic runs here: on the connection that `db.upgrade` hands it."""

from alembic import context

from pipesleuth.db.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=False,
)
context.run_migrations()
