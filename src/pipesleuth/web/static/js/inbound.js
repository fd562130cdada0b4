// Why there is no ticket: every webhook of late; and a box to ask what Pipesleuth would say.

import { badge, button, facts, table, toTicket, trouble, words } from "./furniture.js";
import { fill, html } from "./template.js";
import { cause, layers, steps } from "./ticket.js";
import { cut, moment, size } from "./times.js";
import { plain } from "./words.js";

const HEADS = ["Time", "Door", "Outcome", "Reason", "Ticket", "Size", "Digest"];

function lineMatches(line, words) {
	const wanted = words.trim().toLowerCase();
	return !wanted || Object.values(line).some((value) => String(value ?? "").toLowerCase().includes(wanted));
}

export default function Inbound(app, panel) {
	let [rows, cursor, fault] = [null, null, null];

	async function load({ more = false } = {}) {
		draw();
		if (app.me?.role !== "admin") return;
		try {
			const answer = await app.api.get("/api/inbound", { limit: 100, ...(more && { cursor }) });
			rows = more ? [...rows, ...answer.inbound] : answer.inbound;
			[cursor, fault] = [answer.next_cursor, null];
		} catch (error) {
			fault = error;
		}
		draw();
	}

	function draw() {
		if (!panel.querySelector(".ask"))
			fill(
				panel,
				html`<form class="ask"><h3><label for="pasted">What would Pipesleuth say?</label></h3>
					<p class="quiet">Paste an error message or a webhook's body. Nothing is stored.</p>
					<textarea id="pasted" name="text" rows="5" maxlength="200000" required></textarea>
					<p><button class="primary">Diagnose</button></p><div class="answer" aria-live="polite"></div></form>
					<div class="webhooks"></div>`,
			);
		const admin = app.me?.role === "admin";
		const said = admin ? "Every webhook of late, with the answer it was given." : "Administrators see every webhook of late here.";
		fill(panel.querySelector(".webhooks"), html`<h3>Why is there no ticket?</h3><p class="quiet">${said}</p>${admin && list()}`);
	}

	function list() {
		if (fault) return trouble("The webhooks could not be loaded", fault);
		if (!rows) return html`<div class="ghost"></div>`;
		const shown = rows.filter((line) => lineMatches(line, app.view.q));
		if (!shown.length) return words("Nothing came in", "Check the sender's address and key, and the search.");
		return html`${table("Webhooks", HEADS, shown.map(row))}${cursor && html`<p class="tail">${button("next", "Show more")}</p>`}`;
	}

	panel.addEventListener("submit", async (event) => {
		event.preventDefault();
		const answer = panel.querySelector(".answer");
		fill(answer, html`<p class="quiet">Thinking</p>`);
		try {
			const { failures, reason } = await app.api.post("/api/triage", { text: event.target.elements.text.value });
			fill(answer, failures ? html`${failures.map(verdict)}` : html`<p class="note">No ticket: ${reason}</p>`);
		} catch (error) {
			fill(answer, html`<p class="why">${error.message}</p>`);
		}
	});
	return { load, draw };
}

function row(line) {
	const tone = /success|ok/.test(line.outcome) ? "done" : /ignored|dup|dry/.test(line.outcome) ? "quiet" : "bad";
	return html`<tr><td>${moment(line.time)}</td><td><code>${cut(line.door, 60)}</code></td><td>${badge(tone, cut(line.outcome, 40))}</td>
		<td class="long" dir="auto">${cut(line.reason, 300)}</td><td class="id">${line.ticket_id && toTicket(line.ticket_id)}</td>
		<td class="number">${size(line.size)}</td><td><code>${cut(line.digest, 12)}</code></td></tr>`;
}

function verdict({ diagnosis: found, chain, pipeline, run_id: run }) {
	return html`<div class="verdict-box">${run && html`<h3><bdi>${pipeline}</bdi> <bdi class="quiet">${run}</bdi></h3>`}<p class="row">${badge(found.severity, found.severity)}${badge(found.priority, found.priority)}</p>
		${cause({ ...found, rca_result: found.root_cause, rca_source: found.said_by })}${steps(found)}${layers(chain)}
		${facts([
			["Error type", found.error_type],
			["Category", plain(found.category)],
			["Affected entity", found.affected_entity],
			["Owner", plain(found.owner)],
			["A re-run may help", found.retryable ? "yes" : "no"],
		])}</div>`;
}
