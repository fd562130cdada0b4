/** What stands around the tabs: counts, connection state, banners, who is logged in, short messages. */

import { TABS } from "./address.js";
import { fill, html } from "./template.js";
import { moment } from "./times.js";
import { count } from "./words.js";

const STATES = {
  connecting: "Connecting",
  live: "Live",
  polling: "Reconnecting, asking every 15 s",
  offline: "Offline, showing what was known",
};

const at = (id) => document.getElementById(id);

/** Marks the current tab, shows its panel and writes the counts into the tabs' names. */
export function drawTabs(view, counts) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const name = tab.dataset.tab;
    const chosen = name === view.tab;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen || (view.tab === "inbound" && name === "open") ? 0 : -1;
    const known = counts[name];
    const number = typeof known === "number" ? count(known) : known;
    fill(tab, html`${TABS[name].name}${number !== null && number !== undefined && html` <span class="count">${number}</span>`}`);
  }
  at("place").textContent = TABS[view.tab].name;
  const list = view.tab in { open: 1, in_progress: 1, closed: 1 };
  at("tickets").hidden = !list;
  if (list) at("tickets").setAttribute("aria-labelledby", `tab-${view.tab}`);
  for (const name of ["audit", "insights", "inbound"]) at(name).hidden = view.tab !== name;
}

/** The connection's word in the live region. */
export function drawConnection(word) {
  const place = at("connection");
  place.dataset.state = word;
  fill(place, html`${STATES[word]}`);
}

/** The server's banners, each with since when. */
export function drawBanners(banners) {
  fill(
    at("banners"),
    html`${(banners ?? []).map(
      ({ kind, text, since }) => html`<p class="banner" data-kind="${kind}">${text}${since && html` <span>since ${moment(since)}</span>`}</p>`,
    )}`,
  );
}

/** Name and role in the menu. */
export function drawPerson(me) {
  fill(at("person"), html`<b><bdi>${me.full_name || me.email}</bdi></b><bdi>${me.full_name ? me.email : ""}</bdi><span>${me.role}</span>`);
}

let leaving = null;

/** A short message at the foot of the page; the last one stands for five seconds. */
export function say(text, bad = false) {
  // A modal dialog hides the rest of the page from screen readers, so the message is spoken inside it.
  const place = document.querySelector("dialog[open] .toast") ?? at("toast");
  place.dataset.tone = bad ? "bad" : "";
  fill(place, html`<span>${text}</span>`);
  clearTimeout(leaving);
  leaving = setTimeout(() => document.querySelectorAll(".toast").forEach((toast) => fill(toast, html``)), 5000);
}
