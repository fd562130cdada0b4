// A whole ticket as sections: cause, evidence, steps, timeline and facts.

import { timer } from "./card.js";
import { away, badge, button, facts, toTicket } from "./furniture.js";
import { html } from "./template.js";
import { cut, duration, moment, size } from "./times.js";
import { actionTone, kindName, plain, sourceName, stateName, times } from "./words.js";

const KIN = { head: "Repeats", folded: "Repeated by", attempts: "Other attempt", parent: "Called by", children: "Called" };

export function drawTicket({ ticket, timeline, deliveries, related, chain }, now, warn) {
	return {
		main: { head: head(ticket, now, warn), cause: cause(ticket), steps: steps(ticket), deeds: null, verdict: null, chain: layers(chain), error: error(ticket), timeline: history(timeline) },
		side: { facts: about(ticket), closed: closed(ticket), deliveries: sent(deliveries), kin: kin(ticket.lineage), related: alike(related) },
	};
}

function head(ticket, now, warn) {
	return html`<h3 class="title" dir="auto">${ticket.pipeline || "Unknown pipeline"}</h3>
		<p class="row">${badge(ticket.status, plain(ticket.status))}${badge(ticket.severity, ticket.severity)}
			${badge(ticket.priority, ticket.priority)}${timer(ticket, now, warn)}</p>`;
}

export function cause(ticket) {
	const [, entry] = /^knowledge:(.+)/.exec(ticket.rca_source) ?? [];
	const who = { unknown: "nobody yet", general: "the general rules" }[ticket.rca_source] ?? (entry ? `knowledge base entry ${entry}` : `model ${ticket.rca_source}`);
	return html`<h3>Root cause</h3><p class="text" dir="auto">${ticket.rca_result || "The cause is still being looked for."}</p>
		${ticket.confidence && html`<p class="quiet">${ticket.confidence} confidence, said by <bdi>${who}</bdi></p>`}`;
}

export function steps({ recommendations }) {
	if (!recommendations?.length) return null;
	return html`<h3>What to do</h3><ol>${recommendations.map((step) => html`<li dir="auto">${step}</li>`)}</ol>
		${button("copy", "Copy steps", { look: "small" })}`;
}

// The layers of a wrapped error, outermost first.
export function layers(chain) {
	if (!(chain?.length > 1)) return null;
	return html`<h3>Peeled chain</h3><ol class="timeline">${chain.map(({ kind, code, text, entity, innermost }) => html`<li>
		${badge(innermost ? "bad" : "quiet", plain(kind))} ${code && html`<code>${code}</code>`} ${entity && html`<bdi class="who">${entity}</bdi>`}
		${text && text !== entity && html`<p class="quiet" dir="auto">${text}</p>`}</li>`)}</ol>`;
}

// A raw error cut up, so that quoted evidence is seen where it stands: `[{text, marked}]`, complete and in order; at most 50 spans, overlapping ones joined.
export function pieces(text, spans) {
	const whole = String(text ?? "");
	const wanted = (spans ?? []).slice(0, 50).map((span) => (typeof span === "string" ? span.trim() : ""));
	const ranges = wanted.map((span) => [span ? whole.indexOf(span) : -1, span.length]).filter(([start]) => start >= 0);
	const found = [];
	let at = 0;
	const add = (end, marked) => {
		if (end > at) found.push({ text: whole.slice(at, end), marked });
		at = Math.max(at, end);
	};
	for (const [start, length] of ranges.sort((a, b) => a[0] - b[0])) {
		add(start, false);
		add(start + length, true);
	}
	add(whole.length, false);
	return found;
}

function error({ error_message: raw, evidence }) {
	if (!raw) return null;
	const marked = pieces(raw, evidence).map((one) => (one.marked ? html`<mark>${one.text}</mark>` : one.text));
	return html`<h3>Raw error</h3><pre tabindex="0" role="region" aria-label="Raw error" dir="auto">${marked}</pre>`;
}

function history(lines) {
	if (!lines.length) return null;
	return html`<h3>Timeline</h3><ol class="timeline">${lines.map(
		(line) => html`<li>${badge(actionTone(line.action), line.action)} ${moment(line.timestamp)}
			${line.user_name && html` <bdi class="who">${line.user_name}</bdi>`}
			${line.details && html`<p class="quiet" dir="auto">${line.details}</p>`}</li>`,
	)}</ol>`;
}

function about(ticket) {
	return html`<h3>Facts</h3>${facts([
		["Error type", ticket.error_type && html`<code>${ticket.error_type}</code>`],
		["Affected entity", ticket.affected_entity && html`<code>${ticket.affected_entity}</code>`],
		["Category", plain(ticket.category)],
		["Source", sourceName(ticket.source)],
		["Activity", ticket.activity],
		["Failed at", moment(ticket.timestamp)],
		["Run", ticket.run_id && away(ticket.run_url, ticket.run_id)],
		["Jira", ticket.itsm_ticket_id && away(ticket.jira_url, ticket.itsm_ticket_id)],
		["Whose matter", plain(ticket.responder)],
		["Re-run helps", ticket.retryable ? "yes" : "no"],
		["Team", ticket.finops_team],
		["Owner", ticket.finops_owner],
		["Cost center", ticket.finops_cost_center],
		["Processing mode", ticket.processing_mode],
		["Logic App run", ticket.logic_app_run_id],
		["Archived", ticket.blob_log_url && away(ticket.blob_log_url, ticket.blob_log_url)],
		["Webhook body", ticket.has_payload !== false && button("payload", "Payload", { look: "small" })],
	])}`;
}

function closed(ticket) {
	if (ticket.status !== "acknowledged") return null;
	return html`<h3>Resolution</h3>${facts([
		["By", ticket.ack_user || "unknown"],
		["At", moment(ticket.ack_ts)],
		["MTTR", duration(ticket.ack_seconds)],
		["SLA", ticket.sla_status],
	])}`;
}

function sent(deliveries) {
	if (!deliveries.length) return null;
	const one = (delivery) => {
		const { kind, state, attempts, key, url } = delivery;
		const name = kindName(kind);
		const left = [delivery.bytes && size(delivery.bytes), delivery.masked > 0 && `${times(delivery.masked, "secret")} masked`].filter(Boolean).join(", ");
		return html`<li data-state="${state}"><p><b>${name}</b> ${stateName(state)}${key && html` · ${away(url, key)}`}
				${delivery.can_retry && button("retry", `Retry ${name}`, { look: "small", value: kind })}</p>
			${delivery.last_error && html`<p class="why" dir="auto">${delivery.last_error}</p>`}
			${state === "pending" && attempts > 0 && html`<p class="quiet">${times(attempts, "try", "tries")}, next ${moment(delivery.next_try_at)}</p>`}
			${left && html`<p class="quiet">Left the house: ${left}</p>`}</li>`;
	};
	return html`<h3>Deliveries</h3><ul class="deliveries">${deliveries.map(one)}</ul>`;
}

const other = (card, how) => html`<li>${how && `${how} `}${toTicket(card.id)} <bdi>${cut(card.pipeline, 60)}</bdi> ${moment(card.timestamp)}</li>`;

// Tickets of the same failure or run, each with how it belongs to this one.
function kin(lineage) {
	const found = Object.entries(KIN).flatMap(([key, how]) => [lineage?.[key] ?? []].flat().map((card) => other(card, how)));
	return found.length > 0 && html`<h3>Belongs together</h3><ul class="related">${found}</ul>`;
}

function alike(related) {
	const { seen, tickets } = related ?? {};
	if (!seen?.count && !tickets?.length) return null;
	const fixed = seen.last_closed_by &&
		html`, last resolved by <bdi>${seen.last_closed_by}</bdi> in ${duration(seen.last_closed_seconds)}${seen.last_note && html`: “<bdi>${seen.last_note}</bdi>”`}`;
	return html`<h3>Seen before</h3>
		<p>Seen ${times(seen.count, "other time")} in ${seen.days} days${fixed}.</p>
		<ul class="related">${tickets.slice(0, 8).map((card) => other(card))}</ul>`;
}
