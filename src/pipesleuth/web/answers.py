"""Answers as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response


def json_answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that is always valid UTF-8, whatever characters a payload has brought in."""
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(text, status, headers, "application/json")
