/** The shift's handover: what is open, breached and recurring, and who holds what. */

import { html } from "./template.js";
import { cut } from "./times.js";

const PARTS = { open: "Still open", breached: "SLA breached", recurring: "Recurring", holders: "Who holds what" };

/** One entry's name and number, whatever kind of entry it is. */
function entry(one) {
  const name = one.pipeline ?? one.name ?? one.user ?? one.id ?? "";
  return { id: one.pipeline && one.id, name: cut(name, 80), more: one.count ?? one.priority ?? "" };
}

function list(name, entries) {
  const rows = entries.slice(0, 8).map(entry);
  return html`<section><h4>${PARTS[name]} <span class="count">${entries.length}</span></h4>${
    rows.length
      ? html`<ul>${rows.map(
          ({ id, name: text, more }) => html`<li>${id ? html`<a href="${`#/tickets/${encodeURIComponent(id)}`}"><bdi>${text}</bdi></a>` : html`<bdi>${text}</bdi>`}
            <b>${more}</b></li>`,
        )}</ul>`
      : html`<p class="quiet">None</p>`
  }</section>`;
}

const given = (handover) => Object.keys(PARTS).filter((name) => Array.isArray(handover[name]));

/** The handover for the page. */
export function drawHandover(handover) {
  return html`<div class="handover"><h3>Shift handover, last ${handover.hours ?? 12} hours
    <button type="button" class="small" data-do="handover" data-key="handover">Copy as Markdown</button></h3>
    <div class="columns">${given(handover).map((name) => list(name, handover[name]))}</div></div>`;
}

/** The handover as Markdown: the server's own, else made from its lists. */
export function handoverText(handover) {
  if (handover.markdown) return handover.markdown;
  const part = (name) => {
    const lines = handover[name].map(entry).map(({ id, name: text, more }) => `- ${text}${id ? ` (${id})` : ""} ${more}`.trimEnd());
    return [`## ${PARTS[name]}`, ...(lines.length ? lines : ["none"])].join("\n");
  };
  return [`# Shift handover, last ${handover.hours ?? 12} hours`, ...given(handover).map(part)].join("\n\n") + "\n";
}
