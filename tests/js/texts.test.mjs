// Times, sizes, words, evidence and CSV as people read them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { roof } from "../../src/pipesleuth/web/static/js/charts.js";
import { pieces } from "../../src/pipesleuth/web/static/js/ticket.js";
import { cut, duration, fromField, local, moment, size, toField, utc } from "../../src/pipesleuth/web/static/js/times.js";
import { actionTone, count, plain, sourceName } from "../../src/pipesleuth/web/static/js/words.js";

test("lengths of time", () => {
  const said = [0, 59, 60, 1694, 7080, 90_061, -182, null, "x"].map(duration);
  assert.deepEqual(said, ["0s", "59s", "1m 00s", "28m 14s", "1h 58m 00s", "1d 1h", "3m 02s", "—", "—"]);
});

test("moments stand in the viewer's zone with UTC beside them", () => {
  const iso = "2026-01-26T14:35:22.123456+00:00";
  assert.equal(utc(iso), "2026-01-26 14:35:22 UTC");
  assert.match(local(iso), /^2026-01-2\d \d\d:35:22$/);
  assert.match(moment(iso).toString(), /title="2026-01-26 14:35:22 UTC"/);
  assert.deepEqual([local("soon"), utc("soon"), local(null)], ["soon", "", ""]);
  assert.equal(fromField(toField("2026-01-26T14:35:00.000Z")), "2026-01-26T14:35:00.000Z");
  assert.equal(fromField(""), null);
});

test("texts are cut, but no character is", () => {
  assert.deepEqual([cut("abc", 3), cut("abcd", 3), cut("ab😀", 3), cut(null, 3)], ["abc", "abc…", "ab…", ""]);
});

test("sizes, counts and names", () => {
  assert.deepEqual([size(312), size(1400), size(null)], ["312 B", "1.4 kB", "—"]);
  assert.deepEqual([count(12_345), count(null), plain("data_quality"), plain("dns"), plain(""), sourceName("data_factory"), sourceName("my_tool")], ["12,345", "—", "Data quality", "DNS", "", "Data Factory", "My tool"]);
});

test("audit actions have the colour of their meaning", () => {
  const tones = ["Ticket Created", "Ticket Closed", "Jira: Done", "Jira Failed", "SLA Breached", "Slack Sent", "Blob Saved", null].map(actionTone);
  assert.deepEqual(tones, ["made", "done", "jira", "bad", "bad", "told", "told", "quiet"]);
});

test("evidence is marked where it stands; the text stays complete", () => {
  const text = "Operation failed: (404) Not Found at blob.";
  const found = pieces(text, ["(404) Not Found", "404", "Found at", "", null, 7, "nowhere"]);
  assert.equal(found.map((one) => one.text).join(""), text);
  assert.deepEqual(found.filter((one) => one.marked).map((one) => one.text).join(""), "(404) Not Found at");
  assert.deepEqual(pieces(null, ["x"]), []);
  assert.deepEqual(pieces("plain", undefined), [{ text: "plain", marked: false }]);
});

test("a chart's scale ends at a round number", () => {
  assert.deepEqual([0, 1, 3, 18, 51, 100, 0.4].map(roof), [1, 1, 5, 20, 100, 100, 0.5]);
});
