"""What the stand-in for a language model says: an answer, or one of the ways of saying nothing."""

from __future__ import annotations

import json

from pipesleuth.sandbox.gemini_answer import diagnosis_of, filled
from pipesleuth.sandbox.gemini_obedience import obey
from pipesleuth.sandbox.wire import Json, object_of, objects_of, text_of


def silence(mode: str, count: int, model: str, body: Json) -> Json:
    """The answers without content."""
    version: Json = {"modelVersion": model}
    if mode == "blocked":
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage(count, 0, 0), **version}
    if mode == "empty":
        return {"candidates": [], "usageMetadata": usage(count, 0, 0), **version}
    if mode == "safety":
        rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
        candidate: Json = {"finishReason": "SAFETY", "index": 0, "safetyRatings": [rating]}
        return {"candidates": [candidate], "usageMetadata": usage(count, 0, 0), **version}
    limit = object_of(body.get("generationConfig")).get("maxOutputTokens")
    spent = limit if isinstance(limit, int) else 4096
    candidate = {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage(count, 0, spent), **version}


def spoken_part(mode: str, body: Json, prompt: str) -> Json:
    """The part of an answer that carries its content: JSON text, prose, or the call of an offered function."""
    config = object_of(body.get("generationConfig"))
    schema = object_of(config.get("responseJsonSchema") or config.get("responseSchema"))
    wanted = diagnosis_of(untrusted_part(prompt))
    if schema:
        return {"text": spoken_text(mode, schema, wanted, prompt)}
    offered = [f for tool in objects_of(body.get("tools")) for f in objects_of(tool.get("functionDeclarations"))]
    if not offered:
        return {"text": str(wanted["root_cause"])}
    rules = object_of(offered[0].get("parametersJsonSchema") or offered[0].get("parameters"))
    value = obey(prompt, rules, wanted) if mode == "obey" else filled(rules, wanted, rules)
    return {"functionCall": {"name": offered[0].get("name"), "args": BAD_SHAPE if mode in WRONG_MODES else value}}


WRONG_MODES = {"wrong_schema", "malformed"}
BAD_SHAPE: Json = {"root_cause": 7, "severity": "Apocalyptic", "recommendations": "none", "surprise": [None]}


def spoken_text(mode: str, schema: Json, wanted: Json, prompt: str) -> str:
    """The JSON text of an answer, or what the mode makes of it."""
    value = obey(prompt, schema, wanted) if mode == "obey" else filled(schema, wanted, schema)
    text = json.dumps(BAD_SHAPE if mode == "wrong_schema" else value, ensure_ascii=False)
    if mode == "malformed":
        return text[: max(1, len(text) * 2 // 3)]
    return f"Certainly! Here is my analysis:\n```json\n{text}\n```\nStay calm." if mode == "prose" else text


def usage(prompt: int, answer: int, thoughts: int) -> Json:
    """The token counts of one call; parts that are zero are left out, as Google does."""
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": answer, "thoughtsTokenCount": thoughts}
    return {**{name: n for name, n in counts.items() if n}, "totalTokenCount": prompt + answer + thoughts}


def tokens(text: str) -> int:
    """About how many tokens a text has: one for four characters."""
    return max(1, len(text) // 4)


def prompt_of(body: Json) -> str:
    """All text that the user's side said."""
    parts = [part for turn in objects_of(body.get("contents")) for part in objects_of(turn.get("parts"))]
    return "\n".join(text_of(part.get("text")) for part in parts)


def untrusted_part(prompt: str) -> str:
    """The part that looks like the quoted error: after the last line that announces one, else everything."""
    for mark in ("<untrusted", "<error", "-----BEGIN", "```", "ERROR MESSAGE", "Error message"):
        if mark in prompt:
            return prompt[prompt.index(mark) :]
    return prompt
