"""How tests look at what a door answered."""

from __future__ import annotations

import base64

import httpx

RUN = "7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e11"


def basic(password: str, user: str = "databricks") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def is_error(answer: httpx.Response, status: int, code: str) -> None:
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert body["code"] == code, body
    assert isinstance(body["detail"], str)
    assert body["detail"]
    assert set(body) <= {"detail", "code", "field"}
    assert "location" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


def quoted_run(run: str) -> bytes:
    from urllib.parse import quote  # noqa: PLC0415  # used once

    return quote(run, safe="/").encode()
