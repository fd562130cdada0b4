"""A Databricks workspace's memory: runs, outputs, clusters, jobs and notification destinations."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from pipesleuth.sandbox.refusals import databricks_refusal
from pipesleuth.sandbox.wire import Json, Refusal, list_of, number_of, object_of, objects_of, seconds_of, text_of

ENDED = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}
MULTI_TASK = (
    "Retrieving the output of runs with multiple tasks is not supported. "
    "Please retrieve the output of each individual task run instead."
)


class Workspace:
    """What the workspace knows; change it with `PUT /_state/databricks`.

    State: `runs` (as runs/get answers, `repair_history` included), `outputs` ({task run id: output}),
    `clusters`, `cluster_events` ({cluster id: [events, newest first]}), `jobs` (as jobs/get answers).
    Settings: `tokens` (empty takes any), `workspace_id`, `tasks_per_page`, `repair_seconds` and
    `repair_result` (what becomes of repairs and run-now), `missing_status` (404 or 400).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """An empty workspace."""
        self.settings: Json = {
            "tokens": [], "workspace_id": 7405616400000001, "tasks_per_page": 100,
            "repair_seconds": 5, "repair_result": "SUCCESS", "missing_status": 404,
        }  # fmt: skip
        self.runs: dict[int, Json] = {}
        self.task_runs: dict[int, int] = {}
        self.outputs: dict[int, Json] = {}
        self.clusters: dict[str, Json] = {}
        self.cluster_events: dict[str, list[Json]] = {}
        self.jobs: dict[int, Json] = {}
        self.destinations: dict[str, Json] = {}
        self.last_id = 990_000_000_000_000
        self.tokens_given: dict[str, int] = {}

    def put(self, state: Json) -> None:
        """Add to the data, and change settings; a run of the same id is replaced."""
        for run in objects_of(state.get("runs")):
            self.add_run(run)
        for number, output in object_of(state.get("outputs")).items():
            self.outputs[number_of(number, 0)] = object_of(output)
        for cluster in objects_of(state.get("clusters")):
            self.clusters[str(cluster.get("cluster_id"))] = cluster
        for number, events in object_of(state.get("cluster_events")).items():
            self.cluster_events[number] = objects_of(events)
        for job in objects_of(state.get("jobs")):
            self.jobs[number_of(job.get("job_id"), 0)] = job
        data = {"runs", "outputs", "clusters", "cluster_events", "jobs"}
        self.settings |= {name: value for name, value in state.items() if name not in data}

    def seen(self) -> Json:
        """The data as `GET /_state/databricks` shows it."""
        return {
            "settings": {name: value for name, value in self.settings.items() if name != "tokens"},
            "runs": list(self.runs.values()), "outputs": self.outputs, "clusters": list(self.clusters.values()),
            "cluster_events": self.cluster_events, "jobs": list(self.jobs.values()),
            "destinations": list(self.destinations.values()),
        }  # fmt: skip

    def add_run(self, run: Json) -> None:
        """Keep a run and know the ids of its tasks."""
        number = number_of(run.get("run_id"), 0)
        self.runs[number] = run
        for task in objects_of(run.get("tasks")):
            self.task_runs[number_of(task.get("run_id"), 0)] = number

    def next_id(self) -> int:
        """An id never given before."""
        self.last_id += 1
        return self.last_id

    def missing(self, what: str, number: object) -> Refusal:
        """The refusal for an object that is not there (any more)."""
        status = number_of(self.settings["missing_status"], 404)
        return Refusal(status, databricks_refusal(status, f"{what} {number} does not exist."))

    def run(self, number: int) -> Json:
        """The run of this id; a task's id gives a run with that one task."""
        if number in self.runs:
            return self.settled(self.runs[number])
        parent = self.runs.get(self.task_runs.get(number, 0))
        if parent is None:
            raise self.missing("Run", number)
        self.settled(parent)
        task = next(entry for entry in objects_of(parent.get("tasks")) if number_of(entry.get("run_id"), 0) == number)
        frame = {
            name: parent[name] for name in ("job_id", "creator_user_name", "run_type", "trigger") if name in parent
        }
        more = {"job_run_id": parent.get("run_id"), "parent_run_id": parent.get("run_id")}
        return {**frame, **task, **more, "run_name": task.get("task_key"), "tasks": [task]}

    def output(self, number: int) -> Json:
        """What a task run left behind; 400 for a run of several tasks."""
        tasks = objects_of(self.run(number).get("tasks"))
        if number in self.runs:
            if len(tasks) > 1:
                body = databricks_refusal(400, MULTI_TASK)
                body["details"] = [
                    {"@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": str(uuid.uuid4())}
                ]
                raise Refusal(400, body)
            number = number_of(tasks[0].get("run_id"), number) if tasks else number
        run = self.run(number)
        names = (
            "job_id",
            "run_id",
            "run_name",
            "state",
            "status",
            "start_time",
            "end_time",
            "run_page_url",
            "task_key",
        )
        frame: Json = {"metadata": {name: run[name] for name in names if name in run}}
        return {**frame, **self.outputs.get(number, {})}

    def settled(self, run: Json) -> Json:
        """The run after what was started on it here has ended, if its time has come."""
        due = run.get("_due")
        if due is None or self.clock() < due:
            return run
        result = text_of(self.settings["repair_result"], "SUCCESS")
        good = result == "SUCCESS"
        code = "SUCCESS" if good else "RUN_EXECUTION_ERROR"
        end: Json = {
            "state": {"life_cycle_state": "TERMINATED" if good else "INTERNAL_ERROR", "result_state": result},
            "status": {
                "state": "TERMINATED",
                "termination_details": {"code": code, "type": "SUCCESS" if good else "CLIENT_ERROR", "message": ""},
            },
            "end_time": int(due * 1000),
        }  # fmt: skip
        del run["_due"]
        run.update(end)
        for task in objects_of(run.get("tasks")):
            if object_of(task.get("state")).get("life_cycle_state") == "RUNNING":
                task.update(end)
        history = objects_of(run.get("repair_history"))
        if history:
            history[-1].update(end)
        return run

    def repair(self, arguments: Json) -> Json:
        """Run failed tasks again under the same run id; the newest repair's id is the lock."""
        run = self.run(number_of(arguments.get("run_id"), 0))
        if object_of(run.get("state")).get("life_cycle_state") not in ENDED:
            raise Refusal(400, databricks_refusal(400, "The run is not in a terminal state.", "INVALID_STATE"))
        history = objects_of(run.get("repair_history"))
        repairs = [entry for entry in history if entry.get("type") == "REPAIR"]
        latest = repairs[-1].get("id") if repairs else None
        if latest is not None and arguments.get("latest_repair_id") != latest:
            raise Refusal(400, databricks_refusal(400, "The latest_repair_id does not name the latest repair."))
        wanted = {str(key) for key in list_of(arguments.get("rerun_tasks"))}
        newest = {str(task.get("task_key")): task for task in objects_of(run.get("tasks"))}
        failed = {key for key, task in newest.items() if object_of(task.get("state")).get("result_state") != "SUCCESS"}
        again = failed if arguments.get("rerun_all_failed_tasks") is True else wanted & set(newest)
        if not again:
            raise Refusal(400, databricks_refusal(400, "There is no task to run again."))
        now = int(self.clock() * 1000)
        running: Json = {
            "state": {"life_cycle_state": "RUNNING", "state_message": "In run"},
            "status": {"state": "RUNNING"},
        }
        tasks = [
            {**newest[key], **running, "run_id": self.next_id(), "start_time": now, "end_time": 0,
             "attempt_number": number_of(newest[key].get("attempt_number"), 0) + 1}
            for key in newest if key in again
        ]  # fmt: skip
        if not history:
            first = {name: run[name] for name in ("start_time", "end_time", "state", "status") if name in run}
            ids = [task.get("run_id") for task in objects_of(run.get("tasks"))]
            history = [{"type": "ORIGINAL", "id": number_of(run.get("run_id"), 0), **first, "task_run_ids": ids}]
        repair_id = self.next_id()
        ids = [task["run_id"] for task in tasks]
        entry: Json = {
            "type": "REPAIR",
            "id": repair_id,
            "start_time": now,
            "end_time": 0,
            **running,
            "task_run_ids": ids,
        }
        run["repair_history"] = [*history, entry]
        run["tasks"] = [*objects_of(run.get("tasks")), *tasks]
        run |= running
        run["_due"] = self.clock() + seconds_of(self.settings["repair_seconds"], 5)
        self.add_run(run)
        return {"repair_id": repair_id}

    def run_now(self, arguments: Json) -> Json:
        """Start a job; the same idempotency token gives the run it started before."""
        job_id = number_of(arguments.get("job_id"), 0)
        token = text_of(arguments.get("idempotency_token"))
        if len(token) > 64:
            raise Refusal(400, databricks_refusal(400, "The idempotency_token is longer than 64 characters."))
        if token and token in self.tokens_given:
            known = self.tokens_given[token]
            return {"run_id": known, "number_in_job": known}
        known_jobs = {*self.jobs, *(number_of(run.get("job_id"), 0) for run in self.runs.values())}
        if job_id not in known_jobs:
            raise self.missing("Job", job_id)
        number = self.next_id()
        if token:
            self.tokens_given[token] = number
        now = int(self.clock() * 1000)
        running: Json = {
            "state": {"life_cycle_state": "RUNNING", "state_message": "In run"},
            "status": {"state": "RUNNING"},
        }
        task: Json = {"task_key": "main", "run_id": self.next_id(), "attempt_number": 0, "start_time": now, **running}
        self.add_run({
            "job_id": job_id, "run_id": number, "job_run_id": number, "number_in_job": number, "run_type": "JOB_RUN",
            "trigger": "ONE_TIME", "start_time": now, **running, "tasks": [task],
            "job_parameters": arguments.get("job_parameters"),
            "_due": self.clock() + seconds_of(self.settings["repair_seconds"], 5),
        })  # fmt: skip
        return {"run_id": number, "number_in_job": number}
