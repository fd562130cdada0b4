// What a person can do to a ticket: take, resolve, reopen, judge the diagnosis, send a delivery again.

import { options } from "./furniture.js";
import { html } from "./template.js";
import { kindName, plain } from "./words.js";

export const ticketPath = (id) => `/api/tickets/${encodeURIComponent(id)}`;

const BUTTONS = { take: "Take", close: "Resolve", reopen: "Reopen" };

export function actionForm(ticket) {
	const allowed = ticket.actions;
	if (!allowed.length) return html`<p class="note">${ticket.read_only_reason}</p>`;
	return html`<form class="deeds">
		<label>Note <input name="note" maxlength="2000" autocomplete="off" placeholder="What was found, what was done (optional)"></label>
		${allowed.map((name) => html`<button name="deed" value="${name}"
			class="${name === "take" || allowed.length === 1 ? "primary" : ""}">${BUTTONS[name]}</button>`)}</form>`;
}

export function verdictForm(ticket, categories = []) {
	if (ticket.can_judge === false) return null;
	return html`<form class="verdict"><p><span>Is this diagnosis right?</span>
			<button name="deed" value="right">Right</button>
			<button type="button" data-do="wrong">Wrong</button></p>
			<div data-wrong hidden>
				<label>True cause <select name="category">
					${options(categories.map((name) => [name, plain(name)]), "", "Not sure")}</select></label>
				<label>What was it? <input name="why" maxlength="2000" autocomplete="off"></label>
				<button name="deed" value="wrong">Send</button></div></form>`;
}

export async function act(app, id, deed, value, { note, category, why } = {}) {
	const thanks = "Thank you, your answer is kept";
	const [path, said, done] =
		{
			retry: [`deliveries/${encodeURIComponent(value)}/retry`, {}, `${kindName(value)} is tried again`],
			right: ["feedback", { right: true }, thanks],
			wrong: ["feedback", { right: false, category: category || null, note: why || null }, thanks],
		}[deed] ?? (BUTTONS[deed] ? [deed, note ? { note } : {}, `${BUTTONS[deed]}: done`] : []);
	if (!path) return false;
	const error = await app.tried(app.api.post(`${ticketPath(id)}/${path}`, said), done);
	return !error || error.status === 409;
}
