// The view in the address bar, and what the server is asked with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { auditQuestion, listQuestion, readTicket, readView, writeView } from "../../src/pipesleuth/web/static/js/address.js";
import { choices, matches, narrowed } from "../../src/pipesleuth/web/static/js/match.js";
import { comparison, grouped, usualOrder } from "../../src/pipesleuth/web/static/js/order.js";

test("a view survives the way through the address bar", () => {
  const said = "/dashboard?tab=closed&q=a+%26+b&from=2026-01-01T00%3A00%3A00.000Z&sort=oldest&group=finops_team&severity=High&severity=Low&team=R%26D#/tickets/ADF-1%2F%23";
  const url = new URL(said, "http://x");
  const view = readView(url.search, url.hash);
  assert.deepEqual([view.tab, view.q, view.severity, view.team, view.ticket], ["closed", "a & b", ["High", "Low"], ["R&D"], "ADF-1/#"]);
  assert.equal(writeView(view), said);
  assert.equal(writeView(readView("", "")), "/dashboard");
});

test("an odd address becomes the usual view", () => {
  assert.equal(readView("?tab=__proto__&severity=", "#/tickets/%E0%A4%A").tab, "open");
  for (const hash of ["#/tickets/%E0%A4%A", "#/tickets/", "#/tickets/a/b", "#x", ""]) assert.equal(readTicket(hash), null);
});

test("the server is asked with every chip, trimmed words and the order", () => {
  const view = readView("?q=+blob+&priority=P1&priority=P2&action=Ticket+Closed", "");
  assert.equal(listQuestion(view, "urgency").toString(), "q=blob&priority=P1&priority=P2&sort=urgency");
  assert.equal(auditQuestion(view).toString(), "action=Ticket+Closed&q=blob");
});

test("search looks into every field a card shows", () => {
  const card = { id: "ADF-1", pipeline: "Load_Sales", rca_result: "Blob gone", itsm_ticket_id: "OPS-7", run_id: "r-9", error_type: "E404", finops_team: "Finance", affected_entity: "raw/x.csv" };
  for (const q of ["adf-1", "SALES", "blob GONE", "ops-7", "r-9", "e404", "finance", "x.CSV", ""])
    assert.ok(matches(card, readView(`?q=${encodeURIComponent(q)}`, "")), q);
  assert.ok(!matches(card, readView("?q=nothing", "")));
});

test("chips of one kind widen, of two kinds narrow; dates bound", () => {
  const card = { severity: "High", priority: "P2", finops_team: "Finance", timestamp: "2026-01-26T14:00:00.000000+00:00" };
  const fits = (search) => matches(card, readView(search, ""));
  assert.deepEqual([fits("?severity=High&severity=Low"), fits("?severity=High&priority=P1"), fits("?team=Finance")], [true, false, true]);
  assert.deepEqual([fits("?from=2026-01-26T13:59:00.000Z"), fits("?to=2026-01-26T13:59:00.000Z")], [true, false]);
  assert.deepEqual([narrowed(readView("?sort=newest", "")), narrowed(readView("?to=2026", ""))], [false, true]);
});

test("choices are what is there and what was chosen", () => {
  assert.deepEqual(choices([{ finops_team: "B" }, { finops_team: null }, { finops_team: "A" }], "team", ["Z"]), ["A", "B", "Z"]);
});

test("groups keep the order of their cards and name what has none", () => {
  const cards = [{ id: 1, finops_team: "B" }, { id: 2, finops_team: null }, { id: 3, finops_team: "B" }];
  assert.deepEqual(grouped(cards, "finops_team").map(({ name, cards: some }) => [name, some.length]), [["B", 2], ["None", 1]]);
  assert.equal(grouped(cards, "")[0].cards, cards);
});

test("orders: newest, oldest, pipeline, severity; an unknown word is urgency", () => {
  const cards = [
    { id: "a", pipeline: "beta", severity: "Low", timestamp: "2026-01-02" },
    { id: "b", pipeline: "Alpha", severity: "Critical", timestamp: "2026-01-01" },
  ];
  const sorted = (order) => [...cards].sort(comparison(order, "2026")).map((card) => card.id).join("");
  assert.deepEqual(["newest", "oldest", "pipeline", "severity", "nonsense", "constructor"].map(sorted), ["ab", "ba", "ba", "ba", "ab", "ab"]);
  assert.deepEqual([usualOrder("open"), usualOrder("closed")], ["urgency", "closed"]);
});
