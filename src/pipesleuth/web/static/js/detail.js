// The ticket's dialog: opened by its address, kept up to date while open.

import { act, actionForms } from "./deeds.js";
import { copy } from "./download.js";
import { trouble } from "./furniture.js";
import { drawTicket } from "./ticket.js";
import { element, fill, html } from "./template.js";

export class Detail {
	#app;
	#dialog;
	#body;
	#id = null;
	#data = null;
	#again = null;

	constructor(app, dialog) {
		[this.#app, this.#dialog, this.#body] = [app, dialog, dialog.querySelector(".body")];
		dialog.addEventListener("close", () => this.#id && app.close());
		dialog.addEventListener("click", (event) => this.#clicked(event));
		dialog.addEventListener("submit", (event) => this.#submitted(event));
	}

	get ticket() {
		return this.#data?.ticket ?? null;
	}

	async show(id) {
		if (id === this.#id) return;
		[this.#id, this.#data] = [id, null];
		if (!id) return this.#dialog.close();
		this.#dialog.setAttribute("aria-label", id);
		this.#dialog.querySelector("h2").textContent = id;
		fill(this.#body, html`<p class="state" aria-busy="true">Loading ${id}</p>`);
		if (!this.#dialog.open) this.#dialog.showModal();
		this.#dialog.scrollTop = 0;
		await this.#load();
	}

	stale(card) {
		if (card.id !== this.#id || (this.ticket && card.version <= this.ticket.version)) return;
		clearTimeout(this.#again);
		this.#again = setTimeout(() => this.#load(), 150);
	}

	async #load() {
		const id = this.#id;
		const path = `/api/tickets/${encodeURIComponent(id)}`;
		try {
			// Related failures are a help, not a condition: the ticket is shown without them.
			const [answer, related] = await Promise.all([
				this.#app.api.get(path),
				this.#app.api.get(`${path}/related`).catch(() => null),
			]);
			if (id !== this.#id) return;
			this.#data = { ...answer, related };
			this.#draw();
		} catch (error) {
			if (id !== this.#id) return;
			fill(this.#body, trouble("The ticket could not be shown", error));
		}
	}

	#draw() {
		if (!this.#body.querySelector(".main"))
			fill(this.#body, html`<div class="main"></div><aside aria-label="Facts"></aside>`);
		const parts = drawTicket(this.#data, this.#app.clock.now(), this.#app.warn());
		this.#sections(this.#body.querySelector(".main"), { ...parts.main, deeds: actionForms(this.ticket) });
		this.#sections(this.#body.querySelector("aside"), parts.side);
	}

	// Each section is filled on its own, so that a note being written survives an update elsewhere.
	#sections(root, parts) {
		for (const [name, markup] of Object.entries(parts)) {
			const section = root.querySelector(`[data-part=${name}]`) ?? root.appendChild(element(html`<section data-part="${name}"></section>`));
			section.hidden = !markup;
			fill(section, markup || html``);
		}
	}

	async #clicked(event) {
		if (event.target === this.#dialog) return this.#dialog.close();
		const button = event.target.closest("[data-do]");
		if (!button) return;
		const { do: deed, value } = button.dataset;
		if (deed === "close-dialog") this.#dialog.close();
		else if (deed === "again") this.#load();
		else if (deed === "related") this.#app.open(value);
		else if (deed === "payload") this.#app.saveFile(`/api/tickets/${encodeURIComponent(this.#id)}/payload`, null, `${this.#id}-payload.json`);
		else if (deed === "copy") copy(this.ticket.recommendations.map((step, n) => `${n + 1}. ${step}`).join("\n"), this.#app.say);
		else if (deed === "wrong") this.#dialog.querySelector("[data-wrong]").hidden = false;
		else if (await act(this.#app, this.#id, deed, value)) await this.#load();
	}

	async #submitted(event) {
		event.preventDefault();
		const [form, deed] = [event.target, event.submitter?.value];
		const said = Object.fromEntries(new FormData(form));
		if (deed && (await act(this.#app, this.#id, deed, null, said))) {
			form.reset();
			await this.#load();
		}
	}
}
