"""Dashboard and alert rules ask only for what a real scrape after a real flow has: metrics, labels and their values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from equipment import HOUSE
from pipesleuth.model import Permanent, Priority, Retryable
from pipesleuth.tickets import coverage, owed
from pipesleuth.triage.analyst import Spent
from pipesleuth.web.gauges import DOORS, FAILOVER
from places import NOON, Place, adf
from told import Told, failing

MONITORING = HOUSE / "deploy" / "monitoring"
TARGET = {"job", "instance"}  # Prometheus itself puts these on what it scrapes
ITS_OWN = {"up"}
Scrape = Mapping[str, list[Mapping[str, str]]]


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def panels() -> list[dict[str, Any]]:
    return json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]


def queries() -> list[tuple[str, str]]:
    """Every query with where it stands."""
    asked = [(f"alert {rule['alert']}", rule["expr"]) for rule in alerts()]
    asked += [(f"panel {p['title']}", target["expr"]) for p in panels() for target in p.get("targets", ())]
    return [(where, query.replace("$__rate_interval", "5m")) for where, query in asked]


def parts(node: Any) -> Iterator[Any]:
    """A query's parts, all the way down."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, name, None)
        if inner is not None and not isinstance(inner, str | int | float):
            yield from parts(inner)
    for inner in getattr(node, "args", None) or ():
        yield from parts(inner)


def selectors(query: str) -> list[Any]:
    return [part for part in parts(promql.parse(query)) if isinstance(part, promql.VectorSelector)]


def grouped(query: str) -> set[str]:
    """The labels that a query groups or joins by."""
    return {
        label
        for _, inside in re.findall(r"\b(by|on)\s*\(([^)]*)\)", query)
        for label in re.split(r"[\s,]+", inside)
        if label
    }


async def flow(place: Place, slack: Told) -> None:
    """What happens in a house: failures, duplicates, refusals, a channel that stopped and one that is held back."""
    body = adf()
    await place.post(body)
    await place.post(body)
    await place.post({"nothing": "in it"})
    await place.client.post("/azure-monitor", json=body)
    await place.client.post("/azure-monitor", content=b"{", headers={"x-api-key": "wrong"})
    await place.work_off()
    slack.does = failing(Retryable("Too many", after=60, everyone=True))
    await place.ticket(adf(message="OutOfMemoryError: Java heap space"))
    await place.work_off()
    place.clock.turn(100_000)
    place.parts.house.gauges.ai_call(Spent("answered", 1200, 300, 1.5, 0.002))
    place.parts.house.gauges.ai_call(Spent("failed", 0, 0, 0.5, None))
    await place.parts.database.write(
        lambda c: coverage.advance(c, "databricks", since=NOON, until=NOON, running=(), failed_runs=7)
    )


@pytest.fixture
async def scrape(open_place: Any) -> Scrape:
    """The labels of every sample, by its name."""
    jira, slack = Told("jira", does=failing(Permanent("No such project"))), Told("slack")
    found: dict[str, list[Mapping[str, str]]] = {}
    async with open_place(told={"jira": jira, "slack": slack}) as place:
        await flow(place, slack)
        text = (await place.client.get("/metrics")).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


async def test_every_query_asks_for_metrics_and_labels_that_a_scrape_has(scrape: Scrape) -> None:
    wrong: list[str] = []
    for where, query in queries():
        known: set[str] = set()
        for selector in selectors(query):
            if selector.name in ITS_OWN:
                continue
            samples = scrape.get(selector.name)
            if samples is None:
                wrong.append(f"{where}: there is no {selector.name}")
                continue
            labels = {label for sample in samples for label in sample} | TARGET
            known |= labels
            wrong += [
                f"{where}: {selector.name} has no label {m.name}"
                for m in selector.matchers.matchers
                if m.name not in labels
            ]
        wrong += [f"{where}: nothing has the label {label}" for label in grouped(query) - known]
    assert wrong == []


async def test_every_value_that_is_asked_for_is_one_that_exists(scrape: Scrape) -> None:
    # What needs a real outage or a long silence to be seen; the words themselves come from the code.
    unseen = {
        "sla_status": {"Breached"},
        "state": {*FAILOVER, *owed.STATES},
        "route": DOORS,
        "status": {"503"},
        "priority": set(Priority),
    }
    wrong: list[str] = []
    for where, query in queries():
        for selector in selectors(query):
            for matcher in selector.matchers.matchers:
                if matcher.name in TARGET:
                    continue
                values = {sample.get(matcher.name, "") for sample in scrape[selector.name]}
                values |= unseen.get(matcher.name, set())
                pattern = "Re" in str(matcher.op)
                wrong += [
                    f"{where}: {selector.name} never has {matcher.name}={word}"
                    for word in (matcher.value.split("|") if pattern else [matcher.value])
                    if not any(re.fullmatch(word if pattern else re.escape(word), value) for value in values)
                ]
    assert wrong == []


async def test_labels_are_words_of_ours_and_never_names_of_theirs(scrape: Scrape) -> None:
    values = {value for samples in scrape.values() for sample in samples for value in sample.values()}
    assert not values & {"pl_orders", "wrong"}
    assert all(len(value) <= 60 for value in values)
    assert sum(len(samples) for samples in scrape.values()) < 600


async def test_a_thousand_strange_requests_make_no_new_series(place: Place) -> None:
    async def series() -> int:
        return (await place.client.get("/metrics")).text.count("\n")

    await place.client.get("/no/such/route")
    await place.client.request("BREW", "/coffee")
    await place.post({}, "/hooks/none")
    await series()  # a scrape is a request too
    before = await series()
    for number in range(50):
        await place.client.get(f"/no/such/route/{number}")
        await place.client.request(f"BREW{number}", f"/coffee/{number}")
        await place.post({}, f"/hooks/none{number}")
    assert await series() == before


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {}, 200),
        ({"public_base_url": "https://pipesleuth.example.com"}, {}, 401),
        ({"metrics_key": "m" * 20}, {}, 401),
        ({"metrics_key": "m" * 20}, {"authorization": "Bearer " + "n" * 20}, 401),
        ({"metrics_key": "m" * 20}, {"authorization": "Bearer é"}, 401),
        ({"metrics_key": "m" * 20}, {"authorization": "Basic " + "m" * 20}, 401),
        ({"metrics_key": "m" * 20}, {"authorization": "Bearer " + "m" * 20}, 200),
    ],
)
async def test_figures_are_shown_on_loopback_or_to_whoever_has_the_key(
    open_place: Any, settings: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    async with open_place(**settings) as place:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answered = await place.client.get("/metrics", headers=raw)
        assert answered.status_code == status
        assert ("pipesleuth_" in answered.text) == (status == 200)


def test_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do() -> None:
    page = (HOUSE / "docs" / "observability.md").read_text(encoding="utf-8")
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names) >= 12
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "action"}
        assert f"`{rule['alert']}`" in page


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    board = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    assert {"title", "uid", "schemaVersion", "templating", "panels"} <= board.keys()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    (variable,) = board["templating"]["list"]
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == f"${{{variable['name']}}}"
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert used <= grouped(target["expr"]) | TARGET, panel["title"]


async def test_the_page_names_every_metric(scrape: Scrape) -> None:
    page = (HOUSE / "docs" / "observability.md").read_text(encoding="utf-8")
    ours = {name for name in scrape if name.startswith("pipesleuth_") and not name.endswith("_created")}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in ours}
    assert {name for name in families if f"`{name}`" not in page} == set()
    named = set(re.findall(r"`(pipesleuth_\w+)`", page))
    assert named - families == set()
