// Invitations: an administrator invites somebody, sees who has not come yet, and takes an invitation back.

import { Desk } from "./desk.js";
import { copy } from "./frame.js";
import { button, options } from "./furniture.js";
import { html } from "./template.js";
import { moment } from "./times.js";
import { plain } from "./words.js";

const PATH = "/api/register/invitations";
const ROLES = [["responder", "Responder: also acts on tickets"], ["viewer", "Viewer: only looks"], ["admin", "Admin: also invites people"]];
const FORM = html`<h3>Invite somebody</h3><div class="deeds">
	<label>Email <input name="email" type="email" maxlength="254" autocomplete="off"></label>
	<label>Role <select name="role">${options(ROLES)}</select></label><button class="primary">Invite</button></div>`;

export default function Invitations(app, panel) {
	const open = app.invites;

	async function ask({ email, role }) {
		const { link, expires_at: end } = await app.api.post(PATH, { email: email.value.trim(), role: role.value });
		const answer = html`<p>Send this link to <bdi>${email.value}</bdi>. It is shown only now, and good until ${moment(end)}.</p>
			<p class="row"><code>${link}</code>${button("link", "Copy link", { look: "small" })}</p>`;
		email.value = "";
		desk.load();
		return answer;
	}

	async function withdraw(id) {
		await app.tried(app.api.remove(`${PATH}/${id}`), "The invitation is withdrawn");
		panel.querySelector(".answer").replaceChildren(); // it may be of this one
		await desk.load();
		panel.querySelector("input").focus();
	}

	const desk = Desk(app, panel, {
		form: open && FORM,
		ask,
		title: "Open invitations",
		text: open ? "Each is for one address, once, for seven days." : "Administrators invite people here, under REGISTRATION=invite.",
		open,
		path: PATH,
		name: "invitations",
		heads: ["Email", "Invitation", "Role", "Good until"],
		row,
		none: ["Nobody is awaited", "No invitation is open, or none fits the search."],
	});
	return { ...desk, withdraw, link: () => copy(panel.querySelector("code").textContent) };
}

const row = ({ id, email, role, expires_at: end }) => html`<tr><td class="long"><bdi>${email}</bdi></td>
	<td>${button("withdraw", "Withdraw", { look: "small", value: id })}</td><td>${plain(role)}</td><td>${moment(end)}</td></tr>`;
