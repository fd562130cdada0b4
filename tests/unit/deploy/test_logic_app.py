"""The Logic App, walked against the real service: every failed run of an alert has one ticket afterwards."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from equipment import HOUSE
from logic_app import Run
from pipesleuth.db.upgrade import upgrade
from pipesleuth.triage.diagnose import Triage
from places import API_KEY, Clock, Place, opened, settings_in

SAMPLES = HOUSE / "tests" / "samples" / "sources"
BASE = "https://pipesleuth.example.com"


def definition() -> dict[str, Any]:
    (resource,) = json.loads((HOUSE / "deploy" / "azure" / "logic-app.json").read_text())["resources"]
    return resource["properties"]["definition"]


def sample(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def several(*runs: str) -> dict[str, Any]:
    """One alert about several failed runs."""
    alert = sample("log_v2_pipeline_run")
    (first,) = alert["data"]["alertContext"]["condition"]["allOf"]
    entries = []
    for run in runs:
        entry = copy.deepcopy(first)
        for dimension in entry["dimensions"]:
            if dimension["name"] == "RunId":
                dimension["value"] = run
        entries.append(entry)
    alert["data"]["alertContext"]["condition"]["allOf"] = entries
    return alert


class Way:
    """The Logic App's way to a service in this process, on which answers can be lost."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.down: dict[str, int] = {}
        self.key = API_KEY

    async def run(self, body: Any) -> Run:
        """One run of the Logic App for one alert."""
        return await Run(definition(), {"pipesleuthUrl": BASE, "rcaApiKey": self.key}, body, self._call).go()

    async def _call(self, method: str, uri: str, headers: Mapping[str, str], body: Any) -> tuple[int, Any]:
        assert uri.startswith(f"{BASE}/")
        if self.down.get(method, 0) > 0:
            self.down[method] -= 1
            return 503, "<html>Service Unavailable</html>"
        path = httpx.URL(uri).raw_path.decode()
        content = None if body is None else json.dumps(body)
        answer = await self.place.client.request(method, path, headers=headers, content=content)
        assert "location" not in answer.headers
        return answer.status_code, answer.json()


@pytest.fixture
async def way(tmp_path: Path, triage: Triage, cheap_hash: str) -> AsyncGenerator[Way]:
    upgrade(settings_in(tmp_path).database)
    async with opened(tmp_path, Clock(), triage, cheap_hash) as place:
        yield Way(place)


def methods(run: Run) -> list[str]:
    return [method for method, _, _ in run.calls]


async def test_a_new_failure_is_looked_up_then_posted_whole(way: Way) -> None:
    body = sample("log_v2_pipeline_run")
    run = await way.run(body)
    assert run.ended == ("Succeeded", None)
    assert methods(run) == ["GET", "POST"]
    assert run.outputs["Failed_run"].keys() == {"PipelineName", "PipelineRunId", "ErrorMessage"}
    assert all(run.outputs["Failed_run"].values())
    (row,) = await way.place.rows()
    assert row["run_id"] == run.outputs["Failed_run"]["PipelineRunId"]
    assert row["pipeline"] == run.outputs["Failed_run"]["PipelineName"]
    assert run.outputs["Create_tickets"]["body"]["status"] == "success"
    assert (await way.place.inbound())[-1]["size"] == len(json.dumps(body))


async def test_a_failure_that_has_its_ticket_is_not_posted_again(way: Way) -> None:
    await way.run(sample("log_v2_pipeline_run"))
    again = await way.run(sample("log_v2_pipeline_run"))
    assert methods(again) == ["GET"]
    assert again.ended == ("Succeeded", None)
    assert len(await way.place.rows()) == 1


async def test_every_failed_run_of_the_window_gets_its_ticket_and_not_the_latest_only(way: Way) -> None:
    runs = [f"7d0c5a0e-9b1f-4b1e-8f7a-2f3f0a5d9e{number:02d}" for number in range(4)]
    await way.run(several(runs[1]))
    run = await way.run(several(*runs))
    assert methods(run) == ["GET", "GET", "GET", "GET", "POST"]
    assert {row["run_id"] for row in await way.place.rows()} == set(runs)
    statuses = [one["status"] for one in run.outputs["Create_tickets"]["body"]["tickets"]]
    assert sorted(statuses) == ["duplicate_ignored", "success", "success", "success"]
    assert methods(await way.run(several(*runs))) == ["GET"] * 4


async def test_a_run_id_with_odd_signs_is_asked_for_as_it_is(way: Way) -> None:
    odd = "run 1/2?x=#ü%2e"
    first = await way.run(several(odd))
    assert first.calls[0][1] == f"{BASE}/api/check-ticket-exists/run%201%2F2%3Fx%3D%23%C3%BC%252e"
    assert [row["run_id"] for row in await way.place.rows()] == [odd]
    assert methods(await way.run(several(odd))) == ["GET"]


async def test_an_alert_that_resolved_opens_nothing(way: Way) -> None:
    run = await way.run(sample("log_v2_resolved"))
    assert run.calls == []
    assert run.ended == ("Succeeded", None)


@pytest.mark.parametrize(
    "name", ["metric", "legacy_metric", "legacy_log_v1", "log_v2_no_dimensions", "logic_app_forward"]
)
async def test_an_alert_that_names_no_run_is_always_forwarded(way: Way, name: str) -> None:
    run = await way.run(sample(name))
    assert methods(run) == ["POST"]
    assert run.ended == ("Succeeded", None)
    assert await way.place.rows()


async def test_a_question_without_an_answer_loses_no_failure_and_doubles_none(way: Way) -> None:
    await way.run(sample("log_v2_pipeline_run"))
    way.down = {"GET": 3}
    run = await way.run(sample("log_v2_pipeline_run"))
    assert methods(run) == ["GET", "GET", "GET", "POST"]
    assert run.ended == ("Succeeded", None)
    assert run.outputs["Create_tickets"]["body"]["status"] == "duplicate_ignored"
    assert len(await way.place.rows()) == 1


async def test_a_service_that_comes_back_in_time_gets_the_alert(way: Way) -> None:
    way.down = {"GET": 3, "POST": 12}
    run = await way.run(sample("log_v2_pipeline_run"))
    assert methods(run) == ["GET"] * 3 + ["POST"] * 13
    assert run.ended == ("Succeeded", None)
    assert len(await way.place.rows()) == 1


async def test_a_service_that_stays_away_fails_the_run_for_all_to_see(way: Way) -> None:
    way.down = {"GET": 99, "POST": 99}
    run = await way.run(sample("log_v2_pipeline_run"))
    assert run.ended is not None
    assert run.ended[0] == "Failed"
    assert run.ended[1]["code"] == "503"


async def test_a_wrong_key_fails_the_run_at_once(way: Way) -> None:
    way.key = "wrong"
    run = await way.run(sample("log_v2_pipeline_run"))
    assert [status for _, _, status in run.calls] == [401, 401]
    assert run.ended is not None
    assert run.ended[0] == "Failed"
    assert run.ended[1]["code"] == "401"


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.json")))
async def test_no_alert_breaks_an_expression(name: str) -> None:
    body: Any = sample(name)
    if not isinstance(body, dict) or isinstance(body.get("data"), str | list):
        return  # Azure Monitor posts objects; Logic Apps would fail the run, and its alert would say so

    async def accepting(method: str, _uri: str, _headers: Mapping[str, str], _body: Any) -> tuple[int, Any]:
        return 200, {"exists": False, "ticket_id": None} if method == "GET" else {"status": "success"}

    run = await Run(definition(), {"pipesleuthUrl": BASE, "rcaApiKey": "k"}, body, accepting).go()
    assert run.ended == ("Succeeded", None)
