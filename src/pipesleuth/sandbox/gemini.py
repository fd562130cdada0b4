"""Google's Gemini API: generateContent with structured output, and every way in which it can disappoint.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipesleuth.sandbox.gemini_speech import prompt_of, silence, spoken_part, tokens, usage
from pipesleuth.sandbox.refusals import gemini_refusal
from pipesleuth.sandbox.wire import (
    Json,
    Refusal,
    is_object,
    list_of,
    object_of,
    objects_of,
    parsed,
    seconds_of,
)

MODES = (
    "normal", "obey", "malformed", "max_tokens", "safety", "blocked", "empty", "prose", "slow", "wrong_schema",
    "429", "500", "503",
)  # fmt: skip
LIVE = (
    "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-3.1-flash-lite", "gemini-3.5-flash",
    "gemini-3.5-flash-lite", "gemini-3.6-flash", "gemini-3.7-flash", "gemini-3.8-flash",
)  # fmt: skip
REQUEST_FIELDS = {
    "contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent",
    "labels", "model", "serviceTier", "store",
}  # fmt: skip


@dataclass(slots=True)
class GeminiState:
    """What the stand-in is set to: `PUT /_state/gemini`.

    `mode` is one of MODES; `script` is a list of modes used up first, one a call. `models` are the live ones,
    any other is 404. `routed` maps a model to the one that answers in its place. `seconds` is how long
    `slow` takes, `retry_delay` what a 429 tells to wait, `keys` the API keys (empty takes any).
    """

    mode: str = "normal"
    script: list[str] = field(default_factory=list[str])
    models: list[str] = field(default_factory=lambda: list(LIVE))
    routed: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 30.0
    retry_delay: float | None = 34.0
    keys: list[str] = field(default_factory=list[str])
    calls: int = 0

    def reset(self) -> None:
        """Back to a model that answers."""
        fresh = GeminiState()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def put(self, state: Json) -> None:
        """Change settings; 400 for an unknown mode."""
        modes = [str(mode) for mode in list_of(state.get("script"))]
        for mode in [str(state.get("mode", self.mode)), *modes]:
            if mode not in MODES:
                raise Refusal(400, {"detail": f"mode must be one of {', '.join(MODES)}"})
        self.mode = str(state.get("mode", self.mode))
        self.script = modes or self.script
        if "models" in state:
            self.models = [str(name) for name in list_of(state["models"])]
        for retired in list_of(state.get("retired")):
            self.models = [name for name in self.models if name != str(retired)]
        self.routed |= {name: str(target) for name, target in object_of(state.get("routed")).items()}
        self.seconds = seconds_of(state.get("seconds"), self.seconds)
        if "retry_delay" in state:
            delay = state["retry_delay"]
            self.retry_delay = None if delay is None else seconds_of(delay, 34.0)
        self.keys = [str(key) for key in list_of(state["keys"])] if "keys" in state else self.keys

    def seen(self) -> Json:
        """The settings as `GET /_state/gemini` shows them; never the keys."""
        names = ("mode", "script", "models", "routed", "seconds", "retry_delay", "calls")
        return {name: getattr(self, name) for name in names}


class GeminiApi:
    """The models below `/gemini/v1beta`."""

    def __init__(self, state: GeminiState) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        """Models, one model, and its methods behind a colon."""
        models = "/gemini/{version}/models"
        return [
            Route(models, self.models, methods=["GET"]),
            Route(f"{models}/{{model}}", self.model, methods=["GET"]),
            Route(f"{models}/{{call}}", self.call, methods=["POST"]),
        ]

    async def models(self, request: Request) -> Response:
        """The live models."""
        self.check_key(request)
        return JSONResponse({"models": [model_json(name) for name in self.state.models]})

    async def model(self, request: Request) -> Response:
        """One live model; 404 for a retired one."""
        self.check_key(request)
        return JSONResponse(model_json(self.live(request.path_params["model"])))

    async def call(self, request: Request) -> Response:
        """GenerateContent (in one piece or as a stream of one) or countTokens."""
        self.check_key(request)
        model, _, method = str(request.path_params["call"]).partition(":")
        model = self.live(model)
        body = await read_request(request)
        if method == "countTokens":
            return JSONResponse({"totalTokens": tokens(json.dumps(body.get("contents")))})
        if method not in {"generateContent", "streamGenerateContent"}:
            raise Refusal(404, gemini_refusal(404, message=f"Unknown method {method}."))
        check_request(body, model)
        answer = await self.answer(body, self.state.routed.get(model, model))
        if method == "generateContent":
            return JSONResponse(answer)
        if request.query_params.get("alt") == "sse":
            return Response(f"data: {json.dumps(answer)}\r\n\r\n", media_type="text/event-stream")
        return JSONResponse([answer])

    def check_key(self, request: Request) -> None:
        """403 without a key, 400 for a wrong one, as Google does."""
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
        if not key:
            text = (
                "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
            )
            raise Refusal(403, gemini_refusal(403, message=text))
        if self.state.keys and key not in self.state.keys:
            body = gemini_refusal(400, message="API key not valid. Please pass a valid API key.")
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            body["error"]["details"] = [reason]
            raise Refusal(400, body)

    def live(self, model: str) -> str:
        """The model's name when it is served; 404 for retired and unknown ones."""
        if model not in self.state.models:
            text = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
            raise Refusal(404, gemini_refusal(404, message=text))
        return model

    async def answer(self, body: Json, model: str) -> Json:
        """What the model says in its present mode."""
        state = self.state
        state.calls += 1
        mode = state.script.pop(0) if state.script else state.mode
        if mode in {"429", "500", "503"}:
            raise Refusal(int(mode), gemini_refusal(int(mode), state.retry_delay if mode == "429" else None))
        if mode == "slow":
            await asyncio.sleep(state.seconds)
        prompt = prompt_of(body)
        count = tokens(prompt)
        if mode in {"max_tokens", "safety", "blocked", "empty"}:
            return silence(mode, count, model, body)
        part = spoken_part(mode, body, prompt)
        candidate: Json = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        return {
            "candidates": [candidate],
            "usageMetadata": usage(count, tokens(json.dumps(part)), 64),
            "modelVersion": model,
            "responseId": uuid.uuid4().hex[:20],
        }


async def read_request(request: Request) -> Json:
    """A request's JSON object; 400 in Google's form."""
    try:
        body = parsed(await request.body())
    except ValueError:
        body = None
    if not is_object(body):
        raise Refusal(400, gemini_refusal(400, message="Invalid JSON payload received."))
    return camel(body)


def camel(body: Json) -> Json:
    """The request with Google's own spelling of names: its JSON takes `snake_case` for `camelCase`."""
    named = renamed(body)
    if "generationConfig" in named:
        named["generationConfig"] = renamed(object_of(named["generationConfig"]))
    if "tools" in named:
        tools = [renamed(tool) for tool in objects_of(named["tools"])]
        for tool in tools:
            if "functionDeclarations" in tool:
                tool["functionDeclarations"] = [renamed(entry) for entry in objects_of(tool["functionDeclarations"])]
        named["tools"] = tools
    return named


def renamed(entry: Json) -> Json:
    """An object with its own names in camelCase."""
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in entry.items()}


def check_request(body: Json, model: str) -> None:
    """What Google refuses in a request."""
    config = object_of(body.get("generationConfig"))
    turns = objects_of(body.get("contents"))
    newer = not model.startswith("gemini-2")
    thinking = object_of(config.get("thinkingConfig"))
    json_wanted = config.get("responseMimeType") == "application/json"
    unknown = sorted(set(body) - REQUEST_FIELDS)
    wrong = (
        f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.'
        if unknown
        else "* GenerateContentRequest.contents: contents is not specified"
        if not turns
        else "responseSchema and responseJsonSchema cannot both be set."
        if "responseSchema" in config and "responseJsonSchema" in config
        else "A response schema needs the response mime type application/json."
        if ("responseSchema" in config or "responseJsonSchema" in config) and not json_wanted
        else "The last turn must not be the model's."
        if newer and turns[-1].get("role") == "model"
        else "Penalty is not enabled for this model."
        if newer and ({"frequencyPenalty", "presencePenalty"} & set(config))
        else "Thinking level MINIMAL is not supported for this model."
        if thinking.get("thinkingLevel") == "MINIMAL" and model in {"gemini-3.7-flash", "gemini-3.8-flash"}
        else ""
    )
    if wrong:
        raise Refusal(400, gemini_refusal(400, message=wrong))


def model_json(name: str) -> Json:
    """A model as the list shows it."""
    return {
        "name": f"models/{name}",
        "version": name.removeprefix("gemini-"),
        "displayName": name.replace("-", " ").title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
