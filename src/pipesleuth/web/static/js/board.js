// The ticket tabs: the cards, and words for empty, loading and out of reach.

import { makeCard, updateCard } from "./card.js";
import { TABS } from "./address.js";
import { drawFilters } from "./filters.js";
import { button, trouble, waiting, words } from "./furniture.js";
import { narrowed } from "./match.js";
import { grouped } from "./order.js";
import { READING, Shelf } from "./shelf.js";
import { fill, html } from "./template.js";
import { tickAll } from "./sla.js";

const QUIET = {
	open: ["All quiet", "New failures appear here by themselves."],
	in_progress: ["Nobody is on a ticket", "Tickets taken here or in Jira stand here."],
	closed: ["Nothing closed yet", "Who closed what, and how fast, stands here."],
};
const MARK = 2500;

export class Board {
	shelf;
	#app;
	#tab = null;
	#held = new Set(); // tickets that came in while a person reads further down

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
		addEventListener("scroll", () => scrollY < READING && this.#release(), { passive: true });
	}

	more() {
		if (this.#tab) this.#app.lists.more(this.#tab, this.#app.view);
	}

	draw(wide, arrived = []) {
		const { tickets, view, clock } = this.#app;
		if (this.#tab !== view.tab) this.#renew(view.tab);
		const list = tickets.lists[view.tab];
		const now = clock.now();
		if (scrollY >= READING) for (const id of arrived) this.#held.add(id);
		const all = tickets.shown(view.tab, view, now);
		const cards = this.#held.size ? all.filter((card) => !this.#held.has(card.id)) : all;
		drawFilters(this.filters, view, cards, wide, this.#app.summary?.facets);
		this.shelf.show(grouped(cards, view.group));
		this.pill.hidden = all.length === cards.length;
		this.pill.textContent = `${all.length - cards.length} new`;
		this.panel.setAttribute("aria-busy", String(list.state === "loading"));
		fill(this.notice, this.#words(list, cards.length));
		this.#foot(list, cards.length);
	}

	#renew(tab) {
		this.#tab = tab;
		this.place.replaceChildren();
		const { clock, warn } = this.#app;
		this.shelf = new Shelf(
			this.place,
			makeCard,
			(article, card) => {
				updateCard(article, card, clock.now(), warn());
				tickAll(article, clock.now(), () => card, warn());
				this.#marked(article, card);
			},
		);
		this.#held.clear();
	}

	#release() {
		if (!this.#held.size) return;
		this.#held.clear();
		this.#app.draw();
	}

	#marked(article, card) {
		const at = this.#app.tickets.changed.get(card.id);
		if (at === undefined || this.#app.clock.now() - at > MARK) return;
		article.classList.add("fresh");
		setTimeout(() => article.classList.remove("fresh"), MARK);
	}

	#words({ state, error }, shown) {
		const { view } = this.#app;
		if (state === "error") return trouble("The tickets could not be loaded", error);
		if (shown) return html``;
		if (state !== "ready")
			return html`<p class="hush">Loading</p><div class="cards">${Array(6).fill(waiting)}</div>`;
		if (narrowed(view))
			return words("Nothing matches", `No ticket in ${TABS[view.tab].name} fits the search and filters.`, button("clear", "Show all tickets"));
		return words(...QUIET[view.tab]);
	}

	#foot(list, shown) {
		const rest = list.cursor && button("more", "Show more");
		fill(this.tail, shown && (list.cursor || shown > 20) ? html`<p class="quiet">${shown} shown</p>${rest}` : html``);
	}
}
