"""The program's commands: each is where the table says, and no other's module is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from pipesleuth.cli import ROOMS, app, room


@pytest.mark.parametrize("name", sorted(set(ROOMS.values())))
def test_every_module_has_the_commands_that_the_table_names_and_no_others(name: str) -> None:
    assert sorted(room(name).commands) == sorted(command for command, where in ROOMS.items() if where == name)


def test_the_help_lists_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert [name for name in ROOMS if f" {name} " not in shown] == []


def test_a_command_that_is_none_is_refused_by_its_name() -> None:
    answer = CliRunner().invoke(app, ["serv"])
    assert answer.exit_code == 2
    assert "No such command 'serv'" in answer.output


def test_a_command_loads_no_other_command() -> None:
    program = (
        "import sys\nfrom pipesleuth.cli import app\n"
        "try:\n    app(['send', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.startswith('pipesleuth.cli.')])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "['pipesleuth.cli.send']"
