// The view as the address bar knows it, to be shared, bookmarked and gone back to.

import { FILTER_NAMES } from "./match.js";

export const TABS = {
	open: { name: "Open", status: "open", path: "open-tickets" },
	in_progress: { name: "In Progress", status: "in_progress", path: "in-progress-tickets" },
	closed: { name: "Closed", status: "acknowledged", path: "closed-tickets" },
	audit: { name: "Audit Trail", path: "audit-trail" },
	insights: { name: "Insights" },
	inbound: { name: "Inbound" },
	invitations: { name: "Invitations" },
};
const PLAIN = ["q", "from", "to", "sort", "group", "action", "days"];

export function readView(search = location.search, hash = location.hash) {
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

// What a view says, as a query: single words, and lists of them.
function asking(view, words, lists = []) {
	const asked = new URLSearchParams();
	for (const name of words) if (view[name].trim()) asked.set(name, view[name].trim());
	for (const name of lists) for (const value of view[name]) asked.append(name, value);
	return asked;
}

export function writeView(view) {
	const said = asking({ ...view, tab: view.tab === "open" ? "" : view.tab }, ["tab", ...PLAIN], FILTER_NAMES);
	const hash = view.ticket ? `#/tickets/${encodeURIComponent(view.ticket)}` : "";
	return `/dashboard${said.size ? `?${said}` : ""}${hash}`;
}

export function listQuestion(view, sort) {
	const asked = asking(view, ["q", "from", "to"], FILTER_NAMES);
	asked.set("sort", sort);
	return asked;
}

export const auditQuestion = (view) => asking(view, ["action", "q"]);
