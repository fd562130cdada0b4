// The view as the address bar knows it, to be shared, bookmarked and gone back to.

import { FILTER_NAMES } from "./match.js";

export const TABS = {
	open: { name: "Open", status: "open", path: "open-tickets" },
	in_progress: { name: "In Progress", status: "in_progress", path: "in-progress-tickets" },
	closed: { name: "Closed", status: "acknowledged", path: "closed-tickets" },
	audit: { name: "Audit Trail", path: "audit-trail" },
	insights: { name: "Insights" },
	inbound: { name: "Inbound" },
};
const PLAIN = ["q", "from", "to", "sort", "group", "action", "days"];

export function readView(search, hash) {
	const given = new URLSearchParams(search);
	const view = { tab: Object.hasOwn(TABS, given.get("tab")) ? given.get("tab") : "open", ticket: readTicket(hash) };
	for (const name of PLAIN) view[name] = given.get(name) ?? "";
	for (const name of FILTER_NAMES) view[name] = given.getAll(name);
	return view;
}

export function readTicket(hash) {
	const found = /^#\/tickets\/([^/?]+)$/.exec(hash);
	try {
		return found ? decodeURIComponent(found[1]) : null;
	} catch {
		return null;
	}
}

export function writeView(view) {
	const said = new URLSearchParams();
	if (view.tab !== "open") said.set("tab", view.tab);
	for (const name of PLAIN) if (view[name]) said.set(name, view[name]);
	for (const name of FILTER_NAMES) for (const value of view[name]) said.append(name, value);
	const hash = view.ticket ? `#/tickets/${encodeURIComponent(view.ticket)}` : "";
	return `/dashboard${said.size ? `?${said}` : ""}${hash}`;
}

export function listQuestion(view, sort) {
	const asked = new URLSearchParams();
	for (const name of ["q", "from", "to"]) if (view[name].trim()) asked.set(name, view[name].trim());
	for (const name of FILTER_NAMES) for (const value of view[name]) asked.append(name, value);
	asked.set("sort", sort);
	return asked;
}

export function auditQuestion(view) {
	const asked = new URLSearchParams();
	for (const name of ["action", "q"]) if (view[name].trim()) asked.set(name, view[name].trim());
	return asked;
}
