// Keeps the page true: one drawing per frame of events, polling where sockets are blocked, a visible state.

import { Feed } from "./feed.js";

const POLL = 15_000;
const CHECK = 60_000;

export class Live {
	#parts;
	#feed;
	#queue = [];
	#planned = false;
	#polled = performance.now();
	#late = false;
	#greeted = () => {};

	constructor(parts) {
		this.#parts = parts;
		this.#feed = new Feed({
			url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
			token: parts.token,
			event: (event) => this.#hear(event),
			state: (live) => this.#told(live),
		});
	}

	// Connects; done once greeted, or after `patience` milliseconds.
	start(patience = 400) {
		this.#say();
		setInterval(() => this.#mind(), 1000);
		addEventListener("online", () => this.#feed.open());
		addEventListener("offline", () => this.#say());
		addEventListener("pageshow", (event) => event.persisted && this.#feed.open());
		document.addEventListener("visibilitychange", () => document.hidden || this.#mind(5000));
		return new Promise((done) => {
			this.#greeted = done;
			setTimeout(() => {
				this.#late = !this.#feed.live;
				done();
				this.#say();
			}, patience);
			this.#feed.open();
		});
	}

	#told(live) {
		if (live) this.#greeted();
		// Lists that were read before the greeting may miss what came between: they are read once more.
		if (live && this.#late) {
			this.#late = false;
			this.#parts.reload();
		}
		if (!live) this.#polled = performance.now();
		this.#say();
	}

	#say() {
		const word = this.#feed.live ? "live" : this.#late || this.#feed.epoch ? "polling" : "connecting";
		this.#parts.state(navigator.onLine === false ? "offline" : word);
	}

	#hear(event) {
		this.#queue.push(event);
		if (this.#planned) return;
		this.#planned = true;
		// A hidden page gets no frames, but its title and notices still count.
		if (document.hidden) setTimeout(() => this.#flush(), 250);
		else requestAnimationFrame(() => this.#flush());
	}

	#flush() {
		const events = this.#queue;
		[this.#queue, this.#planned] = [[], false];
		if (events.some((event) => event.event === "resync")) this.#parts.reload();
		this.#parts.apply(events);
	}

	// Is it time to ask? While live too, now and then: a dead socket can look alive.
	#mind(pause = this.#feed.live ? CHECK : POLL) {
		const now = performance.now();
		if (now - this.#polled < pause || navigator.onLine === false) return;
		this.#polled = now;
		this.#poll();
	}

	async #poll() {
		const since = this.#feed.live ? this.#feed.sequence : this.#feed.since();
		try {
			if (since === null) return await this.#parts.reload();
			const answer = await this.#parts.api.get("/api/events", { since });
			this.#feed.seen({ epoch: answer.epoch });
			for (const event of answer.events ?? []) {
				this.#feed.seen(event);
				this.#hear(event);
			}
		} catch (error) {
			if (error.status === 404) await this.#parts.reload();
		}
	}
}
