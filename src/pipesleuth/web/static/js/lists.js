/** Brings ticket lists and counts from the server into what the page knows. */

import { listQuestion, TABS } from "./address.js";
import { narrowed } from "./match.js";
import { usualOrder } from "./order.js";
import { LISTS } from "./tickets.js";

const FIRST = 50;
const NEXT = 200;

/** What the server is asked for this tab: its filters and order. */
export function question(view, tab) {
  return listQuestion(view, view.sort || usualOrder(tab));
}

export class Lists {
  #api;
  #tickets;
  #changed;
  #under = new Map(); // tab → AbortController of the request under way

  /** `changed()` is called whenever there is something new to draw. */
  constructor(api, tickets, changed) {
    [this.#api, this.#tickets, this.#changed] = [api, tickets, changed];
  }

  /** The tab's first page, or as much as was already loaded when it is only `again`. */
  async first(tab, view, { again = false } = {}) {
    const list = this.#tickets.lists[tab];
    const loaded = again ? list.ids.size : 0;
    if (list.state === "new") list.state = "loading";
    [list.key, list.arrivals] = [question(view, tab).toString(), new Set()];
    await this.#fetch(tab, view, { first: true, limit: Math.max(FIRST, Math.min(NEXT, loaded)) });
    while (again && list.state === "ready" && list.cursor && list.ids.size < loaded) await this.more(tab, view);
  }

  /** The next page, if there is one and none is under way. */
  async more(tab, view) {
    const list = this.#tickets.lists[tab];
    if (list.cursor && !this.#under.has(tab)) await this.#fetch(tab, view, { first: false, limit: NEXT });
  }

  async #fetch(tab, view, { first, limit }) {
    this.#under.get(tab)?.abort();
    const control = new AbortController();
    this.#under.set(tab, control);
    const list = this.#tickets.lists[tab]; // a new question puts a new list in its place; this one is then forgotten
    const asked = question(view, tab);
    asked.set("limit", limit);
    if (!first) asked.set("cursor", list.cursor);
    try {
      const answer = await this.#api.get(`/api/${TABS[tab].path}`, asked, { signal: control.signal });
      if (!control.signal.aborted) this.#tickets.page(tab, answer, { first });
    } catch (error) {
      if (error.name !== "AbortError") Object.assign(list, { state: "error", error, arrivals: null });
    } finally {
      if (this.#under.get(tab) === control) this.#under.delete(tab);
    }
    this.#changed();
  }

  /** The numbers beside the tabs; with filters set, those of the filtered lists. Returns the summary. */
  async counts(view) {
    const { counts, lists } = this.#tickets;
    const summary = await this.#api.get("/api/summary");
    counts.audit = summary.total_audits;
    if (!narrowed(view)) {
      Object.assign(counts, {
        open: summary.open_tickets,
        in_progress: summary.in_progress_tickets,
        closed: summary.acknowledged_tickets,
      });
    } else {
      for (const tab of LISTS) {
        const asked = question(view, tab);
        asked.set("limit", 1);
        const answer = tab === view.tab ? lists[tab] : await this.#api.get(`/api/${TABS[tab].path}`, asked);
        counts[tab] = answer.total ?? (answer.more ? "1,000+" : null);
      }
    }
    this.#changed();
    return summary;
  }
}
