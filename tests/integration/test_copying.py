"""A database is copied to another of any kind: whole, going on after a cut, and never over what is there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text
from sqlalchemy.engine import URL, make_url
from typer.testing import CliRunner

import earlier_file
from pipesleuth.cli import app
from pipesleuth.db import copying
from pipesleuth.db.database import epoch
from pipesleuth.db.engine import open_engine
from pipesleuth.db.tables import AuditLine, Mark, Payload, Ticket, User
from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import WrongSetting
from places import PASSWORD, adf

ROWS = 8


def _nothing(*_: Any) -> None:
    pass


def copied(source: URL, target: URL) -> copying.Copied:
    return copying.copy(source, target, begin=_nothing, progress=_nothing)


def asked(url: URL, work: Callable[[Connection], Any]) -> Any:
    engine = open_engine(url)
    try:
        with engine.execution_options(writing=True).begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def everything(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
        for table in copying.tables()
    }


@pytest.fixture
async def source(place: Any) -> URL:
    """A database with a bit of everything in it, and audit lines that are gone."""
    for number in range(ROWS):
        await place.ticket(adf(message=f"It broke: ünïcode {number} 😀"))
    await place.work_off()
    await place.ticket()

    def more(connection: Connection) -> None:
        highest = connection.execute(select(func.max(AuditLine.id))).scalar_one()
        connection.execute(insert(AuditLine).values(id=highest + 100, timestamp="2026", action="gone"))
        connection.execute(delete(AuditLine).where(AuditLine.id == highest + 100))

    await place.parts.database.write(more)
    return place.parts.settings.database


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Callable[[str], URL]:
    return lambda name: URL.create("sqlite", database=str(tmp_path / name))


def test_to_postgresql_and_back_everything_is_the_same(
    source: URL, postgres: Callable[[], str], sqlite_file: Callable[[str], URL]
) -> None:
    elsewhere, back = make_url(postgres()), sqlite_file("back.db")
    done = copied(source, elsewhere)
    assert done.rows["tickets"] == ROWS + 1
    assert done.cut == 0
    copied(elsewhere, back)
    assert asked(source, everything) == asked(elsewhere, everything) == asked(back, everything)


def test_numbers_and_epoch_go_on_where_they_were(
    source: URL, postgres: Callable[[], str], sqlite_file: Callable[[str], URL]
) -> None:
    elsewhere, back = make_url(postgres()), sqlite_file("back.db")
    copied(source, elsewhere)
    copied(elsewhere, back)

    def next_line(connection: Connection) -> int:
        line = insert(AuditLine).values(timestamp="2026", action="next")
        return connection.execute(line).inserted_primary_key[0]  # pyright: ignore[reportOptionalSubscript]  # it has one

    def next_person(connection: Connection) -> int:
        person = {"email": "x@y.z", "created_at": "2026", "role": "viewer", "disabled": False, "token_version": 1}
        return connection.execute(insert(User).values(person)).inserted_primary_key[0]  # pyright: ignore[reportOptionalSubscript]

    urls = (source, elsewhere, back)
    assert len({asked(url, epoch) for url in urls}) == 1
    assert len({asked(url, next_line) for url in urls}) == 1
    assert len({asked(url, next_person) for url in urls}) == 1


class PowerCutError(Exception):
    """The plug was pulled."""


@pytest.mark.parametrize("after", [1, 3, 5])
def test_cut_off_anywhere_it_goes_on_and_is_whole(source: URL, sqlite_file: Callable[[str], URL], after: int) -> None:
    target, seen = sqlite_file("target.db"), 0

    def cut(_: str, __: int) -> None:
        nonlocal seen
        seen += 1
        if seen == after:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        copying.copy(source, target, begin=_nothing, progress=cut)
    assert copied(source, target).resumed
    assert asked(source, everything) == asked(target, everything)
    assert not asked(target, lambda c: c.execute(select(Mark).where(Mark.name == copying.MARK)).all())


def test_the_bar_ends_at_its_end_also_after_a_cut(source: URL, sqlite_file: Callable[[str], URL]) -> None:
    target, whole, steps = sqlite_file("target.db"), list[int](), list[int]()

    def cut(_: str, __: int) -> None:
        raise PowerCutError

    with pytest.raises(PowerCutError):
        copying.copy(source, target, begin=_nothing, progress=cut)
    copying.copy(source, target, begin=whole.append, progress=lambda _, rows: steps.append(rows))
    assert whole == [sum(steps)]


def test_it_never_writes_over_what_is_there(source: URL, sqlite_file: Callable[[str], URL]) -> None:
    target = sqlite_file("target.db")
    copied(source, target)
    with pytest.raises(WrongSetting, match="not empty"):
        copied(source, target)
    with pytest.raises(WrongSetting, match="to itself"):
        copied(source, source)


def test_a_copy_of_another_database_is_not_gone_on_with(source: URL, sqlite_file: Callable[[str], URL]) -> None:
    target, other = sqlite_file("target.db"), sqlite_file("other.db")
    upgrade(other)
    with pytest.raises(PowerCutError):
        copying.copy(source, target, begin=_raise, progress=_nothing)
    with pytest.raises(WrongSetting, match="another database"):
        copied(other, target)


def _raise(_: int) -> None:
    raise PowerCutError


def test_a_source_that_was_written_to_meanwhile_is_not_called_a_copy(
    source: URL, sqlite_file: Callable[[str], URL]
) -> None:
    late = insert(AuditLine).values(timestamp="2026", action="late")
    with pytest.raises(copying.Uneven, match="audit_trail"):
        copying.copy(
            source,
            sqlite_file("target.db"),
            begin=_nothing,
            progress=lambda table, _: asked(source, lambda c: c.execute(late)) and None if table == "marks" else None,
        )


def test_what_is_longer_than_its_column_is_cut_and_counted(source: URL, postgres: Callable[[], str]) -> None:
    asked(source, lambda c: c.execute(text("UPDATE tickets SET pipeline = :long WHERE 1"), {"long": "x" * 400}))
    done = copied(source, make_url(postgres()))
    assert done.cut == ROWS + 1


def test_an_older_schema_is_to_be_upgraded_first(sqlite_file: Callable[[str], URL]) -> None:
    source = sqlite_file("old.db")
    with pytest.raises(WrongSetting, match="There is no file"):
        copied(source, sqlite_file("target.db"))
    Path(str(source.database)).touch()
    with pytest.raises(WrongSetting, match="no schema"):
        copied(source, sqlite_file("target.db"))


def test_the_earlier_system_s_database_comes_over_from_any_server(
    postgres: Callable[[], str], sqlite_file: Callable[[str], URL], tmp_path: Path, cheap_hash: str
) -> None:
    earlier_file.write(tmp_path / "old.db", password_hash=cheap_hash)
    server, target = make_url(postgres()), make_url(postgres())
    asked(server, lambda c: _as_on_a_server(c, tmp_path / "old.db"))
    before = asked(server, lambda c: c.execute(text("SELECT count(*), max(id) FROM tickets")).one())
    done = copied(server, target)
    assert done.rows["tickets"] == 1 + len(earlier_file.DIRTY)
    assert asked(server, lambda c: c.execute(text("SELECT count(*), max(id) FROM tickets")).one()) == before
    runs = asked(target, lambda c: c.execute(select(Ticket.run_id).where(Ticket.run_id.is_not(None))).scalars().all())
    assert "abcdef01-1111-2222-3333-444444444444" in runs
    assert asked(target, lambda c: c.execute(select(func.count()).select_from(Payload)).scalar()) == 0


def _as_on_a_server(connection: Connection, file: Path) -> None:
    """The same tables on a server, every cell as text: nobody had told its columns their types."""
    with sqlite3.connect(file) as raw:
        for name in ("tickets", "audit_trail", "users"):
            rows = raw.execute(f"SELECT * FROM {name}")  # noqa: S608  # one of three
            columns = [column[0] for column in rows.description]
            connection.execute(text(f"CREATE TABLE {name} ({', '.join(f'{column} TEXT' for column in columns)})"))
            put = text(f"INSERT INTO {name} VALUES ({', '.join(f':{column}' for column in columns)})")  # noqa: S608
            for row in rows:
                cells = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in row]
                cells = [None if cell is None else str(cell) for cell in cells]
                connection.execute(put, dict(zip(columns, cells, strict=True)))


def test_the_command_shows_no_password(source: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_DATABASE", "postgresql://u:hid-den@127.0.0.1:1/x")
    said = CliRunner().invoke(app, ["db", "copy", str(source.database), "env:NEW_DATABASE"])
    assert said.exit_code != 0
    assert "hid-den" not in said.output + repr(said.exception)
    monkeypatch.setenv("NEW_DATABASE", f"sqlite:///{tmp_path}/new.db")
    said = CliRunner().invoke(app, ["db", "copy", str(source.database), "env:NEW_DATABASE"])
    assert said.exit_code == 0, said.output
    assert f"{ROWS + 1} rows in both" in said.output
    assert os.path.exists(tmp_path / "new.db")  # noqa: PTH110  # the plain question
    assert PASSWORD not in said.output
