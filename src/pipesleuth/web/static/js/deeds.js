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

export async function act(app, id, deed, value, { note, category, why } = {}) {
	const wrong = deed === "wrong" && { category: category || null, note: why || null };
	const judgement = ["feedback", { right: !wrong, ...wrong }, "Thank you, your answer is kept"];
	const [path, said, done] =
		{
			retry: [`deliveries/${encodeURIComponent(value)}/retry`, {}, `${kindName(value)} is tried again`],
			right: judgement,
			wrong: judgement,
		}[deed] ?? (BUTTONS[deed] ? [deed, note ? { note } : {}, `${BUTTONS[deed]}: done`] : []);
	if (!path) return false;
	try {
		await app.api.post(`${ticketPath(id)}/${path}`, said);
		app.say(done);
	} catch (error) {
		app.say(error.message, true);
		return error.status === 409;
	}
	return true;
}
