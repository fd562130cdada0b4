// Pieces that many views have: a button, a table, a list of facts, trouble.

import { html, linkable } from "./template.js";

export const badge = (tone, text) => html`<span class="badge" data-tone="${String(tone).toLowerCase()}">${text}</span>`;

export const button = (deed, text, { look = "", value = "" } = {}) =>
	html`<button class="${look}" data-do="${deed}" data-value="${value}">${text}</button>`;

export const trouble = (title, error) =>
	html`<div class="state bad"><h3>${title}</h3><p>${error?.message}</p>${button("again", "Try again")}</div>`;

export const words = (title, text, more) => html`<div class="state"><h3>${title}</h3><p>${text}</p>${more}</div>`;

export const table = (name, heads, rows) => html`<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table>
	<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;

export const facts = (list) =>
	html`<dl>${list.map(([name, value]) => value && html`<div><dt>${name}</dt><dd dir="auto">${value}</dd></div>`)}</dl>`;

export const toTicket = (id, text = id) => html`<a href="${`#/tickets/${encodeURIComponent(id)}`}"><bdi>${text}</bdi></a>`;

export const away = (address, text) =>
	linkable(address) ? html`<a href="${address}" target="_blank" rel="noopener noreferrer"><bdi>${text}</bdi></a>` : html`<bdi>${text}</bdi>`;
