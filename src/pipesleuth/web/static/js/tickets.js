// The tickets this page knows, in three lists; every change comes as a whole card with a version.

import { TABS } from "./address.js";
import { matches, passes } from "./match.js";
import { comparison, usualOrder } from "./order.js";

export const LISTS = ["open", "in_progress", "closed"];
const KNOWN_VERSIONS = 5000;
const LONG = ["rca_result", "pipeline", "run_id", "affected_entity"];

// `key` is the question it answers, `arrivals` what events brought while a first page is under way.
const emptyList = () => ({
	ids: new Set(), arrivals: null, key: null, cursor: null, state: "new", error: null,
});

const ordering = (tab, view, now) => comparison(view.sort || usualOrder(tab), new Date(now).toISOString());

export class Tickets {
	cards = new Map();
	lists = Object.fromEntries(LISTS.map((tab) => [tab, emptyList()]));
	counts = {};
	changed = new Map(); // ticket id → when it was last changed by an event, for the brief mark
	#versions = new Map(); // also of tickets no longer held: after a reconnection old events come again

	// Takes a card up unless a newer one is known; true when something changed.
	take(card, { equal = false } = {}) {
		const [had, has] = [this.#versions.get(card.id) ?? -1, card.version ?? 0];
		if (equal ? has < had : has <= had) return false;
		this.#versions.delete(card.id);
		this.#versions.set(card.id, has);
		if (this.#versions.size > KNOWN_VERSIONS) this.#versions.delete(this.#versions.keys().next().value);
		this.cards.set(card.id, card);
		return true;
	}

	#listed(id) {
		return LISTS.some((tab) => this.lists[tab].ids.has(id));
	}

	page(tab, answer, { first }) {
		const list = this.lists[tab];
		if (first) [list.ids, list.arrivals] = [list.arrivals ?? new Set(), null];
		for (const card of answer.tickets) {
			const newest = this.take(card, { equal: true }) ? card : this.cards.get(card.id);
			// An event may have moved it on while the page was under way.
			if (newest?.status === TABS[tab].status) list.ids.add(card.id);
		}
		Object.assign(list, { cursor: answer.next_cursor, state: "ready", error: null });
		if (first) this.prune();
	}

	narrow(tab, view) {
		const fits = [...this.cards.values()].filter((card) => card.status === TABS[tab].status && matches(card, view));
		for (const name of LISTS) this.lists[name] = emptyList();
		Object.assign(this.lists[tab], { ids: new Set(fits.map((card) => card.id)), state: "loading" });
	}

	apply(event, view, now) {
		const { card } = event;
		if (!card?.id) return null;
		const known = this.cards.get(card.id) ?? {};
		// An event carries long texts only in part.
		for (const name of LONG) if (card[name] && known[name]?.startsWith(card[name])) card[name] = known[name];
		if (!this.take(card)) return null;
		this.changed.set(card.id, now);
		if (event.event === "new_ticket" && this.counts.open >= 0 && matches(card, view)) this.counts.open++;
		for (const tab of LISTS) this.#place(tab, card, view, now);
		if (!this.#listed(card.id)) this.cards.delete(card.id);
		return card;
	}

	#place(tab, card, view, now) {
		const list = this.lists[tab];
		const member = list.ids.has(card.id) || Boolean(list.arrivals?.has(card.id));
		// The server may have found it by text the card lacks: a member stays when only the words differ.
		const belongs = card.status === TABS[tab].status && (member ? passes(card, view) : matches(card, view));
		if (belongs === member) return;
		if (!belongs) {
			list.ids.delete(card.id);
			list.arrivals?.delete(card.id);
		} else if (list.state !== "new" && !(list.cursor && this.#afterLast(tab, card, view, now))) {
			list.ids.add(card.id);
			list.arrivals?.add(card.id);
		}
	}

	#afterLast(tab, card, view, now) {
		const compare = ordering(tab, view, now);
		for (const id of this.lists[tab].ids) if (compare(card, this.cards.get(id)) < 0) return false;
		return this.lists[tab].ids.size > 0;
	}

	shown(tab, view, now) {
		const cards = [];
		for (const id of this.lists[tab].ids) if (this.cards.has(id)) cards.push(this.cards.get(id));
		return cards.sort(ordering(tab, view, now));
	}

	// Forgets cards in no list, so that a page open for a week stays small.
	prune() {
		for (const id of this.cards.keys()) if (!this.#listed(id)) this.cards.delete(id);
		for (const id of this.changed.keys()) if (!this.cards.has(id)) this.changed.delete(id);
	}
}
