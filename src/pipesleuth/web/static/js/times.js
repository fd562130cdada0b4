// Times and lengths of time as people read them.

import { html } from "./template.js";

const stamp = (date) => date.toISOString().slice(0, 19).replace("T", " ");
const pad = (number) => String(number).padStart(2, "0");

// Seconds as "2d 3h", "1h 58m 20s", "28m 14s" or "9s"; an em dash when there is no number.
export function duration(seconds) {
	if (!Number.isFinite(seconds)) return "—";
	const whole = Math.floor(Math.abs(seconds));
	const [days, hours] = [Math.floor(whole / 86400), Math.floor((whole % 86400) / 3600)];
	const [minutes, rest] = [Math.floor((whole % 3600) / 60), whole % 60];
	if (days) return `${days}d ${hours}h`;
	if (hours) return `${hours}h ${pad(minutes)}m ${pad(rest)}s`;
	return minutes ? `${minutes}m ${pad(rest)}s` : `${rest}s`;
}

// The moment in the viewer's zone, "2026-11-23 14:35:22"; the text itself when it is no time.
export function local(iso) {
	const date = new Date(iso);
	if (!iso || Number.isNaN(date.getTime())) return String(iso ?? "");
	return stamp(new Date(date - date.getTimezoneOffset() * 60_000));
}

export function utc(iso) {
	const date = new Date(iso);
	return Number.isNaN(date.getTime()) ? "" : `${stamp(date)} UTC`;
}

export function moment(iso) {
	if (!iso) return html`—`;
	return html`<time datetime="${iso}" title="${utc(iso)}">${local(iso)}</time>`;
}

export function fromField(value) {
	const date = new Date(value);
	return value && !Number.isNaN(date.getTime()) ? date.toISOString() : null;
}

export const toField = (iso) => iso ? local(iso).slice(0, 16).replace(" ", "T") : "";

export function size(bytes) {
	if (!Number.isFinite(bytes)) return "—";
	return bytes < 1000 ? `${bytes} B` : `${(bytes / 1e3).toFixed(1)} kB`;
}

// A text cut to a length, with an ellipsis when something is missing; never through a surrogate pair.
export function cut(text, length) {
	const whole = String(text ?? "");
	return whole.length <= length ? whole : `${whole.slice(0, length).replace(/[\ud800-\udbff]$/, "")}…`;
}
