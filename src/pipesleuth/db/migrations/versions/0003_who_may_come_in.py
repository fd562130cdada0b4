"""Who may come in: invitations, mailed codes, counted attempts, keys that end, people known to the sign-on."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("expires_at", sa.Unicode(length=32), nullable=True))
    op.add_column("users", sa.Column("sign_on_subject", sa.Unicode(length=64), nullable=True))
    op.create_table(
        "invitations",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("email", sa.Unicode(length=254), nullable=False),
        sa.Column("role", sa.Unicode(length=32), nullable=False),
        sa.Column("code_hash", sa.Unicode(length=64), nullable=False),
        sa.Column("invited_by", sa.Unicode(length=300), nullable=False),
        sa.Column("created_at", sa.Unicode(length=32), nullable=False),
        sa.Column("expires_at", sa.Unicode(length=32), nullable=False),
        sa.Column("used_at", sa.Unicode(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_invitations_code_hash")),
    )
    op.create_table(
        "verifications",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("email", sa.Unicode(length=254), nullable=False),
        sa.Column("code_hash", sa.Unicode(length=64), nullable=False),
        sa.Column("password_hash", sa.Unicode(length=100), nullable=False),
        sa.Column("full_name", sa.Unicode(length=300), nullable=True),
        sa.Column("created_at", sa.Unicode(length=32), nullable=False),
        sa.Column("expires_at", sa.Unicode(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    op.create_index(op.f("ix_verifications_email"), "verifications", ["email"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("name", sa.Unicode(length=100), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("until", sa.Unicode(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_until"), "attempts", ["until"], unique=False)


def downgrade() -> None:
    for table in ("attempts", "verifications", "invitations"):
        op.drop_table(table)
    with op.batch_alter_table("users") as table:
        table.drop_column("sign_on_subject")
    with op.batch_alter_table("api_keys") as table:
        table.drop_column("expires_at")
