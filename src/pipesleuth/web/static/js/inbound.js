// Why there is no ticket: every webhook of late; and a box to ask what Pipesleuth would say.

import { Desk } from "./desk.js";
import { badge, facts, toTicket } from "./furniture.js";
import { html } from "./template.js";
import { cause, layers, steps } from "./ticket.js";
import { cut, moment, size } from "./times.js";
import { plain } from "./words.js";

const HEADS = ["Time", "Door", "Outcome", "Reason", "Ticket", "Size", "Digest"];
const NONE = ["Nothing came in", "Check the sender's address and key, and the search."];

const FORM = html`<h3><label for="pasted">What would Pipesleuth say?</label></h3>
	<p class="quiet">Paste an error message or a webhook's body. Nothing is stored.</p>
	<textarea id="pasted" name="text" rows="5" maxlength="200000"></textarea><p><button class="primary">Diagnose</button></p>`;

export default function Inbound(app, panel) {
	const open = app.me?.role === "admin";

	async function ask({ text }) {
		const { failures, reason } = await app.api.post("/api/triage", { text: text.value });
		return failures ? html`${failures.map(verdict)}` : html`<p class="note">No ticket: ${reason}</p>`;
	}

	return Desk(app, panel, {
		form: FORM,
		ask,
		title: "Why is there no ticket?",
		text: open ? "Every webhook of late, with the answer it was given." : "Administrators see every webhook of late here.",
		open,
		path: "/api/inbound",
		name: "inbound",
		label: "webhooks",
		heads: HEADS,
		row,
		none: NONE,
	});
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
