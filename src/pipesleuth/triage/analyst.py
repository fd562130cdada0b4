"""The AI analyst: one question to a language model, its typed answer, and every way in which it can disappoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SecretStr, field_validator

from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import Permanent, Retryable
from pipesleuth.triage.opinion import Opinion
from pipesleuth.triage.prompt import Question, instructions, prompt

if TYPE_CHECKING:
    from pydantic_ai import Agent
    from pydantic_ai.models import Model
    from pydantic_ai.run import AgentRunResult

GOOGLE = frozenset({"google", "google-gla"})
LONGEST_ANSWER = 8192  # tokens, thinking included; far above any honest answer
LONGEST_REST = 600.0


class AnalystSettings(EnvironmentSettings):
    """The AI analyst."""

    model_id: str = Field(
        "gemini-2.5-flash",
        description="Model that gives the second opinion; without a provider's prefix it is Google's, otherwise as in "
        "`openai:…`, `anthropic:…`, `azure:…`, `ollama:…` with that provider's usual variables.",
    )
    model_fallback: str = Field(
        "gemini-3.5-flash-lite",
        description="Model that is asked when MODEL_ID is no longer served (404); `none` for no other model.",
    )
    gemini_api_key: SecretStr | None = Field(
        None, description="Key of Google's Gemini API; without it, and with a Google model, no AI is asked."
    )
    gemini_base_url: str = Field(
        "https://generativelanguage.googleapis.com", description="Where Google's Gemini API is reached."
    )
    mask: Literal["secrets", "strict"] = Field(
        "secrets",
        description="What is masked before a text leaves for the AI, Slack or Jira: secrets, or with `strict` also "
        "e-mail addresses and host names.",
    )
    ai_analyses_per_hour: int = Field(200, ge=0, description="How many AI analyses an hour all servers make together.")
    ai_reuse_seconds: float = Field(
        600, ge=0, description="How long an AI answer is used again for the same failure with the same text."
    )
    ai_call_seconds: float = Field(
        20, ge=0.1, le=25, description="After how many seconds an AI analysis is cut; below the worker's 30."
    )

    @field_validator("model_id", "model_fallback")
    @classmethod
    def _bare(cls, value: str) -> str:
        return value.strip().removeprefix("models/")

    @property
    def models(self) -> tuple[str, ...]:
        """The models to ask, in this order."""
        fallback = self.model_fallback
        return (self.model_id, *((fallback,) if fallback.lower() not in {"", "none", self.model_id} else ()))

    @property
    def configured(self) -> bool:
        """Whether there is a model to ask: a Google key, or another provider named."""
        return self.gemini_api_key is not None or not _is_google(self.model_id)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one call of the model came to, an unsuccessful one too; `cost` in US dollars, None where unknown."""

    outcome: str
    tokens_in: int
    tokens_out: int
    seconds: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's opinion, the model version that gave it, and what it took."""

    opinion: Opinion
    model: str
    spent: Spent


class Analyst:
    """Asks a language model; `note` hears of every call, `clock` (seconds) says when a pause is over."""

    def __init__(
        self,
        settings: AnalystSettings,
        *,
        note: Callable[[Spent], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._note = note
        self._clock = clock
        self._agent: Agent[None, Opinion] | None = None
        self._building = asyncio.Lock()
        self._rests_until = 0.0

    @property
    def strict(self) -> bool:
        """Whether host names and e-mail addresses are masked too."""
        return self.settings.mask == "strict"

    async def ask(self, asked: Question, *, seconds: float | None = None) -> Answer:
        """The model's opinion, within `seconds` (at most AI_CALL_SECONDS).

        Raises Retryable where a later call may succeed, with the server's delay, and in doubt where the call may have
        cost something; Permanent where no later call will.
        """
        resting = self._rests_until - self._clock()
        if resting > 0:
            raise Retryable("The AI asked for a pause.", after=resting)
        agent = await self._ready()
        began = time.perf_counter()
        from pydantic_ai.usage import RunUsage  # noqa: PLC0415  # vendor library, imported at first use

        usage, outcome, cost = RunUsage(), "cut", None
        limit = min(self.settings.ai_call_seconds, seconds or self.settings.ai_call_seconds)
        try:
            result = await self._run(agent, asked, usage, limit)
            outcome, cost = "answered", _cost(result)
        except Retryable as error:
            outcome = "unavailable"
            if error.after:
                self._rests_until = self._clock() + min(error.after, LONGEST_REST)
            raise
        except Permanent:
            outcome = "failed"
            raise
        finally:
            spent = Spent(outcome, usage.input_tokens, usage.output_tokens, time.perf_counter() - began, cost)
            if self._note is not None:
                self._note(spent)
        return Answer(result.output, result.response.model_name or self.settings.model_id, spent)

    async def _run(
        self, agent: Agent[None, Opinion], asked: Question, usage: Any, limit: float
    ) -> AgentRunResult[Opinion]:
        from pydantic_ai.exceptions import AgentRunError, FallbackExceptionGroup, UserError  # noqa: PLC0415  # as above

        try:
            async with asyncio.timeout(limit):
                return await agent.run(prompt(asked), usage=usage)
        except TimeoutError:
            raise Retryable(f"The AI did not answer within {limit:g} s.", in_doubt=True) from None
        except FallbackExceptionGroup as group:
            raise translated(group.exceptions[-1]) from group
        except (AgentRunError, UserError) as error:
            raise translated(error) from error
        except ValueError as error:  # google-genai lets some unreadable answers through as such
            raise Permanent(f"The AI's answer could not be read ({type(error).__name__}).") from error

    async def close(self) -> None:
        """Give the connections back."""
        async with self._building:
            agent, self._agent = self._agent, None
        if agent is not None:
            # Entered and left again: the models close the clients they made for themselves.
            async with agent:
                pass

    async def _ready(self) -> Agent[None, Opinion]:
        async with self._building:
            if self._agent is None:
                # In a thread: the library takes seconds to import, and webhooks must not wait for that.
                self._agent = await asyncio.to_thread(_agent, self.settings)
        return self._agent


def _is_google(model: str) -> bool:
    provider, colon, _ = model.partition(":")
    return not colon or provider in GOOGLE


def _agent(settings: AnalystSettings) -> Agent[None, Opinion]:
    """The agent with its models. Raises Permanent where the provider is unknown, not installed or without a key."""
    from pydantic_ai import Agent, NativeOutput  # noqa: PLC0415  # vendor library, imported at first use
    from pydantic_ai.exceptions import ModelNotFoundError, UserError  # noqa: PLC0415  # as above
    from pydantic_ai.models.fallback import FallbackModel  # noqa: PLC0415  # as above

    try:
        first, *others = [_model(name, settings) for name in settings.models if _has_key(name, settings)]
    except (UserError, ValueError, ImportError) as error:
        raise Permanent(f"MODEL_ID={settings.model_id[:100]} cannot be used: {_first_line(error)}") from error
    model = FallbackModel(first, *others, fallback_on=(ModelNotFoundError,)) if others else first
    return Agent(
        model,
        output_type=NativeOutput(Opinion, name="diagnosis"),
        instructions=instructions(),
        retries=1,
        model_settings={"max_tokens": LONGEST_ANSWER},
    )


def _has_key(name: str, settings: AnalystSettings) -> bool:
    # The default fallback is Google's: without Google's key it is no fallback for another provider's model.
    return name == settings.model_id or not _is_google(name) or settings.gemini_api_key is not None


def _model(name: str, settings: AnalystSettings) -> Model:
    if not _is_google(name):
        from pydantic_ai.models import infer_model  # noqa: PLC0415  # vendor library, imported at first use

        return infer_model(name)
    from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415  # as above
    from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415  # as above

    key = settings.gemini_api_key.get_secret_value() if settings.gemini_api_key else None
    provider = GoogleProvider(api_key=key, base_url=settings.gemini_base_url.rstrip("/"))
    return GoogleModel(name.rpartition(":")[2].removeprefix("models/"), provider=provider)


# pydantic-ai's errors, the more special before the more general: whether a later call may succeed, and the sentence.
_FAULTS = (
    ("ModelQuotaExceededError", False, "The AI's quota is used up for the day, or its billing has to be seen to"),
    ("ModelRateLimitError", True, "The AI has too many requests"),
    ("ModelUnavailableError", True, "The AI is not available"),
    ("ModelServerError", True, "The AI is not available"),
    ("ModelConnectionError", True, "The AI could not be reached"),
    ("ModelRequestTimeout", True, "The AI did not answer in time"),
    ("ModelAuthenticationError", False, "The AI refused our key"),
    ("ModelNotFoundError", False, "The AI no longer serves the model; set MODEL_ID to one it serves"),
    ("ModelAPIError", False, "The AI refused the request"),
    ("ContentFilterError", False, "The AI's safety filter stopped the answer"),
    ("OutputTokenLimitExceeded", False, "The AI ran out of tokens before it had answered (MAX_TOKENS)"),
    ("UnexpectedModelBehavior", False, "The AI's answer did not fit the schema, asked twice"),
)


def translated(error: Exception) -> Retryable | Permanent:
    """pydantic-ai's error as one of our two kinds, in a sentence that carries nothing of the prompt or the answer."""
    from pydantic_ai import exceptions as raised  # noqa: PLC0415  # vendor library, imported at first use

    status = getattr(error, "status_code", None)
    shown = f" (HTTP {status})" if isinstance(status, int) else ""
    for name, later, sentence in _FAULTS:
        if isinstance(error, getattr(raised, name)):
            reason = f"{sentence}{shown}."
            return Retryable(reason, after=getattr(error, "retry_after", None)) if later else Permanent(reason)
    if isinstance(error, raised.UserError):
        return Permanent(f"The AI is not set up rightly: {_first_line(error)}")
    return Permanent(f"The AI failed ({type(error).__name__}).")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _cost(result: AgentRunResult[Opinion]) -> float | None:
    """US dollars by pydantic-ai's price list, None where it does not know the model."""
    try:
        return float(result.response.cost().total_price)
    except (LookupError, ValueError, AssertionError):
        return None
