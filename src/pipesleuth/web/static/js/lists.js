// Brings ticket lists and counts from the server into what the page knows.

import { listQuestion, TABS } from "./address.js";
import { narrowed } from "./match.js";
import { usualOrder } from "./order.js";
import { LISTS } from "./tickets.js";

const FIRST = 50;
const NEXT = 200;
const RETRY = 15_000;

export const question = (view, tab) => listQuestion(view, view.sort || usualOrder(tab));

export class Lists {
	#api;
	#tickets;
	#changed;
	#under = new Map(); // tab → AbortController of the request under way

	constructor(api, tickets, changed) {
		[this.#api, this.#tickets, this.#changed] = [api, tickets, changed];
	}

	async first(tab, view, { again = false } = {}) {
		const list = this.#tickets.lists[tab];
		const loaded = again ? list.ids.size : 0;
		if (list.state === "new") list.state = "loading";
		[list.key, list.arrivals] = [question(view, tab).toString(), new Set()];
		await this.#fetch(tab, view, { first: true, limit: Math.max(FIRST, Math.min(NEXT, loaded)) });
		while (again && list.state === "ready" && list.cursor && list.ids.size < loaded) await this.more(tab, view);
	}

	async more(tab, view) {
		const list = this.#tickets.lists[tab];
		if (list.cursor && !this.#under.has(tab)) await this.#fetch(tab, view, { first: false, limit: NEXT });
	}

	async #fetch(tab, view, { first, limit }) {
		this.#under.get(tab)?.abort();
		const control = new AbortController();
		this.#under.set(tab, control);
		const list = this.#tickets.lists[tab]; // a new question puts a new list in its place; this one is then forgotten
		const asked = question(view, tab);
		asked.set("limit", limit);
		if (!first) asked.set("cursor", list.cursor);
		try {
			const answer = await this.#api.get(`/api/${TABS[tab].path}`, asked, { signal: control.signal });
			if (!control.signal.aborted) this.#tickets.page(tab, answer, { first });
		} catch (error) {
			if (error.name === "AbortError") return;
			Object.assign(list, { state: "error", error, arrivals: null });
			setTimeout(() => list === this.#tickets.lists[tab] && list.state === "error" && this.first(tab, view), RETRY);
		} finally {
			if (this.#under.get(tab) === control) this.#under.delete(tab);
		}
		this.#changed();
	}

	async counts(view) {
		const summary = await this.#api.get("/api/summary");
		const { open_tickets: open, in_progress_tickets: in_progress, acknowledged_tickets: closed } = summary;
		const counts = { open, in_progress, closed, audit: summary.total_audits };
		for (const tab of narrowed(view) ? LISTS : []) {
			const asked = question(view, tab);
			asked.set("limit", 1);
			const { total, more } = await this.#api.get(`/api/${TABS[tab].path}`, asked);
			counts[tab] = total ?? (more ? "1,000+" : null);
		}
		this.#tickets.counts = counts;
		this.#changed();
		return summary;
	}
}
