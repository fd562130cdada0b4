"""`pipesleuth keys` and `pipesleuth users` as a person types them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipesleuth.cli import app
from pipesleuth.model import PipesleuthError


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://pipesleuth.example.com")
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(app, words, input=said)


def refused(*words: str, said: str = "") -> str:
    """The sentence that a command ends with."""
    ended = run(*words, said=said)
    assert isinstance(ended.exception, PipesleuthError), ended.output
    return str(ended.exception)


def test_keys_are_shown_once_listed_without_and_ended() -> None:
    key = run("keys", "add", "logic-app", "--scope", "intake").stdout.strip()
    assert re.fullmatch(r"psk_[\w-]{43}", key)
    second = run("keys", "add", "logic-app", "--old-hours", "24").stdout.strip()
    assert second != key
    listed = run("keys", "list").stdout
    assert key not in listed
    assert re.search(r"1\s+logic-app\s+intake\s.*never\s+until 20\d\d-", listed)
    assert re.search(r"2\s+logic-app\s+intake,read\s.*never\s+active", listed)
    assert "1 key of 2 ended" in run("keys", "revoke", "2").stdout
    assert "1 key of logic-app ended" in run("keys", "revoke", "logic-app").stdout
    assert run("keys", "list").stdout.count("revoked") == 2
    assert "No living key" in refused("keys", "revoke", "logic-app")


@pytest.mark.parametrize("words", [["x", "--scope", "admin"], ["17"], [""], ["a\nb"], ["x" * 101]])
def test_a_key_that_cannot_be_right_is_not_made(words: list[str]) -> None:
    assert refused("keys", "add", *words)
    assert "psk_" not in run("keys", "list").stdout


def test_people_are_added_given_roles_invited_shut_out_and_let_in() -> None:
    assert "may log in (admin)" in run("users", "add", "a@x.de", "--role", "admin", said="long enough\n").output
    assert "is viewer now" in run("users", "role", "A@x.de", "viewer").output
    assert "is shut out" in run("users", "disable", "a@x.de").output
    assert re.search(r"a@x.de\s+viewer\s+password\s+never\s+disabled", run("users", "list").stdout)
    assert "may come in again" in run("users", "enable", "a@x.de").output
    assert "choose one of" in refused("users", "role", "a@x.de", "king")
    assert "Nobody has" in refused("users", "role", "b@x.de", "viewer")
    link = run("users", "invite", "new@sigmoidanalytics.com").stdout.strip()
    assert link.startswith("https://pipesleuth.example.com/login#email=new%40sigmoidanalytics.com&invitation=")
    assert "Only @sigmoidanalytics.com" in refused("users", "invite", "new@evil.com")
