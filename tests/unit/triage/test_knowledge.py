"""The knowledge base answers for its own examples, and says what is wrong in a team's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipesleuth.cli.triage import failing_examples
from pipesleuth.model import Category, Failure
from pipesleuth.sources.registry import shelf
from pipesleuth.triage.diagnose import Triage
from pipesleuth.triage.knowledge import KnowledgeFault, Weight, check_folder, read_folder
from pipesleuth.triage.knowledge.entry import fill
from pipesleuth.triage.knowledge.patterns import loosened
from pipesleuth.triage.knowledge.reading import OUR_FOLDER, read_advice

GOOD = """
theme: ours
entries:
  - id: lake-gate-closed
    patterns: ["lake gate (?P<entity>[a-z]+) is closed"]
    category: firewall
    weight: strong
    cause: "The gate {entity} is closed."
    steps: ["Open the gate {entity}."]
    examples:
      - {text: "the lake gate north is closed", entity: north}
"""


@pytest.fixture(scope="module")
def engine(triage: Triage) -> Triage:
    return triage


def write(folder: Path, text: str) -> Path:
    (folder / "team.yaml").write_text(text, encoding="utf-8")
    return folder


def test_every_entry_wins_for_its_own_examples(engine: Triage) -> None:
    assert failing_examples(read_folder(OUR_FOLDER), engine) == []


def test_every_entry_but_the_general_words_has_an_example(engine: Triage) -> None:
    bare = [entry.id for entry in engine.shelf.entries if not entry.examples and entry.weight is not Weight.GENERAL]
    assert bare == []


def test_the_base_is_deep_enough_for_the_field(engine: Triage) -> None:
    assert len(engine.shelf.entries) >= 400
    assert {entry.category for entry in engine.shelf.entries} >= set(Category) - {Category.UNKNOWN}


def test_every_category_has_advice() -> None:
    advice = read_advice()
    assert set(advice) == set(Category)
    assert all(one.steps and one.cause for one in advice.values())


def test_a_teams_entry_wins_over_ours(tmp_path: Path) -> None:
    team = GOOD.replace("lake gate (?P<entity>[a-z]+) is closed", "login failed for user '(?P<entity>[a-z]+)'")
    engine = Triage.load(write(tmp_path, team.split("    examples")[0]))
    said = engine.full(Failure(source="data_factory", pipeline="p", error_message="Login failed for user 'etl'."))
    assert said.said_by == "knowledge:lake-gate-closed"
    assert said.affected_entity == "etl"


def test_a_teams_entry_with_the_id_of_ours_replaces_it(tmp_path: Path) -> None:
    engine = Triage.load(write(tmp_path, GOOD.replace("lake-gate-closed", "sql-deadlock")))
    assert [entry.ours for entry in engine.shelf.entries if entry.id == "sql-deadlock"] == [False]


def test_a_good_folder_has_no_faults(tmp_path: Path) -> None:
    entries, faults = check_folder(write(tmp_path, GOOD))
    assert faults == []
    assert [entry.id for entry in entries] == ["lake-gate-closed"]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("category: firewall", "category: wall", 6, "'wall' is none of"),
        ("    cause:", "    couse:", 8, "unknown field 'couse'"),
        ("[a-z]+) is closed", "[a-z]+ is closed", 5, "the pattern cannot be used"),
        ("(?P<entity>[a-z]+)", "(?=x)", 5, "the pattern cannot be used"),
        ("lake gate (?P<entity>[a-z]+) is closed", "x*", 5, "matches an empty text"),
        ("Open the gate {entity}", "Open the gate {gate}", 9, "nothing fills the hole 'gate'"),
        ("Open the gate {entity}", "Open the gate {entity", 9, "a brace stands alone"),
        ("id: lake-gate-closed", "id: Lake Gate", 4, "an id has small letters"),
        ("    weight: strong", "    weight: huge", 7, "'huge' is none of"),
        ("    weight: strong", "    links: ['http://x']", 7, "https://"),
        ("entries:", "platform: My Trains\nentries:", 3, "'My Trains' is no platform"),
        ("entries:", "entries: [", 4, "not YAML"),
    ],
)
def test_a_fault_is_told_with_file_and_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    _, faults = check_folder(write(tmp_path, GOOD.replace(old, new, 1)))
    assert faults
    assert any(fault.startswith("team.yaml:") and says in fault for fault in faults), faults
    if "not YAML" not in says:
        assert any(fault.startswith(f"team.yaml:{line}:") for fault in faults), faults


def test_an_id_may_be_taken_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(KnowledgeFault, match=r"b\.yaml:4: the id 'lake-gate-closed' is taken by a\.yaml:4"):
        read_folder(tmp_path)


def test_a_missing_folder_is_a_fault(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "none")[1] == [f"{tmp_path / 'none'}: there is no such folder"]


def test_holes_are_filled_or_say_their_alternative() -> None:
    assert fill("The {column|value} of {table} in {x|}.", {"table": "orders"}) == "The value of orders in."
    assert fill("The table {entity} is gone.", {}) == "The table is gone."
    assert fill("{entity} is gone. {entity} was new.", {}) == "It is gone. It was new."
    assert fill("{linked_service}", {}) == "the linked service"
    assert fill("It cannot be used{entity|}.", {"entity": "orders"}) == "It cannot be used (orders)."
    assert fill("It cannot be used{entity|}.", {}) == "It cannot be used."
    assert fill("Its key ({entity|}) is there.", {}) == "Its key is there."


def test_a_space_matches_any_white_space() -> None:
    assert loosened("a b ?c[ ] d{1,2}") == r"a\s+b\s*c[ ]\s+d{1,2}"


def test_our_own_folder_has_no_faults() -> None:
    assert check_folder(OUR_FOLDER)[1] == []


def test_every_platform_of_ours_is_a_source() -> None:
    named = {entry.platform for entry in read_folder(OUR_FOLDER)} - {"any"}
    for advice in read_advice().values():
        named |= {*advice.owners, *advice.retries}
    assert named <= {source.name for source in shelf()}


def test_a_new_sources_entries_are_data_alone(tmp_path: Path) -> None:
    engine = Triage.load(write(tmp_path, GOOD.replace("entries:", "platform: trains\nentries:", 1)))
    said = engine.full(Failure(source="trains", pipeline="p", error_message="The lake gate north is closed."))
    assert (said.said_by, said.affected_entity) == ("knowledge:lake-gate-closed", "north")
