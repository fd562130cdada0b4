"""Lists and searches over a million tickets: an index for each order, and words with the database's own trigrams."""

from contextlib import nullcontext

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError, OperationalError

revision = "0004"
down_revision = "0003"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RANK = "(CASE severity WHEN 'Critical' THEN 0 WHEN 'High' THEN 1 WHEN 'Medium' THEN 2 WHEN 'Low' THEN 3 ELSE 4 END)"
_BREACHED = "(CASE WHEN sla_status = 'Breached' THEN 0 ELSE 1 END)"
_ORDERS = {
    "ix_tickets_urgency": ("status", _BREACHED, "sla_due_at", "priority", "id"),
    "ix_tickets_closed": ("status", "(coalesce(ack_ts, ''))", "id"),
    "ix_tickets_severity": ("status", _RANK, "timestamp DESC", "id DESC"),
}
# With what lists are filtered by at their end, so that counting reads no tickets.
_PLAIN = ("severity", "priority", "source", "caused_by")
_FILTERS = {
    "ix_tickets_status_timestamp": ["status", "timestamp", "id", "finops_team", "category", *_PLAIN],
    "ix_tickets_team": ["status", "finops_team", "timestamp", "id", "category", *_PLAIN],
    "ix_tickets_category": [
        "status",
        "category",
        "timestamp",
        "id",
        "finops_team",
        *_PLAIN,
        *("sla_status", "ack_seconds"),
    ],
}
_WORDS = ("run_id", "pipeline", "itsm_ticket_id", "error_type", "affected_entity", "finops_team", "rca_result")
_TRIGRAMS = """CREATE VIRTUAL TABLE {index} USING fts5(words, content='{name}', content_rowid='number',
    tokenize='trigram case_sensitive 1', detail=none, columnsize=0)"""
_FOLLOW = """CREATE TRIGGER {name}_added AFTER INSERT ON {name}
    BEGIN INSERT INTO {index}(rowid, words) VALUES (NEW.number, NEW.words); END"""
_FORGET = """CREATE TRIGGER {name}_removed AFTER DELETE ON {name}
    BEGIN INSERT INTO {index}({index}, rowid, words) VALUES ('delete', OLD.number, OLD.words); END"""


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    op.create_index(
        "ix_tickets_pipeline", "tickets", ["status", "pipeline", sa.text("timestamp DESC"), sa.text("id DESC")]
    )
    op.drop_index("ix_tickets_status_timestamp", table_name="tickets")
    for name, columns in _FILTERS.items():
        op.create_index(name, "tickets", columns)
    if dialect == "mssql":  # knows no index of an expression, nor the searches' tables
        return
    for name, columns in _ORDERS.items():
        op.create_index(name, "tickets", [sa.text(column) for column in columns])
    op.create_table(
        "search_due",
        sa.Column("number", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Unicode(length=64), nullable=True),
        sa.Column("line_id", _SERIAL, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_search_due"),
    )
    op.create_table(
        "ticket_words",
        sa.Column("number", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Unicode(length=64), nullable=False),
        sa.Column("words", sa.UnicodeText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_ticket_words"),
        sa.UniqueConstraint("ticket_id", name="uq_ticket_words_ticket_id"),
    )
    op.create_table(
        "line_words",
        sa.Column("number", _SERIAL, autoincrement=False, nullable=False),
        sa.Column("words", sa.UnicodeText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_line_words"),
    )
    (_sqlite if dialect == "sqlite" else _postgresql)()
    # What is there already is taken up bit by bit, the newest first.
    op.execute("INSERT INTO search_due (line_id) SELECT id FROM audit_trail ORDER BY id")
    op.execute("INSERT INTO search_due (ticket_id) SELECT id FROM tickets ORDER BY timestamp, id")


def _sqlite() -> None:
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in _WORDS)
    put = "BEGIN INSERT INTO search_due ({key}) VALUES ({row}.{column}); END"
    ticket_new, ticket_old = (put.format(key="ticket_id", row=row, column="id") for row in ("NEW", "OLD"))
    line_new, line_old = (put.format(key="line_id", row=row, column="id") for row in ("NEW", "OLD"))
    op.execute(f"CREATE TRIGGER tickets_made AFTER INSERT ON tickets {ticket_new}")
    columns = ", ".join(_WORDS)
    op.execute(f"CREATE TRIGGER tickets_changed AFTER UPDATE OF {columns} ON tickets WHEN {changed} {ticket_new}")
    op.execute(f"CREATE TRIGGER tickets_gone AFTER DELETE ON tickets {ticket_old}")
    op.execute(f"CREATE TRIGGER lines_made AFTER INSERT ON audit_trail {line_new}")
    op.execute(f"CREATE TRIGGER lines_gone AFTER DELETE ON audit_trail {line_old}")
    for name, index in (("ticket_words", "ticket_trigrams"), ("line_words", "line_trigrams")):
        try:
            op.execute(_TRIGRAMS.format(name=name, index=index))
        except OperationalError:
            return  # an SQLite without FTS5 or its trigrams: searches read all the words, and the doctor says so
        op.execute(_FOLLOW.format(name=name, index=index))
        op.execute(_FORGET.format(name=name, index=index))


def _postgresql() -> None:
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in _WORDS)
    for name, key in (("tickets", "ticket_id"), ("audit_trail", "line_id")):
        op.execute(
            f"CREATE FUNCTION {name}_touched() RETURNS trigger LANGUAGE plpgsql AS "  # noqa: S608  # our own names
            f"$$ BEGIN INSERT INTO search_due ({key}) SELECT id FROM touched; RETURN NULL; END $$"
        )
        for what, rows in (("INSERT", "NEW"), ("DELETE", "OLD")):
            op.execute(
                f"CREATE TRIGGER {name}_{what.lower()} AFTER {what} ON {name} REFERENCING {rows} TABLE AS touched "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_touched()"
            )
    op.execute(
        "CREATE FUNCTION tickets_changed() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO search_due (ticket_id) VALUES (NEW.id); RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER tickets_update AFTER UPDATE OF {', '.join(_WORDS)} ON tickets FOR EACH ROW "
        f"WHEN ({changed}) EXECUTE FUNCTION tickets_changed()"
    )
    try:
        with nullcontext() if op.get_context().as_sql else op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for name in ("ticket_words", "line_words"):
                op.execute(f"CREATE INDEX ix_{name}_words ON {name} USING gin (words gin_trgm_ops)")
    except DBAPIError:
        return  # it may not be created here: searches read all the words, and the doctor says so


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    for index in ("ix_tickets_pipeline", *_FILTERS):
        op.drop_index(index, table_name="tickets")
    op.create_index("ix_tickets_status_timestamp", "tickets", ["status", "timestamp", "id"])
    if dialect == "mssql":
        return
    for index in _ORDERS:
        op.drop_index(index, table_name="tickets")
    if dialect == "sqlite":
        for trigger in ("tickets_made", "tickets_changed", "tickets_gone", "lines_made", "lines_gone"):
            op.execute(f"DROP TRIGGER {trigger}")
        for table in ("ticket_trigrams", "line_trigrams"):
            op.execute(f"DROP TABLE IF EXISTS {table}")
    else:
        for function in ("tickets_touched", "audit_trail_touched", "tickets_changed"):
            op.execute(f"DROP FUNCTION {function} CASCADE")
    for table in ("search_due", "ticket_words", "line_words"):
        op.drop_table(table)
