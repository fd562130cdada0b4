// The page's one state: which view is shown, what is loaded for it, and what an event changes.

import { readView, TABS, writeView } from "./address.js";
import { at, drawTabs, say, tell, title } from "./frame.js";
import { Lists, question } from "./lists.js";
import { READING } from "./shelf.js";
import { LISTS, Tickets } from "./tickets.js";

const TYPING = 180;
const COUNTING = 2000;
const BANNERS = 30_000;

export class Page {
	tickets = new Tickets();
	me = null;
	config = {};
	summary = null;
	wide = false;
	#urgent = 0;
	#arrived = [];
	#planned = false;
	#typing = null;
	#counting = null;
	#counted = 0;
	#panels = {};

	constructor(api, clock) {
		Object.assign(this, { api, clock, view: readView() });
		this.lists = new Lists(api, this.tickets, () => this.draw());
		addEventListener("popstate", () => this.#turn(readView()));
	}

	get invites() {
		return this.me?.role === "admin" && this.config.registration?.policy === "invite";
	}

	warn = () => ({ share: this.config.sla_warn_share });
	look = (id) => this.tickets.cards.get(id) ?? (this.detail.ticket?.id === id ? this.detail.ticket : null);
	open = (id) => this.go({ ...this.view, ticket: id }, { push: !this.view.ticket });

	close = () => {
		const id = this.view.ticket;
		if (history.state?.opened) history.back();
		else this.go({ ...this.view, ticket: null });
		if (document.activeElement === document.body) this.board.shelf?.article(id)?.focus({ preventScroll: true });
	};

	// Waits for what was begun and says how it went; gives the error where there was one.
	async tried(work, done) {
		try {
			await work;
			if (done) say(done);
		} catch (error) {
			say(error.message, true);
			return error;
		}
	}

	go(view, { push = false, typing = false } = {}) {
		const opened = push && view.ticket !== null ? { opened: true } : push ? null : history.state;
		history[push ? "pushState" : "replaceState"](opened, "", writeView(view));
		this.#turn(view, typing);
	}

	#turn(view, typing = false) {
		const before = this.view;
		this.view = view;
		this.detail.show(view.ticket);
		const place = (one) => writeView({ ...one, ticket: null });
		if (before !== view && place(before) === place(view)) return;
		if (view.tab !== before.tab) scrollTo({ top: 0, behavior: "instant" });
		clearTimeout(this.#typing);
		this.#typing = setTimeout(() => this.#ask(), typing ? TYPING : 0);
		if (LISTS.includes(view.tab)) this.#narrow(before);
		this.draw();
	}

	#narrow(before) {
		const { tab } = this.view;
		const asked = (view) => question(view, tab).toString();
		if (asked(this.view) !== asked(before)) this.tickets.narrow(tab, this.view);
	}

	#ask() {
		const { tab } = this.view;
		this.count(0);
		if (!LISTS.includes(tab)) this.#panel(tab).then((panel) => panel.load());
		else if (this.tickets.lists[tab].key !== question(this.view, tab).toString()) this.lists.first(tab, this.view);
	}

	start() {
		setInterval(() => this.configure().catch((error) => console.info("banners not read", error.message)), BANNERS);
		this.#turn(this.view);
	}

	reload = async () => {
		const { tab } = this.view;
		for (const other of LISTS) if (other !== tab) this.tickets.lists[other].key = null;
		this.count(0);
		if (LISTS.includes(tab)) await this.lists.first(tab, this.view, { again: true });
		else await (await this.#panel(tab)).load();
	};

	async #panel(tab) {
		await this.known; // what a tab shows depends on who looks
		const { default: Panel } = await import(`./${tab}.js`);
		return (this.#panels[tab] ??= Panel(this, at(tab)));
	}

	// What the tab shown can do besides: its buttons name it.
	panel = (deed, argument) => this.#panels[this.view.tab]?.[deed]?.(argument);

	apply = (events) => {
		const now = this.clock.now();
		for (const event of events) {
			const before = event.card && this.tickets.cards.get(event.card.id);
			const card = this.tickets.apply(event, this.view, now);
			if (!card) continue;
			this.detail.stale(card);
			if (event.event === "new_ticket") this.#arrived.push(card.id);
			const raised = event.event === "new_ticket" || (before && before.priority !== "P1");
			if (card.priority === "P1" && card.status === "open" && raised) tell(card, this.open);
		}
		this.draw();
		if (events.some((event) => event.card)) this.count(COUNTING);
	};

	count(pause) {
		clearTimeout(this.#counting);
		this.#counting = setTimeout(() => this.#count(pause), pause && Math.max(0, this.#counted + pause - performance.now()));
	}

	async #count(news) {
		try {
			this.#counted = performance.now();
			const urgent = { priority: "P1", limit: 1 };
			const [summary, p1] = await Promise.all([this.lists.counts(this.view), this.api.get("/api/open-tickets", urgent)]);
			[this.summary, this.#urgent] = [summary, p1.total ?? 0];
			if (news && this.view.tab === "audit" && scrollY < READING) await this.panel("load");
		} catch (error) {
			console.info("counts not read", error.message); // the lists themselves say when the server is away
		}
		this.draw();
	}

	configure = async () => {
		this.config = await this.api.get("/api/config");
		this.configured?.(this.config);
	};

	draw() {
		if (this.#planned) return;
		this.#planned = true;
		const work = () => {
			this.#planned = false;
			drawTabs(this.view, this.tickets.counts);
			title(this.#urgent, TABS[this.view.tab].name);
			if (LISTS.includes(this.view.tab)) this.board.draw(this.wide, this.#arrived);
			else this.#panels[this.view.tab]?.draw();
			this.#arrived = [];
		};
		if (document.hidden) setTimeout(work, 0);
		else requestAnimationFrame(work);
	}
}
