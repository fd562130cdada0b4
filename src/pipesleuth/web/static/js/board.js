/** The ticket tabs: the shelf of cards, and words for when it is empty, loading or out of reach. */

import { makeCard, updateCard } from "./card.js";
import { TABS } from "./address.js";
import { drawFilters } from "./filters.js";
import { narrowed } from "./match.js";
import { grouped } from "./order.js";
import { Shelf } from "./shelf.js";
import { fill, html } from "./template.js";
import { tickAll } from "./timers.js";

const QUIET = {
  open: ["All quiet", "No ticket is open. New failures appear here by themselves."],
  in_progress: ["Nobody is on a ticket", "Tickets that somebody has taken, here or in Jira, stand here."],
  closed: ["Nothing closed yet", "Closed tickets stand here with who closed them and how long it took."],
};
const MARK = 2500;

export class Board {
  #app;
  #shelf;
  #tab = null;
  #arrived = 0;

  /** app: tickets, clock, view, warn(), lists. The panel holds .filters, .notice, .shelf and .tail. */
  constructor(app, panel) {
    this.#app = app;
    this.panel = panel;
    [this.filters, this.notice, this.place, this.tail, this.pill] = [".filters", ".notice", ".shelf", ".tail", ".pill"].map(
      (name) => panel.querySelector(name),
    );
    const sight = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.more(), {
      rootMargin: "1500px 0px",
    });
    sight.observe(this.tail);
    addEventListener("scroll", () => scrollY < 40 && this.#arrived && this.#announce(0), { passive: true });
  }

  get shelf() {
    return this.#shelf;
  }

  more() {
    if (this.#tab) this.#app.lists.more(this.#tab, this.#app.view);
  }

  /** Draws the current view. `arrived` is how many tickets came in with this drawing. */
  draw(wide, arrived = 0) {
    const { tickets, view, clock } = this.#app;
    if (this.#tab !== view.tab) this.#renew(view.tab);
    const list = tickets.lists[view.tab];
    const now = clock.now();
    const cards = tickets.shown(view.tab, view, now);
    drawFilters(this.filters, view, cards, wide);
    const moved = this.#shelf.show(grouped(cards, view.group));
    tickAll(this.place, now, (id) => tickets.cards.get(id), this.#app.warn());
    if (arrived && moved > 1) this.#announce(this.#arrived + arrived);
    this.panel.setAttribute("aria-busy", String(list.state === "loading"));
    fill(this.notice, this.#words(list, cards.length));
    this.#foot(list, cards.length);
  }

  #renew(tab) {
    this.#tab = tab;
    this.place.replaceChildren();
    const { clock, warn } = this.#app;
    this.#shelf = new Shelf(
      this.place,
      (card) => this.#marked(makeCard(card, clock.now(), warn()), card),
      (article, card) => {
        updateCard(article, card, clock.now(), warn());
        this.#marked(article, card);
      },
    );
    this.#announce(0);
  }

  /** Marks an article briefly when its ticket was changed by an event just now. */
  #marked(article, card) {
    const at = this.#app.tickets.changed.get(card.id);
    if (at === undefined || this.#app.clock.now() - at > MARK) return article;
    article.classList.add("fresh");
    setTimeout(() => article.classList.remove("fresh"), MARK);
    return article;
  }

  #announce(number) {
    this.#arrived = number;
    this.pill.hidden = !number;
    this.pill.textContent = `${number} new above`;
  }

  #words({ state, error }, shown) {
    const { view } = this.#app;
    if (state === "error")
      return html`<div class="state bad"><h3>The tickets could not be loaded</h3><p>${error.message}</p>
        <button type="button" data-do="again" data-key="again">Try again</button></div>`;
    if (shown) return html``;
    if (state !== "ready")
      return html`<p class="hush">Loading</p><div class="cards">${[1, 2, 3, 4, 5, 6].map(() => html`<div class="ghost"></div>`)}</div>`;
    if (narrowed(view))
      return html`<div class="state"><h3>Nothing matches</h3>
        <p>No ticket in ${TABS[view.tab].name} fits the search and filters.</p>
        <button type="button" data-do="clear" data-key="clear">Show all tickets</button></div>`;
    return html`<div class="state"><h3>${QUIET[view.tab][0]}</h3><p>${QUIET[view.tab][1]}</p></div>`;
  }

  #foot(list, shown) {
    const rest = list.cursor && html`<button type="button" data-do="more" data-key="more">Show more</button>`;
    fill(this.tail, shown && (list.cursor || shown > 20) ? html`<p class="quiet">${shown} shown</p>${rest}` : html``);
  }
}
