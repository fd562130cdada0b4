"""The words a pattern needs let it through wherever it matches, and keep out nearly everything else."""

from __future__ import annotations

import pytest

from pipesleuth.triage.excerpt import excerpt
from pipesleuth.triage.knowledge.literals import clauses
from pipesleuth.triage.knowledge.patterns import compiled
from pipesleuth.triage.knowledge.reading import OUR_FOLDER, read_folder
from pipesleuth.triage.knowledge.sieve import Pattern, Readable, Sieve


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("login failed for user '(?P<entity>[^']+)'", [{"login"}, {"failed"}, {"for"}, {"user"}]),
        ("cancell?ed", [{"cancel"}, {"ed"}]),
        ("(?:access|permission) denied", [{"access", "permission"}, {"denied"}]),
        ("time(?:d)? ?out", [{"time"}, {"out"}]),
        (r"[Cc]olumn\b", [{"column"}]),
        ("no space left|disk full", [{"space", "disk"}]),
        (r"\d{3}|quota", []),
        ("x{0,3}yz+", [{"yz"}]),
        ("(?!never)always(?<!not)", [{"always"}]),
    ],
)
def test_what_a_pattern_needs_is_read_off_it(pattern: str, needed: list[set[str]]) -> None:
    assert [set(clause) for clause in clauses(pattern)] == needed


def test_every_pattern_of_ours_is_tried_where_it_matches() -> None:
    entries = read_folder(OUR_FOLDER)
    patterns = [pattern for entry in entries for pattern in entry.patterns]
    sieve = Sieve(patterns)
    for entry in entries[::5]:
        wanted = [patterns.index(pattern) for pattern in entry.patterns]
        for example in entry.examples:
            text = excerpt(example.text).text
            tried = set(sieve.candidates(text))
            missed = [
                patterns[number] for number in wanted if number not in tried and compiled(patterns[number]).search(text)
            ]
            assert not missed


def test_few_patterns_are_tried_for_a_message() -> None:
    sieve = Sieve([pattern for entry in read_folder(OUR_FOLDER) for pattern in entry.patterns])
    message = "Login failed for user 'loader'. Cannot open server requested by the login, error code 40532."
    assert len(sieve.candidates(message)) < 60


def test_places_count_characters_and_not_bytes() -> None:
    found = Pattern("tabelle '(?P<entity>[^']+)'").find(Readable("Für die Tabelle 'Aufträge' fehlt das Recht"))
    assert found is not None
    assert (found.place, found.length, found.groups) == (8, 18, {"entity": "Aufträge"})


def test_a_sieve_without_patterns_finds_nothing() -> None:
    assert Sieve([]).candidates("anything") == []
