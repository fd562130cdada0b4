"""How fast webhooks become durable tickets, as a share of what a no-op POST route does on the same server."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from load import Run, post

KEY = "bench-key-0123456789abcdef"
CONNECTIONS = 32
REQUESTS, WARM_UP, ROUNDS = 1200, 300, 5
GOAL = "goal 0.30, p99 under 80 ms"
AGAIN = "goal: not slower than new ones"
SQL = (
    "Operation on target Copy orders failed: ErrorCode=SqlFailedToConnect,'Type=Microsoft.DataTransfer.Common.Shared."
    "HybridDeliveryException,Message=Cannot connect to SQL Database: 'retail-{n}.database.windows.net', Database: "
    "'orders', User: 'etl'. Check the linked service configuration is correct, and make sure the SQL Database firewall "
    "allows the integration runtime to access.,Source=Microsoft.DataTransfer.Connectors.MSSQL,''Type=System.Data."
    "SqlClient.SqlException,Message=A network-related or instance-specific error occurred.,Source=.Net SqlClient,'"
)
BLOB = (
    "Operation on target Load sales failed: ErrorCode=UserErrorSourceBlobNotExists,'Type=Microsoft.DataTransfer.Common."
    "Shared.HybridDeliveryException,Message=The required Blob is missing. ContainerName: https://acc{n}.blob.core."
    "windows.net/raw, path: sales/2026/{n}/part.csv.,Source=Microsoft.DataTransfer.ClientLibrary,'"
)
FLOW = (
    'Operation on target df_orders failed: {"StatusCode":"DFExecutorUserError","Message":"Job failed due to reason: '
    "at Sink 'sink{n}': Column 'amount' has incompatible types\"}"
)
SPARK = (
    "Operation on target Notebook failed: org.apache.spark.SparkException: Job aborted due to stage failure: Task {n} "
    "in stage 3.0 failed 4 times: ExecutorLostFailure (executor 7 exited caused by one of the running tasks) Reason: "
    "Container killed on request. Exit code is 137"
)
MESSAGES = (SQL, BLOB, FLOW, SPARK)


def bodies(count: int, *, same: bool = False) -> Iterator[bytes]:
    """Typical alerts; each with a run of its own, or all with one of a hundred."""
    for number in range(count):
        run = str(uuid.UUID(int=number % 100)) if same else str(uuid.uuid4())
        message = MESSAGES[number % len(MESSAGES)].replace("{n}", str(number % 50))
        yield json.dumps(alert(f"pl_load_orders_{number % 40}", run, message)).encode()


def alert(pipeline: str, run: str, message: str) -> dict[str, object]:
    """A log alert as Azure Monitor sends it."""
    resource = "/subscriptions/1111/resourcegroups/rg/providers/microsoft.datafactory/factories/adf-sales-prod"
    values = {"PipelineName": pipeline, "RunId": run, "ErrorCode": "2200", "FailureType": "UserError"}
    dimensions = [
        {"name": n, "value": v} for n, v in {**values, "ErrorMessage": message, "_ResourceId": resource}.items()
    ]
    essentials = {
        "alertId": f"/subscriptions/1111/alerts/{run}",
        "alertRule": "adf-pipeline-failed",
        "severity": "Sev1",
        "signalType": "Log",
        "monitorCondition": "Fired",
        "monitoringService": "Log Alerts V2",
        "alertTargetIDs": [resource],
        "originAlertId": run,
        "firedDateTime": "2026-11-20T02:16:31.4410000Z",
    }
    condition = {
        "windowSize": "PT5M",
        "allOf": [{"searchQuery": "ADFPipelineRun", "dimensions": dimensions, "metricValue": 1.0}],
    }
    context = {"properties": None, "conditionType": "LogQueryCriteria", "condition": condition}
    return {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": essentials, "alertContext": context}}


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def service(*arguments: str, **environment: str) -> Generator[int]:
    """The service in a process of its own, ready; its port."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        port = free_port()
        env = {**os.environ, "DATA_DIR": folder, "RCA_API_KEY": KEY, **environment}
        script = str(Path(__file__).with_name("measured.py"))
        process = subprocess.Popen([sys.executable, script, str(port), *arguments], env=env)
        try:
            wait_until_ready(port)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=40)


def wait_until_ready(port: int) -> None:
    """Return once the service answers; a minute at most."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz?for=intake", timeout=2)  # our own server
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the service did not become ready")


def load(port: int, path: str, count: int, *, same: bool = False, connections: int = CONNECTIONS) -> Run:
    """One load run; raises where an answer was not 200."""
    made = iter(list(bodies(count, same=same)))
    run = uvloop.run(post(port, path, made, key=KEY, connections=connections))
    assert set(run.statuses) == {200}, run.statuses
    return run


def middle(runs: list[Run], share: float | None = None) -> float:
    """The middle one of the runs' rates, or of the times that this share of their answers took at most."""
    return statistics.median(run.rate if share is None else run.at(share) for run in runs)


def measure(port: int, name: str) -> None:
    """Take turns between a no-op, new failures and duplicates, so that a noisy machine hits all alike; the table."""
    for path, same in (("/noop", False), ("/azure-monitor", False), ("/azure-monitor", True)):
        load(port, path, WARM_UP, same=same)
    floors, fresh, again = list[Run](), list[Run](), list[Run]()
    for _ in range(ROUNDS):
        floors.append(load(port, "/noop", REQUESTS))
        fresh.append(load(port, "/azure-monitor", REQUESTS))
        again.append(load(port, "/azure-monitor", REQUESTS, same=True))
    floor = middle(floors)
    for what, runs, goal in (("no-op POST", floors, ""), ("new failures", fresh, GOAL), ("duplicates", again, AGAIN)):
        shares = statistics.median(run.rate / floor.rate for run, floor in zip(runs, floors, strict=True))
        times = f"p50 {middle(runs, 0.5):>6.1f} ms  p99 {middle(runs, 0.99):>6.1f} ms"
        print(f"{what:<14} {name:<22} {middle(runs):>7.0f}/s  {times}  {shares:>5.2f} × no-op  {goal}")
    print(f"{'':<14} {'':<22} {floor:>7.0f}/s is the no-op's middle of {ROUNDS} rounds")


def main() -> None:
    for name, arguments in (("to-dos left", ("--no-work",)), ("to-dos worked off", ()), ("handlers hang", ("--hang",))):
        with service(*arguments) as port:
            measure(port, name)


if __name__ == "__main__":
    main()
