"""The first schema: tickets and their audit trail, people and keys, to-dos, payloads, and what servers share."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mssql import VARBINARY

revision = "0001"
down_revision = None

# Keys from outside: two that differ in case only are two, also where SQL Server's own collation says otherwise.
_EXACT = "Latin1_General_100_BIN2"
_RUN_ID = sa.Unicode(length=300).with_variant(sa.NVARCHAR(300, collation=_EXACT), "mssql")
_MARK = sa.Unicode(length=200).with_variant(sa.NVARCHAR(200, collation=_EXACT), "mssql")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Unicode(length=300), nullable=False),
        sa.Column("key_hash", sa.Unicode(length=64), nullable=False),
        sa.Column("scopes", sa.Unicode(length=100), nullable=False),
        sa.Column("created_at", sa.Unicode(length=32), nullable=False),
        sa.Column("last_used_at", sa.Unicode(length=32), nullable=True),
        sa.Column("revoked_at", sa.Unicode(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_table(
        "audit_trail",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("timestamp", sa.Unicode(length=32), nullable=False),
        sa.Column("ticket_id", sa.Unicode(length=64), nullable=True),
        sa.Column("pipeline", sa.Unicode(length=300), nullable=True),
        sa.Column("run_id", _RUN_ID, nullable=True),
        sa.Column("action", sa.Unicode(length=100), nullable=False),
        sa.Column("user_name", sa.Unicode(length=300), nullable=True),
        sa.Column("user_empid", sa.Unicode(length=300), nullable=True),
        sa.Column("time_taken_seconds", sa.Integer(), nullable=True),
        sa.Column("mttr_minutes", sa.Float(), nullable=True),
        sa.Column("sla_status", sa.Unicode(length=32), nullable=True),
        sa.Column("rca_summary", sa.Unicode(length=200), nullable=True),
        sa.Column("finops_team", sa.Unicode(length=300), nullable=True),
        sa.Column("finops_owner", sa.Unicode(length=300), nullable=True),
        sa.Column("details", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=True),
        sa.Column("itsm_ticket_id", sa.Unicode(length=100), nullable=True),
        sa.Column("event", sa.Unicode(length=32), nullable=True),
        sa.Column("ticket_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_trail")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_trail_action", "audit_trail", ["action", "id"], unique=False)
    op.create_index("ix_audit_trail_ticket", "audit_trail", ["ticket_id", "id"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("time", sa.Unicode(length=32), nullable=False),
        sa.Column("ticket_id", sa.Unicode(length=64), nullable=False),
        sa.Column("user_name", sa.Unicode(length=300), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column("said_category", sa.Unicode(length=32), nullable=False),
        sa.Column("true_category", sa.Unicode(length=32), nullable=True),
        sa.Column("true_error_type", sa.Unicode(length=300), nullable=True),
        sa.Column("note", sa.Unicode(length=2000), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_ticket_id"), "feedback", ["ticket_id"], unique=False)
    op.create_table(
        "holds",
        sa.Column("kind", sa.Unicode(length=32), nullable=False),
        sa.Column("until", sa.Unicode(length=32), nullable=False),
        sa.Column("reason", sa.Unicode(length=500), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_holds")),
    )
    op.create_table(
        "inbound",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("time", sa.Unicode(length=32), nullable=False),
        sa.Column("door", sa.Unicode(length=64), nullable=False),
        sa.Column("outcome", sa.Unicode(length=32), nullable=False),
        sa.Column("reason", sa.Unicode(length=500), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Unicode(length=64), nullable=False),
        sa.Column("ticket_id", sa.Unicode(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound")),
    )
    op.create_table(
        "marks",
        sa.Column("name", _MARK, nullable=False),
        sa.Column("value", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=False),
        sa.Column("until", sa.Unicode(length=32), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )
    op.create_table(
        "payloads",
        sa.Column("ticket_id", sa.Unicode(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary().with_variant(VARBINARY("max"), "mssql"), nullable=False),
        sa.Column("compressed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_payloads")),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.Unicode(length=64), nullable=False),
        sa.Column("timestamp", sa.Unicode(length=32), nullable=False),
        sa.Column("pipeline", sa.Unicode(length=300), nullable=False),
        sa.Column("run_id", _RUN_ID, nullable=True),
        sa.Column("rca_result", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=False),
        sa.Column("recommendations", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=False),
        sa.Column("confidence", sa.Unicode(length=32), nullable=False),
        sa.Column("severity", sa.Unicode(length=32), nullable=False),
        sa.Column("priority", sa.Unicode(length=32), nullable=False),
        sa.Column("error_type", sa.Unicode(length=300), nullable=True),
        sa.Column("affected_entity", sa.Unicode(length=1000), nullable=True),
        sa.Column("status", sa.Unicode(length=32), nullable=False),
        sa.Column("ack_user", sa.Unicode(length=300), nullable=True),
        sa.Column("ack_empid", sa.Unicode(length=300), nullable=True),
        sa.Column("ack_ts", sa.Unicode(length=32), nullable=True),
        sa.Column("ack_seconds", sa.Integer(), nullable=True),
        sa.Column("sla_seconds", sa.Integer(), nullable=False),
        sa.Column("sla_status", sa.Unicode(length=32), nullable=False),
        sa.Column("slack_ts", sa.Unicode(length=64), nullable=True),
        sa.Column("slack_channel", sa.Unicode(length=64), nullable=True),
        sa.Column("finops_team", sa.Unicode(length=300), nullable=True),
        sa.Column("finops_owner", sa.Unicode(length=300), nullable=True),
        sa.Column("finops_cost_center", sa.Unicode(length=300), nullable=True),
        sa.Column("blob_log_url", sa.Unicode(length=2000), nullable=True),
        sa.Column("itsm_ticket_id", sa.Unicode(length=100), nullable=True),
        sa.Column("logic_app_run_id", sa.Unicode(length=300), nullable=True),
        sa.Column("processing_mode", sa.Unicode(length=32), nullable=False),
        sa.Column("source", sa.Unicode(length=32), nullable=False),
        sa.Column("category", sa.Unicode(length=32), nullable=False),
        sa.Column("error_message", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=False),
        sa.Column("error_code", sa.Unicode(length=300), nullable=True),
        sa.Column("activity", sa.Unicode(length=300), nullable=True),
        sa.Column("run_url", sa.Unicode(length=2000), nullable=True),
        sa.Column("rca_source", sa.Unicode(length=300), nullable=False),
        sa.Column("auto_heal_possible", sa.Boolean(), nullable=False),
        sa.Column("retryable", sa.Boolean(), nullable=False),
        sa.Column("responder", sa.Unicode(length=32), nullable=False),
        sa.Column("evidence", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=False),
        sa.Column("failure", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=False),
        sa.Column("fingerprint", sa.Unicode(length=64), nullable=False),
        sa.Column("seen_count", sa.Integer(), nullable=False),
        sa.Column("caused_by", sa.Unicode(length=64), nullable=True),
        sa.Column("run_group", _RUN_ID, nullable=True),
        sa.Column("parent_run_id", _RUN_ID, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sla_due_at", sa.Unicode(length=32), nullable=False),
        sa.Column("sla_warned_at", sa.Unicode(length=32), nullable=True),
        sa.Column("told_at", sa.Unicode(length=32), nullable=True),
        sa.Column("jira_live", sa.Boolean(), nullable=False),
        sa.Column("jira_issue_id", sa.Unicode(length=64), nullable=True),
        sa.Column("jira_updated_at", sa.Unicode(length=32), nullable=True),
        sa.Column("status_by", sa.Unicode(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
    )
    op.create_index("ix_tickets_fingerprint", "tickets", ["fingerprint", "timestamp"], unique=False)
    op.create_index(
        "ix_tickets_itsm",
        "tickets",
        ["itsm_ticket_id"],
        unique=False,
        sqlite_where=sa.text("itsm_ticket_id IS NOT NULL"),
        postgresql_where=sa.text("itsm_ticket_id IS NOT NULL"),
        mssql_where=sa.text("itsm_ticket_id IS NOT NULL"),
    )
    op.create_index(
        "ix_tickets_jira_issue",
        "tickets",
        ["jira_issue_id"],
        unique=False,
        sqlite_where=sa.text("jira_issue_id IS NOT NULL"),
        postgresql_where=sa.text("jira_issue_id IS NOT NULL"),
        mssql_where=sa.text("jira_issue_id IS NOT NULL"),
    )
    op.create_index("ix_tickets_sla", "tickets", ["sla_status", "sla_due_at"], unique=False)
    op.create_index("ix_tickets_status_timestamp", "tickets", ["status", "timestamp", "id"], unique=False)
    op.create_index("ix_tickets_timestamp", "tickets", ["timestamp", "id"], unique=False)
    op.create_index(
        "ix_tickets_caused_by",
        "tickets",
        ["caused_by"],
        unique=False,
        sqlite_where=sa.text("caused_by IS NOT NULL"),
        postgresql_where=sa.text("caused_by IS NOT NULL"),
        mssql_where=sa.text("caused_by IS NOT NULL"),
    )
    op.create_index(
        "ix_tickets_parent_run",
        "tickets",
        ["parent_run_id"],
        unique=False,
        sqlite_where=sa.text("parent_run_id IS NOT NULL"),
        postgresql_where=sa.text("parent_run_id IS NOT NULL"),
        mssql_where=sa.text("parent_run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_tickets_run_group",
        "tickets",
        ["run_group"],
        unique=False,
        sqlite_where=sa.text("run_group IS NOT NULL"),
        postgresql_where=sa.text("run_group IS NOT NULL"),
        mssql_where=sa.text("run_group IS NOT NULL"),
    )
    op.create_index(
        "ux_tickets_run_id",
        "tickets",
        ["run_id"],
        unique=True,
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
        mssql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_table(
        "todos",
        sa.Column("ticket_id", sa.Unicode(length=64), nullable=False),
        sa.Column("kind", sa.Unicode(length=32), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Unicode(length=32), nullable=False),
        sa.Column("wanted_version", sa.Integer(), nullable=False),
        sa.Column("done_version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Unicode(length=32), nullable=False),
        sa.Column("leased_until", sa.Unicode(length=32), nullable=False),
        sa.Column("claim", sa.Unicode(length=36), nullable=True),
        sa.Column("in_doubt", sa.Boolean(), nullable=False),
        sa.Column("doubt_since", sa.Unicode(length=32), nullable=True),
        sa.Column("receipt", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=True),
        sa.Column("last_error", sa.UnicodeText().with_variant(sa.NVARCHAR(), "mssql"), nullable=True),
        sa.Column("stopped_at", sa.Unicode(length=32), nullable=True),
        sa.PrimaryKeyConstraint("ticket_id", "kind", name=op.f("pk_todos")),
    )
    op.create_index(
        "ix_todos_due",
        "todos",
        ["kind", "rank", "created_at"],
        unique=False,
        sqlite_where=sa.text("wanted_version > done_version AND stopped_at IS NULL"),
        postgresql_where=sa.text("wanted_version > done_version AND stopped_at IS NULL"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("email", sa.Unicode(length=254), nullable=False),
        sa.Column("password_hash", sa.Unicode(length=100), nullable=True),
        sa.Column("full_name", sa.Unicode(length=300), nullable=True),
        sa.Column("created_at", sa.Unicode(length=32), nullable=False),
        sa.Column("last_login", sa.Unicode(length=32), nullable=True),
        sa.Column("role", sa.Unicode(length=32), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )


def downgrade() -> None:
    op.drop_table("users")
    op.drop_index(
        "ix_todos_due",
        table_name="todos",
        sqlite_where=sa.text("wanted_version > done_version AND stopped_at IS NULL"),
        postgresql_where=sa.text("wanted_version > done_version AND stopped_at IS NULL"),
    )
    op.drop_table("todos")
    op.drop_index(
        "ix_tickets_caused_by",
        table_name="tickets",
        sqlite_where=sa.text("caused_by IS NOT NULL"),
        postgresql_where=sa.text("caused_by IS NOT NULL"),
        mssql_where=sa.text("caused_by IS NOT NULL"),
    )
    op.drop_index(
        "ix_tickets_parent_run",
        table_name="tickets",
        sqlite_where=sa.text("parent_run_id IS NOT NULL"),
        postgresql_where=sa.text("parent_run_id IS NOT NULL"),
        mssql_where=sa.text("parent_run_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_tickets_run_group",
        table_name="tickets",
        sqlite_where=sa.text("run_group IS NOT NULL"),
        postgresql_where=sa.text("run_group IS NOT NULL"),
        mssql_where=sa.text("run_group IS NOT NULL"),
    )
    op.drop_index(
        "ux_tickets_run_id",
        table_name="tickets",
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
        mssql_where=sa.text("run_id IS NOT NULL"),
    )
    op.drop_index("ix_tickets_timestamp", table_name="tickets")
    op.drop_index("ix_tickets_status_timestamp", table_name="tickets")
    op.drop_index("ix_tickets_sla", table_name="tickets")
    op.drop_index(
        "ix_tickets_jira_issue",
        table_name="tickets",
        sqlite_where=sa.text("jira_issue_id IS NOT NULL"),
        postgresql_where=sa.text("jira_issue_id IS NOT NULL"),
        mssql_where=sa.text("jira_issue_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_tickets_itsm",
        table_name="tickets",
        sqlite_where=sa.text("itsm_ticket_id IS NOT NULL"),
        postgresql_where=sa.text("itsm_ticket_id IS NOT NULL"),
        mssql_where=sa.text("itsm_ticket_id IS NOT NULL"),
    )
    op.drop_index("ix_tickets_fingerprint", table_name="tickets")
    op.drop_table("tickets")
    op.drop_table("payloads")
    op.drop_table("marks")
    op.drop_table("inbound")
    op.drop_table("holds")
    op.drop_index(op.f("ix_feedback_ticket_id"), table_name="feedback")
    op.drop_table("feedback")
    op.drop_index("ix_audit_trail_ticket", table_name="audit_trail")
    op.drop_index("ix_audit_trail_action", table_name="audit_trail")
    op.drop_table("audit_trail")
    op.drop_table("api_keys")
