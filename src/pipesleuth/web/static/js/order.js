// In which order tickets stand, and how they are grouped; the same words as the API's `sort`.

import { SEVERITIES } from "./words.js";

export const ORDERS = {
	urgency: "Most urgent first",
	newest: "Newest first",
	oldest: "Oldest first",
	closed: "Last closed first",
	pipeline: "By pipeline",
	severity: "By severity",
};
// Fields of a card by which tickets can be grouped.
export const GROUPS = { pipeline: "Pipeline", finops_team: "Team", category: "Category", error_type: "Cause" };

// Times are UTC text of fixed width, so comparing the text compares the times.
const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const by = (field) => (a, b) => text(a[field] ?? "", b[field] ?? "");
const rank = (card) => SEVERITIES.indexOf(card.severity);
const due = (card) => card.sla_due_at || "9999";
const late = (card, now) => (card.sla_status === "Breached" || due(card) <= now ? 0 : 1);

export const usualOrder = (tab) => tab === "closed" ? "closed" : "urgency";

// A comparison of two cards; `now` is the server's time as ISO text.
export function comparison(order, now) {
	const last = by("id");
	const newest = (a, b) => by("timestamp")(b, a) || last(b, a);
	const urgency = (a, b) =>
		late(a, now) - late(b, now) || text(due(a), due(b)) || text(a.priority ?? "P9", b.priority ?? "P9") || last(a, b);
	return {
		__proto__: null,
		urgency,
		newest,
		closed: (a, b) => by("ack_ts")(b, a) || last(b, a),
		oldest: (a, b) => by("timestamp")(a, b) || last(a, b),
		pipeline: (a, b) => by("pipeline")(a, b) || newest(a, b),
		severity: (a, b) => rank(a) - rank(b) || newest(a, b),
	}[order] ?? urgency;
}

export function grouped(cards, by) {
	if (!Object.hasOwn(GROUPS, by)) return [{ name: null, cards }];
	const groups = new Map();
	for (const card of cards) {
		const name = card[by] || "None";
		if (!groups.has(name)) groups.set(name, []);
		groups.get(name).push(card);
	}
	return [...groups].map(([name, cards]) => ({ name, cards }));
}
