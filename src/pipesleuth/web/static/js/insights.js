// The Insights tab: the shift's handover, and how failures, repair time and SLA went.

import { columns, ranking } from "./charts.js";
import { copy } from "./frame.js";
import { button, facts, toFile, toTicket, trouble, waiting } from "./furniture.js";
import { fill, html } from "./template.js";
import { cut } from "./times.js";
import { plain } from "./words.js";

const RANGES = { 7: "Week", 30: "Month", 90: "Quarter" };
const PARTS = { open: "Still open", breached: "SLA breached", recurring: "Recurring", held: "Who holds what" };
const TONES = ["Low", "Medium", "High", "Critical"].map((name) => [name, name, name.toLowerCase()]);
const LATENCY = {
	webhook_ms_p50: "Webhook to ticket, median",
	webhook_ms_p95: "Webhook to ticket, slow",
	ai_ms_p50: "AI analysis, median",
	ai_ms_p95: "AI analysis, slow",
};

export default function Insights(app, panel) {
	let [series, handover, fault] = [null, null, null];
	const days = () => (RANGES[app.view.days] ? Number(app.view.days) : 7);

	function range() {
		const to = app.clock.now();
		return { from: new Date(to - days() * 86_400_000).toISOString(), to: new Date(to).toISOString() };
	}

	async function load() {
		const length = days();
		draw();
		const [figures, shift] = await Promise.allSettled([
			app.api.get("/api/insights", range()),
			app.api.get("/api/handover", { hours: 12 }),
		]);
		if (length !== days()) return;
		[series, fault, handover] = [figures.value?.series, figures.reason, shift.value];
		draw();
	}

	function draw() {
		const ranges = Object.entries(RANGES).map(
			([length, name]) => html`<button class="chip" data-do="days" data-value="${length}" aria-pressed="${+length === days()}">${name}</button>`,
		);
		const figures = series ? charts(series) : fault ? trouble("The insights could not be loaded", fault) : waiting;
		fill(
			panel,
			html`<div class="strip"><div class="chips" role="group" aria-label="Time range">${ranges}</div><span class="grow"></span>
				${toFile}</div>
				${handover && shift(handover)}${figures}`,
		);
	}

	const download = () => app.saveFile("/api/export/insights", range());
	return { load, draw, download, handover: () => copy(handover.markdown) };
}

function shift(handover) {
	const one = ({ id, pipeline, name, count, priority, ack_user: holder }) =>
		html`<li>${toTicket(id, cut(pipeline ?? name, 80))} <b><bdi>${cut(count ? `${count} times` : (holder ?? priority), 60)}</bdi></b></li>`;
	const part = ([key, name]) => html`<section><h4>${name} <span class="count">${handover[key].length}</span></h4>
		<ul>${handover[key].slice(0, 8).map(one)}</ul>${!handover[key].length && html`<p class="quiet">None</p>`}</section>`;
	return html`<div class="handover"><h3>Shift handover, last ${handover.hours} hours
		${button("handover", "Copy as Markdown", { look: "small" })}</h3>
		<div class="columns">${Object.entries(PARTS).map(part)}</div></div>`;
}

function charts(series) {
	const latency = Object.entries(LATENCY).map(([key, name]) => {
		const value = series.latency?.[key];
		return [name, Number.isFinite(value) ? `${Math.round(value)} ms` : "—"];
	});
	return html`<div class="charts">
		${columns("Failures per day (UTC)", series.failures_per_day, TONES)}
		${columns("Minutes to repair, mean", series.mttr_per_day, [["minutes", "Minutes", "told"]])}
		${columns("SLA met and breached", series.sla_per_day, [["met", "Met", "done"], ["breached", "Breached", "bad"]])}
		${ranking("Top pipelines", series.top_pipelines)}
		${ranking("Causes by category", series.categories?.map((row) => ({ ...row, name: plain(row.name) })))}
		${ranking("Teams", series.teams, ["cost_center"])}
		<figure><figcaption>Latency</figcaption>${facts(latency)}</figure></div>`;
}
