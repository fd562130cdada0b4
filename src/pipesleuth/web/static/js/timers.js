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
	for (const one of root.querySelectorAll("[data-sla]")) {
		const card = look(one.dataset.sla);
		if (!card) continue;
		const sla = slaOf(card, now, warn);
		if (one.dataset.state !== sla.state) one.dataset.state = sla.state;
		if (one.className === "fuse") one.style.setProperty("--share", sla.share.toFixed(3));
		else if (one.textContent !== slaText(sla)) one.textContent = slaText(sla);
	}
}
