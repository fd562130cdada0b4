// The websocket as a feed of events: comes back by itself and asks for what it missed.

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;
const GREETING_WAIT = 10_000;
const WINDOW = 60_000;

export function backOff(tries, chance = Math.random()) {
	return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries) * (0.8 + chance * 0.4);
}

export class Feed {
	sequence = null;
	epoch = null;
	live = false;
	#parts;
	#socket = null;
	#tries = 0;
	#timer = null;
	#marks = {};

	constructor(parts) {
		this.#parts = parts;
	}

	open() {
		this.close();
		const socket = new WebSocket(this.#parts.url);
		this.#socket = socket;
		this.#timer = setTimeout(() => socket.close(), GREETING_WAIT);
		socket.onopen = () => socket.send(JSON.stringify({ token: this.#parts.token(), since: this.since() }));
		socket.onmessage = (message) => this.#read(message.data);
		socket.onclose = () => this.#lost();
	}

	close() {
		clearTimeout(this.#timer);
		const socket = this.#socket;
		this.#socket = null;
		if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
		socket?.close();
		this.#tell(false);
	}

	// Where to ask from: a minute back, because numbers may be committed out of order.
	since() {
		this.#turn();
		return this.#marks.before ?? this.sequence;
	}

	// Takes an event's or greeting's number into account; also for events that came by polling.
	seen(message) {
		if (message.epoch && this.epoch && message.epoch !== this.epoch) this.#parts.event({ event: "resync" });
		if (message.epoch && message.epoch !== this.epoch) {
			[this.epoch, this.sequence] = [message.epoch, null];
			this.#marks = {};
		}
		if (Number.isInteger(message.sequence)) this.sequence = Math.max(this.sequence ?? 0, message.sequence);
		this.#turn();
	}

	#turn() {
		const now = performance.now();
		if (this.#marks.at && now - this.#marks.at < WINDOW) return;
		this.#marks = { before: this.#marks.recent, recent: this.sequence, at: now };
	}

	#read(data) {
		let message;
		try {
			message = JSON.parse(data);
		} catch {
			return; // not ours to repair: the next one will be readable, and the check by polling finds what was missed
		}
		if (message.event === "hello") {
			clearTimeout(this.#timer);
			// The greeting may be ahead of what is still to come, so a known number is only moved by events.
			this.seen(this.sequence === null ? message : { epoch: message.epoch });
			this.#tries = 0;
			this.#tell(true);
			return;
		}
		this.seen(message);
		this.#parts.event(message);
	}

	#lost() {
		clearTimeout(this.#timer);
		this.#socket = null;
		this.#tell(false);
		this.#timer = setTimeout(() => this.open(), backOff(this.#tries++));
	}

	#tell(live) {
		if (live === this.live) return;
		this.live = live;
		this.#parts.state(live);
	}
}
