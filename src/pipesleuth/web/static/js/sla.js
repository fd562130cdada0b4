// How much of a ticket's time is left, and how loud that must be said.

import { duration } from "./times.js";

// state: ok, warn or over while it runs, else met, breached or none; left: seconds; share of the time left.
// Warns below two minutes, or below `warn.share` of the SLA where that is longer.
export function slaOf(card, now, warn = {}) {
	const closed = card.status === "acknowledged";
	if (closed) return { state: { Met: "met", Breached: "breached" }[card.sla_status] ?? "none", left: null, share: 0 };
	const due = Date.parse(card.sla_due_at ?? "");
	if (Number.isNaN(due)) return { state: "none", left: null, share: 0 };
	const left = Math.ceil((due - now) / 1000);
	const whole = card.sla_seconds || 1;
	const early = Math.max(120, (warn.share ?? 0) * whole);
	const over = left <= 0 || card.sla_status === "Breached";
	const share = over ? 1 : Math.max(0, Math.min(1, left / whole));
	return { state: over ? "over" : left < early ? "warn" : "ok", left, share };
}

const ENDED = { met: "SLA met", breached: "SLA breached", none: "No SLA" };

export function slaText({ state, left }) {
	if (ENDED[state]) return ENDED[state];
	if (state !== "over") return `SLA ${duration(left)} left`;
	return left > 0 ? "SLA breached" : `SLA breached, ${duration(left)} over`;
}
