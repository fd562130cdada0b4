// How much of a ticket's time is left, how loud that must be said, and one clock for every timer on the page.

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

// `look(id)` finds a ticket, `slept()` is called after this machine slept.
export function startTimers({ clock, look, warn, slept }) {
	const tick = () => {
		if (clock.slept()) slept();
		tickAll(document, clock.now(), look, warn());
	};
	tick();
	return setInterval(tick, 1000);
}

export function tickAll(root, now, look, warn) {
	for (const one of root.querySelectorAll("[data-sla]")) {
		const card = look(one.dataset.sla);
		if (!card) continue;
		const sla = slaOf(card, now, warn);
		if (one.dataset.state !== sla.state) one.dataset.state = sla.state;
		if (one.className === "fuse") one.style.setProperty("--share", sla.share.toFixed(3));
		else if (one.textContent !== slaText(sla)) one.textContent = slaText(sla);
	}
}
