// Pieces that many views have: a button, a table, choices, a list of facts, trouble.

import { flag, html, linkable } from "./template.js";
import { plain } from "./words.js";

export const badge = (tone, text) => html`<span class="badge" data-tone="${String(tone).toLowerCase()}">${text}</span>`;

export const button = (deed, text, { look = "", value = "" } = {}) =>
	html`<button type="button" class="${look}" data-do="${deed}" data-value="${value}">${text}</button>`;

export const words = (title, text, more, tone = "") => html`<div class="state ${tone}"><h3>${title}</h3><p>${text}</p>${more}</div>`;

export const trouble = (title, error) => words(title, error?.message, button("again", "Try again"), "bad");

export const toFile = button("csv", "Download CSV");

export const table = (name, heads, rows) => html`<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table>
	<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;

export const waiting = html`<div class="ghost"></div>`;

// A table; or what is said in trouble, while its rows are awaited (null), and where there are `none`.
export function listing(name, heads, rows, { fault, none, cursor }) {
	if (fault) return trouble(`The ${name} could not be loaded`, fault);
	if (!rows) return waiting;
	return html`${rows.length ? table(plain(name), heads, rows) : words(...none)}${cursor && html`<p class="tail">${button("next", "Show more")}</p>`}`;
}

export const options = (choices, chosen, none) =>
	html`${none && html`<option value="">${none}</option>`}${choices.map(
		([value, name]) => html`<option value="${value}" ${flag("selected", value === chosen)}>${name}</option>`,
	)}`;

export const facts = (list) =>
	html`<dl>${list.map(([name, value]) => value && html`<div><dt>${name}</dt><dd dir="auto">${value}</dd></div>`)}</dl>`;

export const toTicket = (id, text = id) => html`<a href="${`#/tickets/${encodeURIComponent(id)}`}"><bdi>${text}</bdi></a>`;

export const away = (address, text) =>
	linkable(address) ? html`<a href="${address}" target="_blank" rel="noopener noreferrer"><bdi>${text}</bdi></a>` : html`<bdi>${text}</bdi>`;
