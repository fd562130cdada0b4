"""How Alembic runs here: on the connection that `db.upgrade` hands it, or on paper for one kind of database."""

from alembic import context

from pipesleuth.db.tables import Base

attributes = context.config.attributes
connection = attributes.get("connection")
dialect = attributes["dialect"] if connection is None else connection.dialect.name
context.configure(
    connection=connection,
    dialect_name=dialect,
    target_metadata=Base.metadata,
    render_as_batch=dialect == "sqlite",
    transactional_ddl=False,
    literal_binds=connection is None,
)
context.run_migrations()
