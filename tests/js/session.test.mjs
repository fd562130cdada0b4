// A session's token is renewed once half of its time is over, and not before; leaving happens once.
import assert from "node:assert/strict";
import { test } from "node:test";

const kept = new Map();
globalThis.localStorage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => kept.set(name, value),
  removeItem: (name) => kept.delete(name),
};
globalThis.sessionStorage = { setItem: () => {} };
const went = [];
globalThis.location = { pathname: "/dashboard", search: "", hash: "", replace: (to) => went.push(to) };
const { keep, renew, toLogin, token } = await import("../../src/pipesleuth/web/static/js/session.js");

const made = (iat, exp) => `x.${Buffer.from(JSON.stringify({ sub: "é??>", iat, exp })).toString("base64url")}.x`;
const now = () => Date.now() / 1000;

test("a token in the first half of its time is left alone", async () => {
  keep(made(now() - 10, now() + 100));
  await renew({ post: () => assert.fail("nothing is asked") });
});

test("a token in its second half is replaced", async () => {
  keep(made(now() - 100, now() + 10));
  const asked = [];
  await renew({ post: async (path) => (asked.push(path), { access_token: "later" }) });
  assert.deepEqual([asked, token()], [["/auth/renew"], "later"]);
});

test("a token that is none says so to its caller", async () => {
  keep("no.token");
  await assert.rejects(renew({}));
});

test("who has logged out is not told of an ended session by an answer that comes later", () => {
  keep("a.token");
  toLogin("out");
  toLogin("expired");
  assert.deepEqual([went, token()], [["/login?reason=out"], null]);
});
