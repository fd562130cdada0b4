// The filter bar: chips with a pressed state, dates, order and grouping.

import { choices, FILTER_NAMES, narrowed } from "./match.js";
import { GROUPS, ORDERS, usualOrder } from "./order.js";
import { button, options, toFile } from "./furniture.js";
import { fill, flag, html } from "./template.js";
import { cut, fromField, toField } from "./times.js";
import { plain, PRIORITIES, SEVERITIES, sourceName, SOURCES } from "./words.js";

const LABEL = { source: sourceName, category: plain };
const PRESETS = { "Last hour": 3600, "Last day": 86_400, "Last week": 604_800 };

function chip(name, value, view) {
	const label = cut((LABEL[name] ?? String)(value), 40);
	return html`<button class="chip" data-do="chip" data-name="${name}" data-value="${value}"
		data-tone="${value.toLowerCase()}"
		aria-pressed="${view[name].includes(value)}">${label}</button>`;
}

const row = (name, values, view) =>
	values.length > 0 &&
	html`<div class="chips" role="group" aria-label="${plain(name)}"><span class="label">${plain(name)}</span>
		${values.map((value) => chip(name, value, view))}</div>`;

export function drawFilters(target, view, cards, wide, facets) {
	const sources = [...new Set([...Object.keys(SOURCES), ...choices(cards, "source", view.source)])];
	const hidden = ["team", "category"].reduce((sum, name) => sum + view[name].length, view.from || view.to ? 1 : 0);
	const dates = ["from", "to"].map(
		(name) => html`<label>${name === "from" ? "From" : "To"}
			<input type="datetime-local" data-change="date" name="${name}" value="${toField(view[name])}"></label>`,
	);
	const presets = Object.entries(PRESETS).map(
		([name, seconds]) => button("since", name, { look: "chip", value: seconds }),
	);
	return fill(
		target,
		html`<div class="strip">
			${row("severity", SEVERITIES, view)}${row("priority", PRIORITIES, view)}${row("source", sources, view)}
			<button class="chip" data-do="wide" aria-expanded="${wide}" aria-controls="further">
				More filters${hidden ? ` (${hidden})` : ""}</button>
			${narrowed(view) && button("clear", "Clear filters", { look: "chip clear" })}
			<span class="grow"></span>
			<label class="pick"><span class="hush">Order</span><select data-change="sort">
				${options(Object.entries(ORDERS), view.sort || usualOrder(view.tab))}</select></label>
			<label class="pick"><span class="hush">Group by</span><select data-change="group">
				${options(Object.entries(GROUPS), view.group, "No groups")}</select></label>
			${toFile}</div>
		<div id="further" ${flag("hidden", !wide)}>
			${["team", "category"].map((name) => row(name, choices(cards, name, [...view[name], ...(facets?.[name] ?? [])]), view))}
			<div class="chips dates" role="group" aria-label="Date range">${dates}${presets}</div></div>`,
	);
}

export function toggled(view, name, value) {
	const chosen = view[name].includes(value) ? view[name].filter((one) => one !== value) : [...view[name], value];
	return { ...view, [name]: chosen };
}

export function cleared(view) {
	return { ...view, q: "", from: "", to: "", ...Object.fromEntries(FILTER_NAMES.map((name) => [name, []])) };
}

export function changed(view, field) {
	if (field.dataset.change === "date") return { ...view, [field.name]: fromField(field.value) ?? "" };
	const usual = field.dataset.change === "sort" && field.value === usualOrder(view.tab);
	return { ...view, [field.dataset.change]: usual ? "" : field.value };
}
