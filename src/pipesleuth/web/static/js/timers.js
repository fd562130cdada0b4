// One clock for every SLA timer on the page: words, colour and the burning fuse.

import { slaOf, slaText } from "./sla.js";

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
	for (const timer of root.querySelectorAll("[data-timer]")) {
		const card = look(timer.dataset.timer);
		if (!card) continue;
		const sla = slaOf(card, now, warn);
		const text = slaText(sla);
		if (timer.textContent !== text) timer.textContent = text;
		if (timer.dataset.state !== sla.state) timer.dataset.state = sla.state;
	}
	for (const fuse of root.querySelectorAll("[data-fuse]")) {
		const card = look(fuse.dataset.fuse);
		if (!card) continue;
		const { state, share } = slaOf(card, now, warn);
		fuse.dataset.state = state;
		fuse.style.setProperty("--share", share.toFixed(3));
	}
}
