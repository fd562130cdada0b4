"""A to-do knows the trace of the webhook that it came from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("todos", sa.Column("traceparent", sa.Unicode(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("todos") as table:
        table.drop_column("traceparent")
