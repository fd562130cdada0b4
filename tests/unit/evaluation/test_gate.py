"""The gate: the knowledge base against our own labelled cases, and the command that says so."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipesleuth.cli import eval as eval_command
from pipesleuth.model import (
    Category,
    Confidence,
    Diagnosis,
    Failure,
    Permanent,
    Priority,
    Responder,
    Severity,
)

FOLDER = Path(__file__).parents[2] / "evaluation"
FILES = [str(path) for path in sorted(FOLDER.glob("*.jsonl"))]
LINE = {
    "id": "one",
    "source": "adf",
    "message": "No such host is known.",
    "expect": {"category": "dns", "retryable": False, "owner": "network"},
}


async def says_dns(failure: Failure) -> Diagnosis:
    if "refuse" in failure.error_message:
        raise Permanent("the model refused")
    return Diagnosis(
        root_cause="The name does not resolve.",
        error_type=None,
        category=Category.DNS,
        affected_entity=None,
        severity=Severity.HIGH,
        priority=Priority.P2,
        confidence=Confidence.HIGH,
        recommendations=("Check the record.",),
        auto_heal_possible=False,
        retryable=False,
        owner=Responder.NETWORK,
        said_by="model-x",
    )


def program(analyst: eval_command.EngineFactory = eval_command.ai_engine) -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    eval_command.register(app, analyst)
    return app


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(LINE) + "\n", encoding="utf-8")
    return path


def test_the_knowledge_base_passes_the_gate_on_our_own_cases() -> None:
    said = CliRunner().invoke(program(), ["eval", *FILES, "--json", "--gate", str(FOLDER / "gate.yaml")])
    assert said.exit_code == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["gate"] == {"passed": True, "shortfalls": []}
    assert told["engines"]["knowledge"]["answered"] == told["engines"]["knowledge"]["cases"] >= 140


def test_figures_below_the_gate_are_named_and_end_with_exit_code_one(case: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate.yaml"
    gate.write_text("cases: 2\ncategory: 1.0\n", encoding="utf-8")
    said = CliRunner().invoke(program(), ["eval", str(case), "--gate", str(gate)])
    assert said.exit_code == 1
    assert "cases is 1.0000, below 2.0000" in said.stderr


def test_a_person_sees_categories_intervals_confidence_time_and_cost(case: Path) -> None:
    said = CliRunner().invoke(program(), ["eval", str(case)], env={"COLUMNS": "120"})
    assert said.exit_code == 0
    for word in ("By category", "95 % interval", "Right, by confidence", "category_macro_f1", "time ", "cost $0.0000"):
        assert word in said.stdout


def test_confusion_pairs_name_the_cases_that_were_taken_for_something_else(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(LINE | {"expect": LINE["expect"] | {"category": "quota_limit"}}), encoding="utf-8")  # pyright: ignore[reportOperatorIssue]  # a literal's union
    said = CliRunner().invoke(program(), ["eval", str(path)], env={"COLUMNS": "120"})
    assert "Taken for something else" in said.stdout
    assert "one" in said.stdout


@pytest.mark.parametrize("options", [["--engine", "ai"], ["--engine", "both"], ["--model", "some-model"]])
def test_the_ai_without_a_key_is_refused_with_a_sentence(case: Path, options: list[str]) -> None:
    said = CliRunner().invoke(program(), ["eval", str(case), *options])
    assert said.exit_code == 2
    assert "GEMINI_API_KEY" in said.stderr


def test_an_injected_engine_is_scored_with_its_cost_beside_the_knowledge_base(case: Path) -> None:
    asked: list[str | None] = []

    def analyst(model: str | None, _folder: Path | None) -> eval_command.Engine:
        asked.append(model)
        return eval_command.Engine("model-x", says_dns, lambda: 0.25)

    said = CliRunner().invoke(program(analyst), ["eval", str(case), "--engine", "both", "--json", "--model", "model-x"])
    engines = json.loads(said.stdout)["engines"]
    assert set(engines) == {"knowledge", "model-x"}
    assert engines["model-x"]["category"] == 1.0
    assert engines["model-x"]["cost_usd"] == 0.25
    assert asked == ["model-x"]


def test_a_case_the_engine_refuses_counts_as_not_answered(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(
        json.dumps(LINE) + "\n" + json.dumps(LINE | {"id": "two", "message": "refuse"}) + "\n", encoding="utf-8"
    )
    app = program(lambda _model, _folder: eval_command.Engine("model-x", says_dns))
    engine = json.loads(CliRunner().invoke(app, ["eval", str(path), "--engine", "ai", "--json"]).stdout)["engines"][
        "model-x"
    ]
    assert (engine["answered"], engine["cases"], engine["category"], engine["cost_usd"]) == (1, 2, 0.5, None)


@pytest.mark.parametrize("text", ["- a\n- b\n", "{", "confidence: high\n", "beauty: 1\n"])
def test_a_gate_that_makes_no_sense_ends_with_exit_code_two(case: Path, tmp_path: Path, text: str) -> None:
    gate = tmp_path / "gate.yaml"
    gate.write_text(text, encoding="utf-8")
    assert CliRunner().invoke(program(), ["eval", str(case), "--gate", str(gate)]).exit_code == 2


def test_unreadable_files_and_ids_that_occur_twice_end_with_exit_code_two(case: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(program(), ["eval", str(tmp_path / "none.jsonl")]).exit_code == 2
    said = CliRunner().invoke(program(), ["eval", str(case), str(case)])
    assert said.exit_code == 2
    assert "occurs twice" in said.stderr
