// The login page: logging in, making an account where that is allowed, and why one is here.

import { Api } from "./api.js";
import { goBack, keep, token } from "./session.js";
import { fill, html } from "./template.js";

const REASONS = {
	expired: "Your session has ended. Log in again and you are back where you were.",
	out: "You are logged out.",
};
const INVITED = "New accounts are made by an administrator.";
const WORDS = {
	login: { title: "Log in", deed: "Log in", other: "Create an account" },
	register: { title: "Create an account", deed: "Create account", other: "I have an account" },
};

const api = new Api();
const form = document.querySelector("form");
const { email, password, full_name: name } = form.elements;
const at = (id) => document.getElementById(id);
let mode = "login";
let config = { registration: { policy: "invite" }, allowed_email_domains: [], sign_on: [] };

function draw() {
	const words = WORDS[mode];
	const open = ["open", "verify"].includes(config.registration.policy);
	const domains = config.allowed_email_domains.map((domain) => `@${domain}`).join(" or ");
	at("title").textContent = words.title;
	at("deed").textContent = words.deed;
	at("other").textContent = words.other;
	at("other").hidden = !open;
	at("name-row").hidden = mode === "login";
	password.autocomplete = mode === "login" ? "current-password" : "new-password";
	at("email-rule").textContent = domains ? `Addresses ending in ${domains}` : "";
	at("password-rule").textContent = mode === "login" ? "" : "At least 8 characters, at most 72 bytes";
	at("policy").textContent = open ? "" : INVITED;
	fill(
		at("sign-on"),
		html`${config.sign_on
			.filter((one) => one?.url)
			.map(({ name: who, url }) => html`<a class="button" href="${url}">Continue with ${who ?? "single sign-on"}</a>`)}`,
	);
}

function complain(field, text) {
	const place = { email, password, full_name: name }[field];
	at(place ? `${place.id}-error` : "trouble").textContent = text;
	place?.setAttribute("aria-invalid", "true");
	place?.focus();
}

function calm() {
	for (const field of [email, password, name]) {
		field.removeAttribute("aria-invalid");
		at(`${field.id}-error`).textContent = "";
	}
	at("trouble").textContent = "";
	at("news").textContent = "";
}

async function send(event) {
	event.preventDefault();
	calm();
	for (const [field, input] of Object.entries({ email, password })) if (!input.value) return complain(field, "Please fill this in.");
	at("deed").disabled = true;
	try {
		const said = { email: email.value.trim(), password: password.value };
		if (mode === "register" && name.value.trim()) said.full_name = name.value.trim();
		const answer = await api.post(`/api/${mode}`, said);
		if (answer.access_token) {
			keep(answer.access_token);
			goBack();
			return;
		}
		at("news").textContent = "A message with a link is on its way to you. Open it to finish.";
	} catch (error) {
		const text = error.code === "invitation_required" ? INVITED : error.message;
		complain(error.field, text);
	} finally {
		at("deed").disabled = false;
	}
}

async function begin() {
	if (token()) return goBack();
	at("news").textContent = REASONS[new URLSearchParams(location.search).get("reason")] ?? "";
	draw();
	form.addEventListener("submit", send);
	at("reveal").addEventListener("click", ({ target }) => {
		const shown = password.type === "password";
		password.type = shown ? "text" : "password";
		target.setAttribute("aria-pressed", shown);
	});
	at("other").addEventListener("click", () => {
		mode = mode === "login" ? "register" : "login";
		calm();
		draw();
		email.focus();
	});
	try {
		config = { ...config, ...(await api.get("/api/config")) };
		draw();
	} catch (error) {
		at("trouble").textContent = error.message;
	}
}

begin();
