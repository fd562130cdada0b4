/** The server's clock as seen from here, so that a wrong clock on this machine does no harm. */

export class ServerClock {
  #ticks;
  #wall;
  #base = null;

  /** `ticks` only ever counts up (milliseconds), `wall` is this machine's own opinion of the time. */
  constructor(ticks = () => performance.now(), wall = () => Date.now()) {
    this.#ticks = ticks;
    this.#wall = wall;
  }

  ticks() {
    return this.#ticks();
  }

  /** Learns from an answer's time (ISO text) to a question asked at `asked` ticks; half the way there is assumed. */
  heard(iso, asked = this.#ticks()) {
    const server = Date.parse(iso);
    if (Number.isNaN(server)) return;
    const now = this.#ticks();
    const time = server + (now - asked) / 2;
    // A small difference is only the network's mood: following it would make the timers jump.
    if (this.#base && Math.abs(this.now() - time) < 400 && !this.slept()) return;
    this.#base = { time, ticks: now, wall: this.#wall() };
  }

  /** Milliseconds since 1970 on the server. */
  now() {
    return this.#base ? this.#base.time + this.#ticks() - this.#base.ticks : this.#wall();
  }

  /** Whether this machine slept since the last answer: its wall clock went on, its ticks did not. */
  slept() {
    if (!this.#base) return false;
    return this.#wall() - this.#base.wall - (this.#ticks() - this.#base.ticks) > 3000;
  }
}
