// The login page: coming in by password, sign-on, mailed code or invitation, and why one is here.

import { Api } from "./api.js";
import { goBack, keep, token } from "./session.js";
import { fill, html } from "./template.js";

const REASONS = {
	expired: "Your session has ended. Log in again and you are back where you were.",
	out: "You are logged out.",
	sign_on_failed: "The sign-on failed. Please try again.",
	sign_on_refused: "Your sign-on gives no access here. Ask an administrator.",
	sign_on_expired: "The sign-on took too long. Please try again.",
	sign_on_away: "The sign-on cannot be reached. Please try again later.",
};
const MODES = {
	login: ["Log in", "Log in", ["email", "password"]],
	register: ["Create an account", "Create account", ["full_name", "email", "password"]],
	invited: ["You are invited", "Create account", ["full_name", "email", "password"]],
	verify: ["Confirm your address", "Confirm", ["email", "code", "password"]],
};
const FIELDS = {
	full_name: ["Full name", { autocomplete: "name", maxLength: 200 }],
	email: ["Email", { type: "email", autocomplete: "username", inputMode: "email", maxLength: 254 }],
	code: ["Code", { autocomplete: "one-time-code", maxLength: 40 }],
	password: ["Password", { type: "password" }],
};

const api = new Api();
const at = (id) => document.getElementById(id);
const given = new URLSearchParams(location.hash.slice(1));
const invitation = given.get("invitation");
let mode = invitation ? "invited" : given.has("code") ? "verify" : "login";
let config = { registration: {}, allowed_email_domains: [], sign_on: [] };

const row = ([name, [label]]) => html`<div class="row" id="${name}-row"><label for="${name}">${label}</label>
	<input id="${name}" name="${name}" aria-describedby="${name}-rule ${name}-error">
	<p class="rule" id="${name}-rule"></p><p class="fault" id="${name}-error"></p></div>`;

function draw() {
	const [title, deed, shown] = MODES[mode];
	const open = ["open", "verify"].includes(config.registration.policy);
	const fresh = mode === "register" || mode === "invited";
	at("title").textContent = title;
	at("deed").textContent = deed;
	for (const name in FIELDS) at(`${name}-row`).hidden = !shown.includes(name);
	at("password").autocomplete = fresh ? "new-password" : "current-password";
	const domains = config.allowed_email_domains.map((domain) => ` @${domain}`).join(" or");
	at("email-rule").textContent = domains && `Addresses ending in${domains}`;
	at("password-rule").textContent = fresh ? "At least 8 characters, at most 72 bytes" : "";
	const known = mode === "login";
	at("by-password").hidden = config.password_login === false;
	at("other").hidden = known && !open;
	at("other").textContent = known ? "Create an account" : "I have an account";
	at("policy").textContent = open || !known ? "" : "New accounts are made by an administrator.";
	const links = config.sign_on.map(({ name, url }) => html`<a class="button" href="${url}">Continue with ${name}</a>`);
	fill(at("sign-on"), html`${links}`);
}

function complain(field, text) {
	const place = at(field)?.name && !at(`${field}-row`).hidden ? at(field) : null;
	at(place ? `${field}-error` : "trouble").textContent = text;
	place?.setAttribute("aria-invalid", "true");
	place?.focus();
}

function calm() {
	for (const name in FIELDS) {
		at(name).removeAttribute("aria-invalid");
		at(`${name}-error`).textContent = "";
	}
	at("trouble").textContent = at("news").textContent = "";
}

function turn(to, news = "") {
	mode = to;
	calm();
	draw();
	at("news").textContent = news;
	at(MODES[mode][2].find((name) => !at(name).value) ?? "deed").focus();
}

async function come(path, said) {
	const answer = await api.post(path, said);
	if (!answer.access_token) return turn("verify", "A message with a code is on its way to you.");
	keep(answer.access_token);
	goBack();
}

async function send(event) {
	event.preventDefault();
	calm();
	const said = mode === "invited" ? { invitation } : {};
	for (const name of MODES[mode][2]) {
		const value = at(name).value;
		if (!value && name !== "full_name") return complain(name, "Please fill this in.");
		if (value) said[name] = name === "password" ? value : value.trim();
	}
	at("deed").disabled = true;
	try {
		await come({ login: "/api/login", verify: "/api/register/verify" }[mode] ?? "/api/register", said);
	} catch (error) {
		complain(error.field, error.message);
	} finally {
		at("deed").disabled = false;
	}
}

async function begin() {
	const signedOn = location.hash === "#signed-on";
	if (token() && !signedOn && !invitation) return goBack();
	// What came in the address is not kept in it: a code is nobody else's.
	history.replaceState(null, "", location.pathname + location.search);
	fill(at("fields"), html`${Object.entries(FIELDS).map(row)}`);
	for (const [name, [, how]] of Object.entries(FIELDS)) Object.assign(at(name), how, { value: given.get(name) ?? "" });
	at("news").textContent = REASONS[new URLSearchParams(location.search).get("reason")] ?? "";
	document.querySelector("form").addEventListener("submit", send);
	at("reveal").addEventListener("click", ({ target }) => {
		const shown = at("password").type === "password";
		at("password").type = shown ? "text" : "password";
		target.setAttribute("aria-pressed", shown);
	});
	at("other").addEventListener("click", () => turn(mode === "login" ? "register" : "login"));
	try {
		if (signedOn) return await come("/auth/token");
		config = await api.get("/api/config");
	} catch (error) {
		at("trouble").textContent = error.message;
	}
	draw();
}

begin();
