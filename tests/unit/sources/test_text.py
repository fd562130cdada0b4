"""What a name, an id, a message and a moment may be."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from pipesleuth.sources import text

GUID = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (41847992357943, "41847992357943"),
        ("41847992357943", "41847992357943"),
        (2**70, str(2**70)),
        (41847992357943.0, "41847992357943"),
        ("41847992357943.0", "41847992357943"),
        (2.0**53 - 1, "9007199254740991"),
        (2.0**53, None),
        (2.0**53 + 2, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        (12.5, None),
        ("4.18E+13", None),
        ("1e+21", None),
        (True, None),
        (0, None),
        ("0", None),
        (-5, None),
        (10**400, None),
        (GUID.upper(), GUID),
        ("{" + GUID.upper() + "}", GUID),
        ("00000000-0000-0000-0000-000000000000", None),
        ("  run-2026-11-20-004 ", "run-2026-11-20-004"),
        ("Manual_Run_A", "Manual_Run_A"),
        *((blank, None) for blank in ("", " ", "N/A", "n/a", "null", "None", "undefined", "NULL", "-", "unknown")),
        *(
            (left, None)
            for left in ("@{pipeline().RunId}", "@pipeline().RunId", "{{job.run_id}}", "${RUN_ID}", "a-@{x}")
        ),
        (None, None),
        ([], None),
        ({"id": 1}, None),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("a\nb", "a b"),
    ],
)
def test_a_runs_id_is_exact_or_none(given: Any, expected: str | None) -> None:
    assert text.run_identity(given) == expected


def test_two_long_ids_stay_two() -> None:
    one, other = text.run_identity("x" * 500 + "1"), text.run_identity("x" * 500 + "2")
    assert one is not None
    assert other is not None
    assert one != other
    assert len(one) == len(other) == 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" pl_load ", "pl_load"),
        ("a\tb\r\nc", "a b c"),
        (12, "12"),
        ("Job (nightly)", "Job (nightly)"),
        ("[dev ${user}] job", "[dev ${user}] job"),
        ("@{pipeline().Pipeline}", None),
        ("{{job.name}}", None),
        ("None", None),
        (False, None),
        (None, None),
        (["x"], None),
        ("é" * 400, "é" * 300),
    ],
)
def test_a_name_is_one_line_or_none(given: Any, expected: str | None) -> None:
    assert text.name(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Timeout expired. Forwarded to RCA system at 2026-11-20T06:15:02Z", "Timeout expired."),
        ("Provider,' Forwarded to RCA system at 2026-11-20T06:15:02Z", "Provider,'"),
        ("Timeout expired Forwarded to RCA system", "Timeout expired"),
        ("Timeout expired - forwarded to RCA", "Timeout expired"),
        ("Timeout expired\nForwarded to RCA service via Logic App run 0858 (payload.json)", "Timeout expired"),
        ("Timeout expired (Forwarded to RCA for analysis)", "Timeout expired"),
        ("Cannot read /in/orders.json", "Cannot read /in/orders.json"),
        ("Cannot read orders.json. Forwarded to RCA", "Cannot read orders.json."),
        ("Cannot read orders.json Forwarded to RCA system at 11/20/2026 2:16:31 AM", "Cannot read orders.json"),
        ("The file forwarded to RCA folder is missing: a.json", "The file forwarded to RCA folder is missing: a.json"),
        ("Forwarded to RCA system. Then it failed:\nKeyError", "Forwarded to RCA system. Then it failed:\nKeyError"),
        ("Forwarded to RCA system at 2026-11-20T06:15:02Z", ""),
        ("N/A", ""),
        ("@{activity('copy').error.message}", ""),
        (5, "5"),
        (None, ""),
    ],
)
def test_only_a_closing_forwarding_note_is_cut_off_a_message(given: Any, expected: str) -> None:
    assert text.message(given) == expected


@pytest.mark.parametrize("letter", ["x", "é", "語", "😀"])
def test_a_long_message_keeps_its_head_and_its_tail(letter: str) -> None:
    kept = text.message("HEAD" + letter * 300_000 + "TAIL")
    assert len(kept.encode()) <= 64 * 1024
    assert kept.startswith("HEAD")
    assert kept.endswith("TAIL")
    assert "bytes left out" in kept


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-20T02:16:31.4410000Z", datetime(2026, 11, 20, 2, 16, 31, 441_000, UTC)),
        ("2026-11-20T02:16:31.1234567+02:00", datetime(2026, 11, 20, 0, 16, 31, 123_456, UTC)),
        ("2026-11-20T02:16:31", datetime(2026, 11, 20, 2, 16, 31, tzinfo=UTC)),
        ("11/20/2026 2:16:31 AM", datetime(2026, 11, 20, 2, 16, 31, tzinfo=UTC)),
        (1795156700000, datetime(2026, 11, 20, 6, 38, 20, tzinfo=UTC)),
        (1795156700, datetime(2026, 11, 20, 6, 38, 20, tzinfo=UTC)),
        ("1795156700000", datetime(2026, 11, 20, 6, 38, 20, tzinfo=UTC)),
        (1795156700000.0, datetime(2026, 11, 20, 6, 38, 20, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("9" * 5000, None),
        (float("nan"), None),
        (10**400, None),
        (True, None),
        (None, None),
    ],
)
def test_a_moment_is_read_from_every_form_the_platforms_use(given: Any, expected: datetime | None) -> None:
    assert text.moment_of(given) == expected


@pytest.mark.parametrize(
    "hostile", ["@" * 1_000_000, "( " * 500_000, "Forwarded to RCA " * 60_000, "{{" * 500_000, "-" * 1_000_000]
)
def test_hostile_text_takes_no_more_than_linear_time(hostile: str) -> None:
    start = time.process_time()
    text.name(hostile)
    text.run_identity(hostile)
    text.message(hostile)
    text.moment_of(hostile)
    assert time.process_time() - start < 0.5
