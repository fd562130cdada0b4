// The server's clock as seen from here, so that a wrong clock on this machine does no harm.

export class ServerClock {
	#base = null;

	constructor(ticks = () => performance.now(), wall = () => Date.now()) {
		Object.assign(this, { ticks, wall });
	}

	// Learns from an answer's time to a question asked at `asked` ticks; half the way there is assumed.
	heard(iso, asked = this.ticks()) {
		const server = Date.parse(iso);
		if (Number.isNaN(server)) return;
		const now = this.ticks();
		const time = server + (now - asked) / 2;
		// A small difference is only the network's mood: following it would make the timers jump.
		if (this.#base && Math.abs(this.now() - time) < 400 && !this.slept()) return;
		this.#base = { time, ticks: now, wall: this.wall() };
	}

	now() {
		return this.#base ? this.#base.time + this.ticks() - this.#base.ticks : this.wall();
	}

	slept() {
		if (!this.#base) return false;
		return this.wall() - this.#base.wall - (this.ticks() - this.#base.ticks) > 3000;
	}
}
