// The dashboard's first lines: puts the parts together and says what each button does.

import { auditQuestion, TABS } from "./address.js";
import { Api } from "./api.js";
import { Board } from "./board.js";
import { ServerClock } from "./clock.js";
import { Detail } from "./detail.js";
import { changed, cleared, toggled } from "./filters.js";
import { at, copy, drawBanners, drawConnection, drawPerson, save, say, toggleNotices } from "./frame.js";
import { listenToKeys } from "./keys.js";
import { question } from "./lists.js";
import { Live } from "./live.js";
import { Page } from "./page.js";
import { renew, token, toLogin, watch } from "./session.js";
import { startTimers } from "./sla.js";


function wire(page) {
	const go = (change, how) => page.go({ ...page.view, ...change }, how);
	const search = at("search");
	search.value = page.view.q;

	page.saveFile = (path, asked) => page.tried(page.api.file(path, asked).then(save));
	const download = () => {
		const { tab } = page.view;
		if (tab === "insights") return page.panel("download");
		const asked = tab === "audit" ? auditQuestion(page.view) : question(page.view, tab);
		return page.saveFile(`/api/export/${TABS[tab].path}`, asked);
	};

	const deeds = {
		details: (button) => page.open(button.closest("article").dataset.id),
		chip: ({ dataset }) => page.go(toggled(page.view, dataset.name, dataset.value)),
		since: ({ dataset }) => go({ from: new Date(page.clock.now() - dataset.value * 1000).toISOString(), to: "" }),
		wide: () => {
			page.wide = !page.wide;
			page.draw();
		},
		clear: () => {
			search.value = "";
			page.go(cleared(page.view));
		},
		csv: download,
		copy: (button) => copy([...button.parentElement.querySelectorAll("ol li")].map((step, n) => `${n + 1}. ${step.textContent}`).join("\n")),
		again: page.reload,
		more: () => page.board.more(),
		top: () => scrollTo({ top: 0 }),
		days: ({ dataset }) => go({ days: dataset.value === "7" ? "" : dataset.value }),
		tab: ({ dataset }) => go({ tab: dataset.value, ticket: null }, { push: true }),
		help: () => at("help").showModal(),
		notices: async () => say(await toggleNotices()),
		logout: async () => {
			await page.tried(page.api.post("/api/logout"));
			toLogin("out");
		},
	};

	document.addEventListener("click", (event) => {
		const button = event.target.closest?.("[data-do]");
		if (!button) return;
		button.closest("[popover]")?.hidePopover();
		const { do: deed, value } = button.dataset;
		if (deeds[deed]) deeds[deed](button);
		else page.panel(deed, value);
	});
	document.addEventListener("change", ({ target }) => target.dataset.change && page.go(changed(page.view, target)));
	search.addEventListener("input", () => go({ q: search.value }, { typing: true }));
	at("tabs").addEventListener("keydown", (event) => {
		const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
		if (!step) return;
		const tabs = [...event.currentTarget.querySelectorAll("[role=tab]")];
		const next = tabs[(tabs.indexOf(document.activeElement) + step + 5) % 5];
		next.focus();
		next.click();
	});
	addEventListener("popstate", () => (search.value = page.view.q));
	const tab = (number) => go({ tab: Object.keys(TABS)[number], ticket: null }, { push: true });
	listenToKeys({ search, shelf: () => page.board.panel.hidden ? null : page.board.shelf, open: page.open, help: deeds.help, tab });
}

async function begin() {
	if (!token()) return toLogin("");
	watch(() => toLogin("out"));
	const clock = new ServerClock();
	const api = new Api({ token, clock, gone: () => toLogin("expired") });
	const page = new Page(api, clock);
	page.configured = (config) => drawBanners(config.banners);
	page.board = new Board(page, at("tickets"));
	page.detail = new Detail(page, at("detail"));
	wire(page);
	const live = new Live({ api, token, apply: page.apply, reload: page.reload, state: drawConnection });
	const known = Promise.all([api.get("/api/me"), page.configure()]).then(([me]) => {
		page.me = me;
		drawPerson(me);
		at("invite").hidden = !page.invites;
	});
	page.known = known.catch((error) => error.status === 401 || say(error.message, true));
	await live.start();
	page.start();
	setInterval(() => renew(api).catch((error) => console.info("session not renewed", error.message)), 60_000);
	startTimers({ clock, look: page.look, warn: page.warn, slept: page.reload });
}

begin();
