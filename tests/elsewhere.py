"""The integration tests on another database than SQLite: the one that TEST_DATABASE_URL names, emptied for each test."""

from __future__ import annotations

import os

from sqlalchemy import delete
from sqlalchemy.engine import make_url

from pipesleuth.db.engine import open_engine
from pipesleuth.db.searched import METADATA, has_words
from pipesleuth.db.tables import Base, Mark
from pipesleuth.db.upgrade import upgrade

URL = os.environ.get("TEST_DATABASE_URL") or None

# Tests that open or break a SQLite file with their own hands, or ask which file the settings name.
ONLY_A_FILE = frozenset(
    {
        "test_a_broken_rule_of_the_table_is_no_duplicate",
        "test_a_locked_database_is_answered_503_and_nothing_is_half_written",
        "test_a_full_disk_is_answered_503_and_what_was_answered_stays",
        "test_a_database_that_may_only_be_read_is_answered_503",
        "test_a_missing_table_is_no_crash_either",
        "test_a_sender_may_have_a_key_of_its_own_until_it_is_revoked",
        "test_a_row_that_cannot_be_stored_fails_alone_and_not_its_neighbours",
        "test_the_total_is_exact_up_to_a_thousand",
        "test_an_export_is_sent_in_pieces",
        "test_every_example_of_the_page_is_answered_as_it_says",  # its numbers begin at one
    }
)
# Each names databases of its own, or works without any.
ONLY_THEIR_OWN = frozenset(
    {
        "test_adoption.py",
        "test_ai_budget.py",
        "test_connect.py",
        "test_copying.py",
        "test_doctor.py",
        "test_failover.py",
    }
    | {"test_lists.py", "test_on_a_server.py", "test_story.py", "test_todo_command.py"}
)


def empty() -> None:
    """Bring the database to this version's schema and leave nothing in it but its epoch."""
    assert URL is not None
    url = make_url(URL)
    assert "test" in str(url.database), "All its tickets would be deleted: name a database with `test` in its name."
    upgrade(url)
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                rows = delete(table)
                connection.execute(rows.where(table.c.name != "epoch") if table.name == Mark.__tablename__ else rows)
            if has_words(connection):
                for table in METADATA.sorted_tables:
                    connection.execute(delete(table))
    finally:
        engine.dispose()
