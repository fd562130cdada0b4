// Timers: right words and colours, also with a wrong clock on this machine.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerClock } from "../../src/pipesleuth/web/static/js/clock.js";
import { slaOf, slaText } from "../../src/pipesleuth/web/static/js/sla.js";

const START = Date.parse("2026-01-26T14:35:22.123456+00:00");
const card = { status: "open", timestamp: "2026-01-26T14:35:22.123456+00:00", sla_seconds: 1800, sla_status: "Pending", sla_due_at: "2026-01-26T15:05:22.123456+00:00" };
const after = (seconds, change = {}, warn = {}) => slaOf({ ...card, ...change }, START + seconds * 1000, warn);

test("a timer is green, yellow under two minutes, red when its time is up", () => {
  assert.deepEqual([after(106).state, slaText(after(106))], ["ok", "SLA 28m 14s left"]);
  assert.deepEqual([after(1680).state, after(1681).state], ["ok", "warn"]);
  assert.equal(slaText(after(1799)), "SLA 1s left");
  assert.deepEqual([after(1800).state, slaText(after(1982))], ["over", "SLA breached, 3m 02s over"]);
});

test("the warning time can be a share of the SLA", () => {
  assert.equal(after(900, {}, { share: 0.6 }).state, "warn");
  assert.equal(after(900, {}, { share: 0.1 }).state, "ok");
});

test("the share left runs from one to nothing", () => {
  assert.equal(after(0).share, 1);
  assert.equal(after(900).share, 0.5);
});

test("without a deadline there is no timer", () => {
  assert.equal(slaText(after(0, { sla_due_at: null })), "No SLA");
  assert.equal(slaText(after(0, { sla_due_at: "soon" })), "No SLA");
});

test("an in-progress ticket has a timer, a closed one its result", () => {
  assert.equal(slaText(after(60, { status: "in_progress" })), "SLA 29m 00s left");
  assert.equal(slaText(after(9999, { status: "acknowledged", sla_status: "Met" })), "SLA met");
  assert.equal(slaText(after(60, { status: "acknowledged", sla_status: "Breached" })), "SLA breached");
});

test("a breach stays one when the deadline was moved later", () => {
  assert.equal(slaText(after(60, { sla_status: "Breached" })), "SLA breached");
});

test("the server's time counts, whatever this machine believes", () => {
  const machine = { ticks: 5000, wall: Date.parse("1999-01-01T00:00:00Z") };
  const clock = new ServerClock(() => machine.ticks, () => machine.wall);
  machine.ticks = 5200;
  clock.heard("2026-01-26T14:35:22.000000+00:00", 5000);
  assert.equal(clock.now(), Date.parse("2026-01-26T14:35:22.100Z"));
  [machine.ticks, machine.wall] = [65_200, machine.wall + 60_000];
  assert.equal(clock.now(), Date.parse("2026-01-26T14:36:22.100Z"));
  clock.heard("2026-01-26T14:36:22.300000+00:00", 65_200);
  assert.equal(clock.now(), Date.parse("2026-01-26T14:36:22.100Z"), "a small difference is not followed");
  clock.heard("not a time");
  assert.equal(clock.slept(), false);
  machine.wall += 3_600_000;
  assert.equal(clock.slept(), true);
  clock.heard("2026-01-26T15:36:22.000000+00:00", 65_200);
  assert.deepEqual([clock.now(), clock.slept()], [Date.parse("2026-01-26T15:36:22Z"), false]);
});
