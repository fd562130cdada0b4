// A tab with a question, its answer, and a list below: inbound webhooks and invitations.

import { listing } from "./furniture.js";
import { says } from "./match.js";
import { fill, html } from "./template.js";

// `ask(fields)` gives the markup that answers what stands in the form; the list is shown to whom it is `open`.
export function Desk(app, panel, { form, ask, title, text, open, path, name, label = name, heads, row, none }) {
	let [rows, cursor, fault] = [null, null, null];

	async function load(more = false) {
		draw();
		if (!open) return;
		try {
			const answer = await app.api.get(path, { limit: 100, ...(more && { cursor }) });
			rows = more ? [...rows, ...answer[name]] : answer[name];
			[cursor, fault] = [answer.next_cursor, null];
		} catch (error) {
			fault = error;
		}
		draw();
	}

	function draw() {
		if (!panel.querySelector(".below"))
			fill(panel, html`${form && html`<form class="ask" novalidate>${form}<div class="answer" aria-live="polite"></div></form>`}<div class="below"></div>`);
		const shown = rows?.filter((line) => says(line, app.view.q)).map(row);
		fill(panel.querySelector(".below"), html`<h3>${title}</h3><p class="quiet">${text}</p>${open && listing(label, heads, shown, { fault, none, cursor })}`);
	}

	panel.addEventListener("submit", async (event) => {
		event.preventDefault();
		const answer = panel.querySelector(".answer");
		fill(answer, html`<p class="quiet">One moment</p>`);
		try {
			fill(answer, await ask(event.target.elements));
		} catch (error) {
			fill(answer, html`<p class="why">${error.message}</p>`);
		}
	});
	return { load: () => load(), draw, next: () => load(true) };
}
