// One ticket as a card: an article named by pipeline and id.

import { away, badge, button } from "./furniture.js";
import { slaOf, slaText } from "./sla.js";
import { element, fill, html } from "./template.js";
import { cut, duration, moment } from "./times.js";
import { kindName, plain, sourceName, stateName, times } from "./words.js";

export function timer(card, now, warn) {
	const sla = slaOf(card, now, warn);
	if (sla.left === null) return html`<span class="sla" data-state="${sla.state}">${slaText(sla)}</span>`;
	return html`<span class="sla" role="timer" data-sla="${card.id}" data-state="${sla.state}">${slaText(sla)}</span>`;
}

const jiraLink = ({ itsm_ticket_id: key, jira_url: url }) =>
	key && html`<span class="fact">${away(url, html`Jira: ${cut(key, 60)}`)}</span>`;

function deliveryDots(deliveries) {
	const found = Object.entries(deliveries ?? {});
	if (!found.length) return null;
	return html`<ul class="dots" aria-label="Deliveries">${found.map(
		([kind, state]) =>
			html`<li data-state="${state}">${kindName(kind)}<span class="hush"> ${stateName(state)}</span></li>`,
	)}</ul>`;
}

const fact = (name, value) =>
	value && html`<span class="fact"><span class="hush">${name} </span><bdi>${cut(value, 80)}</bdi></span>`;

function body(card, now, warn) {
	const closed = card.status === "acknowledged";
	const seen = card.seen_count > 1 ? `seen ${card.seen_count} times` : null;
	return html`
		<header>
			<h3><bdi>${cut(card.pipeline || "Unknown pipeline", 200)}</bdi></h3>
			${badge(card.severity, card.severity)}${badge(card.priority, card.priority)}
		</header>
		<p><code>${card.id}</code>${fact("Source", sourceName(card.source))}
			${card.category && html`<span class="fact">${plain(card.category)}</span>`}</p>
		<p class="cause" dir="auto">${cut(card.rca_result || "The cause is still being looked for.", 300)}</p>
		<p>${moment(card.timestamp)}${fact("Team", card.finops_team)}${fact("Owner", card.finops_owner)}
			${fact("Occurrences", seen)}${fact("Folded", card.folded > 0 && `+ ${times(card.folded, "repeat")}`)}
			${card.run_id && html`<span class="run" title="${cut(card.run_id, 300)}">Run <bdi>${cut(card.run_id, 80)}</bdi></span>`}</p>
		<footer>
			${timer(card, now, warn)}${jiraLink(card)}
			${closed ? closing(card) : deliveryDots(card.deliveries)}
			${button("details", "View Details")}
		</footer>
		${closed ? null : html`<div class="fuse" data-sla="${card.id}"></div>`}`;
}

function closing(card) {
	return html`<span class="fact">Closed in ${duration(card.ack_seconds)}${card.ack_user && html` by <bdi>${cut(card.ack_user, 60)}</bdi>`}</span>`;
}

export const makeCard = (card) => element(html`<article class="card" tabindex="-1" data-id="${card.id}"></article>`);

export function updateCard(article, card, now, warn) {
	article.dataset.tone = String(card.severity).toLowerCase();
	article.setAttribute("aria-label", `${cut(card.pipeline || "Unknown pipeline", 200)} ${card.id}`);
	fill(article, body(card, now, warn));
}
