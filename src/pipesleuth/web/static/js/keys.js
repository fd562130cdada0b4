// The keyboard: search, walking through the cards, opening, help.

const TYPING = /^(INPUT|TEXTAREA|SELECT)$/;

export function listenToKeys(app) {
	addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
		if (TYPING.test(event.target.tagName) || document.querySelector("dialog[open]")) return;
		if (deed(app, event)) event.preventDefault();
	});
}

function deed(app, { key, target }) {
	if (key === "/") {
		app.search.focus();
		app.search.select();
	} else if (key === "?") app.help();
	else if (key === "j" || key === "k") walk(app.shelf(), key === "j" ? 1 : -1);
	else if (key === "Enter" && target.matches?.("article.card")) app.open(target.dataset.id);
	else if (/^[1-5]$/.test(key)) app.tab(Number(key) - 1);
	else return false;
	return true;
}

function walk(shelf, step) {
	if (!shelf) return;
	const ids = shelf.ids();
	const here = document.activeElement?.closest?.("article.card")?.dataset.id;
	const at = here === undefined ? (step > 0 ? 0 : ids.length - 1) : ids.indexOf(here) + step;
	const article = ids[at] && shelf.article(ids[at]);
	if (!article) return;
	article.focus({ preventScroll: true });
	article.scrollIntoView({ block: "nearest" });
}
