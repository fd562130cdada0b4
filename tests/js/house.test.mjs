// What the static files as a whole promise: small, local, and one single place that makes HTML.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = new URL("../../src/pipesleuth/web/static/", import.meta.url).pathname;
const FILES = readdirSync(ROOT, { recursive: true }).map((name) => join(ROOT, name)).filter((name) => statSync(name).isFile());
const text = (name) => readFileSync(name, "utf8");
const scripts = FILES.filter((name) => name.endsWith(".js"));

test("all static files together are under 120 kB", () => {
  const size = FILES.reduce((sum, name) => sum + statSync(name).size, 0);
  assert.ok(size < 120_000, `${size} bytes`);
});

test("only the template makes HTML of text", () => {
  const makers = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|\beval\b|new Function/;
  assert.deepEqual(scripts.filter((name) => makers.test(text(name))).map((name) => name.slice(ROOT.length)), ["js/template.js"]);
});

test("no page has a script, style or handler of its own, and none reaches for another origin", () => {
  for (const name of FILES.filter((one) => one.endsWith(".html"))) {
    assert.doesNotMatch(text(name), /<script(?![^>]*\bsrc="\/static\/)|<style|\sstyle=|\son\w+=/, name);
  }
  for (const name of FILES) {
    const outside = text(name).match(/https?:\/\/(?!www\.w3\.org\/2000\/svg)[\w.]+/g);
    assert.deepEqual(outside, null, name);
  }
});

test("every import leads to a file of ours", () => {
  for (const name of scripts)
    for (const [, path] of text(name).matchAll(/from "([^"]+)"/g))
      assert.ok(scripts.includes(join(name, "..", path)), `${name} imports ${path}`);
});

test("every module begins with a sentence", () => {
  for (const name of scripts) assert.match(text(name), /^(\/\/|\/\*) .+[.?]( \*\/)?\n/, name);
});
