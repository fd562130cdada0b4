/** Small charts as inline SVG, each with its numbers in a table below. */

import { html } from "./template.js";

const [WIDE, HIGH, FOOT] = [640, 180, 22];

/** The top of a scale: 1, 2 or 5 times a power of ten, at least the largest value. */
export function roof(largest) {
  if (!(largest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(largest));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= largest);
}

/** The positions whose labels fit below the chart. */
export function labelled(length, most = 7) {
  const step = Math.max(1, Math.ceil(length / most));
  return Array.from({ length }, (_, n) => n).filter((n) => n % step === 0);
}

const short = (day) => String(day ?? "").slice(5, 10);

/** A titled figure: the drawing, a legend where there are several series, and the table. */
function figure(title, drawing, heads, rows, legend = []) {
  const table = html`<details><summary>Numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="${title}, numbers"><table>
    <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((value) => html`<td>${value ?? "—"}</td>`)}</tr>`)}</tbody></table></div></details>`;
  const keys = legend.length > 1 && html`<ul class="legend">${legend.map(([tone, name]) => html`<li data-tone="${tone}">${name}</li>`)}</ul>`;
  return html`<figure><figcaption>${title}</figcaption>${keys}${rows.length ? html`${drawing}${table}` : html`<p class="quiet">No data in this time.</p>`}</figure>`;
}

function frame(title, top, days, inside, unit = "") {
  const lines = [0, 0.5, 1].map((part) => {
    const y = HIGH - part * HIGH;
    return html`<line class="grid" x1="40" x2="${WIDE}" y1="${y}" y2="${y}"/><text x="34" y="${y + 4}" text-anchor="end">${top * part}${unit}</text>`;
  });
  const step = (WIDE - 40) / Math.max(1, days.length);
  const names = labelled(days.length).map(
    (n) => html`<text x="${(40 + (n + 0.5) * step).toFixed(1)}" y="${HIGH + 16}" text-anchor="middle">${short(days[n])}</text>`,
  );
  return html`<svg viewBox="0 -8 ${WIDE} ${HIGH + FOOT + 8}" role="img" aria-label="${title}; the numbers are in the table below">${lines}${inside(step)}${names}</svg>`;
}

/** Stacked columns: `series` is `[[key, tone], …]`. */
export function stacked(title, rows, series) {
  const total = (row) => series.reduce((sum, [key]) => sum + (Number(row[key]) || 0), 0);
  const top = roof(Math.max(0, ...rows.map(total)));
  const columns = (step) =>
    rows.map((row, n) => {
      let y = HIGH;
      return series.map(([key, tone]) => {
        const high = ((Number(row[key]) || 0) / top) * HIGH;
        y -= high;
        const x = 40 + n * step + step * 0.15;
        return high > 0 && html`<rect data-tone="${tone}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(step * 0.7).toFixed(1)}" height="${high.toFixed(1)}" rx="1"/>`;
      });
    });
  const table = rows.map((row) => [row.day, ...series.map(([key]) => row[key] ?? 0)]);
  const legend = series.map(([key, tone]) => [tone, key[0].toUpperCase() + key.slice(1)]);
  return figure(title, frame(title, top, rows.map((row) => row.day), columns), ["Day", ...legend.map(([, name]) => name)], table, legend);
}

/** A line over days; days without a value are left out. */
export function line(title, rows, key, unit) {
  const points = rows.map((row, n) => [n, row[key]]).filter(([, value]) => Number.isFinite(value));
  const top = roof(Math.max(0, ...points.map(([, value]) => value)));
  const draw = (step) => {
    const at = points.map(([n, value]) => [(40 + (n + 0.5) * step).toFixed(1), (HIGH - (value / top) * HIGH).toFixed(1)]);
    return html`<polyline points="${at.map((point) => point.join(",")).join(" ")}"/>${at.map(([x, y]) => html`<circle cx="${x}" cy="${y}" r="3"/>`)}`;
  };
  const number = (value) => (Number.isFinite(value) ? Math.round(value * 10) / 10 : null);
  const table = points.map(([n, value]) => [rows[n].day, number(value)]);
  return figure(title, frame(title, top, rows.map((row) => row.day), draw), ["Day", unit], table);
}

/** Horizontal bars for names with counts; up to ten. */
export function bars(title, rows, heads = ["Name", "Failures"], extra = []) {
  const shown = rows.slice(0, 10);
  const most = Math.max(1, ...shown.map((row) => Number(row.count) || 0));
  const list = html`<ul class="bars" aria-hidden="true">${shown.map(
    (row) => html`<li><bdi>${row.name || "None"}</bdi><b>${row.count}</b>
      <svg viewBox="0 0 100 4" preserveAspectRatio="none"><rect width="${((Number(row.count) || 0) / most) * 100}" height="4" rx="1"/></svg></li>`,
  )}</ul>`;
  return figure(title, list, [...heads, ...extra.map(([, head]) => head)], rows.map((row) => [row.name || "None", row.count, ...extra.map(([key]) => row[key])]));
}
