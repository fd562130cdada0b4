// The ticket's dialog: opened by its address, kept up to date while open.

import { act, actionForm, ticketPath, verdictForm } from "./deeds.js";
import { trouble } from "./furniture.js";
import { drawTicket } from "./ticket.js";
import { element, fill, html } from "./template.js";

export function Detail(app, dialog) {
	const body = dialog.querySelector(".body");
	let [shown, known, again] = [null, null, null];

	async function show(id) {
		if (id === shown) return;
		[shown, known] = [id, null];
		if (!id) return dialog.close();
		dialog.setAttribute("aria-label", id);
		dialog.querySelector("h2").textContent = id;
		fill(body, html`<p class="state" aria-busy="true">Loading ${id}</p>`);
		if (!dialog.open) dialog.showModal();
		dialog.scrollTop = 0;
		await load();
	}

	function stale(card) {
		if (card.id !== shown || card.version <= known?.ticket.version) return;
		clearTimeout(again);
		again = setTimeout(load, 150);
	}

	async function load() {
		const id = shown;
		const path = ticketPath(id);
		try {
			const [answer, related] = await Promise.all([
				app.api.get(path),
				app.api.get(`${path}/related`).catch(() => null),
			]);
			if (id !== shown) return;
			known = { ...answer, related };
			draw();
		} catch (error) {
			if (id !== shown) return;
			fill(body, trouble("The ticket could not be shown", error));
		}
	}

	function draw() {
		if (!body.querySelector(".main"))
			fill(body, html`<div class="main"></div><aside aria-label="Facts"></aside>`);
		const parts = drawTicket(known, app.clock.now(), app.warn());
		sections(body.querySelector(".main"), { ...parts.main, deeds: actionForm(known.ticket), verdict: verdictForm(known.ticket, app.config.categories) });
		sections(body.querySelector("aside"), parts.side);
	}

	// Each section is filled on its own, so that what is being written survives an update.
	function sections(root, parts) {
		for (const [name, markup] of Object.entries(parts)) {
			const section = root.querySelector(`[data-part=${name}]`) ?? root.appendChild(element(html`<section data-part="${name}"></section>`));
			section.hidden = !markup;
			const typed = section.querySelector("[name=note]")?.value;
			if (fill(section, markup || html``) && typed) section.querySelector("[name=note]")?.setRangeText(typed);
		}
	}

	async function clicked(event) {
		if (event.target === dialog) return dialog.close();
		const button = event.target.closest("[data-do]");
		if (!button) return;
		const { do: deed, value } = button.dataset;
		if (deed === "close-dialog") dialog.close();
		else if (deed === "again") load();
		else if (deed === "payload") app.saveFile(`${ticketPath(shown)}/payload`);
		else if (deed === "wrong") dialog.querySelector("[data-wrong]").hidden = false;
		else if (await act(app, shown, deed, value)) await load();
	}

	async function submitted(event) {
		event.preventDefault();
		const [form, deed] = [event.target, event.submitter?.value];
		const said = Object.fromEntries(new FormData(form));
		if (deed && (await act(app, shown, deed, null, said))) {
			form.reset();
			await load();
		}
	}

	dialog.addEventListener("close", () => shown && app.close());
	dialog.addEventListener("click", clicked);
	dialog.addEventListener("submit", submitted);
	return {
		show,
		stale,
		get ticket() {
			return known?.ticket;
		},
	};
}
