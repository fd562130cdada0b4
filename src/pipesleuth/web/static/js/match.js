// Whether a card we already hold belongs into the view; the server decides for all others.

const SEARCHED = ["id", "pipeline", "rca_result", "itsm_ticket_id", "run_id", "error_type", "finops_team", "affected_entity"];
const FILTERS = { severity: "severity", priority: "priority", source: "source", team: "finops_team", category: "category" };
export const FILTER_NAMES = Object.keys(FILTERS);

export const narrowed = (view) => Boolean(view.q || view.from || view.to || FILTER_NAMES.some((name) => view[name].length));

export function passes(card, view) {
	// What only repeats another's failure stands folded under it; a search finds it all the same.
	if (card.caused_by && !view.q.trim()) return false;
	for (const [name, field] of Object.entries(FILTERS))
		if (view[name].length && !view[name].includes(card[field] ?? "")) return false;
	return !(view.from && card.timestamp < view.from) && !(view.to && card.timestamp > view.to);
}

// Whether the words stand anywhere in these fields of a card, or of a table's row.
export function says(row, words, fields = Object.keys(row)) {
	const wanted = words.trim().toLowerCase();
	return !wanted || fields.some((field) => String(row[field] ?? "").toLowerCase().includes(wanted));
}

export const matches = (card, view) => passes(card, view) && says(card, view.q, SEARCHED);

export function choices(cards, name, chosen) {
	const found = new Set(chosen);
	for (const card of cards) if (card[FILTERS[name]]) found.add(card[FILTERS[name]]);
	return [...found].sort((a, b) => a.localeCompare(b));
}
