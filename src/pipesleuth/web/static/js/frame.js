// What stands around the tabs: counts, connection, banners, person, short messages.

import { TABS } from "./address.js";
import { fill, html } from "./template.js";
import { moment } from "./times.js";
import { count, times } from "./words.js";

const STATES = {
	connecting: "Connecting",
	live: "Live",
	polling: "Reconnecting, asking every 15 s",
	offline: "Offline, showing what was known",
};

const PANELS = { audit: "audit", insights: "insights", inbound: "inbound" };
export const at = (id) => document.getElementById(id);

export function drawTabs(view, counts) {
	const tab = (name) => {
		const [chosen, number] = [name === view.tab, counts[name] ?? null];
		const first = chosen || (view.tab === "inbound" && name === "open");
		return html`<button role="tab" id="tab-${name}" data-do="tab" data-value="${name}" aria-controls="${PANELS[name] ?? "tickets"}"
			aria-selected="${chosen}" tabindex="${first ? 0 : -1}">${TABS[name].name}${number !== null && html` <span class="count">${number > 0 ? count(number) : number}</span>`}</button>`;
	};
	fill(at("tabs"), html`${Object.keys(TABS).slice(0, 5).map(tab)}`);
	at("place").textContent = TABS[view.tab].name;
	at("tickets").hidden = view.tab in PANELS;
	at("tickets").setAttribute("aria-labelledby", `tab-${view.tab in PANELS ? "open" : view.tab}`);
	for (const name in PANELS) at(name).hidden = view.tab !== name;
}

export function drawConnection(word) {
	const place = at("connection");
	place.dataset.state = word;
	fill(place, html`${STATES[word]}`);
}

export function drawBanners(banners) {
	fill(
		at("banners"),
		html`${(banners ?? []).map(
			({ text, waiting, next_try_at: next }) => html`<p class="banner">${text} ${times(waiting, "ticket waits", "tickets wait")}${next && html`, next try ${moment(next)}`}.</p>`,
		)}`,
	);
}

export function drawPerson(me) {
	fill(at("person"), html`<b><bdi>${me.full_name || me.email}</bdi></b><bdi>${me.full_name ? me.email : ""}</bdi><span>${me.role}</span>`);
}

let leaving = null;

export function say(text, bad = false) {
	// A modal dialog hides the rest of the page from screen readers, so the message is spoken inside it.
	const place = document.querySelector("dialog[open] .toast") ?? at("toast");
	place.dataset.tone = bad ? "bad" : "";
	fill(place, html`<span>${text}</span>`);
	clearTimeout(leaving);
	leaving = setTimeout(() => document.querySelectorAll(".toast").forEach((toast) => fill(toast, html``)), 5000);
}
