"""Airflow and Teams in a whole service: a failed run, its tasks, its clearing, and the cards that tell of it."""

from __future__ import annotations

from typing import Any

from pipesleuth.destinations.teams import Teams, TeamsSettings
from pipesleuth.sandbox import Sandbox
from pipesleuth.sources.airflow import Airflow
from pipesleuth.sources.airflow_api import AirflowSettings
from places import Clock, work_off

RUN = "scheduled__2026-11-20T02:00:00+00:00"
LOG = "[2026-11-20, 02:14:18 UTC] {taskinstance.py:1937} ERROR - Task failed with exception\nPermissionError: no entry"


def failed(task: str = "load", **more: Any) -> dict[str, Any]:
    return {"event": "task_failed", "dag_id": "orders", "run_id": RUN, "task_id": task, "state": "failed", **more}


async def test_a_run_is_one_ticket_until_it_is_cleared_and_fails_again(open_place: Any, clock: Clock) -> None:
    async with open_place(asked=(Airflow(),)) as place:
        first = (await place.post(failed(), "/hooks/airflow")).json()
        assert first["ticket_id"].startswith("AIR-")
        again = (await place.post(failed("publish"), "/hooks/airflow")).json()
        assert (again["status"], again["ticket_id"]) == ("duplicate_ignored", first["ticket_id"])
        person = await place.signed_in()
        closed = await place.client.post(f"/api/tickets/{first['ticket_id']}/close", headers=person)
        assert closed.status_code == 200
        clock.turn(3600)
        cleared = (await place.post(failed(), "/hooks/airflow")).json()
        assert (cleared["status"], cleared["run_id"]) == ("success", f"orders/{RUN}")
        row = await place.row(cleared["ticket_id"])
        assert (row["run_id"], row["run_group"]) == (f"orders/{RUN}:again-1", f"orders/{RUN}")


async def test_the_log_makes_the_cause_and_teams_hears_of_it_and_of_the_end(open_place: Any, clock: Clock) -> None:
    async with Sandbox(clock=lambda: clock().timestamp()) as sandbox:
        task = {"task_id": "load", "state": "failed", "try_number": 2, "operator": "PythonOperator", "log": LOG}
        sandbox.world.airflow.put(
            {"runs": [{"dag_id": "orders", "dag_run_id": RUN, "state": "failed", "tasks": [task]}]}
        )
        address = sandbox.environment()["TEAMS_WEBHOOK_URL"]
        settings = AirflowSettings(_env_file=None, airflow_url=f"{sandbox.url}/airflow", airflow_token="t")  # type: ignore[call-arg, arg-type]
        teams = Teams(TeamsSettings(_env_file=None, teams_webhook_url=address))  # type: ignore[call-arg, arg-type]
        async with open_place(asked=(Airflow(settings, now=clock),), told={"teams": teams}) as place:
            ticket = await place.ticket({**failed(), "task_id": None, "reason": "task_failure"}, "/hooks/airflow")
            await work_off(place.worker)
            row = await place.row(ticket)
            assert (row["activity"], "PermissionError" in row["error_message"]) == ("load", True)
            assert "Teams Sent" in await place.actions(ticket)
            person = await place.signed_in()
            await place.client.post(f"/api/tickets/{ticket}/close", headers=person, json={"note": "given the role"})
            clock.turn(5)
            await work_off(place.worker)
            cards = [str(post.card) for post in sandbox.world.teams.posts]
        assert len(cards) == 2
        assert "PermissionError" in cards[0] or "denied" in cards[0].lower()
        assert "is closed" in cards[1]
        assert sandbox.world.teams.refused == []
