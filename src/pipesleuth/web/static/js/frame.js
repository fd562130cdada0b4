// What stands around the tabs: counts, connection, banners, person, messages and notices; what a person takes away.

import { TABS } from "./address.js";
import { fill, html } from "./template.js";
import { cut, moment } from "./times.js";
import { count, times } from "./words.js";

const STATES = {
	connecting: "Connecting",
	live: "Live",
	polling: "Reconnecting, asking every 15 s",
	offline: "Offline, showing what was known",
};

const WISH = "pipesleuth.notify";
export const at = (id) => document.getElementById(id);

export function drawTabs(view, counts) {
	const panel = (name) => (TABS[name].status ? "tickets" : name);
	const names = Object.keys(TABS).slice(0, 5); // the others are in the menu
	const tab = (name) => {
		const [chosen, number] = [name === view.tab, counts[name] ?? null];
		const first = chosen || (name === "open" && !names.includes(view.tab));
		return html`<button role="tab" id="tab-${name}" data-do="tab" data-value="${name}" aria-controls="${panel(name)}"
			aria-selected="${chosen}" tabindex="${first ? 0 : -1}">${TABS[name].name}${number !== null && html` <span class="count">${number > 0 ? count(number) : number}</span>`}</button>`;
	};
	fill(at("tabs"), html`${names.map(tab)}`);
	at("place").textContent = TABS[view.tab].name;
	at("tickets").setAttribute("aria-labelledby", `tab-${TABS[view.tab].status ? view.tab : "open"}`);
	for (const section of document.querySelectorAll("main>section")) section.hidden = section.id !== panel(view.tab);
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

export function save({ blob, name }) {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(blob);
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const copy = (text) => navigator.clipboard.writeText(text).then(() => say("Copied"), () => say("The browser did not allow copying", true));

// P1 tickets for a person who looks elsewhere: a notification if wanted, and the title's count.
const wanted = () => localStorage.getItem(WISH) === "yes" && globalThis.Notification?.permission === "granted";

export async function toggleNotices() {
	if (wanted()) {
		localStorage.removeItem(WISH);
		return "Desktop notifications are off";
	}
	if ((await globalThis.Notification?.requestPermission()) !== "granted") return "The browser does not allow notifications here";
	localStorage.setItem(WISH, "yes");
	return "You will be told of new P1 tickets";
}

export function tell(card, open) {
	if (!document.hidden || !wanted()) return;
	const notice = new Notification(`P1: ${cut(card.pipeline, 80)}`, { body: cut(card.rca_result, 200), tag: card.id });
	notice.onclick = () => {
		focus();
		open(card.id);
	};
}

export function title(number, place) {
	const text = `${number > 0 ? `(${number}) ` : ""}${place} · Pipesleuth`;
	if (document.title !== text) document.title = text;
}
