"""The analyst against a stand-in for Gemini: what it sends, what it makes of answers and of every fault."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipesleuth.model import Category, Diagnosis, Failure, Permanent, PipesleuthError, Retryable
from pipesleuth.sandbox.server import Sandbox
from pipesleuth.triage.analyst import Analyst, AnalystSettings, Answer, Spent
from pipesleuth.triage.prompt import Question, question

Hire = Callable[..., Analyst]


@pytest.fixture
def asked(failure: Failure, verdict: Diagnosis) -> Question:
    return question(failure, verdict, "", strict=False)


def bare(**values: Any) -> AnalystSettings:
    return AnalystSettings(_env_file=None, **values)  # pyright: ignore[reportCallIssue]  # pydantic-settings' own argument


def sent(sandbox: Sandbox) -> dict[str, Any]:
    """The last request as Google's API saw it."""
    return sandbox.world.journal.since(0, "gemini")[-1].body


async def test_an_answer_is_typed_and_names_the_model_that_gave_it(
    hired: Hire, asked: Question, spent: list[Spent]
) -> None:
    answer = await hired().ask(asked)
    assert isinstance(answer, Answer)
    assert answer.opinion.category is Category.FIREWALL
    assert answer.model == "gemini-2.5-flash"
    assert [call.outcome for call in spent] == ["answered"]
    assert spent[0].tokens_in > 0
    assert spent[0].tokens_out > 0
    assert spent[0].cost
    assert spent[0].cost < 0.01


async def test_the_request_asks_for_our_schema_and_turns_no_knobs(
    hired: Hire, asked: Question, sandbox: Sandbox
) -> None:
    await hired().ask(asked)
    config = sent(sandbox)["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert set(config["responseJsonSchema"]["properties"]) == {
        "root_cause", "error_type", "affected_entity", "category", "severity", "priority", "confidence",
        "recommendations", "auto_heal_possible", "retryable", "evidence",
    }  # fmt: skip
    assert not {"temperature", "topP", "topK", "thinkingConfig", "seed"} & set(config)
    text = json.dumps(sent(sandbox)["systemInstruction"])
    assert all(str(category) in text for category in Category)
    assert "Critical needs" in text


async def test_the_model_version_that_answered_counts_and_not_the_one_that_was_asked(
    hired: Hire, asked: Question, sandbox: Sandbox
) -> None:
    sandbox.world.gemini.put({"routed": {"gemini-2.5-flash": "gemini-3.5-flash-lite"}})
    assert (await hired().ask(asked)).model == "gemini-3.5-flash-lite"


async def test_a_retired_model_is_replaced_by_the_fallback(hired: Hire, asked: Question, sandbox: Sandbox) -> None:
    sandbox.world.gemini.put({"retired": ["gemini-2.5-flash"]})
    assert (await hired().ask(asked)).model == "gemini-3.5-flash-lite"


async def test_the_fallback_is_not_for_a_model_that_is_only_busy(
    hired: Hire, asked: Question, sandbox: Sandbox
) -> None:
    sandbox.world.gemini.mode = "503"
    with pytest.raises(Retryable, match=r"not available \(HTTP 503\)"):
        await hired().ask(asked)
    assert sandbox.world.gemini.calls == 1


NO_ANSWERS = {
    "malformed": (2, "did not fit the schema"),
    "wrong_schema": (2, "did not fit the schema"),
    "empty": (2, "did not fit the schema"),
    "max_tokens": (1, "MAX_TOKENS"),
    "safety": (1, "safety filter"),
    "blocked": (1, "safety filter"),
}


@pytest.mark.parametrize("mode", NO_ANSWERS)
async def test_an_answer_that_is_none_is_final_after_one_more_try_at_most(
    hired: Hire, asked: Question, sandbox: Sandbox, spent: list[Spent], mode: str
) -> None:
    calls, sentence = NO_ANSWERS[mode]
    sandbox.world.gemini.mode = mode
    with pytest.raises(Permanent, match=sentence):
        await hired().ask(asked)
    assert sandbox.world.gemini.calls == calls
    assert spent[0].outcome == "failed"
    assert spent[0].tokens_in > 0


async def test_a_broken_answer_is_asked_for_once_more(hired: Hire, asked: Question, sandbox: Sandbox) -> None:
    sandbox.world.gemini.script = ["malformed", "normal"]
    assert (await hired().ask(asked)).opinion.category is Category.FIREWALL


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        ({"kind": "refuse"}, Retryable, "could not be reached"),
        ({"kind": "truncate"}, Retryable, "could not be reached"),
        ({"kind": "500"}, Retryable, "HTTP 500"),
        ({"kind": "wrong_json"}, Permanent, "refused the request|could not be read"),
        ({"kind": "status", "status": 400}, Permanent, "refused the request"),
        ({"kind": "status", "status": 401}, Permanent, "refused our key"),
        ({"kind": "status", "status": 403}, Permanent, "refused our key"),
    ],
)
async def test_each_fault_of_the_line_is_one_of_our_two_kinds(
    hired: Hire, asked: Question, sandbox: Sandbox, fault: dict[str, Any], kind: type[PipesleuthError], sentence: str
) -> None:
    sandbox.world.faults.put([fault | {"service": "gemini"}])
    with pytest.raises(kind, match=sentence):
        await hired().ask(asked)


async def test_nobody_at_the_address_may_be_there_later(hired: Hire, asked: Question) -> None:
    with pytest.raises(Retryable, match="could not be reached"):
        await hired(gemini_base_url="http://127.0.0.1:9").ask(asked)


async def test_a_wrong_key_is_final_and_is_not_repeated_in_the_reason(
    hired: Hire, asked: Question, sandbox: Sandbox
) -> None:
    sandbox.world.gemini.put({"keys": ["another"]})
    with pytest.raises(Permanent) as refused:
        await hired(gemini_api_key="a-secret-key").ask(asked)
    assert refused.value.reason == "The AI refused our key (HTTP 400)."


async def test_a_model_retired_with_its_fallback_is_final(hired: Hire, asked: Question, sandbox: Sandbox) -> None:
    sandbox.world.gemini.put({"models": ["gemini-9-flash"]})
    with pytest.raises(Permanent, match="set MODEL_ID"):
        await hired().ask(asked)
    with pytest.raises(Permanent, match="set MODEL_ID"):
        await hired(model_fallback="none").ask(asked)


async def test_a_slow_answer_is_cut(hired: Hire, asked: Question, sandbox: Sandbox, spent: list[Spent]) -> None:
    sandbox.world.gemini.put({"mode": "slow", "seconds": 5})
    analyst = hired(ai_call_seconds=0.2)
    with pytest.raises(Retryable, match=r"within 0.2 s") as late:
        await analyst.ask(asked)
    assert late.value.in_doubt
    with pytest.raises(Retryable, match=r"within 0.1 s"):
        await analyst.ask(asked, seconds=0.1)
    assert [call.outcome for call in spent] == ["unavailable", "unavailable"]


async def test_the_servers_delay_is_kept_to_without_calling_again(
    hired: Hire, asked: Question, sandbox: Sandbox
) -> None:
    now = 1000.0
    analyst = hired(clock=lambda: now)
    sandbox.world.gemini.script = ["429"]
    with pytest.raises(Retryable) as busy:
        await analyst.ask(asked)
    assert busy.value.after == 34
    now += 30
    with pytest.raises(Retryable) as pausing:
        await analyst.ask(asked)
    assert pausing.value.after == pytest.approx(4)
    assert sandbox.world.gemini.calls == 1
    now += 5
    assert (await analyst.ask(asked)).model == "gemini-2.5-flash"


async def test_a_provider_that_nobody_knows_is_a_sentence(hired: Hire, asked: Question) -> None:
    with pytest.raises(Permanent, match="MODEL_ID=nobody:great-model cannot be used"):
        await hired(model_id="nobody:great-model").ask(asked)


async def test_questions_at_the_same_time_build_one_agent(hired: Hire, asked: Question) -> None:
    analyst = hired()
    answers = await asyncio.gather(*(analyst.ask(asked) for _ in range(4)))
    assert {answer.model for answer in answers} == {"gemini-2.5-flash"}


def test_without_a_key_there_is_no_analyst_unless_another_provider_is_named() -> None:
    assert not bare().configured
    assert not bare(model_id="google:gemini-2.5-pro").configured
    assert bare(gemini_api_key="k").configured
    assert bare(model_id="openai:gpt-5").configured


def test_the_models_prefix_is_stripped_and_a_fallback_can_be_declined() -> None:
    assert bare(model_id="models/gemini-3.8-flash").models == ("gemini-3.8-flash", "gemini-3.5-flash-lite")
    assert bare(model_fallback="none").models == ("gemini-2.5-flash",)
    assert bare(model_id="gemini-3.5-flash-lite").models == ("gemini-3.5-flash-lite",)


def test_the_vendor_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, pipesleuth.app; print('pydantic_ai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
