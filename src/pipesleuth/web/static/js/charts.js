// Small charts as inline SVG, each with its numbers in a table.

import { table } from "./furniture.js";
import { html } from "./template.js";

const [WIDE, HIGH] = [640, 180];

// The top of a scale: 1, 2 or 5 times a power of ten, at least the largest value.
export function roof(largest) {
	if (!(largest > 0)) return 1;
	const power = 10 ** Math.floor(Math.log10(largest));
	return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= largest);
}

const figure = (title, ...inside) => html`<figure><figcaption>${title}</figcaption>${inside}</figure>`;
const cells = (row) => html`<tr>${row.map((value) => html`<td>${value ?? "—"}</td>`)}</tr>`;
const at = (number) => number.toFixed(1);

export function columns(title, rows, series) {
	if (!rows?.length) return figure(title, html`<p class="quiet">No data in this time.</p>`);
	const value = (row, key) => Math.round((Number(row[key]) || 0) * 10) / 10;
	const top = roof(Math.max(...rows.map((row) => series.reduce((sum, [key]) => sum + value(row, key), 0))));
	const step = (WIDE - 40) / rows.length;
	const bars = rows.map((row, n) => {
		let y = HIGH;
		return series.map(([key, , tone]) => {
			const high = (value(row, key) / top) * HIGH;
			y -= high;
			return high > 0 && html`<rect data-tone="${tone}" x="${at(40 + (n + 0.15) * step)}" y="${at(y)}" width="${at(step * 0.7)}" height="${at(high)}" rx="1"/>`;
		});
	});
	const lines = [0, 0.5, 1].map((part) => {
		const y = HIGH * (1 - part);
		return html`<line x1="40" x2="${WIDE}" y1="${y}" y2="${y}"/><text x="34" y="${y + 4}" text-anchor="end">${top * part}</text>`;
	});
	const every = Math.ceil(rows.length / 7);
	const days = rows.map(({ day }, n) => n % every === 0 && html`<text x="${at(40 + (n + 0.5) * step)}" y="${HIGH + 16}" text-anchor="middle">${String(day).slice(5)}</text>`);
	const numbers = rows.map((row) => cells([row.day, ...series.map(([key]) => value(row, key))]));
	return figure(
		title,
		series.length > 1 && html`<ul class="legend">${series.map(([, name, tone]) => html`<li data-tone="${tone}">${name}</li>`)}</ul>`,
		html`<svg viewBox="0 -8 ${WIDE} ${HIGH + 30}" role="img" aria-label="${title}; the numbers are in the table below">${lines}${bars}${days}</svg>
			<details><summary>Numbers</summary>${table(`${title}, numbers`, ["Day", ...series.map(([, name]) => name)], numbers)}</details>`,
	);
}

export function ranking(title, rows, more = []) {
	const most = Math.max(1, ...(rows ?? []).map((row) => Number(row.count) || 0));
	const bar = ({ count }) => html`<svg viewBox="0 0 100 8" width="120" height="8" preserveAspectRatio="none" aria-hidden="true"><rect width="${((Number(count) || 0) / most) * 100}" height="8"/></svg>`;
	const lines = (rows ?? []).slice(0, 10).map((row) => cells([html`<bdi>${row.name || "None"}</bdi>`, ...more.map((key) => row[key]), html`${bar(row)} ${row.count}`]));
	return figure(title, table(title, ["Name", ...more.map(() => "Cost center"), "Failures"], lines));
}
