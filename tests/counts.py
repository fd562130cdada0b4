"""What must be true after a storm, counted in the database, in the archive and at the vendors' stand-ins."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipesleuth.destinations.jira_document import audit_id_of
from pipesleuth.destinations.outline import SIGNS
from pipesleuth.model import Status
from pipesleuth.tickets.identity import run_mark

if TYPE_CHECKING:
    from storms import Storm

CATEGORY = {"new": "open", "indeterminate": "in_progress", "done": "acknowledged"}
UNEXPECTED = ("Traceback", "todo.failed", "worker.round_failed", "deadlines.failed", "live.failed")


class Counted(Protocol):
    """Whatever has been stormed at: what it was sent, and what it and the vendors have of it."""

    folder: Path
    log: Path
    accepted: dict[str, str]
    bodies: dict[str, bytes]
    issues: list[dict[str, Any]]
    messages: list[dict[str, Any]]

    def rows(self, query: str, /) -> list[dict[str, Any]]:
        """What its database says."""
        ...


def wrongs(storm: Counted) -> list[str]:
    """Everything that is not as promised, in words; empty after a good storm."""
    tickets = storm.rows("SELECT * FROM tickets")
    found = _tickets(storm, tickets)
    for ticket in tickets:
        found += _vendors(storm, ticket)
        found += _archive(storm, ticket)
    found += _audit(storm, tickets)
    left = storm.rows("SELECT * FROM todos WHERE wanted_version > done_version OR stopped_at IS NOT NULL")
    found += [f"{todo['ticket_id']} {todo['kind']} is not done: {todo['last_error']}" for todo in left]
    found += [f"{row['ticket_id']}'s body is kept" for row in storm.rows("SELECT ticket_id FROM payloads")]
    log = storm.log.read_text(errors="replace")
    found += [f"the log has {word}: {log[log.index(word) - 200 :][:1500]}" for word in UNEXPECTED if word in log]
    found += [f"the log tells a secret ({secret})" for secret in ("Gr3enApple", "c2VjcmV0LW9m") if secret in log]
    return found


def _tickets(storm: Counted, tickets: list[dict[str, Any]]) -> list[str]:
    by_run = {ticket["run_id"]: ticket["id"] for ticket in tickets}
    wrong = [f"{run} was answered {ticket} but is {by_run.get(run)}" for run, ticket in storm.accepted.items()
             if by_run.get(run) != ticket]  # fmt: skip
    many = [run for run, times in Counter(ticket["run_id"] for ticket in tickets).items() if times > 1]
    return wrong + [f"{run} has several tickets" for run in many]


def _vendors(storm: Counted, ticket: dict[str, Any]) -> list[str]:
    """One issue, one message, each note and comment once and in order, and the same status everywhere."""
    name, mark = ticket["id"], run_mark(ticket["source"], ticket["run_id"], ticket["id"])
    issues = [issue for issue in storm.issues if mark in issue["fields"]["labels"]]
    roots = [one for one in storm.messages if not one["is_reply"] and _payload(one).get("run_mark") == mark]
    closed = ticket["status"] == Status.ACKNOWLEDGED
    found: list[str] = []
    for what, there in (("Jira issues", issues), ("Slack messages", roots)):
        if len(there) > 1 or (not there and not closed):
            found.append(f"{name} ({ticket['status']}) has {len(there)} {what}")
    for issue in issues[:1]:
        status = CATEGORY[issue["fields"]["status"]["statusCategory"]["key"]]
        if status != ticket["status"] or issue["key"] != ticket["itsm_ticket_id"]:
            found.append(f"{name} is {ticket['status']} {ticket['itsm_ticket_id']}, in Jira {status} {issue['key']}")
        found += _once(name, "comments", [audit_id_of(comment["body"]) for comment in issue["comments"]])
    for root in roots[:1]:
        sign = SIGNS[Status(ticket["status"])]
        if not root["blocks"][0]["text"]["text"].startswith(sign):
            found.append(f"{name} is {ticket['status']} but Slack shows {root['blocks'][0]['text']['text']!r}")
        notes = [int(_payload(one)["audit_id"]) for one in storm.messages if one.get("thread_ts") == root["ts"]
                 and one["is_reply"]]  # fmt: skip
        found += _once(name, "notes", notes)
    return found


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    return message.get("metadata", {}).get("event_payload", {})


def _once(name: str, what: str, told: list[Any]) -> list[str]:
    ours = [number for number in told if number is not None]
    twice = [number for number, times in Counter(ours).items() if times > 1]
    found = [f"{name} has {what} told twice: {twice}"] if twice else []
    return found + ([f"{name} has {what} out of order: {ours}"] if ours != sorted(ours) else [])


def _archive(storm: Counted, ticket: dict[str, Any]) -> list[str]:
    files = list(storm.folder.rglob(f"archive/*/{ticket['id']}-payload.json"))
    if len(files) != 1:
        return [f"{ticket['id']} has {len(files)} files in the archive"]
    body = storm.bodies.get(ticket["run_id"])
    return [] if body is None or files[0].read_bytes() == body else [f"{ticket['id']}'s file is not its body"]


def _audit(storm: Counted, tickets: list[dict[str, Any]]) -> list[str]:
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in storm.rows("SELECT * FROM audit_trail ORDER BY id"):
        lines[line["ticket_id"]].append(line)
    found: list[str] = []
    for ticket in tickets:
        said = lines[ticket["id"]]
        times = Counter(line["action"] for line in said)
        exactly = {"Ticket Created": 1, "Blob Saved": 1}
        told = {"Jira Created": ticket["itsm_ticket_id"], "Slack Sent": ticket["slack_ts"]}
        expected = exactly | {action: int(bool(there)) for action, there in told.items()}
        found += [f"{ticket['id']} has {times[a]} × {a}" for a, count in expected.items() if times[a] != count]
        versions = [line["ticket_version"] for line in said if line["ticket_version"] is not None]
        if versions != list(range(versions[0], versions[0] + len(versions))) or versions[-1] != ticket["version"]:
            found.append(f"{ticket['id']} has versions {versions}, its row {ticket['version']}")
    return found


def told(storm: Storm) -> str:
    """One line of figures about a storm."""
    tickets = len(storm.rows("SELECT id FROM tickets"))
    lines = storm.rows("SELECT count(*) AS n FROM audit_trail")[0]["n"]
    comments = sum(len(issue["comments"]) for issue in storm.issues)
    return json.dumps(
        {
            "tickets": tickets,
            "issues": len(storm.issues),
            "messages": len(storm.messages),
            "comments": comments,
            "audit": lines,
            "kills": storm.kills,
            "faults": storm.faults,
        }
    )
