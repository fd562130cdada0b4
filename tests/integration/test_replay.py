"""Replay of a real archive: what was made by a real flow is said again, and only what differs is told."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from pipesleuth.cli import app as program
from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.destinations.bodies import LARGEST, Bodies
from pipesleuth.model import Permanent, PipesleuthError
from pipesleuth.triage.diagnose import Triage
from places import Clock, adf, dbx, opened

NETWORK = "Connection to host db.contoso.com:1433 timed out while the copy activity was reading."
MINE = """
theme: "Ours"
platform: any
entries:
  - id: ours-contoso
    weight: strong
    patterns: ['db\\.contoso\\.com']
    category: firewall
    cause: "Contoso's firewall keeps us out."
    steps: ["Ask Contoso."]
    priority: P1
    owner: network
"""
BODIES = [
    ("/azure-monitor", adf(message=NETWORK)),
    ("/azure-monitor", adf(message="OutOfMemoryError: Java heap space")),
    ("/databricks-monitor", dbx(7001, message="java.lang.OutOfMemoryError: GC overhead limit exceeded")),
    ("/databricks-monitor", dbx(7002, message="Something that nobody has ever heard of.")),
]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command's end, as a terminal sees it."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, triage: Triage, cheap_hash: str) -> Path:
    """A data folder whose archive and tickets a real service has made."""
    folder = tmp_path_factory.mktemp("house")

    async def live() -> None:
        async with opened(folder, Clock(datetime.now(UTC)), triage, cheap_hash) as place:
            for door, body in BODIES:
                await place.ticket(body, door)
            await place.work_off()

    asyncio.run(live())
    assert len(list((folder / "archive").rglob("*.json"))) == len(BODIES)
    (folder / "rules").mkdir()
    (folder / "rules" / "ours.yaml").write_text(MINE)
    return folder


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def run(folder: Path, *words: str) -> Ended:
    """The command in this process, with a data folder."""
    found = CliRunner().invoke(program, list(words), env={"DATA_DIR": str(folder), "KNOWLEDGE_PATH": None})
    if isinstance(found.exception, PipesleuthError):
        return Ended(1, found.stdout, str(found.exception))
    assert isinstance(found.exception, SystemExit | None), found.exception
    return Ended(found.exit_code, found.stdout, found.stderr)


def lines(folder: Path, *words: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The differences and the figures."""
    ended = run(folder, "replay", "--json", *words)
    assert ended.returncode == 0, ended.stderr
    *differences, figures = [json.loads(line) for line in ended.stdout.splitlines()]
    return differences, figures["summary"]


def fingerprint(folder: Path) -> tuple[Any, ...]:
    with sqlite3.connect(folder / "tickets.db") as raw:
        rows = list(raw.iterdump())
    files = sorted((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in (folder / "archive").rglob("*"))
    return rows, files


def test_the_same_engine_says_the_same_and_touches_nothing(house: Path) -> None:
    before = fingerprint(house)
    differences, figures = lines(house, str(house / "archive"))
    assert differences == []
    assert (figures["bodies"], figures["compared"], figures["different"]) == (4, 4, 0)
    assert figures["ms_p50"] > 0
    assert fingerprint(house) == before
    assert not any(house.glob("*.lock"))


def test_a_new_rule_shows_what_it_would_change_and_nothing_else(house: Path) -> None:
    for against in ("tickets", "rules"):
        differences, figures = lines(
            house, str(house / "archive"), "--rules", str(house / "rules"), "--against", against
        )
        (one,) = differences
        assert one["ticket"].startswith("ADF-")
        assert {"category", "priority"} <= set(one["differs"])
        assert (one["now"]["category"], one["now"]["priority"], one["now"]["owner"]) == ("firewall", "P1", "network")
        assert one["now"]["said_by"] == "knowledge:ours-contoso"
        assert figures["verdicts"] == [{"before": one["before"]["category"], "now": "firewall", "times": 1}]
        assert figures["priority"] == {"more urgent": 1}
    told = run(house, "replay", str(house / "archive"), "--rules", str(house / "rules")).stdout
    assert "4 bodies, 4 compared, 1 would be told differently" in told
    assert "firewall" in told


def test_the_configured_archive_is_read_where_no_folder_is_named(house: Path) -> None:
    assert lines(house)[1]["compared"] == 4


def test_without_a_database_rules_are_compared_with_rules(house: Path, tmp_path: Path) -> None:
    differences, figures = lines(tmp_path, str(house / "archive"), "--rules", str(house / "rules"))
    assert (len(differences), figures["compared"]) == (1, 4)
    ended = run(tmp_path, "replay", str(house / "archive"))
    assert (ended.returncode, "nothing to compare with" in ended.stderr) == (1, True)
    assert not (tmp_path / "tickets.db").exists()
    asked = run(tmp_path, "replay", str(house / "archive"), "--against", "tickets")
    assert (asked.returncode, "cannot be reached" in asked.stderr) == (1, True)


def test_a_stretch_of_time_can_be_chosen(house: Path) -> None:
    assert lines(house, "--since", "1h")[1]["bodies"] == 4
    assert lines(house, "--until", "1h")[1]["bodies"] == 0
    assert lines(house, "--since", "2020-01-01", "--until", "2020-01-02")[1]["bodies"] == 0
    wrong = run(house, "replay", "--until", "soon")
    assert (wrong.returncode, "--until soon" in wrong.stderr) == (1, True)


def test_broken_files_are_reported_and_the_rest_is_replayed(house: Path, tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-20"
    folder.mkdir()
    for kept in (house / "archive").rglob("*.json"):
        (folder / kept.name).write_bytes(kept.read_bytes())
    name = "ADF-20261120T010101-{}-payload.json"
    (folder / name.format("000001")).write_text("{ not JSON")
    (folder / name.format("000002")).write_text("[" * 1000)
    (folder / name.format("000003")).write_text('{"nothing": "in it"}')
    (folder / name.format("000004")).write_bytes(b"\xff\xfe\x00" * 50)
    (folder / name.format("000005")).touch()
    with (folder / name.format("000006")).open("wb") as huge:
        huge.truncate(LARGEST + 1)
    (folder / "ZZZ-20261120T010101-000007-payload.json").write_text("{}")
    (folder / name.format("000008")).write_text(
        '{"PipelineName": "\\u001b[31mx", "ErrorMessage": "\\u001b]0;evil\\u0007"}'
    )
    (folder / "notes.txt").write_text("not of the archive")
    (folder / name.format("000009")).symlink_to(folder / "gone")
    _, figures = lines(house, str(tmp_path))
    assert figures["compared"] == 4
    assert figures["passed_over"] == 1
    assert sum(figures["not_compared"].values()) == figures["bodies"] - 4
    assert len(figures["reasons"]) == figures["bodies"] - 4
    told = run(house, "replay", str(tmp_path), "--rules", str(house / "rules"), "--against", "rules")
    assert told.returncode == 0
    assert "\x1b" not in told.stdout
    assert "Traceback" not in told.stderr


def test_no_folder_and_a_wrong_rule_get_a_sentence(house: Path, tmp_path: Path) -> None:
    assert run(house, "replay", str(tmp_path / "none")).returncode == 1
    (tmp_path / "bad.yaml").write_text("- id: x\n")
    wrong = run(house, "replay", "--rules", str(tmp_path))
    assert wrong.returncode == 1
    assert "bad.yaml" in wrong.stderr
    assert "Traceback" not in wrong.stderr


async def test_a_blob_container_is_read_page_by_page_from_a_day_on(azurite: str) -> None:
    container = f"replay-{os.getpid()}"
    settings = ArchiveSettings(_env_file=None, azure_storage_conn=azurite, azure_blob_container_name=container)  # pyright: ignore[reportCallIssue, reportArgumentType]  # pydantic's own
    archive = Archive(settings)
    for day in (18, 19, 20):
        assert await archive._written(f"2026-11-{day}/ADF-202611{day}T120000-00000{day % 10}-payload.json", b'{"a": 1}')
    assert await archive._written("stray.txt", b"x")
    bodies = Bodies(archive, None)
    listed = list(bodies.listed(None, None))
    assert [body.made.day for body in listed] == [18, 19, 20]
    assert bodies.passed_over == 1
    assert [body.made.day for body in bodies.listed(listed[1].made, listed[2].made)] == [19]
    assert await bodies.read(listed[0]) == b'{"a": 1}'
    await archive.close()


async def test_a_body_that_has_gone_meanwhile_is_named(tmp_path: Path) -> None:
    (tmp_path / "2026-11-20").mkdir()
    path = tmp_path / "2026-11-20" / "ADF-20261120T120000-abc123-payload.json"
    path.write_text("{}")
    bodies = Bodies(Archive(ArchiveSettings(_env_file=None, data_dir=tmp_path)), tmp_path)  # pyright: ignore[reportCallIssue]  # pydantic's own
    (one,) = bodies.listed(None, None)
    path.unlink()
    with pytest.raises(Permanent, match="No such file"):
        await bodies.read(one)
