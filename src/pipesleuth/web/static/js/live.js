// Keeps the page true: events drawn once per frame, polling where sockets are blocked, a visible state.

import { Feed } from "./feed.js";

const POLL = 15_000;
const CHECK = 60_000;

export function Live(parts) {
	const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
	const feed = new Feed({ url, token: parts.token, event: hear, state: told });
	let [queue, planned, late, polled, greeted] = [[], false, false, performance.now(), () => {}];

	// parts: api, token, apply(events), reload(), state(word). Done once greeted, or after 400 ms.
	function start() {
		say();
		setInterval(mind, 1000);
		addEventListener("online", () => feed.open());
		addEventListener("offline", say);
		document.addEventListener("visibilitychange", () => document.hidden || mind(5000));
		return new Promise((done) => {
			greeted = done;
			setTimeout(() => {
				late = !feed.live;
				done();
				say();
			}, 400);
			feed.open();
		});
	}

	function told(live) {
		if (live) greeted();
		// Lists that were read before the greeting may miss what came between: they are read once more.
		if (live && late) {
			late = false;
			parts.reload();
		}
		if (!live) polled = performance.now();
		say();
	}

	function say() {
		const word = feed.live ? "live" : late || feed.epoch ? "polling" : "connecting";
		parts.state(navigator.onLine === false ? "offline" : word);
	}

	function hear(event) {
		queue.push(event);
		if (planned) return;
		planned = true;
		// A hidden page gets no frames, but its title and notices still count.
		if (document.hidden) setTimeout(flush, 250);
		else requestAnimationFrame(flush);
	}

	function flush() {
		const events = queue;
		[queue, planned] = [[], false];
		if (events.some((event) => event.event === "resync")) parts.reload();
		parts.apply(events);
	}

	// Is it time to ask? While live too, now and then: a dead socket can look alive.
	function mind(pause) {
		pause ??= feed.live ? CHECK : POLL;
		const now = performance.now();
		if (now - polled < pause || navigator.onLine === false) return;
		polled = now;
		poll();
	}

	async function poll() {
		const since = feed.live ? feed.sequence : feed.since();
		try {
			if (since === null) return await parts.reload();
			const answer = await parts.api.get("/api/events", { since });
			feed.seen({ epoch: answer.epoch });
			for (const event of answer.events ?? []) {
				feed.seen(event);
				hear(event);
			}
		} catch (error) {
			console.info("no events read", error.message); // the next round tries again
		}
	}

	return { start };
}
