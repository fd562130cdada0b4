"""Lists and searches give what a plain look at every ticket gives, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text, update
from sqlalchemy.engine import URL, make_url

from pipesleuth.db.database import Database
from pipesleuth.db.tables import AuditLine, Ticket
from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import Status, timestamp
from pipesleuth.tickets import audits, indexing, queries
from pipesleuth.tickets.audits import AuditFilter
from pipesleuth.tickets.links import Links
from pipesleuth.tickets.queries import ORDERS, Bounds, Filter, Page
from places import NOON

LINKS = Links("http://localhost", None)
USUAL, WALKING = Bounds(), Bounds(few=5, spanned=40, looked_up=3)  # the second takes the ways of long lists
TEXTS = ("pl_load", "100%_done", "100xxdone", "O'Neill", 'say "hi"', "back\\slash", "ÜNÏ cödé", "Straße", "日本語の表", "İstanbul",
         "a AND b", "NEAR(x", "x*", "-y", "(z", "café\u0301", "😀 smile", "tab\there", "two\nlines", "*", "%", "_", "'", '"', "ab")  # fmt: skip
RANKS = {"Critical": 0, "High": 1, "Medium": 2, "Low": 3}


def dirty(count: int) -> list[dict[str, Any]]:
    """Tickets with everything that comes from outside: old words, missing texts, signs of every language."""
    chance = random.Random(11)  # noqa: S311  # no secret hangs on it
    rows: list[dict[str, Any]] = []
    for number in range(count):
        made = NOON - timedelta(seconds=chance.choice([0, 1, 30, 3600]) * chance.randrange(40))
        status = chance.choice([*Status, "acknowledged", "acknowledged"])
        word = chance.choice(TEXTS)
        rows.append(
            dict.fromkeys((column.key for column in Ticket.__table__.columns), None)
            | dict.fromkeys(("recommendations", "evidence"), "[]")
            | dict.fromkeys(("auto_heal_possible", "retryable", "jira_live"), False)
            | dict.fromkeys(("sla_seconds", "seen_count", "version"), 1)
            | {"id": f"ADF-{number:04d}-{chance.getrandbits(24):06x}", "timestamp": timestamp(made), "status": str(status)}
            | {"pipeline": word + str(chance.randrange(3)), "run_id": f"run-{number}", "category": chance.choice(["timeout", "dns", "?"])}
            | {"rca_result": chance.choice(["", "x" * 198]) + chance.choice(TEXTS) + " broke", "confidence": "High"}
            | {"severity": chance.choice([*RANKS, "high", ""]), "priority": chance.choice(["P1", "P2", "P9"])}
            | {"error_type": chance.choice([None, *TEXTS]), "affected_entity": chance.choice([None, "srv." + word])}
            | {"ack_ts": chance.choice([None, timestamp(made)]) if status == "acknowledged" else None}
            | {"sla_status": chance.choice(["Pending", "Met", "Breached"]), "finops_team": chance.choice([None, "Sales", "Größe"])}
            | {"itsm_ticket_id": chance.choice([None, f"OPS-{number}"]), "processing_mode": "Single", "responder": "data"}
            | {"source": chance.choice(["data_factory", "databricks"]), "error_message": "", "rca_source": "knowledge", "failure": "{}"}
            | {"fingerprint": "f", "caused_by": "ADF-x" if chance.random() < 0.1 else None, "sla_due_at": timestamp(made)}
        )  # fmt: skip
    return rows


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = URL.create("sqlite", database=str(tmp_path / "tickets.db"))
    else:
        url = make_url(request.getfixturevalue("postgres")())
    upgrade(url)
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


async def filled(database: Database, count: int) -> list[dict[str, Any]]:
    rows = dirty(count)
    await database.write(lambda c: c.execute(insert(Ticket), rows))
    return rows


async def taken_up(database: Database) -> None:
    while await database.write(lambda c: indexing.take_up(c, 100)):
        pass


def key(sort: str, row: dict[str, Any]) -> tuple[Any, ...]:
    """A row's place in an order, for those that rise; falling keys of text are handled by `sorted_by`."""
    return {
        "urgency": (row["sla_status"] != "Breached", row["sla_due_at"], row["priority"], row["id"]),
        "newest": (row["timestamp"], row["id"]),
        "oldest": (row["timestamp"], row["id"]),
        "closed": (row["ack_ts"] or "", row["id"]),
        "pipeline": (row["timestamp"], row["id"]),
        "severity": (row["timestamp"], row["id"]),
    }[sort]


def sorted_by(sort: str, rows: list[dict[str, Any]]) -> list[str]:
    found = sorted(rows, key=lambda row: key(sort, row), reverse=sort not in {"urgency", "oldest"})
    if sort == "pipeline":
        found.sort(key=lambda row: row["pipeline"].encode())
    if sort == "severity":
        found.sort(key=lambda row: RANKS.get(row["severity"], 4))
    return [row["id"] for row in found]


def found_by(q: str, row: dict[str, Any]) -> bool:
    wanted = q.strip().casefold()
    columns = ("id", "run_id", "pipeline", "itsm_ticket_id", "error_type", "affected_entity", "finops_team")
    texts = [row[name].casefold() for name in columns if row[name]] + [row["rca_result"][:200].casefold()]
    return any(text.startswith(wanted) if len(wanted) < 3 else wanted in text for text in texts)


def walked(connection: Connection, status: Status, wanted: Filter, sort: str, bounds: Bounds) -> tuple[list[str], Any]:
    """A whole list page by page, and the total that its first page said."""
    ids: list[str] = []
    cursor, total = None, None
    for number in itertools.count():
        page = queries.tickets(connection, status, wanted, Page(sort, 17, cursor), LINKS, bounds)
        total = page["total"] if number == 0 else total
        ids += [card["id"] for card in page["tickets"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids, total
    raise AssertionError


@pytest.mark.parametrize("bounds", [USUAL, WALKING], ids=["gathered", "walked"])
async def test_every_filter_and_order_gives_what_a_plain_look_gives(database: Database, bounds: Bounds) -> None:
    rows = await filled(database, 150)
    middle = NOON - timedelta(hours=4)
    filters: list[tuple[Filter, Callable[[dict[str, Any]], bool]]] = [
        (Filter(), lambda row: True),  # noqa: ARG005  # all of them
        (Filter(severity=("Critical", "high")), lambda row: row["severity"] in {"Critical", "high"}),
        (Filter(team=("Größe",)), lambda row: row["finops_team"] == "Größe"),
        (Filter(category=("?",), priority=("P9",)), lambda row: (row["category"], row["priority"]) == ("?", "P9")),
        (Filter(since=middle, source=("databricks",)), lambda row: row["timestamp"] >= timestamp(middle) and row["source"] == "databricks"),
        (Filter(until=middle), lambda row: row["timestamp"] <= timestamp(middle)),
        (Filter(team=("nobody",)), lambda row: False),  # noqa: ARG005  # none
    ]  # fmt: skip

    def compare(connection: Connection) -> None:
        for (wanted, fits), status, sort in itertools.product(filters, (Status.OPEN, Status.ACKNOWLEDGED), ORDERS):
            expected = [row for row in rows if row["status"] == status and row["caused_by"] is None and fits(row)]
            found, total = walked(connection, status, wanted, sort, bounds)
            assert found == sorted_by(sort, expected), (wanted, status, sort)
            assert total == len(expected) or (bounds is WALKING and total is None)

    await database.read(compare)


@pytest.mark.parametrize("bounds", [USUAL, WALKING], ids=["looked up", "walked"])
async def test_every_search_gives_what_a_plain_look_gives(database: Database, bounds: Bounds) -> None:
    rows = await filled(database, 150)
    asked = [*TEXTS, *(text.upper() for text in TEXTS), "größe", "strasse", "ADF-0007", "run-29", "OPS-", "broke", "xbroke",
             rows[3]["id"], "ü", "o'", "a", "日", "", "no such", "x" * 190, "xx100%", "b OR c", '"', "ticket_trigrams MATCH"]  # fmt: skip

    def compare(connection: Connection) -> None:
        for q, sort in zip(asked, itertools.cycle(ORDERS), strict=False):
            fits = [row for row in rows if row["status"] == "acknowledged"]
            fits = [r for r in fits if found_by(q, r)] if q.strip() else [r for r in fits if r["caused_by"] is None]
            found, _ = walked(connection, Status.ACKNOWLEDGED, Filter(q=q), sort, bounds)
            assert found == sorted_by(sort, fits), (q, sort)

    await database.read(compare)  # while nothing is taken up
    await database.write(lambda c: indexing.take_up(c, 75))
    await database.read(compare)  # half-way
    await taken_up(database)
    await database.read(compare)


async def test_a_changed_ticket_is_found_by_its_new_words_and_a_deleted_one_not_at_all(database: Database) -> None:
    rows = await filled(database, 3)
    await taken_up(database)
    one, two, three = (row["id"] for row in rows)

    def found(connection: Connection, q: str) -> set[str]:
        return {hit for status in Status for hit in walked(connection, status, Filter(q=q), "newest", USUAL)[0]}

    await database.write(lambda c: c.execute(update(Ticket).where(Ticket.id == one).values(itsm_ticket_id="NEW-1")))
    assert await database.read(lambda c: found(c, "new-1")) == {one}
    await database.write(lambda c: c.execute(text("DELETE FROM tickets WHERE id = :id"), {"id": two}))
    for _ in range(2):
        assert await database.read(lambda c: found(c, "new-1")) == {one}
        assert await database.read(lambda c: found(c, "ADF-")) == {one, three}
        await taken_up(database)
    words = await database.read(lambda c: c.execute(text("SELECT ticket_id FROM ticket_words")).scalars().all())
    assert set(words) == {one, three}


async def test_the_trail_is_searched_by_what_lines_say_and_by_their_tickets(database: Database) -> None:
    rows = await filled(database, 60)
    people = ["Ana", "Zoë", None]
    lines = [
        {"timestamp": row["timestamp"], "ticket_id": row["id"], "action": "Ticket Taken", "user_name": people[number % 3], "details": TEXTS[number % len(TEXTS)]}
        for number, row in enumerate(rows)
    ]  # fmt: skip
    await database.write(lambda c: c.execute(insert(AuditLine), lines))

    def expected(q: str) -> set[str]:
        wanted = q.casefold()
        said = {line["ticket_id"] for line in lines for told in (line["action"], line["user_name"], line["details"])
                if told and (told.casefold().startswith(wanted) if len(q) < 3 else wanted in told.casefold())}  # fmt: skip
        return {str(each) for each in said} | {row["id"] for row in rows if found_by(q, row)}

    def compare(connection: Connection) -> None:
        for q in (*TEXTS, "ZOË", "taken", "zo", rows[7]["id"], "nothing at all"):
            found: list[int] = []
            tickets: set[str] = set()
            cursor = None
            while True:
                page = audits.page(connection, AuditFilter(q=q), 7, cursor)
                found += [line["id"] for line in page["audits"]]
                tickets |= {line["ticket_id"] for line in page["audits"]}
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            assert tickets == expected(q), q
            assert found == sorted(set(found), reverse=True)
            assert [row["id"] for row in audits.each(connection, AuditFilter(q=q))] == found
        taken = audits.page(connection, AuditFilter(action="Ticket Taken", ticket_id=rows[2]["id"], q="taken"), 7, None)
        assert [line["ticket_id"] for line in taken["audits"]] == [rows[2]["id"]]
        assert audits.actions(connection) == ["Ticket Taken"]

    await database.read(compare)
    await taken_up(database)
    await database.read(compare)
