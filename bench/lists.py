"""How fast lists, searches, sums and files are read from a long history, and how much memory a server needs for it.

    python bench/lists.py --folder temp --sizes 10000,1000000 --on sqlite,postgresql

makes the histories in the folder if they are not there. A given `--postgresql URL` is filled and used instead of a
PostgreSQL of the bench's own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import history
from intake import KEY, free_port, wait_until_ready

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from postgres_server import postgres_running

TABS = ("open-tickets", "in-progress-tickets", "closed-tickets")
SORTS = ("urgency", "newest", "oldest", "closed", "pipeline", "severity")
ROUNDS = 5
GOALS = "goal: lists and searches p95 under 100 ms, and at most 2 × that of the small history; memory under 250 MB"


@dataclass(slots=True)
class Times:
    """How long answers took, in milliseconds, by what was asked."""

    by_case: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def at(self, group: str, share: float) -> float:
        """The time that this share of a group's cases took at most, each in its best round: others use the machine."""
        took = sorted(min(some) for (of, _), some in self.by_case.items() if of == group)
        return took[min(len(took) - 1, int(len(took) * share))]

    def slowest(self, group: str, most: int) -> list[str]:
        """The cases that took longest."""
        best = {case: min(some) for (of, case), some in self.by_case.items() if of == group}
        return [f"{case} {ms:.0f} ms" for case, ms in sorted(best.items(), key=lambda each: -each[1])[:most]]


class Dashboard:
    """Somebody signed in who asks."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._token = ""
        person = {"email": f"bench-{time.time_ns()}@sigmoidanalytics.com", "password": "a long enough password"}
        self._token = json.loads(self._asked("/api/register", json.dumps(person).encode()))["access_token"]

    def get(self, path: str, **params: Any) -> Any:
        """An answer as it is read."""
        return json.loads(self._asked(f"/api/{path}?{urllib.parse.urlencode(params, doseq=True)}"))

    def length(self, path: str, **params: Any) -> int:
        """How many bytes a file has."""
        with self._opened(f"/api/export/{path}?{urllib.parse.urlencode(params)}") as answer:
            return sum(len(piece) for piece in iter(lambda: answer.read(1 << 16), b""))

    def _asked(self, path: str, body: bytes | None = None) -> bytes:
        with self._opened(path, body) as answer:
            return answer.read()

    def _opened(self, path: str, body: bytes | None = None) -> Any:
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        request = urllib.request.Request(self._base + path, data=body, headers=headers)  # noqa: S310  # our own server
        return urllib.request.urlopen(request, timeout=600)  # noqa: S310  # the same


def cases(samples: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every list in every order, filtered and not, and searches as people make them: group, name, path, question."""
    some = samples[0]
    filters: dict[str, dict[str, Any]] = {
        "all": {},
        "critical": {"severity": "Critical"},
        "P1+P2": {"priority": ["P1", "P2"]},
        "databricks": {"source": "databricks"},
        "team": {"team": some["finops_team"]},
        "category": {"category": some["category"]},
        "team+category+severity": {
            name: some[key]
            for name, key in (("team", "finops_team"), ("category", "category"), ("severity", "severity"))
        },
        "a week": {"from": "2026-06-01", "to": "2026-06-08"},
        "a week of a team": {"from": "2026-06-01", "to": "2026-06-08", "team": some["finops_team"]},
    }
    for tab in TABS:
        for sort in SORTS:
            for name, question in filters.items():
                yield "list", f"{tab} {sort} {name}", tab, {"sort": sort, **question}
    words: list[tuple[str, str]] = []
    for number, row in enumerate(samples):
        said = {
            "id": row["id"],
            "part of an id": row["id"][-10:],
            "run": row["run_id"],
            "part of a run": row["run_id"][3:11],
        }
        said |= {
            "pipeline": row["pipeline"],
            "part of a pipeline": row["pipeline"][3:15],
            "Jira key": row["itsm_ticket_id"],
        }
        said |= {"error type": row["error_type"] or "Timeout", "entity": row["affected_entity"] or "server"}
        said |= {"team": row["finops_team"], "words of the cause": " ".join(row["rca_result"].split()[:3])}
        said |= {
            "one word": row["rca_result"].split()[1],
            "two letters": row["pipeline"][:2],
            "nothing": f"no such thing {number}",
        }
        words += said.items()
    for name, text in words:
        for tab, sort in (("open-tickets", "urgency"), ("closed-tickets", "closed"), ("closed-tickets", "severity")):
            yield "search", f"{tab} {sort} {name} {text[:30]!r}", tab, {"q": text, "sort": sort}
        yield "audit", f"audit {name} {text[:30]!r}", "audit-trail", {"q": text}
    for question in (
        {},
        {"action": "Ticket Closed"},
        {"ticket_id": some["id"]},
        {"action": "Ticket Taken", "q": "Köhler"},
    ):
        yield "audit", f"audit {question}", "audit-trail", question
    yield "sums", "summary", "summary", {}
    yield "sums", "a ticket", f"tickets/{some['id']}", {}
    yield "sums", "related", f"tickets/{some['id']}/related", {}
    yield "insights", "handover", "handover", {}
    for days, begin in ((7, "2026-11-13"), (30, "2026-10-21"), (390, "2025-10-26")):
        yield "insights", f"insights of {days} days", "insights", {"from": begin, "to": "2026-11-20"}


def ask(dashboard: Dashboard, samples: list[dict[str, Any]], rounds: int) -> Times:
    """Ask everything so many times over, in an order of chance."""
    times, chance = Times(), random.Random(1)
    asked = list(cases(samples))
    for _ in range(rounds):
        chance.shuffle(asked)
        for group, name, path, question in asked:
            began = time.perf_counter()
            answer = dashboard.get(path, **question)
            times.by_case[group, name].append((time.perf_counter() - began) * 1000)
            if group == "list" and answer["next_cursor"]:
                began = time.perf_counter()
                dashboard.get(path, **question, cursor=answer["next_cursor"])
                times.by_case[group, f"{name}, second page"].append((time.perf_counter() - began) * 1000)
    return times


def memory(pid: int, line: str = "VmRSS") -> float:
    """A process's memory in MB; `VmHWM` is the most it ever had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(each for each in status.splitlines() if each.startswith(line)).split()[1]) / 1024


def picked(path: Path) -> list[dict[str, Any]]:
    """Some tickets whose words are searched for."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        count = connection.execute("SELECT max(rowid) FROM tickets").fetchone()[0]
        rows = [
            connection.execute("SELECT * FROM tickets WHERE rowid = ?", (count * part // 7 - 1,)).fetchone()
            for part in (3, 5, 7)
        ]
    return [dict(row) for row in rows]


@contextmanager
def database(kind: str, path: Path, given: str | None) -> Generator[str]:
    """The address of a database that has the history."""
    if kind == "sqlite":
        yield f"sqlite:///{path.resolve()}"
        return
    if given:
        history.copy(path, given)
        yield given
        return
    with postgres_running(durable=True) as server:
        url = server.new_database()
        history.copy(path, url)
        yield url


@contextmanager
def served(url: str) -> Generator[tuple[int, int]]:
    """The service on a database, ready; its port and its process."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        port, script = free_port(), str(Path(__file__).with_name("measured.py"))
        env = {**os.environ, "DATA_DIR": folder, "RCA_API_KEY": KEY, "DATABASE_URL": url}
        process = subprocess.Popen([sys.executable, script, str(port)], env=env)
        try:
            wait_until_ready(port)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(timeout=40)


def measure(kind: str, size: int, options: argparse.Namespace) -> dict[str, float]:
    """One database of one size: its table of figures; the p95 of lists and searches."""
    path = history.history(options.folder, size)
    with database(kind, path, options.postgresql) as url, served(url) as (port, pid):
        dashboard, samples = Dashboard(port), picked(path)
        times = ask(dashboard, samples, options.rounds)
        print(f"{kind}, {size:,} tickets")
        for group in ("list", "search", "audit", "sums", "insights"):
            shares = "  ".join(f"p{share * 100:.0f} {times.at(group, share):>7.1f} ms" for share in (0.5, 0.95, 1))
            print(f"  {group:<9} {shares}   slowest: {'; '.join(times.slowest(group, options.slowest))}")
        print(f"  memory    {memory(pid):.0f} MB, at most {memory(pid, 'VmHWM'):.0f} MB")
        if options.files:
            began = time.perf_counter()
            bytes_ = dashboard.length("closed-tickets", sort="closed")
            took = time.perf_counter() - began
            print(f"  export    {bytes_ / 1e6:,.0f} MB in {took:.0f} s; memory at most {memory(pid, 'VmHWM'):.0f} MB")
    return {group: times.at(group, 0.95) for group in ("list", "search")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("temp"), help="where the histories are kept")
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--on", default="sqlite,postgresql")
    parser.add_argument("--postgresql", help="URL of a PostgreSQL database to fill and use")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--slowest", type=int, default=3)
    parser.add_argument("--files", action="store_true", help="write out the longest list as CSV as well")
    options = parser.parse_args()
    for kind in options.on.split(","):
        found = [measure(kind, int(size), options) for size in options.sizes.split(",")]
        for group in ("list", "search"):
            print(f"  {group}: {found[-1][group] / found[0][group]:.2f} × the smallest history's p95")
    print(GOALS)


if __name__ == "__main__":
    main()
