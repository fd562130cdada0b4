// What the page knows: versions, lists, filters and order.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { readView } from "../../src/pipesleuth/web/static/js/address.js";
import { Tickets } from "../../src/pipesleuth/web/static/js/tickets.js";

const NOW = Date.parse("2026-01-26T14:00:00Z");
const make = (id, change = {}) => ({
  id, version: 1, status: "open", pipeline: "Load", severity: "High", priority: "P2", sla_status: "Pending",
  timestamp: "2026-01-26T13:00:00.000000+00:00", sla_due_at: "2026-01-26T15:00:00.000000+00:00", ...change,
});
const told = (card, event = "ticket_updated") => ({ event, ticket_id: card.id, version: card.version, card });
const page = (tickets, more = {}) => ({ tickets, next_cursor: null, total: tickets.length, more: false, ...more });
let tickets;
let view;
const ids = (tab = "open") => tickets.shown(tab, view, NOW).map((card) => card.id);

beforeEach(() => {
  tickets = new Tickets();
  view = readView("", "");
  for (const tab of ["open", "in_progress", "closed"]) tickets.page(tab, page([]), { first: true });
});

test("a new ticket joins its list, and only once", () => {
  assert.ok(tickets.apply(told(make("a"), "new_ticket"), view, NOW));
  assert.equal(tickets.apply(told(make("a"), "new_ticket"), view, NOW), null);
  assert.deepEqual(ids(), ["a"]);
});

test("a card that is not newer changes nothing", () => {
  tickets.page("open", page([make("a", { version: 5, severity: "Critical" })]), { first: true });
  assert.equal(tickets.apply(told(make("a", { version: 4, status: "acknowledged" })), view, NOW), null);
  assert.deepEqual(ids(), ["a"]);
});

test("a changed status moves the ticket to the other list", () => {
  tickets.apply(told(make("a")), view, NOW);
  tickets.apply(told(make("a", { version: 2, status: "in_progress" }), "status_update"), view, NOW);
  assert.deepEqual([ids("open"), ids("in_progress")], [[], ["a"]]);
});

test("an old event that comes again after a reconnection does not bring a ticket back", () => {
  tickets.apply(told(make("a")), view, NOW);
  view = readView("?severity=Low", "");
  tickets.narrow("open", view);
  tickets.page("open", page([]), { first: true });
  tickets.apply(told(make("a", { version: 3, status: "acknowledged" })), view, NOW);
  assert.equal(tickets.apply(told(make("a", { version: 2, status: "open", severity: "Low" })), view, NOW), null);
  assert.deepEqual(ids(), []);
});

test("an event that comes while a first page is under way is kept", () => {
  tickets.lists.open.arrivals = new Set();
  tickets.apply(told(make("new"), "new_ticket"), view, NOW);
  tickets.apply(told(make("gone", { version: 2, status: "acknowledged" })), view, NOW);
  tickets.page("open", page([make("old"), make("gone")]), { first: true });
  assert.deepEqual(ids().sort(), ["new", "old"]);
});

test("filters and search decide who joins; a member found by hidden text stays", () => {
  view = readView("?severity=High&q=needle", "");
  tickets.page("open", page([make("found")]), { first: true });
  tickets.apply(told(make("found", { version: 2 })), view, NOW);
  tickets.apply(told(make("other")), view, NOW);
  tickets.apply(told(make("match", { rca_result: "A Needle in it" })), view, NOW);
  assert.deepEqual(ids().sort(), ["found", "match"]);
  tickets.apply(told(make("found", { version: 3, severity: "Low" })), view, NOW);
  assert.deepEqual(ids(), ["match"]);
});

test("a new ticket that belongs behind the loaded page waits for it", () => {
  tickets.page("open", page([make("a")], { next_cursor: "c", total: 80 }), { first: true });
  tickets.apply(told(make("late", { sla_due_at: "2026-01-27T00:00:00.000000+00:00" })), view, NOW);
  tickets.apply(told(make("soon", { sla_due_at: "2026-01-26T14:30:00.000000+00:00" })), view, NOW);
  assert.deepEqual(ids(), ["soon", "a"]);
});

test("breached tickets stand first, then time left, then priority", () => {
  const due = (minutes) => `2026-01-26T14:${minutes}:00.000000+00:00`;
  tickets.page("open", page([
    make("later", { sla_due_at: due(50) }), make("p2", { sla_due_at: due(20) }), make("p1", { sla_due_at: due(20), priority: "P1" }),
    make("breached", { sla_due_at: due(55), sla_status: "Breached" }), make("over", { sla_due_at: "2026-01-26T13:59:00.000000+00:00" }),
  ]), { first: true });
  assert.deepEqual(ids(), ["over", "breached", "p1", "p2", "later"]);
});

test("ten thousand events leave nothing behind", () => {
  for (let n = 0; n < 10_000; n += 1) {
    const id = `t${n % 50}`;
    tickets.apply(told(make(id, { version: n + 1, status: n % 3 ? "open" : "acknowledged" })), view, NOW);
  }
  tickets.page("open", page([make("t1", { version: 99_999 })]), { first: true });
  tickets.page("closed", page([]), { first: true });
  assert.equal(tickets.cards.size, 1);
  assert.ok(tickets.changed.size <= 1);
});

test("what turns out to repeat another's failure leaves the list, and a search keeps it", () => {
  tickets.page("open", page([make("head"), make("child")]), { first: true });
  tickets.apply(told(make("child", { version: 5, caused_by: "head" })), view, NOW);
  assert.deepEqual(ids(), ["head"]);
  tickets.apply(told(make("child", { version: 6, caused_by: "head" })), { ...view, q: "child" }, NOW);
  assert.deepEqual(ids().sort(), ["child", "head"]);
});
