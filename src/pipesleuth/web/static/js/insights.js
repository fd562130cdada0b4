/** The Insights tab: the shift's handover and how failures, repair time and SLA went over a week, a month or a quarter. */

import { bars, line, stacked } from "./charts.js";
import { csv, save } from "./download.js";
import { drawHandover, handoverText } from "./handover.js";
import { fill, html } from "./template.js";
import { plain } from "./words.js";

const RANGES = { 7: "Week", 30: "Month", 90: "Quarter" };
const LATENCIES = {
  webhook_ms_p50: ["Webhook answered, median", "ms"],
  webhook_ms_p95: ["Webhook answered, p95", "ms"],
  ai_ms_p50: ["AI analysis, median", "ms"],
  ai_ms_p95: ["AI analysis, p95", "ms"],
};

export class Insights {
  #app;
  #panel;
  #series = null;
  #handover = null;
  #trouble = null;
  #asked = 0;

  /** app: api, view, clock, say(text). */
  constructor(app, panel) {
    [this.#app, this.#panel] = [app, panel];
  }

  get days() {
    return Number(this.#app.view.days) in RANGES ? Number(this.#app.view.days) : 7;
  }

  async load() {
    const turn = ++this.#asked;
    const [to, length] = [this.#app.clock.now(), this.days * 86_400_000];
    const range = { from: new Date(to - length).toISOString(), to: new Date(to).toISOString() };
    if (!this.#series) this.draw();
    const [series, handover] = await Promise.allSettled([
      this.#app.api.get("/api/insights", range),
      this.#app.api.get("/api/handover", { hours: 12 }),
    ]);
    if (turn !== this.#asked) return;
    this.#series = series.value?.series ?? null;
    this.#trouble = series.reason ?? null;
    this.#handover = handover.value ?? null;
    this.draw();
  }

  draw() {
    const ranges = Object.entries(RANGES).map(
      ([days, name]) => html`<button type="button" class="chip" data-do="days" data-value="${days}" data-key="days-${days}"
        aria-pressed="${Number(days) === this.days}">${name}</button>`,
    );
    fill(
      this.#panel,
      html`<div class="strip"><div class="chips" role="group" aria-label="Time range">${ranges}</div><span class="grow"></span>
        <button type="button" data-do="csv" data-key="csv">Download CSV</button></div>
        ${this.#handover && drawHandover(this.#handover)}
        ${this.#series ? charts(this.#series) : this.#words()}`,
    );
  }

  /** The charts' numbers as one CSV: series, name, measure, value. */
  download() {
    const rows = Object.entries(this.#series ?? {}).flatMap(([series, found]) =>
      [found].flat().flatMap((entry) => {
        const { day, name, ...measures } = entry ?? {};
        return Object.entries(measures).map(([measure, value]) => [series, day ?? name ?? "", measure, value]);
      }),
    );
    const text = csv(["series", "name", "measure", "value"], rows);
    save(new Blob([text], { type: "text/csv" }), `pipesleuth-insights-${this.days}d.csv`);
  }

  async copyHandover() {
    await navigator.clipboard.writeText(handoverText(this.#handover)).then(
      () => this.#app.say("Handover copied as Markdown"),
      () => this.#app.say("The browser did not allow copying", true),
    );
  }

  #words() {
    if (!this.#asked || !this.#trouble) return html`<div class="charts">${[1, 2, 3, 4].map(() => html`<div class="ghost tall"></div>`)}</div>`;
    if (this.#trouble.status === 404)
      return html`<div class="state"><h3>No insights yet</h3><p>This server does not gather them. Tickets and the audit trail are complete without.</p></div>`;
    return html`<div class="state bad"><h3>The insights could not be loaded</h3><p>${this.#trouble.message}</p>
      <button type="button" data-do="again" data-key="again">Try again</button></div>`;
  }
}

function charts(series) {
  const sla = (series.sla_per_day ?? []).map(({ day, met = 0, breached = 0 }) => ({
    day,
    share: met + breached ? (met / (met + breached)) * 100 : null,
  }));
  const tones = ["Low", "Medium", "High", "Critical"].map((name) => [name, name.toLowerCase()]);
  const named = (rows) => (rows ?? []).map((row) => ({ ...row, name: plain(row.name) }));
  return html`<div class="charts">
    ${stacked("Failures per day", series.failures_per_day ?? [], tones)}
    ${line("Mean time to repair", series.mttr_per_day ?? [], "minutes", "Minutes")}
    ${line("Closed within SLA", sla, "share", "Percent")}
    ${stacked("SLA met and breached", series.sla_per_day ?? [], [["met", "done"], ["breached", "bad"]])}
    ${bars("Top pipelines", series.top_pipelines ?? [])}
    ${bars("Causes by category", named(series.categories))}
    ${bars("Teams", series.teams ?? [], ["Team", "Failures"], [["cost_center", "Cost center"]])}
    ${latency(series.latency)}</div>`;
}

function latency(found) {
  if (!found) return null;
  const rows = Object.entries(found).filter(([, value]) => value !== null && value !== undefined);
  return html`<figure><figcaption>Latency</figcaption><dl class="stats">${rows.map(([key, value]) => {
    const [name, unit] = LATENCIES[key] ?? [plain(key), ""];
    return html`<div><dt>${name}</dt><dd>${Math.round(value * 10) / 10} ${unit}</dd></div>`;
  })}</dl></figure>`;
}
