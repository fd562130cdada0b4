// The escaping template: data never becomes markup, wherever it stands.
import assert from "node:assert/strict";
import { test } from "node:test";
import { escape, fill, flag, html, linkable } from "../../src/pipesleuth/web/static/js/template.js";

const HOSTILE = `<img src=x onerror="alert('1')">\`&amp;</script>`;

test("a value between tags is text", () => {
  assert.equal(html`<p>${HOSTILE}</p>`.toString(), `<p>${escape(HOSTILE)}</p>`);
  assert.ok(!html`<p>${HOSTILE}</p>`.toString().includes("<img"));
});

test("a value in an attribute cannot leave it", () => {
  const text = html`<p title="${HOSTILE}" class="a ${HOSTILE} b">x</p>`.toString();
  assert.equal(text.match(/"/g).length, 4);
  assert.ok(!text.includes("<img"));
});

test("what came as JSON cannot pretend to be markup", () => {
  const forged = JSON.parse('{"text":"<b>x</b>"}');
  forged.toString = () => "<b>x</b>";
  assert.equal(html`<p>${forged}</p>`.toString(), "<p>&lt;b&gt;x&lt;/b&gt;</p>");
});

test("markup inside markup and lists stay as they are", () => {
  const rows = ["a<", "b"].map((one) => html`<li>${one}</li>`);
  assert.equal(html`<ul>${rows}${null}${undefined}${false}${0}</ul>`.toString(), "<ul><li>a&lt;</li><li>b</li>0</ul>");
});

test("links lead to web addresses and to our own pages only", () => {
  for (const bad of ["javascript:alert(1)", " JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "//evil.example", "/\\evil.example", "vbscript:x", "https:evil", ""])
    assert.equal(linkable(bad), null, bad);
  for (const good of ["https://example.atlassian.net/browse/OPS-1", "http://x/", "/dashboard", "#/tickets/a", "?tab=audit"])
    assert.equal(linkable(good), good);
  assert.equal(html`<a href="${"javascript:alert(1)"}">x</a>`.toString(), `<a href="#">x</a>`);
});

test("handlers, styles and bare attributes take no value", () => {
  assert.throws(() => html`<p onclick="${"x"}">`, TypeError);
  assert.throws(() => html`<p style="color:${"x"}">`, TypeError);
  assert.throws(() => html`<iframe srcdoc="${"x"}">`, TypeError);
  assert.throws(() => html`<p ${"onclick=alert(1)"}>`, TypeError);
  assert.throws(() => html`<p class=${"x"}>`, TypeError);
  assert.throws(() => html`<p ${html`x`}>`, TypeError);
});

test("flags stand inside a tag or do not", () => {
  assert.equal(html`<option ${flag("selected", true)}>`.toString(), "<option selected>");
  assert.equal(html`<option ${flag("selected", false)}>`.toString(), "<option >");
  assert.throws(() => flag("onclick", true), TypeError);
});

test("a bracket inside an attribute does not end the tag", () => {
  assert.equal(html`<p title="a > b" class="${'"'}">${"<"}</p>`.toString(), `<p title="a > b" class="&quot;">&lt;</p>`);
});

test("only the template's own markup is shown", () => {
  globalThis.document = { createElement: () => ({}) };
  assert.throws(() => fill({ contains: () => false }, "<b>x</b>"), TypeError);
  delete globalThis.document;
});

test("a name of 100 kB costs no time worth mentioning", () => {
  const start = performance.now();
  for (let n = 0; n < 20; n += 1) html`<p title="${"<".repeat(100_000)}">${"&".repeat(100_000)}</p>`.toString();
  assert.ok(performance.now() - start < 2000);
});

test("false is nothing in text, and said in an attribute", () => {
  assert.equal(html`<b aria-pressed="${false}">${false}</b>`.toString(), '<b aria-pressed="false"></b>');
  assert.equal(html`<b aria-pressed="${true}">${null}</b>`.toString(), '<b aria-pressed="true"></b>');
});
