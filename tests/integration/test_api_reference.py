"""The examples of docs/api.md: each is asked in its order, and answered as the page says."""

from __future__ import annotations

import json
import re
from typing import Any

from equipment import HOUSE
from places import API_KEY

PAGE = HOUSE / "docs" / "api.md"
EXAMPLE = re.compile(r"^```http\n(.*?)^```\n```json (\d{3})\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


def fits(told: Any, answered: Any, where: str = "") -> None:
    """Whether an answer is what the page tells: all that is told must be there, and as it is told."""
    if isinstance(told, dict):
        assert isinstance(answered, dict), where
        for name, value in told.items():
            assert name in answered, f"{where}/{name} is not there: {sorted(answered)}"
            fits(value, answered[name], f"{where}/{name}")
    elif isinstance(told, list):
        assert isinstance(answered, list), where
        assert len(answered) >= len(told), where
        assert bool(answered) == bool(told), where
        for place, value in enumerate(told):
            fits(value, answered[place], f"{where}/{place}")
    elif isinstance(told, str) and told.endswith(ANYTHING):
        assert str(answered).startswith(told[: -len(ANYTHING)]), f"{where}: {answered}"
    else:
        assert answered == told, f"{where}: {answered!r} is not {told!r}"


async def test_every_example_of_the_page_is_answered_as_it_says(open_place: Any) -> None:
    text = PAGE.read_text("utf-8")
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```http") == text.count("```json") > 20
    known = {"KEY": API_KEY, "TICKET": "", "TOKEN": ""}
    async with open_place() as place:
        for asked, status, told in examples:
            head, _, body = asked.partition("\n\n")
            line, *headers = head.strip().splitlines()
            method, path = line.split(" ", 1)
            for name, value in known.items():
                path, headers = path.replace(name, value), [one.replace(name, value) for one in headers]
            sent = dict(one.split(": ", 1) for one in headers)
            answer = await place.client.request(method, path, content=body.strip().encode(), headers=sent | JSON)
            assert answer.status_code == int(status), f"{line}: {answer.status_code} {answer.text}"
            said = answer.json()
            fits(json.loads(told), said, line)
            known["TOKEN"] = said.get("access_token") or known["TOKEN"]
            known["TICKET"] = known["TICKET"] or said.get("ticket_id", "")


JSON = {"content-type": "application/json"}
