// The only hand that makes HTML: a tagged template that escapes every value for the place it stands in.

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;" };
const LINKS = new Set(["href", "src", "action", "formaction", "xlink:href"]);
const FLAGS = new Set(["hidden", "selected"]);
const TOKEN = { text: /<(?=[a-z/])/gi, tag: />|([\w:-]+)="/g, value: /"/g };

// HTML made by this module; nothing that came as JSON can pretend to be it.
class Markup {
	#text;
	constructor(text) {
		this.#text = text;
	}
	toString() {
		return this.#text;
	}
}
class Flag extends Markup {}

export const escape = (value) => String(value).replace(/[&<>"'`]/g, (sign) => ESCAPES[sign]);

// The address itself if a person may be sent there (http, https or a path of ours), else null.
export function linkable(address) {
	const text = String(address ?? "").trim();
	if (/^(#|\?|\/(?![/\\]))/.test(text)) return text;
	try {
		return /^https?:$/.test(new URL(text).protocol) && /^https?:\/\//i.test(text) ? text : null;
	} catch {
		return null;
	}
}

export function flag(name, on) {
	if (!FLAGS.has(name)) throw new TypeError(`${name} is no known flag`);
	return new Flag(on ? name : "");
}

const known = new WeakMap();

// Where does every gap stand: in text (""), in a tag ("<"), or in which attribute's value?
function places(strings) {
	if (known.has(strings)) return known.get(strings);
	let [state, name] = ["text", ""];
	const found = strings.slice(0, -1).map((part) => {
		for (let at = 0; ; ) {
			const token = TOKEN[state];
			token.lastIndex = at;
			const hit = token.exec(part);
			if (!hit) break;
			at = token.lastIndex;
			if (state !== "tag") state = "tag";
			else if (hit[1]) [state, name] = ["value", hit[1].toLowerCase()];
			else state = "text";
		}
		if (state === "value" && (/^on/.test(name) || name === "style" || name === "srcdoc"))
			throw new TypeError(`no value may stand in the attribute ${name}`);
		return state === "value" ? name : state === "tag" ? "<" : "";
	});
	known.set(strings, found);
	return found;
}

function shown(value, place) {
	// Nothing is shown for `false` in text; an attribute such as aria-pressed says it.
	if (value === null || value === undefined || (value === false && place.length < 2)) return "";
	if (place === "<") {
		if (value instanceof Flag) return value.toString();
		throw new TypeError("a value may stand in text or in a quoted attribute, nowhere else");
	}
	if (Array.isArray(value)) return value.map((one) => shown(one, place)).join("");
	if (place === "") return value instanceof Markup ? value.toString() : escape(value);
	return escape(LINKS.has(place) ? (linkable(value) ?? "#") : value);
}

// Escaped HTML from a literal and its values (text, numbers, lists, other `html`).
export function html(strings, ...values) {
	const where = places(strings);
	return new Markup(strings.reduce((text, part, n) => text + shown(values[n - 1], where[n - 1]) + part));
}

// A page's CSP may demand trusted types; then this is the one policy it has to allow.
const policy = globalThis.trustedTypes?.createPolicy("pipesleuth", { createHTML: (text) => text });
const drawn = new WeakMap();

function fragment(markup) {
	if (!(markup instanceof Markup)) throw new TypeError("only html`…` becomes HTML");
	const holder = document.createElement("template");
	holder.innerHTML = policy ? policy.createHTML(markup.toString()) : markup.toString();
	return holder.content;
}

export const element = (markup) => fragment(markup).firstElementChild;

const controls = "[data-do],[data-change]";
const purpose = ({ dataset: { do: deed, change, name, value } }) => [deed, change, name, value].join();

// Shows the markup unless it is already shown; the focus stays on the control it was on.
export function fill(target, markup) {
	const text = markup.toString();
	if (drawn.get(target) === text) return false;
	const held = target.contains(document.activeElement) && document.activeElement.matches(controls) && purpose(document.activeElement);
	target.replaceChildren(fragment(markup));
	drawn.set(target, text);
	if (held) [...target.querySelectorAll(controls)].find((one) => purpose(one) === held)?.focus({ preventScroll: true });
	return true;
}
