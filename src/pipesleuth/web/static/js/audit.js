// The Audit Trail tab: numbers, a table of every action, a filter and paging.

import { auditQuestion } from "./address.js";
import { badge, listing, options, toFile, toTicket } from "./furniture.js";
import { fill, html } from "./template.js";
import { cut, duration, moment } from "./times.js";
import { actionTone, count } from "./words.js";

const PAGE = 100;
const HEADS = ["Time", "Action", "Ticket", "Pipeline", "Who", "Took", "SLA", "Team", "Jira", "Details"];
const NONE = ["Nothing here", "No line of the audit trail fits the search and filter."];

export default function Audit(app, panel) {
	let [known, cursor, fault, turns, key, actions] = [null, null, null, 0, "", []];

	async function load(more = false) {
		const turn = ++turns;
		const asked = auditQuestion(app.view);
		const same = key === (key = asked.toString());
		asked.set("limit", PAGE);
		if (more) asked.set("cursor", cursor);
		else if (!known) draw();
		try {
			const answer = await app.api.get("/api/audit-trail", asked);
			if (turn !== turns) return;
			const fresh = answer.audits.filter((line) => !(line.id <= known?.[0]?.id));
			// News go on top of what was paged in, unless a stretch between them was not read.
			const joins = same && !more && fresh.length < answer.audits.length;
			known = more ? [...known, ...answer.audits] : joins ? [...fresh, ...known] : answer.audits;
			if (!joins) cursor = answer.next_cursor;
			[fault, actions] = [null, answer.actions];
		} catch (error) {
			if (turn === turns) fault = error;
		}
		draw();
	}

	function draw() {
		const { view, summary } = app;
		const shown = known?.filter((line) => !view.action || line.action === view.action);
		fill(
			panel,
			html`${cards(summary)}
				<div class="strip"><label class="pick">Action <select data-change="action">
					${options([...new Set([view.action, ...actions])].filter(Boolean).map((name) => [name, name]), view.action, "All actions")}</select></label>
					<span class="grow"></span>${toFile}</div>
				${listing("audit trail", HEADS, shown?.map(row), { fault, none: NONE, cursor })}`,
		);
	}

	return { load, draw, next: () => load(true) };
}

function cards(summary) {
	if (!summary) return null;
	const numbers = [
		["Open", count(summary.open_tickets)],
		["Closed", count(summary.acknowledged_tickets)],
		["MTTR", duration(summary.mttr_min * 60)],
		["SLA Breached", count(summary.sla_breached), summary.sla_breached > 0 ? "bad" : ""],
		["Total Audits", count(summary.total_audits)],
	];
	return html`<dl class="stats">${numbers.map(
		([name, value, tone]) => html`<div data-tone="${tone ?? ""}"><dt>${name}</dt><dd>${value}</dd></div>`,
	)}</dl>`;
}

function row(line) {
	return html`<tr><td>${moment(line.timestamp)}</td><td>${badge(actionTone(line.action), cut(line.action, 60))}</td>
		<td class="id">${line.ticket_id && toTicket(line.ticket_id)}</td><td class="long"><bdi>${cut(line.pipeline, 120)}</bdi></td>
		<td><bdi>${cut(line.user_name, 60)}</bdi></td><td class="number">${line.time_taken_seconds !== null && duration(line.time_taken_seconds)}</td><td>${line.sla_status}</td>
		<td>${cut(line.finops_team, 60)}</td><td>${cut(line.itsm_ticket_id, 40)}</td>
		<td class="long" dir="auto">${cut(line.details || line.rca_summary, 240)}</td></tr>`;
}
