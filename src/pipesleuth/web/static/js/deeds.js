// What a person can do to a ticket: take, resolve, reopen, judge the diagnosis, send a delivery again.

import { html } from "./template.js";
import { CATEGORIES, kindName, plain } from "./words.js";

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

export function verdictForm(ticket) {
	if (ticket.can_judge === false) return null;
	return html`<form class="verdict"><p><span>Is this diagnosis right?</span>
			<button name="deed" value="right">Right</button>
			<button type="button" data-do="wrong">Wrong</button></p>
			<div data-wrong hidden>
				<label>True cause <select name="category"><option value="">Not sure</option>
					${CATEGORIES.map((name) => html`<option value="${name}">${plain(name)}</option>`)}</select></label>
				<label>What was it? <input name="why" maxlength="2000" autocomplete="off"></label>
				<button name="deed" value="wrong">Send</button></div></form>`;
}

export async function act(app, id, deed, value, said = {}) {
	const path = ticketPath(id);
	try {
		if (deed === "retry") {
			await app.api.post(`${path}/deliveries/${encodeURIComponent(value)}/retry`);
			app.say(`${kindName(value)} is tried again`);
		} else if (deed === "right" || deed === "wrong") {
			const wrong = deed === "wrong" ? { category: said.category || null, note: said.why || null } : {};
			await app.api.post(`${path}/feedback`, { right: deed === "right", ...wrong });
			app.say("Thank you, your answer is kept");
		} else if (BUTTONS[deed]) {
			await app.api.post(`${path}/${deed}`, said.note ? { note: said.note } : {});
			app.say(`${BUTTONS[deed]}: done`);
		} else return false;
	} catch (error) {
		app.say(error.message, true);
		return error.status === 409;
	}
	return true;
}
