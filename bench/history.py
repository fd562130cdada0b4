"""Makes a long history of tickets with all they leave behind: audit lines, settled to-dos, words to search for.

The rows are what intake, deliveries and people would have written: real error texts read by the knowledge base,
teams from the pipelines' names, deadlines by priority, closed but for the last days. The same number gives the
same history. SQLite is filled by bulk insert and kept as a file; PostgreSQL is filled from that file by COPY.
"""

from __future__ import annotations

import gc
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url

from pipesleuth.db.upgrade import upgrade
from pipesleuth.model import Diagnosis, Failure, SlaStatus, Status, timestamp
from pipesleuth.outbox.todos import FREE
from pipesleuth.tickets import indexing, lifecycle, sla, trail
from pipesleuth.tickets.finops import FinOps, FinOpsTags, load_rules
from pipesleuth.tickets.origin import stored
from pipesleuth.triage.diagnose import Triage
from pipesleuth.triage.fingerprint import fingerprint

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = 400
PIPELINES = 400
OF_LATE = timedelta(days=3)  # what failed since may still be open
TEXTS = Path(__file__).parent.parent / "tests" / "evaluation"
PEOPLE = ("Dana Roth", "Ravi Menon", "Mira Köhler", "Chen Wei", "Ana Souza", "Tom O'Neill", "Zoë Ward", "José Lima")
VERBS = ("load", "ingest", "copy", "merge", "publish", "export", "train", "score", "clean", "archive")
DOMAINS = (
    "orders",
    "ledger",
    "campaigns",
    "payroll",
    "inventory",
    "features",
    "gdpr_audit",
    "bronze_events",
    "weather",
)
NOTES = (
    "Firewall rule added.",
    "Ran again by hand, it went through.",
    "Credentials renewed.",
    "Schema fixed upstream.",
)
TABLES = ("tickets", "audit_trail", "todos", "ticket_words", "line_words")
BATCH = 5000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One failure as it comes again and again: an error text in a pipeline, with what is known of it."""

    failure: Failure
    diagnosis: Diagnosis
    tags: FinOpsTags
    columns: Row


@dataclass(slots=True)
class Batch:
    """Rows of some tickets."""

    tickets: list[Row]
    lines: list[Row]
    todos: list[Row]


def history(folder: Path, count: int) -> Path:
    """The SQLite file with so many tickets, made unless the folder has it already."""
    path = folder / f"history-{count}.db"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    for leftover in folder.glob(f"{draft.name}*"):
        leftover.unlink()
    began = time.monotonic()
    gc.disable()  # of so many small rows none is garbage before its batch is
    upgrade(URL.create("sqlite", database=str(draft)))
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        _fill(connection, count)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    gc.enable()
    draft.rename(path)
    print(f"{count:,} tickets made in {time.monotonic() - began:.0f} s: {path.stat().st_size / 1e6:,.0f} MB")
    return path


def _fill(connection: sqlite3.Connection, count: int) -> None:
    """Everything without indexes and triggers first: they are made at the end, at once."""
    held = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND (type = 'trigger' OR type = 'index' AND "
        "tbl_name IN ('tickets', 'audit_trail', 'todos'))"
    ).fetchall()
    connection.execute("BEGIN")
    for kind, name, _ in held:
        connection.execute(f"DROP {kind} {name}")
    for batch in batches(count):
        first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM audit_trail").fetchone()[0]
        lines = [line | {"id": number} for number, line in enumerate(batch.lines, first)]
        words = [{"ticket_id": row["id"], "words": indexing.ticket_words(row)} for row in batch.tickets]
        said = [{"number": line["id"], "words": indexing.line_words(line)} for line in lines]
        for table, rows in zip(TABLES, (batch.tickets, lines, batch.todos, words, said), strict=True):
            _insert(connection, table, rows)
    for kind, _, statement in sorted(held):
        if kind == "index":
            connection.execute(statement)
    for name in ("ticket_trigrams", "line_trigrams"):
        for what, size in (("hashsize", 256_000_000), ("rebuild", None), ("hashsize", 1_048_576)):
            connection.execute(f"INSERT INTO {name}({name}, rank) VALUES (?, ?)", (what, size))  # noqa: S608  # our own names
    for kind, _, statement in held:
        if kind == "trigger":
            connection.execute(statement)
    connection.execute("COMMIT")


def copy(path: Path, url: str) -> None:
    """Fill a PostgreSQL database with the history of a SQLite file, unless it has it already."""
    import psycopg  # noqa: PLC0415  # only where there is one

    upgrade(make_url(url))
    began = time.monotonic()
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(sqlite3.connect(path)) as source, psycopg.connect(plain) as target:
        if target.execute("SELECT 1 FROM tickets LIMIT 1").fetchone():
            return
        held = target.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY(%s) AND "
            "indexname NOT LIKE 'pk%%' AND indexname NOT LIKE 'uq%%'",
            (list(TABLES),),
        ).fetchall()
        for name, _ in held:
            target.execute(f'DROP INDEX "{name}"'.encode())
        for table in TABLES:
            target.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            _copy(source, target, table)
            target.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())
        for _, statement in held:
            target.execute(statement.encode())
        for table, key in (("audit_trail", "id"), ("ticket_words", "number")):
            sequence = f"pg_get_serial_sequence('{table}', '{key}')"
            target.execute(f"SELECT setval({sequence}, (SELECT max({key}) FROM {table}))".encode())  # noqa: S608  # our own names
    with psycopg.connect(plain, autocommit=True) as target:
        target.execute("VACUUM ANALYZE")
    print(f"copied to PostgreSQL in {time.monotonic() - began:.0f} s")


def _copy(source: sqlite3.Connection, target: Any, table: str) -> None:
    rows = source.execute(f"SELECT * FROM {table}")  # noqa: S608  # our own names
    names = [column[0] for column in rows.description]
    kinds = dict(
        target.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", (table,)
        ).fetchall()
    )
    # SQLite's truth is 0 and 1.
    truths = [number for number, name in enumerate(names) if kinds[name] == "boolean"]
    with target.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN".encode()) as stream:
        for row in rows:
            values = list(row)
            for number in truths:
                values[number] = values[number] is not None and bool(values[number])
            stream.write_row(values)


def _insert(connection: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    names = list(rows[0])
    places = ", ".join("?" * len(names))
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608  # our own names
    connection.executemany(statement, [tuple(row.values()) for row in rows])


def batches(count: int) -> Iterator[Batch]:
    """The history in pieces, oldest first; every row of a table has the same columns in the same order."""
    chance = random.Random(count)
    kinds = _kinds(chance)
    step = timedelta(days=DAYS) / count
    begin = NOW - timedelta(days=DAYS)
    batch = Batch([], [], [])
    for number in range(count):
        made = begin + step * number + timedelta(milliseconds=chance.randrange(1000))
        # A few failures come very often, most of them rarely.
        kind = kinds[
            min(int(chance.paretovariate(0.7)) - 1, len(kinds) - 1)
            if chance.random() < 0.7
            else chance.randrange(len(kinds))
        ]
        _add(batch, kind, number, made, chance)
        if len(batch.tickets) == BATCH or number + 1 == count:
            yield batch
            batch = Batch([], [], [])


def _kinds(chance: random.Random) -> list[Kind]:
    """Every error text in several pipelines, in an order of chance."""
    triage, finops = Triage.load(), FinOps(load_rules())
    names = [f"pl_{chance.choice(VERBS)}_{chance.choice(DOMAINS)}_{number:03d}" for number in range(PIPELINES)]
    found: list[Kind] = []
    for file, source in (("adf.jsonl", "data_factory"), ("databricks.jsonl", "databricks")):
        for text in (TEXTS / file).read_text(encoding="utf-8").splitlines():
            case = json.loads(text)
            for pipeline in chance.sample(names, 8):
                failure = Failure(
                    source=source, pipeline=pipeline, error_message=case["message"], error_code=case.get("error_code")
                )
                found.append(_kind(failure, triage.provisional(failure), finops))
    chance.shuffle(found)
    return found


def _kind(failure: Failure, diagnosis: Diagnosis, finops: FinOps) -> Kind:
    tags = finops.extract_finops_tags(failure.pipeline, None)
    columns = lifecycle.diagnosis_columns(diagnosis) | {
        "pipeline": failure.pipeline,
        "sla_seconds": sla.SECONDS[diagnosis.priority],
        "finops_team": tags.team,
        "finops_owner": tags.owner,
        "finops_cost_center": tags.cost_center,
        "processing_mode": "databricks" if failure.source == "databricks" else "Single",
        "source": failure.source,
        "error_message": failure.error_message,
        "error_code": failure.error_code,
        "failure": stored(failure),
        "fingerprint": fingerprint(failure.source, failure.pipeline, diagnosis.error_type, failure.error_message),
        "jira_live": 0,
        "status_by": "jira",
    }
    plain = {name: str(value) if isinstance(value, str) else value for name, value in columns.items()}
    return Kind(failure, diagnosis, tags, plain)


def _add(batch: Batch, kind: Kind, number: int, made: datetime, chance: random.Random) -> None:
    databricks = kind.failure.source == "databricks"
    ticket_id = f"{'DBX' if databricks else 'ADF'}-{made:%Y%m%dT%H%M%S}-{chance.getrandbits(24):06x}"
    run = f"{chance.getrandbits(50)}" if databricks else _guid(chance)
    row: Row = kind.columns | {"id": ticket_id, "timestamp": timestamp(made), "run_id": run}
    row |= {
        "sla_due_at": timestamp(made + timedelta(seconds=row["sla_seconds"])),
        "seen_count": 1 + chance.randrange(3),
    }
    row |= {"caused_by": batch.tickets[-1]["id"] if batch.tickets and chance.random() < 0.04 else None}
    row |= {"itsm_ticket_id": f"OPS-{number + 1}", "slack_ts": f"{made.timestamp():.6f}", "slack_channel": "C0FAILURES"}
    row |= {"blob_log_url": f"https://acme.blob.core.windows.net/rca/{made:%Y-%m-%d}/{ticket_id}-payload.json"}
    row |= {"run_url": f"https://adf.azure.com/en/monitoring/pipelineruns/{run}", "told_at": row["timestamp"]}
    row |= _fate(row, made, chance)
    batch.tickets.append(row)
    lines = _lines(row, kind.diagnosis, made, chance)
    batch.lines += lines
    rank, at, version = kind.diagnosis.priority.rank, row["timestamp"], row["version"]
    batch.todos += [_todo(ticket_id, name, rank, at, version) for name in ("analyse", "archive", "jira", "slack")]


def _guid(chance: random.Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _fate(row: Row, made: datetime, chance: random.Random) -> Row:
    """How it went on: most are closed, sooner or later; of the last days some are open or taken."""
    seconds = int(chance.lognormvariate(7.5, 1.5))
    closed, due = made + timedelta(seconds=seconds), made + timedelta(seconds=row["sla_seconds"])
    still = (NOW - made < OF_LATE and chance.random() < 0.5) or closed > NOW
    if not still:
        fate = (
            str(Status.ACKNOWLEDGED),
            chance.choice(PEOPLE),
            timestamp(closed),
            seconds,
            str(sla.verdict(closed, due)),
        )
    else:
        taken = chance.random() < 0.3
        clock = str(SlaStatus.BREACHED if due < NOW else SlaStatus.PENDING)
        fate = (
            str(Status.IN_PROGRESS if taken else Status.OPEN),
            chance.choice(PEOPLE) if taken else None,
            None,
            None,
            clock,
        )
    told = dict(zip(("status", "ack_user", "ack_ts", "ack_seconds", "sla_status"), fate, strict=True))
    return told | {"version": 4 + 2 * (not still)}


def _lines(row: Row, diagnosis: Diagnosis, made: datetime, chance: random.Random) -> list[Row]:
    key = row["itsm_ticket_id"]
    said = [
        (
            1,
            "Ticket Created",
            trail.SYSTEM,
            f"{diagnosis.said_by} says {diagnosis.category}, {diagnosis.confidence} confidence.",
            trail.NEW_TICKET,
        ),
        (2, "Blob Saved", trail.SYSTEM, row["blob_log_url"], trail.TICKET_UPDATED),
        (3, "Jira Created", trail.SYSTEM, key, trail.TICKET_UPDATED),
        (4, "Slack Sent", trail.SYSTEM, row["slack_ts"], trail.TICKET_UPDATED),
    ]
    if row["status"] != Status.OPEN:
        said.append((5, "Ticket Taken", row["ack_user"], None, trail.STATUS_UPDATE))
    if row["status"] == Status.ACKNOWLEDGED:
        said.append((6, "Ticket Closed", row["ack_user"], chance.choice(NOTES), trail.STATUS_UPDATE))
    entry = trail.Entry(action="Ticket Closed", seconds=row["ack_seconds"] or 0)
    first = trail.line(row, entry, made)
    untimed = {"time_taken_seconds": None, "mttr_minutes": None}
    lines: list[Row] = []
    for version, action, by, details, event in said:
        told = {"action": action, "user_name": by, "details": details, "event": event, "ticket_version": version}
        closed = {"timestamp": row["ack_ts"]} if action == "Ticket Closed" else untimed
        lines.append(first | told | closed)
    return lines


def _todo(ticket_id: str, kind: str, rank: int, made: str, version: int) -> Row:
    done = 1 if kind in {"analyse", "archive"} else version
    receipt = None if kind == "analyse" else f'{{"key":"{kind}-{ticket_id}","told_audit_id":1}}'
    return {
        "ticket_id": ticket_id,
        "kind": kind,
        "rank": rank,
        "created_at": made,
        "wanted_version": done,
        "done_version": done,
        "attempts": 0,
        "next_try_at": made,
        "leased_until": FREE,
        "in_doubt": 0,
        "receipt": receipt,
    }
