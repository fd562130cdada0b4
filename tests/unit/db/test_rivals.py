"""Two that make the same row at the same moment: one has made it, the other is told and can go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError

from pipesleuth.db.engine import open_engine
from pipesleuth.db.rivals import did_first, wrote_first
from pipesleuth.db.tables import Attempts, Base, Mark


def emptied(url: URL) -> Engine:
    """A database that has the two tables and nothing in them."""
    engine = open_engine(url)
    Base.metadata.create_all(engine, [Base.metadata.tables[name] for name in ("marks", "attempts")])
    return engine


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = emptied(URL.create("sqlite", database=str(tmp_path / "marks.db")))
    else:
        made = emptied(make_url(request.getfixturevalue("postgres")()))
    yield made
    made.dispose()


def mark(connection: Connection, name: str, value: str) -> bool:
    return wrote_first(connection, insert(Mark).values(name=name, value=value))


def marks(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.name: row.value for row in connection.execute(select(Mark.name, Mark.value))}


def test_the_first_is_written_and_the_second_is_told_and_goes_on(engine: Engine) -> None:
    with engine.begin() as connection:
        assert mark(connection, "turn", "mine")
        assert not mark(connection, "turn", "theirs")
        assert mark(connection, "more", "after it")
    assert marks(engine) == {"turn": "mine", "more": "after it"}


def test_a_name_that_somebody_has_is_not_taken_from_them(engine: Engine) -> None:
    with engine.begin() as connection:
        assert mark(connection, "a", "1")
        assert mark(connection, "b", "2")
        assert not wrote_first(connection, update(Mark).where(Mark.name == "b").values(name="a"))
        assert wrote_first(connection, update(Mark).where(Mark.name == "b").values(name="c"))
    assert marks(engine) == {"a": "1", "c": "2"}


def test_of_several_statements_all_are_kept_or_none(engine: Engine) -> None:
    with engine.begin() as connection:
        assert mark(connection, "theirs", "1")

        def both() -> None:
            connection.execute(insert(Mark).values(name="ours", value="2"))
            connection.execute(insert(Mark).values(name="theirs", value="2"))

        assert not did_first(connection, both)
    assert marks(engine) == {"theirs": "1"}


def test_what_is_wrong_in_another_way_is_no_race(engine: Engine) -> None:
    with engine.begin() as connection:
        assert mark(connection, "before", "1")
        with pytest.raises(IntegrityError):
            wrote_first(connection, insert(Attempts).values(name="nobody", count=None, until="2026"))
        assert mark(connection, "after", "2")
    assert marks(engine) == {"before": "1", "after": "2"}


def test_of_two_at_once_one_is_first_and_the_other_can_read_what_it_wrote(postgres: Callable[[], str]) -> None:
    engine = emptied(make_url(postgres()))

    def second() -> tuple[bool, str]:
        with engine.begin() as connection:
            wrote = mark(connection, "turn", "the second's")
            return wrote, connection.execute(select(Mark.value).where(Mark.name == "turn")).scalar_one()

    with ThreadPoolExecutor(1) as other:
        with engine.begin() as connection:
            assert mark(connection, "turn", "the first's")
            told = other.submit(second)  # waits for this transaction, or comes after it
        assert told.result(30) == (False, "the first's")
    engine.dispose()
