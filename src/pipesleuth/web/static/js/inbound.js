// Why there is no ticket: every webhook of late; and a box to ask what Pipesleuth would say.

import { badge, button, facts, table, toTicket, trouble, words } from "./furniture.js";
import { fill, html } from "./template.js";
import { cause, steps } from "./ticket.js";
import { cut, moment, size } from "./times.js";
import { plain } from "./words.js";

const HEADS = ["Time", "Door", "Outcome", "Reason", "Ticket", "Size", "Digest"];
const GOOD = /^(success|created|ok)/;

export default class Inbound {
	#app;
	#panel;
	#rows = [];
	#cursor = null;
	#error = null;
	#loaded = false;

	constructor(app, panel) {
		[this.#app, this.#panel] = [app, panel];
		panel.addEventListener("submit", (event) => this.#ask(event));
	}

	async load({ more = false } = {}) {
		this.draw();
		if (this.#app.me?.role !== "admin") return;
		try {
			const answer = await this.#app.api.get("/api/inbound", { limit: 100, ...(more && { cursor: this.#cursor }) });
			this.#rows = more ? [...this.#rows, ...answer.inbound] : answer.inbound;
			[this.#cursor, this.#loaded, this.#error] = [answer.next_cursor ?? null, true, null];
		} catch (error) {
			this.#error = error;
		}
		this.draw();
	}

	draw() {
		if (!this.#panel.querySelector(".ask"))
			fill(
				this.#panel,
				html`<form class="ask"><h3><label for="pasted">What would Pipesleuth say?</label></h3>
					<p class="quiet">Paste an error message or a webhook's body. Nothing is stored.</p>
					<textarea id="pasted" name="text" rows="5" maxlength="200000" required></textarea>
					<p><button class="primary">Diagnose</button></p><div class="answer" aria-live="polite"></div></form>
					<div class="webhooks"></div>`,
			);
		fill(this.#panel.querySelector(".webhooks"), this.#webhooks());
	}

	#webhooks() {
		const admin = this.#app.me?.role === "admin";
		const said = admin ? "Every webhook of late, with the answer it was given." : "Administrators see every webhook of late here.";
		return html`<h3>Why is there no ticket?</h3><p class="quiet">${said}</p>${admin && this.#list()}`;
	}

	#list() {
		if (this.#error) return trouble("The webhooks could not be loaded", this.#error);
		if (!this.#loaded) return html`<div class="ghost"></div>`;
		if (!this.#rows.length) return words("Nothing came in yet", "Check the sender's address and key.");
		return html`${table("Webhooks", HEADS, this.#rows.map(row))}
			${this.#cursor && html`<p class="tail">${button("next", "Show more")}</p>`}`;
	}

	async #ask(event) {
		event.preventDefault();
		const answer = this.#panel.querySelector(".answer");
		fill(answer, html`<p class="quiet">Thinking</p>`);
		try {
			const { diagnosis } = await this.#app.api.post("/api/triage", { text: event.target.elements.text.value });
			fill(answer, verdict(diagnosis));
		} catch (error) {
			fill(answer, html`<p class="why">${error.message}</p>`);
		}
	}
}

function row(line) {
	const tone = GOOD.test(line.outcome) ? "done" : /ignored|duplicate/.test(line.outcome) ? "quiet" : "bad";
	return html`<tr><td>${moment(line.time)}</td><td><code>${cut(line.door, 60)}</code></td><td>${badge(tone, cut(line.outcome, 40))}</td>
		<td class="long" dir="auto">${cut(line.reason, 300)}</td><td class="id">${line.ticket_id && toTicket(line.ticket_id)}</td>
		<td class="number">${size(line.size)}</td><td><code>${cut(line.digest, 12)}</code></td></tr>`;
}

function verdict(found) {
	return html`<div class="verdict-box"><p class="row">${badge(found.severity, found.severity)}${badge(found.priority, found.priority)}</p>
		${cause({ ...found, rca_result: found.root_cause })}${steps(found)}
		${facts([
			["Error type", found.error_type],
			["Category", plain(found.category)],
			["Affected entity", found.affected_entity],
			["Owner", plain(found.owner)],
			["A re-run may help", found.retryable ? "yes" : "no"],
		])}</div>`;
}
