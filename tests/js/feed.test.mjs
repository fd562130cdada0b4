// The websocket's feed: greeting, back-off, what is asked for after a break.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { backOff, Feed } from "../../src/pipesleuth/web/static/js/feed.js";

const SOCKETS = [];
class Line {
  sent = [];
  constructor(url) {
    this.url = url;
    SOCKETS.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.onclose?.();
  }
  says(message) {
    this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

let heard;
let states;
let feed;
let ticks;
const last = () => SOCKETS.at(-1);
const now = performance.now;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  [heard, states, ticks] = [[], [], 1000];
  performance.now = () => ticks;
  SOCKETS.length = 0;
  globalThis.WebSocket = Line;
  feed = new Feed({ url: "ws://x/ws", token: () => "tok", event: (event) => heard.push(event), state: (live) => states.push(live) });
  feed.open();
  last().onopen();
});

afterEach(() => {
  feed.close();
  performance.now = now;
  mock.timers.reset();
});

test("the token goes in the first message, never in the address", () => {
  assert.deepEqual(last().sent, [{ token: "tok", since: null }]);
  assert.equal(last().url, "ws://x/ws");
});

test("it is live once greeted, and passes events on", () => {
  last().says({ event: "hello", epoch: "e", sequence: 7 });
  last().says({ event: "new_ticket", sequence: 8 });
  assert.deepEqual([states, heard.length, feed.sequence], [[true], 1, 8]);
});

test("what cannot be read is left out", () => {
  last().says("not json");
  assert.deepEqual(heard, []);
});

test("after a break it comes back by itself and asks from a minute before", () => {
  last().says({ event: "hello", epoch: "e", sequence: 7 });
  ticks += 61_000;
  last().says({ event: "x", sequence: 20 });
  ticks += 61_000;
  last().says({ event: "x", sequence: 90 });
  last().close();
  assert.deepEqual(states, [true, false]);
  mock.timers.tick(1300);
  assert.equal(SOCKETS.length, 2);
  last().onopen();
  assert.deepEqual(last().sent, [{ token: "tok", since: 20 }]);
});

test("the greeting after a break does not skip what is still to come", () => {
  last().says({ event: "hello", epoch: "e", sequence: 7 });
  last().close();
  mock.timers.tick(1300);
  last().says({ event: "hello", epoch: "e", sequence: 50 });
  assert.equal(feed.sequence, 7);
});

test("another epoch means: read everything again", () => {
  last().says({ event: "hello", epoch: "e", sequence: 7 });
  last().close();
  mock.timers.tick(1300);
  last().says({ event: "hello", epoch: "other", sequence: 2 });
  assert.deepEqual(heard, [{ event: "resync" }]);
});

test("a line that never greets is given up", () => {
  mock.timers.tick(10_000);
  mock.timers.tick(1300);
  assert.equal(SOCKETS.length, 2);
});

test("waits grow to half a minute, give or take a fifth", () => {
  assert.deepEqual([0, 1, 4, 9].map((tries) => backOff(tries, 0.5)), [1000, 2000, 16_000, 30_000]);
  assert.deepEqual([backOff(0, 0), Math.round(backOff(0, 1))], [800, 1200]);
});
