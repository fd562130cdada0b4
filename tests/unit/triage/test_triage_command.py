"""`pipesleuth triage` and `pipesleuth kb check` work with nothing set up."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from pipesleuth.cli.triage import cases, register

APP = typer.Typer()
register(APP)
FIELDS = {
    "id", "category", "error_type", "affected_entity", "retryable", "owner", "confidence", "root_cause", "recommendations",
    "severity", "priority", "auto_heal_possible", "said_by",
}  # fmt: skip


def run(*words: str, text: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(APP, list(words), input=text)
    return result.exit_code, result.output


def test_cases_are_answered_one_json_line_each(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    lines = [
        {
            "id": "a",
            "source": "adf",
            "error_code": None,
            "activity_type": "Copy",
            "message": "Login failed for user 'x'.",
        },
        {"id": "b", "source": "databricks", "error_code": None, "kind": "job_run", "message": "zzz"},
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    code, out = run("triage", str(file), "--json")
    said = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [one["id"] for one in said] == ["a", "b"]
    assert all(set(one) == FIELDS for one in said)
    assert [one["category"] for one in said] == ["authentication", "unknown"]


def test_a_pasted_error_is_one_case() -> None:
    code, out = run("triage", "-", "--explain", text="Line one\nInvalid object name 'dbo.T'.\n")
    assert code == 0
    assert "resource_not_found" in out
    assert "chain of causes" in out
    assert "sql-invalid-object" in out


def test_a_pasted_json_output_is_one_error() -> None:
    pasted = '{"errorCode": "2200", "message": "Invalid object name \'dbo.T\'.", "failureType": "UserError", "target": "Copy1"}'
    found = list(cases(pasted))
    assert len(found) == 1
    assert found[0].failure.error_message == pasted


def test_nothing_to_judge_is_said() -> None:
    assert run("triage", "-", text="")[0] == 2


def test_a_missing_file_is_said() -> None:
    code, out = run("triage", "/nowhere/at/all")
    assert code == 2
    assert "cannot be read" in out


def test_a_bad_folder_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("entries:\n  - id: a-b\n    codes: [X]\n    category: nope\n", encoding="utf-8")
    code, out = run("kb", "check", str(tmp_path))
    assert code == 1
    assert "x.yaml:2:" in out


def test_a_folder_whose_example_is_won_by_another_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        'entries:\n  - id: a-b\n    codes: [ZebraError]\n    category: timeout\n    cause: "c"\n    steps: ["s"]\n'
        '    examples: ["nothing of the kind"]\n',
        encoding="utf-8",
    )
    code, out = run("kb", "check", str(tmp_path))
    assert code == 1
    assert "x.yaml:2: a-b: its example is won by" in out


def test_a_platform_that_no_source_is_called_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        'platform: databriks\nentries:\n  - id: a-b\n    codes: [ZebraError]\n    category: timeout\n    cause: "c"\n'
        '    steps: ["s"]\n',
        encoding="utf-8",
    )
    code, out = run("kb", "check", str(tmp_path))
    assert code == 1
    assert "x.yaml:3: no source is called 'databriks'" in out


def test_a_good_folder_passes(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        'entries:\n  - id: a-b\n    codes: [ZebraError]\n    category: timeout\n    cause: "c"\n    steps: ["s"]\n'
        '    examples: ["ZebraError: late"]\n',
        encoding="utf-8",
    )
    assert run("kb", "check", str(tmp_path)) == (0, "1 entries, nothing wrong.\n")
