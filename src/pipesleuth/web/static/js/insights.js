// The Insights tab: the shift's handover, and how failures, repair time and SLA went.

import { columns, ranking } from "./charts.js";
import { copy, csv, save } from "./download.js";
import { button, facts, toTicket, trouble, words } from "./furniture.js";
import { fill, html } from "./template.js";
import { cut } from "./times.js";
import { plain } from "./words.js";

const RANGES = { 7: "Week", 30: "Month", 90: "Quarter" };
const PARTS = { open: "Still open", breached: "SLA breached", recurring: "Recurring", holders: "Who holds what" };
const TONES = ["Low", "Medium", "High", "Critical"].map((name) => [name, name, name.toLowerCase()]);

export default class Insights {
	#app;
	#panel;
	#series = null;
	#handover = null;
	#trouble = null;

	constructor(app, panel) {
		[this.#app, this.#panel] = [app, panel];
	}

	get days() {
		const days = Number(this.#app.view.days);
		return RANGES[days] ? days : 7;
	}

	async load() {
		const [days, to] = [this.days, this.#app.clock.now()];
		const range = { from: new Date(to - days * 86_400_000).toISOString(), to: new Date(to).toISOString() };
		this.draw();
		const { api } = this.#app;
		const [series, handover] = await Promise.allSettled([api.get("/api/insights", range), api.get("/api/handover", { hours: 12 })]);
		if (days !== this.days) return;
		[this.#series, this.#trouble, this.#handover] = [series.value?.series, series.reason, handover.value];
		this.draw();
	}

	draw() {
		const ranges = Object.entries(RANGES).map(
			([days, name]) => html`<button class="chip" data-do="days" data-value="${days}" aria-pressed="${+days === this.days}">${name}</button>`,
		);
		fill(
			this.#panel,
			html`<div class="strip"><div class="chips" role="group" aria-label="Time range">${ranges}</div><span class="grow"></span>
				${button("csv", "Download CSV")}</div>
				${this.#handover && shift(this.#handover)}${this.#series ? charts(this.#series) : this.#words()}`,
		);
	}

	download() {
		const rows = Object.entries(this.#series ?? {}).flatMap(([series, found]) =>
			[found].flat().flatMap(({ day, name, ...measures }) => Object.entries(measures).map((one) => [series, day ?? name, ...one])),
		);
		save(new Blob([csv(["series", "name", "measure", "value"], rows)], { type: "text/csv" }), "insights.csv");
	}

	copyHandover() {
		return copy(this.#handover.markdown ?? "", this.#app.say);
	}

	#words() {
		if (!this.#trouble) return html`<div class="ghost"></div>`;
		if (this.#trouble.status !== 404) return trouble("The insights could not be loaded", this.#trouble);
		return words("No insights yet", "This server does not gather them. Tickets and the audit trail are complete without.");
	}
}

function shift(handover) {
	const one = ({ id, pipeline, name, user, count, priority }) =>
		html`<li>${pipeline && id ? toTicket(id, cut(pipeline, 80)) : html`<bdi>${cut(name ?? user ?? pipeline, 80)}</bdi>`} <b>${count ?? priority}</b></li>`;
	const part = ([key, name]) =>
		handover[key] && html`<section><h4>${name} <span class="count">${handover[key].length}</span></h4><ul>${handover[key].slice(0, 8).map(one)}</ul></section>`;
	return html`<div class="handover"><h3>Shift handover, last ${handover.hours ?? 12} hours
		${handover.markdown && button("handover", "Copy as Markdown", { look: "small" })}</h3>
		<div class="columns">${Object.entries(PARTS).map(part)}</div></div>`;
}

function charts(series) {
	const latency = Object.entries(series.latency ?? {}).map(([name, value]) => [name.replaceAll("_", " "), Number.isFinite(value) && String(Math.round(value * 10) / 10)]);
	return html`<div class="charts">
		${columns("Failures per day", series.failures_per_day, TONES)}
		${columns("Minutes to repair, mean", series.mttr_per_day, [["minutes", "Minutes", "told"]])}
		${columns("SLA met and breached", series.sla_per_day, [["met", "Met", "done"], ["breached", "Breached", "bad"]])}
		${ranking("Top pipelines", series.top_pipelines)}
		${ranking("Causes by category", series.categories?.map((row) => ({ ...row, name: plain(row.name) })))}
		${ranking("Teams", series.teams, ["cost_center"])}
		${latency.length > 0 && html`<figure><figcaption>Latency</figcaption>${facts(latency)}</figure>`}</div>`;
}
